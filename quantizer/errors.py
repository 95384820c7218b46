"""Everything that `quantizer` raises on purpose. A message names the cause and the way out."""


class QuantizerError(Exception):
    """Root of the tree; the command line prints its message as one line."""


class SettingsError(QuantizerError):
    """An option, or a combination of options and model, cannot be honoured."""


class CalibrationError(QuantizerError):
    """Calibration data is missing, unreadable, too short, or leaves a layer without statistics."""


class WeightError(QuantizerError):
    """A weight holds values that no 4-bit grid with fp16 scales can represent."""


class OutputError(QuantizerError):
    """The output folder is not ours to write, or what was written does not read back."""


class EvaluationError(QuantizerError):
    """Evaluation data is missing, unreadable, or too short for one measurement."""
