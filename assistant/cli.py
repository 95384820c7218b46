"""The command line: `assistant` alone is the conversation, `assistant COMMAND` does one thing.

Drivers are imported where they are first needed, so that `--help` and bad input are answered
at once.
"""

import argparse
import errno
import io
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from assistant.commands import live, one_shot
from assistant.commands import memory as memory_command
from assistant.commands import models as models_command
from assistant.commands.exits import (
    ANSWERED,
    BAD_INPUT,
    EXIT_CODES,
    INTERRUPTED,
    UNEXPECTED,
    leave,
    print_error,
)
from assistant.doctor import doctor
from assistant.errors import AssistantError, UsageError
from models.errors import ModelsError

EXAMPLES = """\
examples:
  assistant
  assistant --plain --picture receipt.jpg
  echo "What is the total?" | assistant --plain --no-speech --picture receipt.jpg
  assistant ask receipt.jpg "What is the total?"
  assistant ask label.jpg --question-audio question.wav --answer-audio answer.wav
  assistant read letter.jpg --no-speech

"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    argv: None stands for the command line of this process, which may then end here.
    """
    code = _run(argv)
    return leave(code) if argv is None else code


def _run(argv: Sequence[str] | None) -> int:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character shows a mark; a byte that is none is read as one.
            stream.reconfigure(errors="replace")
    try:
        options = _parser().parse_args(argv)
        logging.basicConfig(level=logging.INFO if options.verbose else logging.ERROR)
        code: int = options.run(options)
        return code
    except (AssistantError, ModelsError) as error:
        print_error(str(error))
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; what Python flushes at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ANSWERED
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            print_error(f"{error.filename}: the path is too long; give a shorter one")
            return BAD_INPUT
        # The last line of defence: a blind user gets one sentence, a developer the trace.
        logging.getLogger(__name__).info("unexpected failure", exc_info=True)
        print_error(f"unexpected failure ({type(error).__name__}: {error}); run with --verbose")
        return UNEXPECTED


class _LineParser(argparse.ArgumentParser):
    """Reports wrong usage in one line, as every other bad input, and never colours its help."""

    def __init__(self, **options: Any) -> None:
        if sys.version_info >= (3, 14):
            options["color"] = False
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        given = re.search(r"COMMAND: invalid choice: '(.+?)' ", message)
        if given and Path(given[1]).is_file():
            raise UsageError(
                f"{given[1]}: is a file and no command; to talk about it: assistant --picture FILE"
            )
        raise UsageError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _LineParser(
        prog="assistant",
        description="Answers questions about what the camera or a picture shows, in text and "
        "speech, without network. Without a command, a conversation starts.",
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_conversation(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    one_shot.add_parsers(commands)
    models_command.add_parsers(commands)
    doctor.add_parsers(commands)
    memory_command.add_parsers(commands)
    return parser


def _add_conversation(parser: argparse.ArgumentParser) -> None:
    front = parser.add_mutually_exclusive_group()
    front.add_argument("--plain", action="store_true", help="plain lines, for any screen reader")
    front.add_argument("--tui", action="store_true", help="the full screen, also where not default")
    front.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    parser.add_argument("--no-speech", action="store_true", help="text only, without any sound")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="look at this picture first")
    parser.add_argument(
        "--camera", metavar="SOURCE", help="a number, file, folder, video, address, or none"
    )
    parser.add_argument("--model", type=Path, metavar="DIR", help="vision-language model")
    parser.add_argument("--vosk-model", type=Path, metavar="DIR", help="Vosk model for speech")
    parser.add_argument("--verbose", action="store_true", help="log what is done")
    parser.set_defaults(run=live.run)


if __name__ == "__main__":
    sys.exit(main())
