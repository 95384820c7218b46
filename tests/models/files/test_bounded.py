"""Text formats are judged before they are believed; what no file should hold is one sentence."""

import ast
import json
import math
import os
import socket
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from models.files import bounded
from models.files.bounded import (
    BoundError,
    FormatError,
    json_lines,
    open_regular,
    parse_json,
    parse_toml,
    read_json,
    read_text,
    read_toml,
)
from models.plain_text import LONGEST, escaped, one_line

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        0,
        -(2**63),
        10**39,
        1.5e-300,
        "two\nlines, \u20ac and \U0001f600",
        {"a": [1, {"b": None}], "A": True, "": "x" * 10_000},
    ],
)
def test_what_the_standard_library_writes_is_read_back(value: Any) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)
        assert parse_json(text) == value == parse_json(text.encode())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "is nested more than 100 deep"),
        ('{"a":' * 101 + "1" + "}" * 101, "is nested more than 100 deep"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "has the key 'c' twice"),
        ("[1e999]", "has the number 1e999, which is not finite"),
        ("[NaN]", "has the number NaN"),
        ('{"a": -Infinity}', "has the number -Infinity"),
        ("9" * 5000, "has a number of 5000 digits"),
        ("0." + "1" * 5000, "has a number of 5002 digits"),
        ('{"' + "k" * 1001 + '": 1}', "has a key of 1001 characters"),
        ('["\\ud800"]', "half a character"),
        ('{"\\udfff": 1}', "half a character"),
        ("[" + "0," * 20 + "0]", "holds more than 20 values"),
    ],
)
def test_json_beyond_a_bound(text: str, why: str) -> None:
    with pytest.raises(BoundError, match=why):
        parse_json(text, most_values=200_000 if "20 values" not in why else 20)


@pytest.mark.parametrize("text", ["", "{", "nul", '{"a" 1}', "[1,]", b"\xff", b'"\xed\xa0\x80"'])
def test_what_is_no_json(text: str | bytes) -> None:
    with pytest.raises(FormatError) as caught:
        parse_json(text)
    assert not isinstance(caught.value, BoundError)


def test_the_deepest_that_is_allowed() -> None:
    text = "[" * 100 + "]" * 100
    assert parse_json(text) == json.loads(text)
    text = "a = " + text
    assert parse_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a." * 20_000 + "a = 1", "a key of more than 20 parts"),
        ("[" + "a." * 20_000 + "a]", "a key of more than 20 parts"),
        ('"a".' * 20_000 + "a = 1", "a key of more than 20 parts"),
        ("a = " + "[" * 100_000, "nested more than 100 deep"),
        ("a = " + "{b = " * 5000 + "1" + "}" * 5000, "nested more than 100 deep"),
        ("a = nan", "the number nan"),
        ("a = -inf", "the number -inf"),
        ("a = 1e999", "the number 1e999"),
        ("a = 0x" + "f" * 5000, "more than 40 digits"),
        ("k" * 1001 + " = 1", "a key of 1001 characters"),
    ],
)
def test_toml_beyond_a_bound(text: str, why: str) -> None:
    began = time.monotonic()
    with pytest.raises(BoundError, match=why):
        parse_toml(text)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("text", ["a", "a = 1\na = 2", "a = " + "9" * 5000, "a = 2026-13-01", "="])
def test_what_is_no_toml(text: str) -> None:
    with pytest.raises(FormatError):
        parse_toml(text)


def test_texts_and_comments_of_toml_are_not_taken_for_keys() -> None:
    text = (
        "# " + "a." * 50 + "\n[x.y]\nip = '1.2.3.4'\nlong = \"" + "b." * 50 + '"\n'
        'three = """\n' + "[{c." * 50 + '"""\nnumbers = [' + "1.5, " * 200 + "2.5]\n"
        "literal = '''" + "{[d." * 50 + "'''\n"
    )
    assert parse_toml(text) == tomllib.loads(text)


