"""Everything that `quantizer` raises on purpose. A message names the cause and the way out.

A message calls a setting by its name, ``damp_percent``; only the command line knows that it is
``--damp-percent`` there. Where settings are named a message is therefore given as a function of
how they are called::

    SettingsError(lambda name: f"{name('rounds')} {rounds} refines nothing; give 1 or more")
"""

import errno
from collections.abc import Callable
from typing import Self

from models.plain_text import escaped, shortened

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
"""What the system calls a full disk, or a used-up share of one."""

Naming = Callable[[str], str]
"""What to call a setting, from its name."""


class QuantizerError(Exception):
    """Root of the tree; the command line prints its message as one line."""

    def __init__(self, message: str | Callable[[Naming], str]) -> None:
        self._message = message
        super().__init__(self.worded(str))

    def worded(self, naming: Naming) -> str:
        """The message with every setting called as ``naming`` has it."""
        text = self._message if isinstance(self._message, str) else self._message(naming)
        # Names and values out of files are part of many messages.
        return shortened(escaped(text))

    def at(self, where: str) -> Self:
        """The same error with the place that it is about in front of its message."""
        return type(self)(lambda naming: f"{where}: {self.worded(naming)}")


class SettingsError(QuantizerError):
    """A setting, or a combination of settings and model, cannot be honoured."""


class DataError(QuantizerError):
    """A text file or picture folder given as data is missing, unreadable, empty or too short."""


class CalibrationError(QuantizerError):
    """Calibration leaves a layer without the statistics that it needs."""


class WeightError(QuantizerError):
    """A weight holds values that no grid with fp16 scales can represent."""


class ExportError(QuantizerError):
    """A model, one of its layers or its tokenizer has no form in the file that was asked for."""


class OutputError(QuantizerError):
    """The output folder is not ours to write, or what was written does not read back."""


class RankError(QuantizerError):
    """Another process of the run has ended, see ``quantizer.run.ranks``.

    said:     whether a line about it is out, so that this one stays quiet.
    of_input: whether the input was at fault, with which every later run would fail as well.
    """

    def __init__(
        self,
        message: str | Callable[[Naming], str],
        *,
        said: bool = False,
        of_input: bool = False,
    ) -> None:
        super().__init__(message)
        self.said, self.of_input = said, of_input
