#!/usr/bin/env python3
"""Make a model 4 bits and let the assistant use it: licence, download, calibration, run, check."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).parent))

from quantizing.errors import NotDone
from quantizing.making import Choices, Making
from quantizing.programs import Programs
from quantizing.state import State
from quantizing.using import undo
from quantizing.wanted import find

from assistant.errors import AssistantError
from models import endings
from models.errors import ModelsError
from models.plain_text import escaped, one_line
from models.socket_filter import give_up_internet
from quantizer.commands.common import option_of
from quantizer.errors import QuantizerError

FAILED = 2

EXIT_CODES = """\
examples:
  scripts/quantize cogvlm2-19b
  scripts/quantize cogvlm2-19b --calibration my-pictures
  scripts/quantize llama-3.1-8b --accept-licence
  scripts/quantize some/folder --out some/folder-int4 --no-use

exit codes:
  0  done
  2  not done; one line says why and what to do
  130  stopped with Ctrl+C; the same command goes on
"""


def main(argv: Sequence[str] | None = None, programs: Programs | None = None) -> int:
    """Run the command; whatever is expected to fail is one line on standard error.

    argv: None stands for the command line of this process.
    """
    if argv is not None:
        return _run(argv, programs or Programs())
    return endings.run(lambda: _run(None, Programs()))


def _run(argv: Sequence[str] | None, programs: Programs) -> int:
    goes_on = "the same command goes on"
    try:
        options = _parser().parse_args(argv)
        if argv is None:
            endings.stop_by_exception()
        if options.restart:
            goes_on = "the same command without --restart goes on"
        # Inside another program it goes on as before.
        _act(options, programs, give_up_internet if argv is None else lambda: None)
        return endings.finish(0)
    except KeyboardInterrupt as error:
        endings.say(f"{endings.words_of(error)}; nothing is lost: {goes_on}")
        return endings.code_of(error)
    except QuantizerError as error:
        endings.say(f"error: {one_line(error.worded(option_of))}")
    except (AssistantError, ModelsError) as error:
        endings.say(f"error: {one_line(str(error))}")
    except OSError as error:
        endings.say(f"error: {one_line(str(error))}; {goes_on}")
    return FAILED


class _Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line, as everything else."""

    def error(self, message: str) -> NoReturn:
        raise NotDone(message, f"see {self.prog} --help")


def _act(options: argparse.Namespace, programs: Programs, go_offline: Callable[[], object]) -> None:
    if options.samples is not None and options.samples < 2:
        raise NotDone(f"--samples {options.samples} leaves nothing to judge by", "give 2 or more")
    wanted = find(options.model, options.out)
    if options.undo:
        undo(wanted, State(wanted), _tell)
        return
    choices = Choices(
        calibration=options.calibration,
        samples=options.samples,
        device=options.device,
        accepted=options.accept_licence,
        restart=options.restart,
        plan_only=options.plan,
        use=not options.no_use,
        answer=input if sys.stdin.isatty() and sys.stdout.isatty() else None,
    )
    Making(wanted, choices, _tell, programs, go_offline).all()


def _tell(text: str) -> None:
    # Names and words of files are part of many lines.
    print(escaped(text), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="scripts/quantize",
        description="Make a model 4 bits and let the assistant use it. A command that was stopped "
        "goes on when it is given again.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a name of assistant models list, such as cogvlm2-19b, or the folder of a model",
    )
    parser.add_argument(
        "--accept-licence", action="store_true", help="accept the maker's licence, for scripts"
    )
    parser.add_argument(
        "--calibration",
        default="",
        metavar="PATH",
        help="your own pictures or texts; or public: texts of C4, fetched; or ours: drawn "
        "pictures, or the documents that are here, the weakest. Default: public texts for a "
        "language model that is pulled, else ours",
    )
    parser.add_argument(
        "--samples", type=int, metavar="N", help="sequences; default: 64 pictures, 128 of text"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N; default: %(default)s"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: in the folder of Sightline's data"
    )
    parser.add_argument(
        "--plan", action="store_true", help="stop before the run, when the plan was told"
    )
    parser.add_argument(
        "--restart", action="store_true", help="throw away what was begun, and begin anew"
    )
    parser.add_argument("--no-use", action="store_true", help="leave the settings as they are")
    parser.add_argument(
        "--undo", action="store_true", help="set the assistant to what it used before, and stop"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
