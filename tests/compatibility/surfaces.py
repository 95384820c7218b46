"""What programs of others read and type: the fields of every JSON answer, commands and options.

`home_030/recorded.json` was written from version 0.3.0, before anything was moved:

    git worktree add /tmp/v030 a14eeca
    PYTHON -m tests.compatibility.surfaces /tmp/v030 tests/compatibility/home_030/recorded.json
"""

import json
import re
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tests.compatibility.commands import REPOSITORY, objects, output

MADE = Path(__file__).with_name("home_030")
"""Holds what version 0.3.0 left behind; `make.py` there says how."""

RECORDED = MADE / "recorded.json"
PASSPHRASE = {"SIGHTLINE_PASSPHRASE": "correct horse battery"}

RUN = (
    *("run", "llama", "--out", "small", "--method", "gptq", "--group-size", "16"),
    *("--samples", "6", "--seq-len", "40", "--calibration", "llama/text.txt"),
)
"""What version 0.3.0 began and did not finish."""

Shape = dict[str, list[str]]
"""Every path inside JSON objects, such as `evidence[].text`, and the types found there."""


Options = dict[str, dict[str, str]]
"""Of every command what can be typed after it, and the value that each takes, or nothing."""


def unpack(folder: Path) -> None:
    """Put everything that 0.3.0 made into a folder, which is thereby a new copy of it."""
    with tarfile.open(MADE / "home.tar.gz") as archive:
        archive.extractall(folder, filter="tar")  # as packed: what is private stays private


def shape(values: Iterable[Any]) -> Shape:
    """The paths and types of all values together."""
    found: dict[str, set[str]] = {}

    def look(value: Any, path: str) -> None:
        found.setdefault(path, set()).add(_type(value))
        if isinstance(value, dict):
            for name, inner in value.items():
                look(inner, f"{path}.{name}" if path else name)
        elif isinstance(value, list):
            for inner in value:
                look(inner, f"{path}[]")

    for value in values:
        look(value, "")
    return {path: sorted(types) for path, types in sorted(found.items())}


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names.get(type(value), "null")


def losses(before: Shape, now: Shape) -> list[str]:
    """What a reader of `before` would miss in `now`; new fields are none of its business."""
    lost = [f"{path}: is gone" for path in before if path not in now]
    for path in before.keys() & now.keys():
        if not set(now[path]) <= set(before[path]):
            lost.append(f"{path}: was {'|'.join(before[path])}, is {'|'.join(now[path])}")
    return sorted(lost)


def draw(folder: Path) -> None:
    """A receipt, three discs, and a folder of questions about such discs."""
    page = Image.new("RGB", (640, 400), "#fafafa")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(36)
    rows = [("Corner shop", ""), ("Milk", "2.10"), ("Bread", "3.40"), ("Total", "5.50")]
    for row, (left, right) in enumerate(rows):
        for x, text in ((90, left), (450, right)):
            pen.text((x, 60 + 75 * row), text, fill="#141414", font=font)
    page.save(folder / "receipt.png")
    discs = Image.new("RGB", (384, 384), "#d8d8d8")
    pen = ImageDraw.Draw(discs)
    for x, y in ((110, 120), (270, 130), (190, 280)):
        pen.ellipse((x - 50, y - 50, x + 50, y + 50), fill="#c81e1e", outline="#222222", width=3)
    discs.save(folder / "discs.png")
    asked = folder / "asked"
    asked.mkdir()
    discs.save(asked / "discs.png")
    question = {"picture": "discs.png", "question": "How many circles are there?"}
    line = json.dumps(question | {"answer": "3", "skill": "count"})
    (asked / "questions.jsonl").write_text(f"{line}\n")
    moods = [("the sun sings", "positive"), ("no moon", "negative"), ("a tree", "neutral")]
    lines = [json.dumps({"text": text, "label": label}) for text, label in moods]
    (folder / "moods.jsonl").write_text("\n".join(lines))


SESSION = (
    '{"question": "what is the total", "picture": "receipt.png"}',
    "/find milk",
    '{"command": "set", "argument": "verbosity 1"}',
    '{"command": "set", "argument": "speech.headphones true"}',
    "/open discs.png",
    "how many circles are there",
    "/nonsense",
)


def session(folder: Path, checkout: Path = REPOSITORY) -> list[dict[str, Any]]:
    """The events of a conversation about pictures that `draw` drew."""
    given = ("--json", "--no-speech", "--camera", "missing.mp4")
    return objects("assistant", *given, folder=folder, lines=SESSION, checkout=checkout)


def asked(folder: Path, checkout: Path = REPOSITORY) -> list[dict[str, Any]]:
    """Two answers of `assistant ask --json`: one read, one by the model."""
    more: dict[str, Any] = {"folder": folder, "checkout": checkout}
    return [
        *objects("assistant", "ask", "receipt.png", "what is the total", "--json", **more),
        *objects("assistant", "ask", "discs.png", "how many circles are there", "--json", **more),
    ]


def read(folder: Path, checkout: Path = REPOSITORY) -> list[dict[str, Any]]:
    """The answer of `assistant read --json`."""
    return objects("assistant", "read", "receipt.png", "--json", folder=folder, checkout=checkout)


