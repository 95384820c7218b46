#!/usr/bin/env python3
"""Turn a llama2.c weight file and its tokenizer into a Hugging Face LLaMA folder."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from models.errors import ModelsError
from models.files.llama2c import import_model


class _Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line, like every other expected error."""

    def error(self, message: str) -> NoReturn:
        print(f"error: {message}; see {self.prog} --help", file=sys.stderr)
        sys.exit(2)


def main(argv: list[str] | None = None) -> int:
    """Import one model; returns 0, or 2 after a one-line error."""
    parser = _Parser(description=__doc__)
    parser.add_argument("weights", type=Path, metavar="BIN", help="version 0 float32 file")
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(argv)
    try:
        folder = import_model(options.weights, options.tokenizer, options.out)
    except (ModelsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"wrote {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