@pytest.mark.parametrize("name", ["pipe", "device", "socket", "folder", "missing"])
def test_only_regular_files_are_opened(name: str, tmp_path: Path) -> None:
    path, expected = tmp_path / name, BoundError
    if name == "pipe":
        os.mkfifo(path)
    elif name == "device":
        path = Path("/dev/zero")
    elif name == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
        expected = OSError  # the system opens none
    elif name == "folder":
        path.mkdir()
        expected = IsADirectoryError
    else:
        expected = FileNotFoundError
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    done = threading.Event()
    caught: list[BaseException] = []

    def look() -> None:
        for read in (read_json, read_toml, read_text):
            try:
                read(path)
            except BaseException as error:
                caught.append(error)
        done.set()

    threading.Thread(target=look, daemon=True).start()
    assert done.wait(5), "waits for somebody at the other end"
    assert len(caught) == 3 and all(isinstance(error, expected) for error in caught)
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_a_larger_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1]")
    assert read_json(path, 3) == [1]
    with pytest.raises(BoundError, match="has more than 2 bytes"):
        read_json(path, 2)
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte that takes no room
    with pytest.raises(BoundError, match="too many for what it is"):
        read_json(path)
    with pytest.raises(BoundError), open_regular(path):
        pass


def test_a_file_that_states_no_size_is_read_within_the_bound() -> None:
    path = Path("/proc/self/environ")
    if not path.is_file():
        pytest.skip("this system has no /proc")
    with pytest.raises(BoundError, match="more than 1 bytes"):
        read_text(path, 1)


def test_lines_are_parted_at_line_feeds_only() -> None:
    text = '{"a": "x\u2028y"}\n\n  \n{"a": "\x85"}\n'
    assert list(json_lines(text)) == [(1, '{"a": "x\u2028y"}'), (4, '{"a": "\x85"}')]


def test_messages_hold_no_control_characters() -> None:
    assert escaped("plain \u20ac") == "plain \u20ac"
    assert escaped("a\x1b[2Jb\u202ec\x00\x85") == "a\\x1b[2Jb\\u202ec\\x00\\x85"
    assert one_line(" a\n\tb\x07 ") == "a b\\x07"
    assert len(one_line("x" * 10**6)) == LONGEST + 1
    with pytest.raises(BoundError) as caught:
        parse_json('{"\x7f\u200b": 1, "\x7f\u200b": 2}')
    assert str(caught.value).isprintable()


def test_a_number_is_finite_as_the_float_says() -> None:
    for text in ("1.7976931348623157e308", "1e308", "-5e-324", "1E400", "-1e309"):
        if math.isfinite(float(text)):
            assert parse_json(text) == float(text)
        else:
            with pytest.raises(BoundError):
                parse_json(text)


# What stands in these does not come from a file: a pipe from our own parent, and our own text.
# A safetensors header has bounds and rules of its own, which are the library's.
_NO_FILES = {
    "models/files/header.py": "header = json.loads(",
    "assistant/devices/synthesis_worker.py": "json.loads(line)",
    "quantizer/exporting/tokens.py": "json.loads(tokenizer.to_str())",
    "quantizer/run/progress.py": "json.loads(json.dumps(dict(fingerprint)))",
    "quantizer/run/pipeline.py": "json.loads(json.dumps([asdict(module) for module in modules]))",
}
_PARSERS = {"load", "loads", "JSONDecoder", "raw_decode"}


def test_nobody_else_reads_these_formats() -> None:
    """Whoever calls json or tomllib reads without bounds."""
    files = [
        path
        for part in ("assistant", "models", "quantizer")
        for path in ROOT.glob(f"{part}/**/*.py")
    ]
    assert len(files) > 300
    found = []
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if path == Path(bounded.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in ("json", "tomllib"):
                found.append(f"{name}: from {node.module}")
            elif isinstance(node, ast.Import) and any(a.name == "tomllib" for a in node.names):
                found.append(f"{name}: import tomllib")
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "json"
                and node.attr in _PARSERS
                and _NO_FILES.get(name, "nothing") not in path.read_text()
            ):
                found.append(f"{name}:{node.lineno}: json.{node.attr}")
    assert found == []
