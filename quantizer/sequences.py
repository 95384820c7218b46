"""How long a text sequence is, and what starts one: the same for calibration and perplexity."""

from pathlib import Path

from torch import nn

from models.errors import ModelFolderError
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
            f"--seq-len {asked} does not fit the model's context; give 2 to {context}"
        )
    return asked


def bos_of(model: nn.Module, folder: Path) -> int:
    """The id that starts a text.

    Raises:
        ModelFolderError: config.json names none.
    """
    bos = text_limits(model).bos_token_id
    if bos is None:
        raise ModelFolderError(
            f"{folder}/config.json has no bos_token_id; add the id that starts a text"
        )
    return bos
