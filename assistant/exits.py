"""The exit codes of `assistant`, and the one line with which a command fails."""

import sys

from assistant.phrases import one_line

ANSWERED, UNEXPECTED, BAD_INPUT, NO_AUDIO, INTERRUPTED = 0, 1, 2, 3, 130

EXIT_CODES = """\
exit codes:
  0  answered; also when the answer is that it cannot tell
  1  unexpected failure of the program
  2  bad input: a file, folder, question or option that cannot be used; nothing was written
  3  answered in text, but the file of --answer-audio could not be made
  130  stopped with Ctrl+C
"""


def print_error(text: str) -> None:
    """Print what failed as one line on standard error."""
    print(f"error: {one_line(text)}", file=sys.stderr)
