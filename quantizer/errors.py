"""Everything that `quantizer` raises on purpose. A message names the cause and the way out.

Messages call a setting by its name, ``damp_percent``; only the command line knows that it is
``--damp-percent`` there. So an error also says which settings it is about, as data.
"""

import errno
from collections.abc import Sequence
from typing import Self

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
"""What the system calls a full disk, or a used-up share of one."""


class QuantizerError(Exception):
    """Root of the tree; the command line prints its message as one line.

    settings: names of the settings that caused it or that lead out of it.
    """

    def __init__(self, message: str, *, settings: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.settings = tuple(settings)

    def at(self, where: str) -> Self:
        """The same error with the place that it is about in front of its message."""
        return type(self)(f"{where}: {self}", settings=self.settings)


class SettingsError(QuantizerError):
    """A setting, or a combination of settings and model, cannot be honoured."""


class DataError(QuantizerError):
    """A text file or picture folder given as data is missing, unreadable, empty or too short."""


class CalibrationError(QuantizerError):
    """Calibration leaves a layer without the statistics that it needs."""


class WeightError(QuantizerError):
    """A weight holds values that no grid with fp16 scales can represent."""


class OutputError(QuantizerError):
    """The output folder is not ours to write, or what was written does not read back."""
