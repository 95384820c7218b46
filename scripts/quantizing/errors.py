"""Why a model was not made small."""

from assistant.errors import AssistantError


class NotDone(AssistantError):
    """A step was refused or failed; nothing that was reached is lost."""
