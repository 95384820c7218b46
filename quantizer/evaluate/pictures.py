"""Accuracy of answers about pictures, by exact match after normalization."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.generate import PictureChat, SceneHandle
from models.loading import LoadedModel
from models.pictures import load_picture
from quantizer.data import QUESTIONS_FILE, PictureQuestion, read_questions
from quantizer.evaluate.accuracy import accuracy
from quantizer.evaluate.items import digest_of, file_digest

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBERS)}
_MOST_ANSWER_TOKENS = 32

PROTOCOL = "exact match"


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
    under ``answers``.

    Raises:
        DataError: the folder has no usable ``questions.jsonl``.
        PictureError: a picture is missing, damaged or no picture.
        ModelFolderError: the model cannot look at pictures.
    """
    started = time.monotonic()
    chat = PictureChat(loaded)
    questions = read_questions(folder)[:limit]
    answers = []
    seen: tuple[Path, SceneHandle] | None = None
    for done, item in enumerate(questions, start=1):
        # Questions about one picture stand together, so that it is looked at once.
        if seen is None or seen[0] != item.picture:
            seen = (item.picture, chat.look(load_picture(item.picture)))
        given = _answer(chat, seen[1], item)
        answers.append(
            {
                "picture": item.picture.name,
                "question": item.question,
                "skill": item.skill,
                "expected": item.answer,
                "given": given,
                "right": normalize(given) == normalize(item.answer),
            }
        )
        on_progress(done, len(questions))
    digests = {path: file_digest(path) for path in {item.picture for item in questions}}
    skills = sorted({item.skill for item in questions})
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
        "skills": {
            skill: accuracy([bool(a["right"]) for a in answers if a["skill"] == skill])
            for skill in skills
        },
        "answers": answers,
    }


def normalize(answer: str) -> str:
    """Make equal answers equal: case, spaces, trailing punctuation, numbers as digits."""
    bare = re.sub(r"[\s.,;:!?]+$", "", answer.strip().lower())
    return " ".join(_DIGITS.get(word, word) for word in bare.split())


def _answer(chat: PictureChat, scene: SceneHandle, item: PictureQuestion) -> str:
    tokens = chat.answer(scene, item.question, max_new_tokens=_MOST_ANSWER_TOKENS)
    return "".join(token.text for token in tokens).strip()
