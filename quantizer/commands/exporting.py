"""``quantizer export``: write a model folder as a GGUF file."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from quantizer.commands.common import progress_bar
from quantizer.exporting.export import OUTER_KINDS, Exported, export_gguf


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Write a folder of LLaMA, Qwen2 or Qwen3, quantized or not, as one GGUF file, which "
        "llama.cpp and the programs built on it load. Codes and scales are taken as they are."
    )
    parser.set_defaults(action=_export, if_stopped="nothing was written")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="model folder")
    parser.add_argument("out", type=Path, metavar="FILE", help="new file that ends with .gguf")
    parser.add_argument(
        "--embedding-bits",
        type=int,
        choices=tuple(OUTER_KINDS),
        default=16,
        help="of the embedding and the head, which are rounded to nearest; default: %(default)s, "
        "not quantized",
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def _export(options: argparse.Namespace) -> int:
    with progress_bar() as show:
        exported = export_gguf(
            options.folder, options.out, outer_bits=options.embedding_bits, show=show
        )
    print(json.dumps(asdict(exported)) if options.json else _summary(options.out, exported))
    return 0


def _summary(out: Path, exported: Exported) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(exported.kinds.items()))
    template = "with its chat template" if exported.has_template else "without a chat template"
    parts = exported.part_bytes
    sizes = [f"{name} {parts[name] / 1e6:.1f}" for name in parts if parts[name]]
    first = (
        f"{out}: {exported.family}, {exported.size_bytes / 1e6:.1f} MB ({', '.join(sizes)}), "
        f"{kinds}, {template}"
    )
    return "\n".join((first, *(f"note: {note}" for note in exported.notes)))
