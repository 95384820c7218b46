"""What becomes of a model that is being pulled: told by what pulls it, said by what offers it."""

from dataclasses import dataclass

STOPPED = "stopped"
"""Why a pull ended that the user stopped."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of a pull; one of these is set.

    share:     how much has come, 0 to 1.
    remark:    a sentence that the user should know, such as that another source is asked.
    importing: the model has come and is being made ready.
    failed:    it has ended and nothing was installed: why, with the way out; or `STOPPED`.
    is_done:   the model can be used.
    """

    share: float | None = None
    remark: str = ""
    importing: bool = False
    failed: str = ""
    is_done: bool = False
