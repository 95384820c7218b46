"""Layers that calibration sent few tokens: when to round them, and when to try more damping.

With fewer tokens than columns a Hessian is singular and fits what it was given too closely: the
held-out error then also chooses between two dampings. With far fewer, rounding is better still.
"""

from quantizer.solvers.methods import Settings

_TOO_FEW = 16  # a layer with fewer than columns / 16 tokens is rounded
_MORE_DAMPING = 10


def too_few(tokens: int, columns: int) -> bool:
    """Whether so few tokens say less of a layer than plain rounding knows."""
    return tokens * _TOO_FEW < columns


def scarce(tokens: int, columns: int) -> bool:
    """Whether there are fewer tokens than columns, so that their Hessian is singular."""
    return tokens < columns


def dampings(settings: Settings, tokens: int, columns: int) -> tuple[float, ...]:
    """The dampings that GPTQ is tried with, as shares of the Hessian's mean diagonal.

    The published method has one start, whatever it is worth.
    """
    if scarce(tokens, columns) and settings.method != "rpiq-paper":
        return settings.damp_percent, _MORE_DAMPING * settings.damp_percent
    return (settings.damp_percent,)


def rounded_warning(tokens: int, columns: int) -> str:
    """What to say of a layer that was rounded for want of tokens."""
    return (
        f"only {tokens} calibration tokens for {columns} columns: rounded to nearest; "
        "use more calibration samples"
    )


def scarce_warning(tokens: int, columns: int, chosen: str) -> str:
    """What to say of a layer for which the held-out error had to choose a stage."""
    return f"{tokens} calibration tokens for {columns} columns: held-out error chose {chosen}"
