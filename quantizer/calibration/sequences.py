"""How long a text sequence is, and what starts one: the same for calibration and perplexity."""

from torch import nn

from models.families import text_limits
from quantizer.errors import SettingsError

_LONGEST = 2048


def sequence_length(model: nn.Module, asked: int | None) -> int:
    """Tokens of a sequence: the smaller of 2048 and the context, or what was asked for.

    Raises:
        SettingsError: what was asked for does not fit.
    """
    context = text_limits(model).context
    if asked is None:
        return min(_LONGEST, context)
    if not 2 <= asked <= context:
        raise SettingsError(
            lambda name: (
                f"{name('seq_len')} {asked} does not fit the model's context; give 2 to {context}"
            )
        )
    return asked
