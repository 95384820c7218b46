"""Sound to the loudspeaker through PortAudio."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.audio import AudioClip
from assistant.errors import PlayerError


class SoundDevicePlayer:
    """Plays clips on the default output device.

    Creating one is the check: it fails where there is no PortAudio library or no output device,
    so that a front end can say so once and go on in text.
    """

    def __init__(self) -> None:
        """Find the default output device.

        Raises:
            PlayerError: no PortAudio library, or no output device.
        """
        try:
            import sounddevice
        except (ImportError, OSError) as error:
            raise PlayerError(
                "no sound: the PortAudio library is missing (Debian: apt install libportaudio2)"
            ) from error
        self._sounddevice: Any = sounddevice
        try:
            self._device: Any = sounddevice.query_devices(kind="output")
        except (sounddevice.PortAudioError, ValueError) as error:
            raise PlayerError("no sound: no loudspeaker or headphones were found") from error

    def play(self, clip: AudioClip) -> None:
        """Play one clip and return when it has been heard.

        Raises:
            PlayerError: the device was lost or refuses the sound.
        """
        rate_hz = self._usable_rate_hz(clip.rate_hz)
        try:
            self._sounddevice.play(_resampled(clip, rate_hz), rate_hz, blocking=True)
        except self._sounddevice.PortAudioError as error:
            raise PlayerError(f"no sound: the output device failed ({error})") from error

    def stop(self) -> None:
        """Silence the device at once; may be called from another thread."""
        self._sounddevice.stop(ignore_errors=True)

    def _usable_rate_hz(self, wanted_hz: int) -> int:
        """The clip's rate if the device takes it, else the device's own."""
        try:
            self._sounddevice.check_output_settings(samplerate=wanted_hz, channels=1)
        except self._sounddevice.PortAudioError:
            return int(self._device["default_samplerate"])
        return wanted_hz


def _resampled(clip: AudioClip, rate_hz: int) -> NDArray[np.int16]:
    """Samples at another rate, (n,) int16, by straight lines between the given ones.

    Good enough for synthesized speech, which holds nothing near the upper frequency limit.
    """
    if rate_hz == clip.rate_hz:
        return clip.samples
    positions = np.arange(int(len(clip.samples) * rate_hz / clip.rate_hz)) * clip.rate_hz / rate_hz
    return np.interp(positions, np.arange(len(clip.samples)), clip.samples).astype(np.int16)
