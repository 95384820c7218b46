"""Everything that `models` raises on purpose. A message names the cause and the way out."""

from models.plain_text import escaped, shortened


class ModelsError(Exception):
    """Root of the tree; a command line prints its message as one line.

    Names and values out of files are part of many messages, so none keeps control characters.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(shortened(escaped(message)))


class ModelFolderError(ModelsError):
    """A model folder is missing, lacks a file, or its configuration cannot be used."""


class CheckpointError(ModelsError):
    """A weight file is damaged, incomplete, or holds values that must not be used."""


class PictureError(ModelsError):
    """A picture file is missing, is no picture, is cut short, or is too large."""


class PromptError(ModelsError):
    """A question is empty or does not fit into the model's context."""


class FontsError(ModelsError):
    """A font file that the pocket model's pictures are drawn with is not installed."""


class ListingError(ModelsError):
    """The listing of books that the pocket model's covers print is missing or damaged."""


class DeviceError(ModelsError):
    """A device was asked for that this machine does not have."""


class CatalogError(ModelsError):
    """The catalog of models is damaged, or does not hold the model that was asked for."""
