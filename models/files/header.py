"""The header of a safetensors file: what the library refuses is refused here, and some more.

Judged here rather than by the library, because it maps whole files into memory to look at their
first bytes, and because its reasons name neither the tensor nor the way out. The rules are its
own (``Metadata::validate`` of https://github.com/huggingface/safetensors): the tensors, in the
order of their offsets, follow one another from the first byte behind the header to the last byte
of the file, with neither gap nor overlap, and every one is as long as shape and dtype say.

Refused besides, because readers disagree about it: a name that is given twice (the library keeps
the last one), fields that the format does not know, and space in front of the header.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

HEADER_LIMIT_BYTES = 100_000_000
"""The format's own limit."""

METADATA = "__metadata__"

_FIELDS = {"dtype", "shape", "data_offsets"}
_WORD = 2**64  # the library counts elements and bytes in words of this size
_MOST_ELEMENTS = 2**62  # torch counts in signed words

_DTYPE_BYTES: Mapping[str, int] = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}


class HeaderError(ValueError):
    """A header breaks a rule of the format; the message says which, in a few words."""


class DtypeError(HeaderError):
    """A tensor is sound, as far as can be told, but of a dtype that is not read here."""

    def __init__(self, name: str, dtype: str) -> None:
        super().__init__(f"{name} is of dtype {dtype}")
        self.name, self.dtype = name, dtype


class ShortFileError(HeaderError):
    """The header is sound and the file ends before its tensors do: ``expected_bytes`` of data."""

    def __init__(self, expected_bytes: int, data_bytes: int) -> None:
        super().__init__(f"the tensors take {expected_bytes} bytes and {data_bytes} are there")
        self.expected_bytes = expected_bytes


@dataclass(frozen=True, slots=True)
class Described:
    """What a header says of one tensor.

    dtype:       its name in the file, such as ``BF16``.
    start, size: in bytes, from the first byte behind the header.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


def check_header(text: bytes, data_bytes: int) -> list[Described]:
    """Describe the tensors of a header, in its own order.

    text:       the header without the eight bytes of its length.
    data_bytes: bytes of the file behind the header; the tensors must fill them exactly.

    Raises:
        DtypeError: a dtype is not read here.
        ShortFileError: the file is cut short.
        HeaderError: the header breaks a rule of the format.
    """
    found = [_described(name, fields) for name, fields in _parse(text).items()]
    _check_cover(found, data_bytes)
    return found


def _parse(text: bytes) -> dict[str, Any]:
    """The header as a JSON object without its metadata, read no more freely than by the library."""
    if not text.startswith(b"{"):
        raise HeaderError("the header does not start with {")
    try:
        header = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_int=_whole,
            parse_float=_no_number,
        )
    except RecursionError as error:
        raise HeaderError("the header is nested too deeply") from error
    except HeaderError:
        raise
    except ValueError as error:
        raise HeaderError("the header is no JSON text in UTF-8") from error
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) and _is_text(value) for value in metadata.values()
    ):
        raise HeaderError(f"{METADATA} holds something else than texts")
    return dict(header)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise HeaderError(f"{_short(name)} stands there twice")
        if not _is_text(name):
            raise HeaderError("a name is no text in UTF-8")
        found[name] = value
    return found


def _whole(digits: str) -> int:
    # The library reads -0 as a fraction, and 20 digits hold every number that it counts with.
    if digits.startswith("-") or len(digits) > 20:
        raise HeaderError(f"{_short(digits)} is no size")
    return int(digits)


def _no_number(text: str) -> NoReturn:
    raise HeaderError(f"{_short(text)} is no whole number")


def _is_text(value: str) -> bool:
    """Whether it can be written in UTF-8; Python's JSON accepts half of a pair of surrogates."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _described(name: str, fields: object) -> Described:
    if not isinstance(fields, dict) or set(fields) != _FIELDS:
        raise HeaderError(f"{_short(name)} has other fields than dtype, shape and data_offsets")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2:
        raise HeaderError(f"{_short(name)} has a shape or offsets that are no whole numbers")
    if not isinstance(dtype, str):
        raise HeaderError(f"{_short(name)} has no dtype")
    if dtype not in _DTYPE_BYTES:
        raise DtypeError(_short(name), _short(dtype))
    start, end = offsets
    size = _bytes_of(name, shape, _DTYPE_BYTES[dtype])
    if end - start != size:
        raise HeaderError(
            f"{_short(name)} lies in {end - start} bytes and its shape takes {_short(size)}"
        )
    return Described(name, dtype, tuple(shape), start, size)


def _sizes(values: object) -> bool:
    # JSON's true and false are Python's 1 and 0, so the type is compared itself.
    return isinstance(values, list) and all(type(one) is int and one < _WORD for one in values)


def _bytes_of(name: str, shape: list[int], item_bytes: int) -> int:
    count, extent = 1, 1
    for size in shape:
        count, extent = count * size, extent * max(size, 1)
        # An empty tensor, too, must have sizes that torch can count.
        if count >= _WORD or extent >= _MOST_ELEMENTS:
            raise HeaderError(f"{_short(name)} has a shape that is too large to count")
    return count * item_bytes


def _check_cover(found: list[Described], data_bytes: int) -> None:
    """Refuse gaps, overlap, and bytes that no tensor covers."""
    end = 0
    for one in sorted(found, key=lambda each: (each.start, each.start + each.size)):
        if one.start != end:
            wrong = "shares bytes with another tensor" if one.start < end else "follows a gap"
            raise HeaderError(f"{_short(one.name)} {wrong}")
        end += one.size
    if end > data_bytes:
        raise ShortFileError(end, data_bytes)
    if end < data_bytes:
        raise HeaderError(f"{data_bytes - end} bytes at the end belong to no tensor")


def _short(value: object) -> str:
    """A name or number of a file that may be damaged, fit to be shown in one line."""
    text = ascii(str(value))[1:-1]
    return text if len(text) <= 80 else f"{text[:80]}…"
