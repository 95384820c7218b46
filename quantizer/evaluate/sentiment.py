"""Accuracy of a text model that says whether a tweet is negative, neutral or positive.

``standard``: the answer is the label with the highest likelihood as continuation of the prompt,
the sum of its tokens' log-probabilities. The sum is not divided by the number of tokens: it is
the probability of the answer, and the labels are short and alike in length, where dividing would
favour the label that is cut into more pieces, whose later pieces are nearly certain.

``autogptq`` follows the sequence classification task of AutoGPTQ, whose figures some papers
report: the answer is generated greedily, in small letters without spaces around it, and counts as
the label that the fewest inserted, removed or changed letters lead to; the first of equal ones.
Up to 14 tokens are generated: the task means to take the length of the longest label in tokens,
but takes that of the longest name among a tokenizer's outputs, ``attention_mask``. Read off
https://github.com/AutoGPTQ/AutoGPTQ/tree/main/auto_gptq/eval_tasks
(sequence_classification_task.py, _utils/classification_utils.py, _utils/generation_utils.py).
Two things differ: the end token and the filling after it are no letters of our answer, which
would otherwise depend on the batch, and the texts are all or the first ones, not drawn at random.

The prompt is the same in both.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.families import text_limits
from models.loading import LoadedModel
from models.text.tokenization import text_start
from quantizer.errors import DataError, SettingsError
from quantizer.evaluate.generation import greedy_rows
from quantizer.evaluate.intervals import accuracy
from quantizer.evaluate.results import digest_of, file_digest
from quantizer.evaluate.scoring import Progress, batch_size_for, not_finite, row_logits
from quantizer.evaluate.sentiment_data import LABELS, read_sentiment

PROMPT = (
    "Question: What's the sentiment of the given text? Choices are {labels}. Text: {text} Answer:"
)

_NEW_TOKENS = len("attention_mask")
# What transformers calls cleaning up: it joins what some tokenizers hold apart.
_JOINED = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")


@dataclass(frozen=True, slots=True)
class Continuations:
    """A prompt with each label after it, as tokens.

    shared: the tokens that all have in common up to the end of the prompt.
    ends:   what follows for each of `LABELS`.
    """

    shared: list[int]
    ends: tuple[list[int], ...]

    def rows(self) -> list[list[int]]:
        """List the token rows whose logits score all ends.

        The last token of an end is predicted, not read, so that labels of one token all need
        one row, the prompt itself.
        """
        needed = sorted((end[:-1] for end in self.ends), key=len, reverse=True)
        rows: list[list[int]] = []
        for end in needed:
            if not any(row[: len(end)] == end for row in rows):
                rows.append(end)
        return [self.shared + row for row in rows]


def sentiment(
    loaded: LoadedModel,
    data: Path,
    *,
    protocol: str = "standard",
    limit: int | None = None,
    batch_size: int | None = None,
    on_progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Ask a model for the sentiment of texts and count right answers.

    ``limit`` takes the first texts. Returns the JSON object with ``task, protocol, items, value,
    interval_95, model, seconds``; the same per label under ``labels``; what was answered how
    often under ``given``; ``commonest``, the accuracy of always giving the commonest label; what
    the items are, ``data_sha256, items_sha256, limit``; and every answer under ``answers``.

    Raises:
        DataError: the data cannot be used, or a text is longer than the model's context.
        SettingsError: a setting has no such value.
        CheckpointError: the model computes no numbers.
    """
    started = time.monotonic()
    source = read_sentiment(data)
    items = source.items[:limit]
    texts = [item.text for item in items]
    if protocol == "standard":
        answers = _likeliest(loaded, texts, batch_size, on_progress)
    elif protocol == "autogptq":
        answers = _generated(loaded, texts, batch_size, on_progress)
    else:
        raise SettingsError(
            lambda name: f"{name('protocol')} {protocol} is unknown; give standard or autogptq"
        )
    for answer, item in zip(answers, items, strict=True):
        answer |= {"expected": item.label, "right": answer["given"] == item.label}
    expected = Counter(item.label for item in items)
    given = Counter(str(answer["given"]) for answer in answers)
    return {
        "task": "sentiment",
        "protocol": protocol,
        **accuracy([bool(answer["right"]) for answer in answers]),
        "model": str(loaded.folder),
        "seconds": round(time.monotonic() - started, 3),
        "limit": limit,
        "prompt": PROMPT,
        "data": str(data),
        "files": [str(file) for file in source.files],
        "data_sha256": file_digest(*source.files),
        "items_sha256": digest_of([[item.text, item.label] for item in items]),
        "commonest": max(expected.values()) / len(items),
        "labels": {
            label: accuracy([bool(a["right"]) for a in answers if a["expected"] == label])
            for label in LABELS
            if expected[label]
        },
        "given": {label: given[label] for label in LABELS},
        "answers": answers,
    }


def prompt_for(text: str) -> str:
    """Ask for the sentiment of a text."""
    return PROMPT.format(labels=", ".join(LABELS), text=text)


