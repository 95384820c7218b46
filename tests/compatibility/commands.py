"""Runs the two commands as anybody else does: a process, its lines, its files, its exit code.

Nothing here knows how the packages are laid out inside.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 120


def run(
    command: str,
    *words: object,
    folder: Path,
    lines: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    checkout: Path = REPOSITORY,
    code: str = "sys.exit(main())",
) -> "subprocess.CompletedProcess[str]":
    """Run `assistant` or `quantizer` of a checkout.

    folder:    where it runs.
    lines:     what it reads from standard input.
    variables: of its environment, beside those of this process.
    code:      what is done with the function that the command's name stands for, `main`.
    """
    scripts = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts[command].partition(":")
    start = f"import sys\nfrom {module} import {function} as main\nsys.argv[0] = {command!r}\n"
    environment = {name: text for name, text in os.environ.items() if "SIGHTLINE" not in name}
    environment |= {
        "PYTHONPATH": str(checkout),
        "SIGHTLINE_HOME": str(folder / "home"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "400",
        **(variables or {}),
    }
    return subprocess.run(
        [sys.executable, "-c", start + code, *map(str, words)],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=PATIENCE_S,
    )


def output(command: str, *words: object, **more: object) -> str:
    """What a command prints that must succeed."""
    done = run(command, *words, **more)  # type: ignore[arg-type]
    assert done.returncode == 0, f"{command} {words}: {done.returncode}\n{done.stderr}{done.stdout}"
    return done.stdout


def objects(command: str, *words: object, **more: object) -> list[dict[str, object]]:
    """The JSON objects that it prints, one a line."""
    return [json.loads(line) for line in output(command, *words, **more).splitlines()]
