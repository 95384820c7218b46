"""The command line: `assistant` alone is the conversation, `assistant COMMAND` does one thing.

A command's file is imported when the command is named, so that `--help` and a wrong command are
answered at once.
"""

import argparse
import errno
import io
import logging
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from assistant.commands.exits import (
    ANSWERED,
    BAD_INPUT,
    EXIT_CODES,
    UNEXPECTED,
    leave,
    print_error,
)
from assistant.errors import AssistantError, UsageError
from models import endings
from models.errors import ModelsError
from models.socket_filter import Offline, give_up_internet
from models.system_errors import OUT_OF_MEMORY, is_out_of_memory

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

    argv: None stands for the command line of this process. It then gives up the right to open
        internet sockets, and may end here.
    """
    if argv is not None:
        return _run(argv, _go_on_as_before)
    return leave(endings.run(lambda: _run(None, give_up_internet)))


def _go_on_as_before() -> Offline:
    return Offline(False, "the command runs inside another program")


def _run(argv: Sequence[str] | None, go_offline: Callable[[], Offline]) -> int:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character shows a mark; a byte that is none is read as one.
            stream.reconfigure(errors="replace")
    try:
        options = _parser().parse_args(argv)
        logging.basicConfig(level=logging.INFO if options.verbose else logging.ERROR)
        # Commands that must begin something before, or that go online, say so; no other does.
        if options.goes_offline_itself:
            options.go_offline = go_offline
        elif not options.goes_online:
            go_offline()
        if argv is None:
            endings.stop_by_exception()
        code: int = options.run(options)
        return endings.finish(code)
    except (AssistantError, ModelsError) as error:
        print_error(str(error))
        return endings.NO_RESOURCES if is_out_of_memory(error) else BAD_INPUT
    except KeyboardInterrupt as error:
        endings.say(endings.words_of(error))
        return endings.finish(endings.code_of(error))
    except Exception as error:
        if isinstance(error, OSError) and (error.errno == errno.EPIPE or endings.output_fault()):
            return endings.finish(ANSWERED, error)
        if is_out_of_memory(error):
            print_error(OUT_OF_MEMORY)
            return endings.NO_RESOURCES
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
                f"{given[1]}: is a file and no command",
                "to talk about it: assistant --picture FILE",
            )
        raise UsageError(message, f"see {self.prog} --help")


class _CommandParser(_LineParser):
    """The parser of one command, whose options are added when it is named."""

    def __init__(
        self,
        *,
        add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
        **options: Any,
    ) -> None:
        """add_options: adds the command's options, its description and its epilog, once."""
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)
        # Else the conversation's answer to this would hold for the command.
        self.set_defaults(goes_offline_itself=False)
        self._add_options = add_options
        self._has_options = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the options, and parse as usual."""
        if not self._has_options:
            self._has_options = True
            self._add_options(self)
        return super().parse_known_args(args, namespace)


def _parser() -> argparse.ArgumentParser:
    parser = _LineParser(
        prog="assistant",
        description="Answers questions about what the camera or a picture shows, in text and "
        "speech, without network. Without a command, a conversation starts.",
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(goes_online=False)
    _add_conversation(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_CommandParser)
    for name, summary, add_options in (
        ("ask", "answer a question about a picture", _add_ask),
        ("read", "read the text of a picture in reading order", _add_read),
        ("models", "list, fetch and check models", _add_models),
        ("doctor", "say what works here, what does not, and what to do", _add_doctor),
        ("memory", "list, search, export and delete what was saved", _add_memory),
    ):
        commands.add_parser(name, help=summary, add_options=add_options)
    return parser


# Each imports what its command needs, once it is named.


def _add_ask(parser: argparse.ArgumentParser) -> None:
    from assistant.commands.one_shot import add_ask_options

    add_ask_options(parser)


def _add_read(parser: argparse.ArgumentParser) -> None:
    from assistant.commands.one_shot import add_read_options

    add_read_options(parser)


def _add_models(parser: argparse.ArgumentParser) -> None:
    from assistant.commands.models import add_options

    add_options(parser)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    from assistant.commands.doctor import add_options

    add_options(parser)


def _add_memory(parser: argparse.ArgumentParser) -> None:
    from assistant.commands.memory import add_options

    add_options(parser)


def _converse(options: argparse.Namespace) -> int:
    from assistant.commands.live import run

    return run(options)


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
    parser.add_argument(
        "--device", metavar="DEVICE", help="what computes the models: auto, cpu, cuda or cuda:1"
    )
    parser.add_argument(
        "--vosk-model", type=Path, metavar="DIR", help="Vosk or Whisper model for speech"
    )
    parser.add_argument("--verbose", action="store_true", help="log what is done")
    parser.set_defaults(run=_converse, goes_offline_itself=True)


if __name__ == "__main__":
    sys.exit(main())
