"""Everything that `quantizer` raises on purpose. A message names the cause and the way out."""

import errno

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
"""What the system calls a full disk, or a used-up share of one."""


class QuantizerError(Exception):
    """Root of the tree; the command line prints its message as one line."""


class SettingsError(QuantizerError):
    """An option, or a combination of options and model, cannot be honoured."""


class DataError(QuantizerError):
    """A text file or picture folder given as data is missing, unreadable, empty or too short."""


class CalibrationError(QuantizerError):
    """Calibration leaves a layer without the statistics that it needs."""


class WeightError(QuantizerError):
    """A weight holds values that no grid with fp16 scales can represent."""


class OutputError(QuantizerError):
    """The output folder is not ours to write, or what was written does not read back."""
