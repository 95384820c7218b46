"""The ``quantizer`` command; each of its commands has a file in ``quantizer.commands``."""

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

import torch
from safetensors import SafetensorError

from models.errors import ModelsError
from models.socket_filter import give_up_internet
from quantizer.commands import compare, eval, inspect, run
from quantizer.commands.common import option_of
from quantizer.errors import FULL_DISK, QuantizerError, SettingsError

_EXPECTED = (QuantizerError, ModelsError, OSError, SafetensorError, torch.OutOfMemoryError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; an expected error is one line on stderr and exit code 2.

    argv: None stands for the command line of this process, which then gives up the right to open
        internet sockets.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        options = _parser().parse_args(argv)
        if argv is None:
            give_up_internet()
        try:
            return int(options.action(options))
        except KeyboardInterrupt:
            print(f"stopped; {options.if_stopped}", file=sys.stderr)
            return 130
    except _EXPECTED as error:
        print(f"error: {' '.join(_describe(error).split())}", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """Reports a wrong option like every other expected error, in one line."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="quantizer", description="Quantize models to 4 bits and measure them.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run.add(commands.add_parser("run", help="quantize a model folder"))
    eval.add(commands.add_parser("eval", help="measure a model folder, full precision or int4"))
    inspect.add(commands.add_parser("inspect", help="describe a quantized folder and check it"))
    compare.add(commands.add_parser("compare", help="measure several methods from one walk"))
    return parser


def _describe(error: BaseException) -> str:
    if isinstance(error, QuantizerError):
        return error.worded(option_of)
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        where = "" if error.filename is None else f"{error.filename}: "
        return f"{where}the disk is full; free some of it, or give an output on another disk"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; check the path and its permissions"
    return str(error) or type(error).__name__
