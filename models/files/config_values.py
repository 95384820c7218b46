"""Checks of the numbers in a config.json, shared by the model families."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

_NO_COUNT = 2**31  # nothing of a model is so many; sizes beyond it overflow in the libraries
_NO_INTEGER = 2**63  # PyTorch calculates with no whole number beyond it
_LONGEST_SHOWN = 40  # characters of a wrong value that a message repeats


def wrong_values(
    values: Mapping[str, Any], *, counts: Iterable[str], numbers: Iterable[str], prefix: str = ""
) -> list[str]:
    """Describe every field that is there and cannot be used; empty if all can.

    counts:  fields that must be positive whole numbers.
    numbers: fields that must be positive finite numbers.
    prefix:  what names the part of the file, such as ``vision_config.``.
    """
    wrong = [
        f"{prefix}{name}={_shown(values[name])} (a positive whole number)"
        for name in counts
        if name in values and not (_is_int(values[name]) and 0 < values[name] < _NO_COUNT)
    ]
    wrong += [
        f"{prefix}{name}={_shown(values[name])} (a positive number)"
        for name in numbers
        if name in values and not _is_positive_number(values[name])
    ]
    return wrong


def wrong_ids(ids: Mapping[str, Any], vocab_size: int) -> list[str]:
    """Describe every token id that is not in 0 .. ``vocab_size`` - 1; of ends there may be several.

    ids: by their names in config.json; ``eos_token_id`` may be a list.
    """
    return [
        f"{name}={_shown(value)} (an id of 0 to {vocab_size - 1})"
        for name, value in ids.items()
        if not all(
            _is_int(one) and 0 <= one < vocab_size
            for one in (value if name == _ENDS and isinstance(value, list | tuple) else [value])
        )
    ]


_ENDS = "eos_token_id"


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_positive_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    if isinstance(value, int):
        return 0 < value < _NO_INTEGER
    return value > 0 and math.isfinite(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
