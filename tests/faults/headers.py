"""Safetensors files whose headers break the format's rules, one way or several at once.

Every mutant is drawn from a seed alone, so that a number names it.
"""

import copy
import json
import random
import struct
from collections.abc import Callable
from typing import Any

Header = dict[str, Any]

INDEX = "model.safetensors.index.json"

_DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL")
_OTHER_DTYPES = ("F8_E4M3", "F8_E5M2", "U16", "U32", "U64", "C64", "F4", "f32", "", "INT4", 3, None)
_ITEM = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2}
_NUMBERS = (0, 1, 2, 3, 5, 2**31, 2**32, 2**62, 2**63, 2**64 - 1, 2**64, 10**30, -1, -8, 1.0, 0.5)
_OTHERS = (None, True, False, "4", [], {}, [1], "NaN")
_RAW = (
    '"data_offsets": [-0, 8]',
    '"data_offsets": [0, 8.0]',
    '"data_offsets": [0, 8e0]',
    '"data_offsets": [0, NaN]',
    '"data_offsets": [0, 1e999]',
    '"data_offsets": [00, 8]',
    '"shape": [Infinity]',
    '"shape": [2,]',
    '"dtype": "F32", "dtype": "F32"',
    '"shape": [2], "shape": [2]',
    '"more": {"a": 1}',
    '"more": ' + "[" * 200 + "]" * 200,
    '"more": ' + "[" * 5000 + "]" * 5000,
    '"shape": ' + "[" * 5000 + "]" * 5000,
    '"mo\\ud800re": 1',
    "'dtype': 'F32'",
)


def sound_header(rng: random.Random) -> tuple[Header, int]:
    """A header that every reader accepts, and the bytes of its data."""
    header: Header = {}
    if rng.random() < 0.5:
        header["__metadata__"] = {"format": "pt"}
    end = 0
    for index in range(rng.randint(0, 6)):
        dtype = rng.choice(_DTYPES)
        shape = [rng.randint(0, 4) for _ in range(rng.randint(0, 3))]
        size = _ITEM.get(dtype, 1)
        for length in shape:
            size *= length
        header[f"layer.{index}.weight"] = {
            "dtype": dtype,
            "shape": shape,
            "data_offsets": [end, end + size],
        }
        end += size
    return header, end


def mutant(seed: int) -> bytes:
    """A whole file with the number ``seed``; about one in ten is sound."""
    rng = random.Random(seed)
    header, data = sound_header(rng)
    for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 2, 2, 3))):
        rng.choice(CHANGES)(rng, header)
    if rng.random() < 0.2:
        data = max(0, data + rng.choice((-9, -8, -4, -1, 1, 2, 4, 8, 64)))
    text = json.dumps(header).encode()
    for change in _TEXT_CHANGES:
        if rng.random() < 0.06:
            text = change(rng, text)
    length = len(text)
    if rng.random() < 0.06:
        length = rng.choice((0, 1, length - 1, length + 1, length + data, 2**32, 2**63, 2**64 - 1))
    whole = struct.pack("<Q", length % 2**64) + text + bytes(data)
    if rng.random() < 0.03:
        whole = whole[: rng.randint(0, len(whole))]
    return whole


def _other(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(_OTHERS))  # a later change may write into it


def _tensor(rng: random.Random, header: Header) -> Any:
    names = [name for name, fields in header.items() if isinstance(fields, dict)]
    return header[rng.choice(names)] if names else {}


def _field(rng: random.Random, header: Header, name: str) -> list[Any]:
    value = _tensor(rng, header).get(name)
    return value if isinstance(value, list) else []


def _move_offset(rng: random.Random, header: Header) -> None:
    offsets = _field(rng, header, "data_offsets")
    if offsets and type(offsets[-1]) is int:
        at = rng.randrange(len(offsets))
        if type(offsets[at]) is int:
            offsets[at] += rng.choice((-16, -8, -4, -1, 1, 4, 8, 16))


def _shift_tensor(rng: random.Random, header: Header) -> None:
    """Same length at another place: a gap, overlap, or bytes that nothing covers."""
    offsets = _field(rng, header, "data_offsets")
    by = rng.choice((-16, -8, -4, -2, -1, 1, 2, 4, 8, 16))
    for at, value in enumerate(offsets):
        if type(value) is int:
            offsets[at] = value + by


