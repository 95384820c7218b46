"""The ``quantizer`` command; each of its commands has a file in ``quantizer.commands``.

PyTorch takes seconds to load, in which a user may change their mind: until then a signal ends the
process at once. So nothing that imports it stands at the top of this file.
"""

import argparse
import io
import logging
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from models import endings
from models.errors import ModelsError
from models.plain_text import escaped, one_line
from models.socket_filter import give_up_internet
from models.system_errors import FULL, OUT_OF_MEMORY, is_out_of_memory, reason, way_out
from quantizer.errors import QuantizerError, RankError, SettingsError

if TYPE_CHECKING:
    from quantizer.run.torchrun import Connected

FAILED = 2

EXIT_CODES = """\
exit codes:
  0  done
  1  inspect: something suspicious was found
  2  not done; one line says why
  71  there is not enough memory
  74  the work is done, but its output could not be written; a reader that stops is no failure
  129  stopped because the terminal was closed
  130  stopped with Ctrl+C
  143  stopped by another program or the system
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; an expected error is one line on stderr and exit code 2.

    argv: None stands for the command line of this process, which then gives up the right to open
        internet sockets.
    """
    return endings.run(lambda: _run(None)) if argv is None else _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _log_in_lines()
    try:
        options = _parser().parse_args(argv)
        if argv is not None:
            return _act(options)
        return _of_this_process(options)
    except KeyboardInterrupt as error:
        endings.say(_stopped(error))
        return endings.code_of(error)
    except Exception as error:
        return _failed(error)


def _of_this_process(options: argparse.Namespace) -> int:
    """Do a command, alone or as one of the processes that torchrun started."""
    from quantizer.run import torchrun

    if not torchrun.launched():
        give_up_internet()
        endings.stop_by_exception()
        return _act(options)
    if not options.in_ranks:
        torchrun.refuse()
    ranks = torchrun.connect()
    # Only what leads to the other ranks, on this machine, outlasts it.
    give_up_internet(keep=ranks.sockets)
    endings.stop_by_exception()
    if ranks.rank:
        logging.getLogger().setLevel(logging.ERROR)  # rank 0 warns of the same
    options.ranks = ranks
    try:
        code = _act(options)
    except Exception:
        # Shown as Python shows it; raised on, it would wait for a thread that may never end.
        traceback.print_exc()
        code = 1
    return ranks.leave(code)


def _act(options: argparse.Namespace) -> int:
    """Do a command that was read; an expected error becomes one line."""
    ranks: Connected | None = options.ranks
    try:
        return endings.finish(int(options.action(options)))
    except KeyboardInterrupt as error:
        # torchrun stops those that are left when one of them ended.
        blamed = None if ranks is None else ranks.blame()
        if blamed is not None:
            return _failed(blamed)
        if ranks is not None:
            ranks.note(error)
        if ranks is None or not ranks.rank:
            endings.say(f"{_stopped(error)}; {options.if_stopped}")
        return endings.code_of(error)
    except Exception as error:
        if ranks is None:
            return _failed(error)
        ranks.note(error)
        return _failed(error, f"rank {ranks.rank}: " if ranks.rank else "")


def _failed(error: Exception, whose: str = "") -> int:
    """Tell what failed in one line and return the exit code; what nobody expects is raised.

    whose: what stands before the line.
    """
    if isinstance(error, RankError):
        if not error.said:
            endings.say(f"error: {_describe(error)}")
        return FAILED
    if is_out_of_memory(error):
        # What PyTorch says has the call stack of its C++ code in it.
        said = _describe(error) if isinstance(error, QuantizerError | ModelsError) else ""
        endings.say(f"error: {whose}{said or OUT_OF_MEMORY}")
        return endings.NO_RESOURCES
    if isinstance(error, OSError) and error.filename is None and endings.output_fault():
        return endings.finish(0, error)
    if isinstance(error, BrokenPipeError):
        return endings.finish(0, error)
    if not isinstance(error, QuantizerError | ModelsError | OSError) and not _is_of_weights(error):
        raise error
    endings.say(f"error: {whose}{_describe(error)}")
    return FAILED


def _is_of_weights(error: Exception) -> bool:
    """True for what the library of weights raises; it is not imported for an early error."""
    return type(error).__name__ == "SafetensorError"


def _stopped(error: KeyboardInterrupt) -> str:
    return endings.words_of(error) if isinstance(error, endings.Stopped) else "stopped"


class _Lines(logging.Formatter):
    """Warnings repeat names from files of others, which must not steer the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return escaped(super().formatMessage(record))


def _log_in_lines() -> None:
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _Parser(argparse.ArgumentParser):
    """Reports a wrong option like every other expected error, in one line."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    # Here, because they import PyTorch.
    from quantizer.commands import compare, eval, exporting, importing, inspect, repair, run

    parser = _Parser(
        prog="quantizer",
        description="Quantize models to 4 bits and measure them.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # ranks: the others beside this process; in_ranks: whether a command can work so.
    parser.set_defaults(ranks=None, in_ranks=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run.add(commands.add_parser("run", help="quantize a model folder"))
    eval.add(commands.add_parser("eval", help="measure a model folder, full precision or int4"))
    inspect.add(commands.add_parser("inspect", help="describe a quantized folder and check it"))
    importing.add(commands.add_parser("import", help="make a model folder of a GGUF file"))
    exporting.add(commands.add_parser("export", help="write a model folder as a GGUF file"))
    repair.add(commands.add_parser("repair", help="copy a model folder so that others can read it"))
    compare.add(commands.add_parser("compare", help="measure several methods from one walk"))
    return parser


def _describe(error: BaseException) -> str:
    if isinstance(error, QuantizerError):
        from quantizer.commands.common import option_of

        return one_line(error.worded(option_of))
    if isinstance(error, OSError) and error.errno in FULL:
        where = "" if error.filename is None else f"{error.filename}: "
        return one_line(
            f"{where}the disk is full; free some of it, or give an output on another disk"
        )
    if isinstance(error, OSError) and error.filename is not None:
        if error.errno is None or way_out(error) == "check the path":
            return one_line(
                f"{error.filename}: {reason(error)}; check the path and its permissions"
            )
        return one_line(f"{error.filename}: {reason(error)}; {way_out(error)}")
    return one_line(str(error)) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