def continuations(text: str, tokenizer: Tokenizer, bos_token_id: int | None) -> Continuations:
    """Encode the prompt with a space and each label after it.

    Prompt and label are encoded as one text, since some tokenizers cut a label that stands
    alone into other tokens. Where the label changes the prompt's last tokens too, those count as
    the label's.
    """
    prompt = prompt_for(text)
    start = [] if bos_token_id is None else [bos_token_id]
    alone = start + _encode(prompt, tokenizer)
    whole = [start + _encode(f"{prompt} {label}", tokenizer) for label in LABELS]
    shared = 0
    # An end has at least one token, even where its label adds none of its own.
    while shared < min(len(alone), *(len(row) - 1 for row in whole)) and all(
        row[shared] == alone[shared] for row in whole
    ):
        shared += 1
    return Continuations(alone[:shared], tuple(row[shared:] for row in whole))


def closest_label(answer: str, labels: Sequence[str] = LABELS) -> str:
    """Find the label that the fewest changed letters make of an answer; the first of equals."""
    return min(labels, key=lambda label: edit_distance(answer, label))


def edit_distance(one: str, other: str) -> int:
    """Count the letters to insert, remove or change on the shortest way from one to the other.

    Source: Levenshtein, 1966; computed row by row (Wagner and Fischer, 1974).
    """
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        current = [row]
        for column, target in enumerate(other, start=1):
            changed = above[column - 1] + (letter != target)
            current.append(min(changed, above[column] + 1, current[-1] + 1))
        above = current
    return above[-1]


def _likeliest(
    loaded: LoadedModel, texts: list[str], batch_size: int | None, on_progress: Progress
) -> list[dict[str, Any]]:
    bos = text_start(loaded.tokenizer)
    items = [continuations(text, loaded.tokenizer, bos) for text in texts]
    rows: list[Tensor] = []
    owners: list[int] = []
    for index, item in enumerate(items):
        if not item.shared:
            raise DataError("the tokenizer makes one token of prompt and label; use another model")
        _check_length(loaded, index, len(item.shared) + max(map(len, item.ends)))
        own = [torch.tensor(row) for row in item.rows()]
        rows += own
        owners += [index] * len(own)
    scores: list[dict[str, float]] = [{} for _ in items]
    for number, logits in row_logits(loaded, rows, batch_size=batch_size, on_progress=on_progress):
        item = items[owners[number]]
        found = _label_scores(item, rows[number][len(item.shared) :].tolist(), logits)
        scores[owners[number]] |= found
    answers = []
    for text, found in zip(texts, scores, strict=True):
        ordered = {label: found[label] for label in LABELS}
        if not all(score > -float("inf") for score in ordered.values()):  # also true of NaN
            raise not_finite(loaded)
        best = max(ordered, key=ordered.__getitem__)
        rounded = {label: round(score, 6) for label, score in ordered.items()}
        answers.append({"text": text, "given": best, "log_likelihoods": rounded})
    return answers


def _label_scores(item: Continuations, read: list[int], logits: Tensor) -> dict[str, float]:
    """Score the labels that a row tells: those whose tokens but the last are the row's own.

    read:   the row's tokens after the shared ones.
    logits: (n, vocabulary) of the whole row.
    """
    start = len(item.shared) - 1
    scores = {}
    for label, end in zip(LABELS, item.ends, strict=True):
        if read[: len(end) - 1] == end[:-1]:
            log_probabilities = logits[start : start + len(end)].log_softmax(-1)
            tokens = torch.tensor(end, device=logits.device)
            scores[label] = float(log_probabilities.gather(1, tokens[:, None]).sum())
    return scores


def _generated(
    loaded: LoadedModel, texts: list[str], batch_size: int | None, on_progress: Progress
) -> list[dict[str, Any]]:
    bos = text_start(loaded.tokenizer)
    start = [] if bos is None else [bos]
    prompts = [start + _encode(prompt_for(text), loaded.tokenizer) for text in texts]
    by_length: dict[int, list[int]] = {}
    for index, prompt in enumerate(prompts):
        _check_length(loaded, index, len(prompt) + _NEW_TOKENS)
        by_length.setdefault(len(prompt), []).append(index)
    size = batch_size_for(loaded, max(by_length), batch_size)
    device = next(loaded.model.parameters()).device
    written = [""] * len(texts)
    done = 0
    for length in sorted(by_length, reverse=True):
        group = by_length[length]
        for first in range(0, len(group), size):
            chosen = group[first : first + size]
            ids = torch.tensor([prompts[index] for index in chosen], device=device)
            try:
                found = greedy_rows(loaded.model, ids, _NEW_TOKENS)
            except ValueError as error:
                raise not_finite(loaded) from error
            for index, row in zip(chosen, found, strict=True):
                written[index] = _clean(loaded.tokenizer.decode(row, skip_special_tokens=False))
            done += len(chosen)
            on_progress(done, len(texts))
    return [
        {"text": text, "given": closest_label(answer), "generated": answer}
        for text, answer in zip(texts, written, strict=True)
    ]


def _clean(generated: str) -> str:
    for pair in _JOINED:
        generated = generated.replace(pair, pair.strip())
    return generated.lower().strip()


def _check_length(loaded: LoadedModel, index: int, tokens: int) -> None:
    context = text_limits(loaded.model).context
    if tokens > context:
        raise DataError(
            f"text {index + 1} needs {tokens} tokens with its question and answer but the model's "
            f"context is {context}; shorten or remove it"
        )


def _encode(text: str, tokenizer: Tokenizer) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids
