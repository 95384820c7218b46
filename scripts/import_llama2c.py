"""Turn a llama2.c weight file and its tokenizer into a Hugging Face LLaMA folder."""

import argparse
import sys
from pathlib import Path

from models.errors import ModelsError
from models.llama2c import import_model


def main(argv: list[str] | None = None) -> int:
    """Import one model; returns 0, or 2 after a one-line error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, metavar="BIN", help="version 0 float32 file")
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(argv)
    try:
        folder = import_model(options.weights, options.tokenizer, options.out)
    except (ModelsError, OSError) as error:
        print(f"import_llama2c: {error}", file=sys.stderr)
        return 2
    print(f"wrote {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