def _share_bytes(rng: random.Random, header: Header) -> None:
    one, other = _tensor(rng, header), _tensor(rng, header)
    if "data_offsets" in other:
        one.update(copy.deepcopy(other))


def _drop_tensor(rng: random.Random, header: Header) -> None:
    if header:
        del header[rng.choice(list(header))]


def _set_number(rng: random.Random, header: Header) -> None:
    values = _field(rng, header, rng.choice(("shape", "data_offsets")))
    if values:
        values[rng.randrange(len(values))] = rng.choice(_NUMBERS)


def _set_other(rng: random.Random, header: Header) -> None:
    values = _field(rng, header, rng.choice(("shape", "data_offsets")))
    if values and rng.random() < 0.5:
        values[rng.randrange(len(values))] = _other(rng)
    else:
        _tensor(rng, header)[rng.choice(("shape", "data_offsets", "dtype"))] = _other(rng)


def _reshape(rng: random.Random, header: Header) -> None:
    shape = _field(rng, header, "shape")
    rng.choice(
        (
            lambda: shape.append(rng.choice((0, 1, 2, 2**62, 2**63))),
            lambda: shape.reverse(),
            lambda: shape.insert(0, rng.choice((0, 1, 2**33))),
            lambda: shape.clear(),
        )
    )()


def _set_dtype(rng: random.Random, header: Header) -> None:
    _tensor(rng, header)["dtype"] = rng.choice((*_DTYPES, *_OTHER_DTYPES))


def _drop_field(rng: random.Random, header: Header) -> None:
    tensor = _tensor(rng, header)
    if tensor:
        del tensor[rng.choice(list(tensor))]


def _add_field(rng: random.Random, header: Header) -> None:
    _tensor(rng, header)[rng.choice(("more", "offset", "Dtype"))] = _other(rng)


def _set_metadata(rng: random.Random, header: Header) -> None:
    header["__metadata__"] = rng.choice(
        (None, {}, {"a": 1}, {"a": None}, [], "text", 3, {"a": "\ud800"}, {"a": {"b": "c"}})
    )


def _rename(rng: random.Random, header: Header) -> None:
    if header:
        old = rng.choice(list(header))
        header[rng.choice(("", "\x00", "\ud800", "__metadata__", "é", "a" * 300))] = header.pop(old)


def _swap_order(rng: random.Random, header: Header) -> None:
    """Another order of names is no damage: offsets say where a tensor lies."""
    items = list(header.items())
    rng.shuffle(items)
    header.clear()
    header.update(items)


CHANGES: tuple[Callable[[random.Random, Header], None], ...] = (
    _move_offset, _shift_tensor, _share_bytes, _drop_tensor, _set_number, _set_other, _reshape,
    _set_dtype, _drop_field, _add_field, _set_metadata, _rename, _swap_order,
)  # fmt: skip


def _flip_bit(rng: random.Random, text: bytes) -> bytes:
    at = rng.randrange(len(text))
    return text[:at] + bytes([text[at] ^ (1 << rng.randrange(8))]) + text[at + 1 :]


def _repeat_name(rng: random.Random, text: bytes) -> bytes:
    """The same name twice, which a dictionary cannot hold."""
    header = json.loads(text)
    if not header:
        return text
    name = rng.choice(list(header))
    again = json.dumps({name: header[name]}).encode()
    return text[:-1] + b", " + again[1:]


def _insert_raw(rng: random.Random, text: bytes) -> bytes:
    """What JSON's writers never write, inside the first tensor or at its end."""
    raw = rng.choice(_RAW).encode()
    at = text.find(b'{"dtype"')
    return text if at < 0 else text[: at + 1] + raw + b", " + text[at + 1 :]


def _pad(rng: random.Random, text: bytes) -> bytes:
    space = rng.choice((b" " * 7, b"\n", b"\0", b"\xef\xbb\xbf", b"x", b"{}"))
    return text + space if rng.random() < 0.6 else space + text


def _encode(rng: random.Random, text: bytes) -> bytes:
    coding = rng.choice(("utf-16", "utf-32", "latin-1", "utf-8-sig"))
    return text.decode("utf-8", "replace").encode(coding, "replace")


# Those that read the text as JSON come before those that break it.
_TEXT_CHANGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _repeat_name, _insert_raw, _pad, _flip_bit, _encode,
)  # fmt: skip
