"""Ways to damage bytes, JSON values and TOML text, every one drawn from a seeded source."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

Change = Callable[[random.Random, bytes], bytes]

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 7, 10**6, 10**12, 2**31, 2**63, 2**64, 10**30, 0.0, -0.5,
    1e-320, 1e300, 1.5, "", "x", "4", "../../x", "a\x00b", "\x1b[2J", "\u202e", "a" * 5000, [], [1],
    [[]], {}, {"a": 1}, {"a": {"b": []}}, [None], ["x", 3], [10**12],
)  # fmt: skip
"""Values that no field expects."""

RAW_JSON: tuple[str, ...] = (
    "1e999", "-1e999", "NaN", "Infinity", "9" * 5000, "[" * 100_000, "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "1" + "}" * 3000, '"\\ud800"', "tru", "0x10", "1.", "'x'", "{,}",
)  # fmt: skip
"""What a writer of JSON would never write."""


def flip_bit(rng: random.Random, data: bytes) -> bytes:
    """One bit the other way."""
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    """Some bits, at places all over the data."""
    for _ in range(rng.randint(2, 40)):
        data = flip_bit(rng, data)
    return data


def cut(rng: random.Random, data: bytes) -> bytes:
    """The file ends early."""
    return data[: rng.randint(0, len(data))]


def cut_near_the_end(rng: random.Random, data: bytes) -> bytes:
    """Only a few bytes are lost."""
    return data[: -rng.randint(1, 16)]


def lose(rng: random.Random, data: bytes) -> bytes:
    """A piece in the middle is lost."""
    start = rng.randint(0, len(data))
    return data[:start] + data[start + rng.randint(1, 64) :]


def repeat(rng: random.Random, data: bytes) -> bytes:
    """A piece stands there twice."""
    start = rng.randint(0, len(data))
    stop = start + rng.randint(1, 256)
    return data[:stop] + data[start:stop] + data[stop:]


def fill(rng: random.Random, data: bytes) -> bytes:
    """A piece was never written, or all its bits are set."""
    start = rng.randint(0, len(data))
    length = min(rng.choice((1, 2, 4, 8, 64, 4096)), len(data) - start)
    return data[:start] + rng.choice((b"\x00", b"\xff", b"\x80")) * length + data[start + length :]


def insert(rng: random.Random, data: bytes) -> bytes:
    """Foreign bytes in the middle."""
    start = rng.randint(0, len(data))
    return data[:start] + rng.randbytes(rng.randint(1, 64)) + data[start:]


def append(rng: random.Random, data: bytes) -> bytes:
    """Foreign bytes behind the end."""
    return data + rng.choice((rng.randbytes(rng.randint(1, 64)), bytes(8), b"\n", b" ", data))


def number(rng: random.Random, data: bytes) -> bytes:
    """A field of two or four bytes becomes a size that cannot be."""
    if len(data) < 8:
        return data
    width, order = rng.choice((2, 4)), rng.choice(("little", "big"))
    at = rng.randrange(min(len(data) - width, 4096))
    top = 2 ** (8 * width)
    value = rng.choice((0, 1, top - 1, top // 2, top // 2 - 1, len(data), len(data) + 1)) % top
    return data[:at] + value.to_bytes(width, order) + data[at + width :]


BYTE_CHANGES: tuple[Change, ...] = (
    flip_bit, flip_bits, cut, cut_near_the_end, lose, repeat, fill, insert, append, number, number,
)  # fmt: skip


def damage(rng: random.Random, data: bytes) -> bytes:
    """One to three changes of any kind, half of them where headers are."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.choice(BYTE_CHANGES)
        if rng.random() < 0.5:
            head = rng.choice((48, 128, 512))
            data = change(rng, data[:head]) + data[head:]
        else:
            data = change(rng, data)
    return data


def damage_file(rng: random.Random, path: Path) -> None:
    """Damage a file's bytes."""
    path.write_bytes(damage(rng, path.read_bytes()))


