"""Comparison of two models on the same items, paired: item by item, then resampled together.

Two intervals that overlap can hide a clear difference, since both models find the same items
hard. The difference of each item is free of that; its interval is the one to judge by.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from quantizer.errors import Naming, SettingsError
from quantizer.evaluate.intervals import bootstrap

FEWEST = 6
"""With n items, all n differences have one sign by chance with probability 2^(1-n): below six
that is more than 5 %, and no interval from so few can exclude zero."""

# In this order the first that differs is the one named; a new file brings new items with it.
_CAUSES = ("data_sha256", "bos", "documents", "seq_len", "limit")
_OTHERWISE = "the same file read by another tokenizer"

Result = Mapping[str, Any]


def paired(one: Result, other: Result) -> dict[str, Any]:
    """Compare two results of the same task; see `paired_perplexity` and `paired_accuracy`.

    Raises:
        SettingsError: they are results over different items.
    """
    if one.get("task") == "perplexity":
        return paired_perplexity(one, other)
    return paired_accuracy(one, other)


def paired_perplexity(one_result: Result, other_result: Result) -> dict[str, Any]:
    """Compare two perplexities on the same windows or blocks.

    The difference of the log-perplexities is the mean difference of the items' losses; items
    are resampled for both models at once. Returns ``task, protocol, items, models, values`` and

    - ``log_difference`` and ``log_difference_95``: ``log(one) - log(other)``, in nats;
    - ``ratio`` and ``ratio_95``: ``one / other``;
    - ``difference`` and ``difference_95``: ``one - other``;
    - ``excludes_zero``: whether ``log_difference_95`` does; never with fewer than six items.

    Raises:
        SettingsError: they are results over different items.
    """
    check_same_items(one_result, other_result)
    one = torch.tensor(one_result["losses"], dtype=torch.float64)
    other = torch.tensor(other_result["losses"], dtype=torch.float64)
    gaps = one - other

    def difference(draws: Tensor) -> Tensor:
        return one[draws].mean(1).exp() - other[draws].mean(1).exp()

    low, high = bootstrap(lambda draws: gaps[draws].mean(1), len(gaps))
    middle = float(gaps.mean())
    return {
        **_heading(one_result, other_result, len(gaps)),
        "log_difference": middle,
        "log_difference_95": [low, high],
        "ratio": math.exp(middle),
        "ratio_95": [math.exp(low), math.exp(high)],
        "difference": float(one.mean().exp() - other.mean().exp()),
        "difference_95": list(bootstrap(difference, len(gaps))),
        "excludes_zero": _excludes_zero(low, high, len(gaps)),
    }


def paired_accuracy(one_result: Result, other_result: Result) -> dict[str, Any]:
    """Compare two accuracies on the same questions.

    Returns ``task, protocol, items, models, values`` and

    - ``difference`` and ``difference_95``: ``one - other``, a share between -1 and 1;
    - ``only_one_right``: how many questions the first alone, and the second alone, has right;
    - ``excludes_zero``: whether the interval does; never with fewer than six items.

    Raises:
        SettingsError: they are results over different items.
    """
    check_same_items(one_result, other_result)
    gaps = _right(one_result) - _right(other_result)
    low, high = bootstrap(lambda draws: gaps[draws].mean(1), len(gaps))
    return {
        **_heading(one_result, other_result, len(gaps)),
        "difference": float(gaps.mean()),
        "difference_95": [low, high],
        "only_one_right": [int((gaps > 0).sum()), int((gaps < 0).sum())],
        "excludes_zero": _excludes_zero(low, high, len(gaps)),
    }


def check_same_items(one: Result, other: Result) -> None:
    """Refuse to compare results over different items.

    Raises:
        SettingsError: with the first difference named.
    """
    check_same_method(one, other)
    for result in (one, other):
        if "items_sha256" not in result:
            raise SettingsError(
                f"the result of {result.get('model')} does not say which items it is about; "
                "measure that model again"
            )
    if one["items_sha256"] == other["items_sha256"]:
        return
    for result in (one, other):
        if "bos" not in result and ("bos" in one or "bos" in other):
            raise SettingsError(
                f"the result of {result.get('model')} is of a version before 0.7, which predicted "
                f"the marks between documents; measure {result.get('model')} again"
            )
    for field in _CAUSES:
        if one.get(field) != other.get(field):
            raise _different(one, other, _cause(field, one, other))
    raise _different(one, other, _OTHERWISE)


def check_same_method(one: Result, other: Result) -> None:
    """Refuse to compare results of different tasks or protocols.

    Raises:
        SettingsError: with the difference named.
    """
    for field in ("task", "protocol"):
        if one.get(field) != other.get(field):
            raise _different(
                one, other, f"another {field} ({one.get(field)} and {other.get(field)})"
            )


def in_words(comparison: Result) -> str:
    """Say in one sentence what a comparison of two results shows."""
    if comparison["task"] == "perplexity":
        low, high = comparison["ratio_95"]
        figure = (
            f"perplexity ratio {comparison['ratio']:.4f} (95 % {low:.4f} to {high:.4f}), "
            f"difference {comparison['difference']:+.4f} (95 % "
            f"{comparison['difference_95'][0]:+.4f} to {comparison['difference_95'][1]:+.4f})"
        )
        better, noun = comparison["log_difference"] < 0, "perplexity"
    else:
        low, high = comparison["difference_95"]
        figure = (
            f"accuracy difference {comparison['difference']:+.4f} (95 % {low:+.4f} to {high:+.4f})"
        )
        better, noun = comparison["difference"] > 0, "accuracy"
    first, second = comparison["models"]
    if comparison["items"] < FEWEST:
        verdict = f"{comparison['items']} items are too few to tell; give more text or questions"
    elif comparison["excludes_zero"]:
        rank = "better" if better else "worse"
        verdict = f"equality lies outside the interval: {first} has the {rank} {noun}"
    else:
        verdict = f"equality lies inside the interval: {first} and {second} cannot be told apart"
    return f"{figure} over the same {comparison['items']} items; {verdict}"


def _heading(one: Result, other: Result, items: int) -> dict[str, Any]:
    return {
        "task": one["task"],
        "protocol": one["protocol"],
        "items": items,
        "models": [one["model"], other["model"]],
        "values": [one["value"], other["value"]],
    }


def _right(result: Result) -> Tensor:
    return torch.tensor([bool(answer["right"]) for answer in result["answers"]]).double()


def _excludes_zero(low: float, high: float, items: int) -> bool:
    return items >= FEWEST and not low <= 0 <= high


def _cause(field: str, one: Result, other: Result) -> Callable[[Naming], str]:
    """Name a field that differs, with both values."""
    # A file is known by its name to people; its digest is what differs.
    shown = "data" if field == "data_sha256" else field
    values = [result.get(shown) for result in (one, other)]
    both = " and ".join("none" if value is None else str(value) for value in values)
    if shown == "data":
        return lambda name: f"another text or other pictures ({both})"
    return lambda name: f"another {name(field)} ({both})"


def _different(one: Result, other: Result, cause: str | Callable[[Naming], str]) -> SettingsError:
    return SettingsError(
        lambda name: (
            f"{one.get('model')} and {other.get('model')} cannot be compared item by item: "
            f"{cause if isinstance(cause, str) else cause(name)}; measure both in the same way"
        )
    )