FIRST = "eval small --task perplexity --data llama/text.txt --limit 3 --json now.json"
"""The result that the next one is compared with."""

EVALUATIONS = (
    "eval small --task perplexity --data llama/text.txt --limit 3 --against now.json",
    "eval small --task sentiment --data moods.jsonl",
    "eval {checkout}/models/pocket/int4 --task pictures --data asked",
)


def evaluated(folder: Path, checkout: Path = REPOSITORY) -> dict[str, dict[str, Any]]:
    """What `quantizer eval --json FILE` writes, by the task; in one process, to be quick."""
    results = {line.split()[3]: line for line in EVALUATIONS}
    calls = [
        [*line.format(checkout=checkout).split(), "--json", f"{task}.json"]
        for task, line in results.items()
    ]
    code = f"sys.exit(max(main(call) for call in {[FIRST.split(), *calls]!r}))"
    output("quantizer", folder=folder, checkout=checkout, code=code)
    return {task: json.loads((folder / f"{task}.json").read_text()) for task in results}


def kept(folder: Path, checkout: Path = REPOSITORY) -> dict[str, list[dict[str, Any]]]:
    """What the commands say about a home of 0.3.0: its memory and its models."""
    more: dict[str, Any] = {"folder": folder, "checkout": checkout, "variables": PASSPHRASE}
    return {
        "memory list": objects("assistant", "memory", "list", "--json", **more),
        "memory search": objects("assistant", "memory", "search", "capsule", "--json", **more),
        "models list": objects("assistant", "models", "list", "--json", **more),
        "models verify": objects("assistant", "models", "verify", "cogvlm2-19b", "--json", **more),
    }


_HELPS = """
import contextlib, io, json
said = {}
for words in WORDS:
    with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.suppress(SystemExit):
        main([*words, "--help"])
    said[" ".join(words)] = told.getvalue()
print(json.dumps(said))
"""


def options(
    command: str, commands: Sequence[Sequence[str]], checkout: Path = REPOSITORY
) -> tuple[Options, list[list[str]]]:
    """Of several commands what can be typed and what each takes, as `--help` tells it.

    commands: the words behind `command`, such as ["memory", "list"].

    Returns what can be typed after each, with positional arguments by their place, such as "1",
    because their names are never typed; and the commands that are below these.
    """
    with tempfile.TemporaryDirectory() as folder:
        code = f"WORDS = {[*map(list, commands)]!r}\n{_HELPS}"
        told = json.loads(output(command, folder=Path(folder), checkout=checkout, code=code))
    found: Options = {}
    below: list[list[str]] = []
    for words, text in told.items():
        found[f"{command} {words}".strip()], inner = _listed(text)
        below += [[*words.split(), name] for name in inner]
    return found, below


def _listed(text: str) -> tuple[dict[str, str], list[str]]:
    """Read one help text: what can be typed, and the commands below this one."""
    found, inner, places = {}, [], 0
    part = ""
    for line in text.splitlines():
        if heading := re.fullmatch(r"(positional arguments|options):", line):
            part = heading[1]
        elif not line.startswith(" "):
            part = ""
        elif part and re.match(r"  \S", line):
            entry = re.split(r"\s{2,}", line.strip())[0]
            if part == "options":
                for one in entry.split(", "):
                    name, _, takes = one.partition(" ")
                    found[name] = takes
            elif not re.match(r"[A-Z]+$|\{.*\}$", entry) or not _has_commands(text, entry):
                places += 1
                found[str(places)] = entry
        elif part == "positional arguments" and (below := re.match(r"    ([a-z][\w-]*)", line)):
            inner.append(below[1])
    return found, inner


def _has_commands(text: str, entry: str) -> bool:
    """Whether this argument is the name of a command, whose names stand indented below it."""
    return re.search(rf"^  {re.escape(entry)}.*\n    [a-z]", text, re.MULTILINE) is not None


def record(checkout: Path) -> dict[str, Any]:
    """Everything that a checkout of 0.3.0 prints for others."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        unpack(folder)
        answers = {name: shape(told) for name, told in kept(folder, checkout).items()}
        (folder / "home").rename(folder / "home of somebody")
        draw(folder)
        events = session(folder, checkout)
        for kind in sorted({event["event"] for event in events}):
            answers[f"event {kind}"] = shape(each for each in events if each["event"] == kind)
        answers["ask"] = shape(asked(folder, checkout))
        answers["read"] = shape(read(folder, checkout))
        for task, result in evaluated(folder, checkout).items():
            answers[f"eval {task}"] = shape([result])
        anew = (*RUN, "--restart", "--json")
        answers["run"] = shape(objects("quantizer", *anew, folder=folder, checkout=checkout))
    typed: Options = {}
    for command in ("assistant", "quantizer"):
        level: list[list[str]] = [[]]
        while level:
            found, level = options(command, level, checkout)
            typed |= found
    return {"json": answers, "typed": typed}


if __name__ == "__main__":
    written = json.dumps(record(Path(sys.argv[1]).resolve()), indent=1)
    Path(sys.argv[2]).write_text(f"{written}\n")
