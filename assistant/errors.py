"""Everything that `assistant` raises on purpose. A message names the cause and the way out."""

from models.plain_text import escaped


class AssistantError(Exception):
    """Root of the tree; a front end shows or speaks it as one sentence, `str(error)`.

    cause:   what is the matter.
    way_out: what the user can do about it; "" where the cause says it, or nothing helps.
    """

    def __init__(self, cause: str, way_out: str = "") -> None:
        # Names and values out of files and lines are part of many causes.
        cause = "\n".join(map(escaped, cause.split("\n")))
        super().__init__(cause, way_out)
        self.cause, self.way_out = cause, way_out

    def __str__(self) -> str:
        return f"{self.cause}; {self.way_out}" if self.way_out else self.cause


class UsageError(AssistantError):
    """What the user gave cannot be used: an empty question, an output that must not be written."""


class AudioFileError(AssistantError):
    """A WAV file is missing, is no WAV, or has another form than the recognizer needs."""


class SynthesizerError(AssistantError):
    """Speech cannot be made: the engine or the voice is missing, or it stopped answering."""


class PlayerError(AssistantError):
    """Sound cannot be played: PortAudio or an output device is missing, or the device failed."""


class MicrophoneError(AssistantError):
    """Nothing can be heard: PortAudio or a microphone is missing, or it was lost."""


class RecognizerError(AssistantError):
    """A recognizer cannot start: its model folder is missing, incomplete or damaged."""


class OcrError(AssistantError):
    """Text recognition cannot start, or failed on a picture."""


class BarcodeError(AssistantError):
    """Barcodes cannot be read: their reader is missing, or it failed on a picture."""


class VisionError(AssistantError):
    """The vision-language model cannot be loaded, or failed while it answered."""


class SettingsError(AssistantError):
    """A setting has a value that is not allowed, or its file cannot be read or written."""


class CameraError(AssistantError):
    """No picture comes: the camera or the file is missing, busy, lost, or too old."""


class DownloadError(AssistantError):
    """A model was not downloaded: no network, no room, a server that breaks off or refuses."""


class NoPlaceError(DownloadError):
    """A model cannot be kept on this machine, wherever it comes from."""


class DamagedFileError(DownloadError):
    """A downloaded or installed file is not what it should be; it is never used."""


class MemoryStoreError(AssistantError):
    """What was saved cannot be opened, read or written."""


class MemoryKeyError(MemoryStoreError):
    """The key of what was saved is missing: a wrong passphrase, or no system keyring."""


class NoKeyringError(MemoryKeyError):
    """This system has no keyring, so no key can lie in it."""
