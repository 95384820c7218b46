"""Accuracy of answers about pictures, by exact match after normalization."""

import math
import re
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from rapidfuzz.distance import Levenshtein

from models.image_text.choosing import picture_chat
from models.loading import LoadedModel
from models.pictures import load_picture
from quantizer.calibration.pictures import QUESTIONS_FILE, read_questions
from quantizer.evaluate.intervals import accuracy, bootstrap_ratio
from quantizer.evaluate.results import digest_of, file_digest

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBERS)}

PROTOCOL = "exact match"
SIZE_BOUNDS = (0.0, 24.0, 40.0, math.inf)  # pixels an em, of text in the model's own input
DECLINE_SKILL = "decline"
_MOST_ANSWER_TOKENS = 72


class Asker:
    """Gives a model's greedy answers; looks at a picture once for neighbouring questions.

    Raises:
        ModelFolderError: the model cannot look at pictures.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._chat = picture_chat(loaded)
        self._seen: tuple[Path, Any] | None = None

    def answer(self, picture: Path, question: str) -> str:
        """The answer to one question, of at most 72 tokens, without spaces at its ends.

        Raises:
            PictureError: the picture is missing, damaged or no picture.
            PromptError: the question is empty or longer than the model's context.
        """
        if self._seen is None or self._seen[0] != picture:
            self._seen = (picture, self._chat.look(load_picture(picture)))
        tokens = self._chat.answer(self._seen[1], question, max_new_tokens=_MOST_ANSWER_TOKENS)
        return "".join(token.text for token in tokens).strip()


def pictures(
    loaded: LoadedModel,
    folder: Path,
    *,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Ask a model every question of a picture folder and count exact answers.

    Answers are greedy. ``limit`` takes the first questions. Returns the JSON object with
    ``task, protocol, items, value, interval_95, model, seconds``, the same per skill under
    ``skills``, what the items are under ``data_sha256, items_sha256, limit``, and every answer
    under ``answers``. Skills that read text also have their ``character_error``, and ``reading``
    has it for all of them by the size of the text; ``false_declines`` is the share of the
    readable pictures' questions that got a declining answer.

    Raises:
        DataError: the folder has no usable ``questions.jsonl``.
        PictureError: a picture is missing, damaged or no picture.
        ModelFolderError: the model cannot look at pictures.
    """
    started = time.monotonic()
    asker = Asker(loaded)
    questions = read_questions(folder)[:limit]
    answers = []
    for done, item in enumerate(questions, start=1):
        given = asker.answer(item.picture, item.question)
        answers.append(
            {
                "picture": item.picture.name,
                "question": item.question,
                "skill": item.skill,
                "expected": item.answer,
                "given": given,
                "size": item.size,
                "right": normalize(given) == normalize(item.answer),
            }
        )
        on_progress(done, len(questions))
    digests = {path: file_digest(path) for path in {item.picture for item in questions}}
    return {
        "task": "pictures",
        "protocol": PROTOCOL,
        **accuracy([bool(answer["right"]) for answer in answers]),
        "model": str(loaded.folder),
        "seconds": round(time.monotonic() - started, 3),
        "limit": limit,
        "data": str(folder),
        "data_sha256": file_digest(folder / QUESTIONS_FILE),
        "items_sha256": digest_of(
            [[item.question, item.answer, digests[item.picture]] for item in questions]
        ),
        **summarize(answers),
        "answers": answers,
    }


def summarize(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the answers' results together: ``skills``, ``reading``, ``false_declines``."""
    skills = sorted({str(answer["skill"]) for answer in answers})
    return {
        "skills": {
            skill: _skill([answer for answer in answers if answer["skill"] == skill])
            for skill in skills
        },
        **_reading([answer for answer in answers if answer["size"] > 0]),
        **_false_declines(answers),
    }


def character_error(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Edits that turn the answers into the texts, by their characters; case does not count.

    An edit inserts, deletes or replaces one character (Levenshtein). Returns ``items,
    characters, value, interval_95``, the interval by resampling questions.
    """
    pairs = [(answer["expected"].upper(), answer["given"].upper()) for answer in answers]
    edits = torch.tensor([Levenshtein.distance(wanted, given) for wanted, given in pairs])
    lengths = torch.tensor([len(wanted) for wanted, _ in pairs])
    return {
        "items": len(pairs),
        "characters": int(lengths.sum()),
        "value": int(edits.sum()) / int(lengths.sum()),
        "interval_95": list(bootstrap_ratio(edits, lengths)),
    }


def _skill(answers: list[dict[str, Any]]) -> dict[str, Any]:
    result = accuracy([bool(answer["right"]) for answer in answers])
    read = [answer for answer in answers if answer["size"] > 0]
    return result | ({"character_error": character_error(read)} if read else {})


def _reading(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Character error by the size of the text: from each bound to the next."""
    found = {}
    for low, high in pairwise(SIZE_BOUNDS):
        mine = [answer for answer in answers if low <= answer["size"] < high]
        if mine:
            name = f"{low:g} pixels and more" if high == math.inf else f"{low:g} to {high:g} pixels"
            found[name] = character_error(mine)
    return {"reading": found} if found else {}


def _false_declines(answers: list[dict[str, Any]]) -> dict[str, Any]:
    declines = {normalize(a["expected"]) for a in answers if a["skill"] == DECLINE_SKILL}
    readable = [answer for answer in answers if answer["skill"] != DECLINE_SKILL]
    if not declines or not readable:
        return {}
    return {"false_declines": accuracy([normalize(a["given"]) in declines for a in readable])}


def normalize(answer: str) -> str:
    """Make equal answers equal: case, spaces, trailing punctuation, numbers as digits."""
    bare = re.sub(r"[\s.,;:!?]+$", "", answer.strip().lower())
    return " ".join(_DIGITS.get(word, word) for word in bare.split())