def damage_json(rng: random.Random, text: str) -> str:
    """Change one value or name somewhere in JSON, or write what is no JSON in its place."""
    value = json.loads(text)
    places = list(_places(value))
    if not places:
        return rng.choice(RAW_JSON)
    owner, key = rng.choice(places)
    mark = "\x01here\x01"
    kind = rng.random()
    raw = ""
    if kind < 0.15 and isinstance(owner, dict):
        del owner[key]
    elif kind < 0.2 and isinstance(owner, dict):
        owner[rng.choice(("more", "", "a\x00b", key.upper()))] = owner.pop(key)
    elif kind < 0.35:
        raw, owner[key] = rng.choice(RAW_JSON), mark
    else:
        owner[key] = _near(rng, owner[key])
    return json.dumps(value).replace(json.dumps(mark), raw)


def _near(rng: random.Random, value: Any) -> Any:
    """Another value; of a number sometimes one that is nearly right."""
    if type(value) in (int, float) and rng.random() < 0.5:
        return rng.choice((value + 1, value - 1, value * 2, -value, value / 2, str(value)))
    return rng.choice(HOSTILE)


def _places(value: Any) -> Any:
    """Every (owner, key) in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def damage_lines(rng: random.Random, text: str) -> str:
    """Change a line of JSON Lines, or lose, repeat or reorder lines."""
    lines = text.split("\n")
    kind = rng.random()
    at = rng.randrange(len(lines))
    if kind < 0.6 and lines[at].strip():
        lines[at] = damage_json(rng, lines[at])
    elif kind < 0.7:
        lines.insert(at, rng.choice(lines))
    elif kind < 0.8:
        del lines[at]
    elif kind < 0.9:
        rng.shuffle(lines)
    else:
        lines[at] = rng.choice(("\x00", "{}", "[]", "null", "\ufeff{}", *RAW_JSON))
    return "\n".join(lines)


RAW_TOML: tuple[str, ...] = (
    "9" * 5000, "1e999", "nan", "-inf", "[" * 3000 + "]" * 3000, "{a={" * 500 + "}}" * 500,
    '"\\ud800"', '"\\u202e"', '"\\u001b[2J"', "1979-05-27T07:32:00Z", "07:32:00", "'''", '""',
    "0x" + "f" * 4000, "true", "-1", "0", "1.5", '"x"', "[]", "{}", '["a", 1]', "10000000000000",
)  # fmt: skip
"""Values in TOML that no setting expects."""


def damage_toml(rng: random.Random, text: str) -> str:
    """Change a value, a name or a line of TOML."""
    lines = text.split("\n")
    named = [index for index, line in enumerate(lines) if "=" in line and line[0] not in "#["]
    kind = rng.random()
    if named and kind < 0.6:
        at = rng.choice(named)
        name, _, _ = lines[at].partition("=")
        lines[at] = f"{name}= {rng.choice(RAW_TOML)}"
    elif named and kind < 0.7:
        at = rng.choice(named)
        _, _, value = lines[at].partition("=")
        name = rng.choice(("x", "", "a." * 1000 + "b", '""', "a b"))
        lines[at] = f"{name} ={value}"
    elif kind < 0.8:
        lines.insert(rng.randint(0, len(lines)), rng.choice(lines))
    elif kind < 0.9:
        del lines[rng.randrange(len(lines))]
    else:
        more = ("[", "[[a]]", "[a.b.c]", "= 1", "\x00", "a = 1\r b = 2", "# " + "x" * 100_000)
        lines.insert(rng.randint(0, len(lines)), rng.choice(more))
    return "\n".join(lines)


def damage_text(
    rng: random.Random, path: Path, change: Callable[[random.Random, str], str]
) -> None:
    """Change a text file by its grammar, or now and then by its bytes."""
    if rng.random() < 0.25:
        damage_file(rng, path)
        return
    text = change(rng, path.read_text(encoding="utf-8"))
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
