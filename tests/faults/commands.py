"""Damaged inputs through the commands: the exit code is one that is documented, and what stands
on stderr is whole lines for people."""

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import assistant.cli
import quantizer.cli
from assistant.commands.exits import BAD_INPUT
from tests.faults import folders
from tests.faults.forked import RefusedError

_MARKS = ("Traceback", "unexpected", "RecursionError", "Error:", "<built-in")


class CommandError(Exception):
    """A command ended as none should."""


def _run(main: Callable[[list[str]], int], allowed: tuple[int, ...], *words: object) -> None:
    """Run a command; ``allowed`` are exit codes of success.

    Raises:
        CommandError: wrong exit code, or something on stderr that is not for people.
        RefusedError: it refused as it should.
    """
    told, out = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(out):
        code = main([str(word) for word in words])
    lines = [line for line in told.getvalue().splitlines() if line.strip()]
    if any(mark in line for mark in _MARKS for line in lines):
        raise CommandError(f"exit code {code}: {lines}")
    if any(not line.isprintable() for line in lines + out.getvalue().splitlines()):
        raise CommandError(f"control characters: {lines} {out.getvalue()!r}")
    if code in allowed:
        return
    if code != BAD_INPUT or not lines:  # the same number in both programs
        raise CommandError(f"exit code {code}: {lines}")
    raise RefusedError(lines[-1])


def use_folder(text: Path, folder: Path, base: str, number: int) -> None:
    """``inspect``, and then ``eval`` or ``run``, of a damaged folder."""
    main = quantizer.cli.main
    with contextlib.suppress(RefusedError):
        _run(main, (0, 1), "inspect", folder)
    if base in folders.QUANTIZED:
        _run(main, (0,), "eval", folder, "--task", "perplexity", "--data", text, "--limit", 1)
        return
    out = folder.with_name("out")
    _run(main, (0,), "run", folder, "--out", out, "--method", "rtn", "--group-size", 16)


def use_result(model: Path, text: Path, folder: Path, base: str, number: int) -> None:
    """``eval --against`` a damaged earlier result."""
    asked = ("eval", model, "--task", "perplexity", "--data", text, "--limit", 1)
    _run(quantizer.cli.main, (0,), *asked, "--against", folder / "x.json")


def use_picture(folder: Path, base: str, number: int) -> None:
    """``assistant ask`` about a damaged picture."""
    (path,) = folder.iterdir()
    os.environ["SIGHTLINE_HOME"] = str(folder.with_name("home"))
    _run(assistant.cli.main, (0,), "ask", path, "What does it say?", "--no-speech")


def make_text(folder: Path) -> Path:
    """A few words to measure on."""
    path = folder / "text.txt"
    path.write_text("the sun and the moon run over the blue tree\n\n" * 20)
    return path


def make_result(model: Path, text: Path, folder: Path) -> None:
    """What ``eval`` writes."""
    asked = ("eval", model, "--task", "perplexity", "--data", text, "--limit", 1)
    _run(quantizer.cli.main, (0,), *asked, "--json", folder / "x.json")
