"""``quantizer repair``: a copy of a model folder that others can read."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from models.plain_text import escaped
from quantizer.commands.common import progress_bar
from quantizer.inspect.folder import PLAIN, inspect_folder
from quantizer.repair.repair import repair


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write a copy of a model folder with what can be set right: the names that others expect "
        "of tensors, the index of shards, tie_word_embeddings, and the version of GPTQ that "
        "zero-points are labelled with. No weight is changed, and nothing in the folder itself."
    )
    parser.set_defaults(action=_repair, if_stopped="nothing was written")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="model folder, of any tool")
    parser.add_argument("out", type=Path, metavar="OUT", help="new or empty folder")
    parser.add_argument("--json", action="store_true", help="print what was set right as JSON")


def _repair(options: argparse.Namespace) -> int:
    with progress_bar() as show:
        repaired = repair(options.folder, options.out, show)
    if not repaired.done:
        print(
            json.dumps(asdict(repaired))
            if options.json
            else f"{options.folder}: nothing to repair, {options.out} was not written"
        )
        return 0
    left = [text for text in inspect_folder(options.out).findings() if text != PLAIN]
    if options.json:
        print(json.dumps(asdict(repaired) | {"left": left}))
        return 0
    lines = [f"{options.out}:", *(f"  {text}" for text in repaired.done)]
    lines += [f"  still suspicious: {text}" for text in left]
    print("\n".join(escaped(line) for line in lines))
    return 0
