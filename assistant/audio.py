"""Mono 16-bit sound in memory, and the WAV files it comes from and goes to."""

import os
import shlex
import struct
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.errors import AudioFileError, UsageError

QUESTION_RATE_HZ = 16_000
"""The rate both recognizers' acoustic models were trained on."""

LONGEST_QUESTION_S = 60.0

_WAV_ERRORS = (wave.Error, EOFError, RuntimeError, struct.error, ArithmeticError)
"""What the library raises on files: a chunk longer than the one around it is a RuntimeError."""


@dataclass(frozen=True, slots=True)
class AudioClip:
    """One piece of mono sound.

    samples: (n,) int16.
    rate_hz: samples per second.
    """

    samples: NDArray[np.int16]
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


def read_question(path: Path) -> AudioClip:
    """Read a spoken question: WAV, PCM, 16 kHz, mono, 16 bits.

    Nothing is converted silently: resampling and mixing change what a recognizer hears, so the
    message names the command that does it.

    Raises:
        AudioFileError: missing, not a WAV file, of another form, empty, or too long.
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "no such file"
        raise AudioFileError(f"{path}: {what}", "give a WAV recording of the question")
    way_out = f"convert it: sox {shlex.quote(str(path))} -r 16000 -c 1 -b 16 OUT.wav"
    try:
        with wave.open(str(path), "rb") as recording:
            found = _form(recording)
            if found != _form_text(QUESTION_RATE_HZ, 1, 2):
                raise AudioFileError(f"{path}: is {found}, not 16000 Hz mono 16 bit", way_out)
            # One second more than allowed is enough to know that it is too long.
            content = recording.readframes(int((LONGEST_QUESTION_S + 1) * QUESTION_RATE_HZ))
    except _WAV_ERRORS as error:
        reason = str(error) or "it ends inside its header"
        raise AudioFileError(f"{path}: is not a PCM WAV file ({reason})", way_out) from error
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror})") from error
    samples = np.frombuffer(content[: len(content) // 2 * 2], dtype="<i2").astype(np.int16)
    if not len(samples):
        raise AudioFileError(f"{path}: holds no sound", "record the question again")
    if len(samples) > LONGEST_QUESTION_S * QUESTION_RATE_HZ:
        raise AudioFileError(
            f"{path}: is longer than {LONGEST_QUESTION_S:.0f} s", "record the question alone"
        )
    return AudioClip(samples, QUESTION_RATE_HZ)


HIGHEST_RATE_HZ = 768_000
"""Of any recorder or voice; the header has room for 4,294,967,295."""


def read_clip(path: Path) -> AudioClip:
    """Read any mono 16-bit PCM WAV file, at whatever rate it has.

    Raises:
        AudioFileError: missing, not a WAV file, or not mono 16 bit.
    """
    try:
        with wave.open(str(path), "rb") as recording:
            if recording.getnchannels() != 1 or recording.getsampwidth() != 2:
                raise AudioFileError(f"{path}: is {_form(recording)}, not mono 16 bit")
            if not 0 < recording.getframerate() <= HIGHEST_RATE_HZ:
                raise AudioFileError(f"{path}: is {_form(recording)}, which no sound has")
            # The header may promise more than there is, and memory for it would be set aside.
            most = path.stat().st_size // 2
            content = recording.readframes(min(recording.getnframes(), most))
            whole = content[: len(content) // 2 * 2]
            return AudioClip(
                np.frombuffer(whole, dtype="<i2").astype(np.int16), recording.getframerate()
            )
    except (*_WAV_ERRORS, OSError) as error:
        reason = str(error) or "it ends inside its header"
        raise AudioFileError(f"{path}: cannot be read as a WAV file ({reason})") from error


def check_wav_output(
    path: Path, *, overwrite: bool = False, way_out: str = "give another name"
) -> None:
    """Refuse an output path that cannot or must not be written, before any work is done.

    overwrite: an existing WAV file may be replaced; any other file never is.
    way_out:   what the user can do where it may not.

    Raises:
        UsageError: a folder, an existing file, or a folder that is missing or cannot be
            written to.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder", "give the name of a WAV file to write")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist", "create it first")
    if path.exists():
        if not _starts_like_wav(path):
            raise UsageError(
                f"{path}: exists and is not a WAV file, so it is not overwritten",
                "give another name",
            )
        if not overwrite:
            raise UsageError(f"{path}: exists already", way_out)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: the folder {path.parent} cannot be written to", "give another")


def write_wav(path: Path, clip: AudioClip, *, overwrite: bool = False) -> None:
    """Write a clip, readable by its owner only; an existing WAV is replaced in one step.

    overwrite: as in `check_wav_output`.

    Raises:
        UsageError: the path must not be overwritten, or cannot be written.
    """
    check_wav_output(path, overwrite=overwrite)
    try:
        # mkstemp creates the file 0600: an answer is as private as the picture it is about.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".sightline-")
        try:
            with os.fdopen(handle, "wb") as stream, wave.open(stream, "wb") as recording:
                recording.setnchannels(1)
                recording.setsampwidth(2)
                recording.setframerate(clip.rate_hz)
                recording.writeframes(clip.samples.astype("<i2").tobytes())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})", "give another") from error


def join_clips(clips: list[AudioClip], pause_s: float = 0.15) -> AudioClip:
    """Put clips of one rate behind each other with a short pause between them."""
    if not clips:
        raise ValueError("no clips to join")
    rate_hz = clips[0].rate_hz
    if any(clip.rate_hz != rate_hz for clip in clips):
        raise ValueError("clips of different rates cannot be joined")
    pause = np.zeros(int(pause_s * rate_hz), np.int16)
    pieces = [clips[0].samples]
    for clip in clips[1:]:
        pieces += [pause, clip.samples]
    return AudioClip(np.concatenate(pieces), rate_hz)


def _starts_like_wav(path: Path) -> bool:
    """True for an ordinary file that is empty or opens with a RIFF WAVE header."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(12)
    except OSError as error:
        raise UsageError(
            f"{path}: exists and cannot be read ({error.strerror})", "give another name"
        ) from error
    return start == b"" or (start[:4] == b"RIFF" and start[8:] == b"WAVE")


def _form(recording: wave.Wave_read) -> str:
    return _form_text(recording.getframerate(), recording.getnchannels(), recording.getsampwidth())


def _form_text(rate_hz: int, channels: int, width_bytes: int) -> str:
    names = {1: "mono", 2: "stereo"}
    return f"{rate_hz} Hz {names.get(channels, f'{channels}-channel')} {8 * width_bytes} bit"
