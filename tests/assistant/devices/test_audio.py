"""WAV files: what is accepted comes out exactly, what is not is named in one line."""

import stat
import wave
from pathlib import Path

import numpy as np
import pytest

from assistant.audio import (
    AudioClip,
    check_wav_output,
    join_clips,
    read_clip,
    read_question,
    write_wav,
)
from assistant.errors import AudioFileError, UsageError

TONE = (8000 * np.sin(np.arange(1600) * 2 * np.pi * 440 / 16000)).astype(np.int16)


def write(path: Path, *, rate_hz: int = 16000, channels: int = 1, width_bytes: int = 2) -> Path:
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(channels)
        recording.setsampwidth(width_bytes)
        recording.setframerate(rate_hz)
        recording.writeframes(bytes(1600 * channels * width_bytes))
    return path


def test_written_clip_is_read_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "question.wav"
    write_wav(path, AudioClip(TONE, 16000))
    clip = read_question(path)
    np.testing.assert_array_equal(clip.samples, TONE)
    assert clip.rate_hz == 16000
    assert clip.duration_s == pytest.approx(0.1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({"rate_hz": 44100}, "44100 Hz mono 16 bit"),
        ({"channels": 2}, "16000 Hz stereo 16 bit"),
        ({"width_bytes": 1}, "16000 Hz mono 8 bit"),
        ({"channels": 6, "width_bytes": 3}, "16000 Hz 6-channel 24 bit"),
    ],
)
def test_other_forms_are_named_with_the_way_out(
    tmp_path: Path, form: dict[str, int], named: str
) -> None:
    with pytest.raises(AudioFileError) as caught:
        read_question(write(tmp_path / "other.wav", **form))
    assert named in str(caught.value)
    assert "sox" in str(caught.value) and "-r 16000 -c 1 -b 16" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"ID3 no wave at all" * 9, b"RIFF\x24\0\0\0WAVE"]
)
def test_what_is_no_wav_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match="is not a PCM WAV file"):
        read_question(path)


def test_missing_folder_empty_and_long(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="no such file"):
        read_question(tmp_path / "none.wav")
    with pytest.raises(AudioFileError, match="is not a file"):
        read_question(tmp_path)
    write_wav(tmp_path / "empty.wav", AudioClip(TONE[:0], 16000))
    with pytest.raises(AudioFileError, match="holds no sound"):
        read_question(tmp_path / "empty.wav")
    write_wav(tmp_path / "long.wav", AudioClip(np.zeros(16000 * 61, np.int16), 16000))
    with pytest.raises(AudioFileError, match="longer than 60 s"):
        read_question(tmp_path / "long.wav")


def test_output_never_overwrites_what_is_no_wav(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("dear me")
    clip = AudioClip(TONE, 16000)
    for path in (letter, tmp_path, tmp_path / "none" / "a.wav"):
        for overwrite in (False, True):
            with pytest.raises(UsageError):
                write_wav(path, clip, overwrite=overwrite)
    assert letter.read_text() == "dear me"
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_output_replaces_an_older_answer_only_when_told_to(tmp_path: Path) -> None:
    path = tmp_path / "answer.wav"
    write_wav(path, AudioClip(TONE, 16000))
    before = path.read_bytes()
    for refused in (check_wav_output, lambda path: write_wav(path, AudioClip(TONE[:100], 22050))):
        with pytest.raises(UsageError, match="exists already; give another name$"):
            refused(path)
    assert path.read_bytes() == before
    check_wav_output(path, overwrite=True)
    write_wav(path, AudioClip(TONE[:100], 22050), overwrite=True)
    assert len(read_clip(path).samples) == 100
    assert read_clip(path).rate_hz == 22050


def test_places_that_cannot_be_written_or_read_are_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(UsageError, match="cannot be written to"):
        check_wav_output(tmp_path / "answer.wav")
    (tmp_path / "locked.wav").touch()

    def locked(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # The tests may run as an administrator, to whom no file is locked.
    monkeypatch.setattr(Path, "open", locked)
    with pytest.raises(UsageError, match=r"locked\.wav: exists and cannot be read \(Permission"):
        check_wav_output(tmp_path / "locked.wav", overwrite=True)


def test_the_longest_file_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 251 + ".wav")
    write_wav(path, AudioClip(TONE, 16000))
    assert len(read_clip(path).samples) == 1600


def test_join_puts_a_pause_between() -> None:
    joined = join_clips([AudioClip(TONE, 16000), AudioClip(TONE, 16000)], pause_s=0.01)
    assert len(joined.samples) == 2 * 1600 + 160
    assert not joined.samples[1600:1760].any()
    with pytest.raises(ValueError, match="different rates"):
        join_clips([AudioClip(TONE, 16000), AudioClip(TONE, 22050)])


@pytest.mark.parametrize("rate_hz", [0, 768_001, 2**32 - 1])
def test_a_rate_that_no_sound_has_is_refused(tmp_path: Path, rate_hz: int) -> None:
    path = write(tmp_path / "odd.wav")
    content = bytearray(path.read_bytes())
    content[24:28] = rate_hz.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=f"{rate_hz} Hz mono 16 bit"):
        read_clip(path)
