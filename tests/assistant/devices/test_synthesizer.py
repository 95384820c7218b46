"""The speech worker: sound comes out, nothing stays behind, and it may hang or die."""

import ctypes.util
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from assistant.devices import synthesis_worker
from assistant.devices.synthesizer import Pyttsx3Synthesizer
from assistant.errors import SynthesizerError
from tests.assistant.fakes_sound import wait_until

needs_espeak = pytest.mark.skipif(
    ctypes.util.find_library("espeak-ng") is None, reason="the espeak-ng library is not installed"
)

HANGING = 'import json, sys, time\nprint(json.dumps({"ready": True}), flush=True)\ntime.sleep(60)\n'
DYING = "import sys\nprint('{\"ready\": true}', flush=True)\nsys.stdin.readline()\nsys.exit(3)\n"
ENGINELESS = 'print(\'{"ready": false, "error": "RuntimeError: no eSpeak"}\', flush=True)\n'


@pytest.fixture
def private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the worker's folder is created; it must be empty again at the end."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("SIGHTLINE_HOME", raising=False)
    yield folder
    assert speech_folders(folder) == []


def speech_folders(folder: Path) -> list[Path]:
    """Our folders in the runtime folder; other libraries put theirs there too."""
    return sorted(folder.glob("sightline-*"))


def children() -> set[int]:
    """The processes that this one has started and not yet taken leave of."""
    tasks = Path("/proc/self/task").iterdir()
    return {int(found) for task in tasks for found in (task / "children").read_text().split()}


def has_ended(process_id: int) -> bool:
    """True for a child that is gone, or waits to be taken leave of."""
    try:
        return os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    except ChildProcessError:
        return True


def worker(tmp_path: Path, source: str) -> Path:
    path = tmp_path / "worker.py"
    path.write_text(source)
    return path


@needs_espeak
def test_sentences_come_out_of_one_worker(private_folder: Path) -> None:
    with Pyttsx3Synthesizer() as synthesizer:
        short = synthesizer.synthesize("Yes.")
        children = speech_folders(private_folder)
        long = synthesizer.synthesize("The total on this receipt is thirty ringgit ninety.")
        assert speech_folders(private_folder) == children, "a second worker was started"
        assert stat.S_IMODE(children[0].stat().st_mode) == 0o700
        assert list(children[0].iterdir()) == [], "sound outlived its sentence"
    assert short.samples.dtype == np.int16
    assert long.duration_s > 2 * short.duration_s > 0.5
    assert np.abs(long.samples.astype(int)).max() > 3000


def test_a_rate_that_is_kept_back_is_given_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    espeak = SimpleNamespace(
        RATE=1,
        Synchronize=lambda: None,
        GetParameter=lambda parameter: given[-1] if given else 200,
        SetParameter=lambda parameter, value, relative: given.append(value),
    )
    monkeypatch.setitem(sys.modules, "pyttsx3.drivers._espeak", espeak)
    for _ in range(2):
        synthesis_worker._wait_for_espeak(120)
    assert given == [120]


@needs_espeak
def test_speed_changes_the_length(private_folder: Path) -> None:
    sentence = "One two three four five six seven eight nine ten."
    with Pyttsx3Synthesizer(rate_wpm=120) as slow, Pyttsx3Synthesizer(rate_wpm=360) as fast:
        ratio = slow.synthesize(sentence).duration_s / fast.synthesize(sentence).duration_s
    assert 2 < ratio < 4


@needs_espeak
def test_the_whole_range_of_speeds_is_heard(private_folder: Path) -> None:
    with Pyttsx3Synthesizer(rate_wpm=80) as synthesizer:
        lengths = []
        for wpm in (80, 200, 400, 600):
            synthesizer.set_rate(wpm)
            lengths.append(synthesizer.synthesize("One two three four five six.").duration_s)
        with pytest.raises(SynthesizerError, match="80 to 600"):
            synthesizer.set_rate(601)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[2] > 1.15 * lengths[3], "600 words a minute are faster than 400"


@needs_espeak
def test_every_sentence_comes_whole_and_at_its_own_speed(private_folder: Path) -> None:
    # pyttsx3 alone loses one in ten of these on a busy machine: silent, or at the speed before.
    lengths: dict[int, list[float]] = {80: [], 400: [], 600: []}
    with Pyttsx3Synthesizer() as synthesizer:
        for wpm in [*lengths] * 30:
            synthesizer.set_rate(wpm)
            lengths[wpm].append(synthesizer.synthesize("One two three four five six.").duration_s)
    for wpm, spoken in lengths.items():
        assert max(spoken) < 1.1 * min(spoken), f"{wpm} words a minute"
    assert min(lengths[80]) > 2 * max(lengths[400])


@needs_espeak
def test_the_first_sentence_is_waited_for_however_long_it_is(private_folder: Path) -> None:
    # pyttsx3 returns from the first one after 10 ms; a busy machine needs more for a short one.
    with Pyttsx3Synthesizer() as synthesizer:
        for _ in range(2):
            assert 20 < synthesizer.synthesize("One two three four five six. " * 15).duration_s < 40


@needs_espeak
def test_a_worker_killed_between_two_sentences_is_replaced(private_folder: Path) -> None:
    before = children()
    with Pyttsx3Synthesizer() as synthesizer:
        synthesizer.synthesize("One.")
        [first] = children() - before
        os.kill(first, 9)
        wait_until(lambda: has_ended(first))
        assert synthesizer.synthesize("Two.").duration_s > 0.2
        [second] = children() - before
        assert second != first
        assert len(speech_folders(private_folder)) == 1


@needs_espeak
def test_the_assistants_own_folder_is_used_where_one_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    with Pyttsx3Synthesizer() as synthesizer:
        synthesizer.start()
        (folder,) = speech_folders(tmp_path / "runtime")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert speech_folders(tmp_path / "runtime") == []


@needs_espeak
@pytest.mark.parametrize(
    ("voice", "told"),
    [
        ("zzzzzz", "no voice 'zzzzzz' here; leave speech.voice empty for the usual one"),
        ("EN-us", "no voice 'EN-us' here; choose another, such as gmw/en"),
    ],
)
def test_a_missing_voice_is_named_with_those_called_alike(
    voice: str, told: str, private_folder: Path
) -> None:
    with Pyttsx3Synthesizer(voice=voice) as synthesizer:
        with pytest.raises(SynthesizerError) as failed:
            synthesizer.synthesize("Hello.")
        assert str(failed.value).lower().startswith(told.lower())
        near = str(failed.value).rpartition(" ")[2]
        if "/" in near:
            synthesizer.set_voice(near)
            assert synthesizer.synthesize("Hello.").duration_s > 0.2


@pytest.mark.parametrize("rate_wpm", [79, 601])
def test_impossible_speeds_are_refused(rate_wpm: int) -> None:
    with pytest.raises(SynthesizerError, match="80 to 600"):
        Pyttsx3Synthesizer(rate_wpm=rate_wpm)


def test_nothing_to_say_is_refused() -> None:
    with pytest.raises(SynthesizerError, match="nothing to say"):
        Pyttsx3Synthesizer().synthesize("  ")


def test_a_hanging_engine_is_killed(private_folder: Path, tmp_path: Path) -> None:
    synthesizer = Pyttsx3Synthesizer(timeout_s=1.0, worker=worker(tmp_path, HANGING))
    began = time.monotonic()
    with pytest.raises(SynthesizerError, match="within 1 s"):
        synthesizer.synthesize("Hello.")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("source", "named"), [(DYING, "stopped"), (ENGINELESS, "no eSpeak.*apt install espeak-ng")]
)
def test_a_dead_or_missing_engine_is_reported(
    private_folder: Path, tmp_path: Path, source: str, named: str
) -> None:
    with pytest.raises(SynthesizerError, match=named):
        Pyttsx3Synthesizer(worker=worker(tmp_path, source)).synthesize("Hello.")


@needs_espeak
def test_it_recovers_after_a_crash(private_folder: Path, tmp_path: Path) -> None:
    path = worker(tmp_path, DYING)
    with Pyttsx3Synthesizer(worker=path) as synthesizer:
        with pytest.raises(SynthesizerError):
            synthesizer.synthesize("Hello.")
        from assistant.devices.synthesizer import WORKER

        path.write_text(WORKER.read_text())
        assert synthesizer.synthesize("Hello.").duration_s > 0.2


PLANTING = """
import os, signal, sys, time
# What runs in the background is started deaf to Ctrl+C, these tests perhaps too.
signal.signal(signal.SIGINT, signal.default_int_handler)
from assistant.devices import synthesis_worker
from assistant.devices.synthesizer import Pyttsx3Synthesizer
synthesizer = Pyttsx3Synthesizer()
synthesizer.start()
folder = synthesizer._worker.folder
(folder / "1.wav").write_bytes(b"private")
# The worker has taken over its standard output, and so its folder, once it replies.
synthesizer._worker._replies.get(timeout=20)
print(folder, synthesizer._worker._process.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def assistant_with_sound(private_folder: Path) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """An assistant in a process group of its own, its private folder with a WAV, its worker."""
    with subprocess.Popen(
        [sys.executable, "-c", PLANTING],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        folder, worker_id = process.stdout.readline().rsplit(maxsplit=1)
        assert speech_folders(private_folder) == [Path(folder)]
        assert (Path(folder) / "1.wav").exists()
        yield process, Path(folder), int(worker_id)
        process.kill()


def gone_within(path: Path, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not path.exists()


@pytest.mark.parametrize("ending", [9, 1, 15, 2], ids=["KILL", "HUP", "TERM", "INT"])
def test_a_signal_to_the_process_group_leaves_no_speech_behind(
    assistant_with_sound: tuple[subprocess.Popen[str], Path, int], ending: int
) -> None:
    process, folder, _ = assistant_with_sound
    os.killpg(process.pid, ending)
    assert process.wait(60) == -ending
    assert gone_within(folder, 5)


@pytest.mark.parametrize("ending", [1, 15, 2], ids=["HUP", "TERM", "INT"])
def test_the_worker_ends_by_the_end_of_its_input_and_not_by_a_signal(
    assistant_with_sound: tuple[subprocess.Popen[str], Path, int], ending: int
) -> None:
    process, folder, worker_id = assistant_with_sound
    os.kill(worker_id, ending)
    time.sleep(0.3)
    assert (folder / "1.wav").exists(), "it ended while the assistant still runs"
    process.kill()
    assert process.wait(60) == -9
    assert gone_within(folder, 5)


READY = "import sys, wave\nprint('{\"ready\": true}', flush=True)\n"
BROKEN = READY + "sys.stdin.readline()\nprint('{\"done\": tr', flush=True)\nsys.stdin.read()\n"
LISTING = READY + "sys.stdin.readline()\nprint('[1]', flush=True)\nsys.stdin.read()\n"
SOUNDLESS = READY + (
    "import json\n"
    "path = json.loads(sys.stdin.readline())['path']\n"
    "with wave.open(path, 'wb') as out:\n"
    "    out.setparams((1, 2, 22050, 0, 'NONE', ''))\n"
    "print('{\"done\": true}', flush=True)\n"
    "sys.stdin.read()\n"
)
BABBLING = READY + "while True:\n    print('{\"ready\": true}', flush=True)\n"


@pytest.mark.parametrize(
    ("source", "named"),
    [(BROKEN, "broken reply"), (LISTING, "broken reply"), (SOUNDLESS, "empty sound")],
)
def test_what_is_no_reply_or_no_sound_is_reported(
    private_folder: Path, tmp_path: Path, source: str, named: str
) -> None:
    with pytest.raises(SynthesizerError, match=named):
        Pyttsx3Synthesizer(worker=worker(tmp_path, source)).synthesize("Hello.")


ONCE_SOUNDLESS = READY + (
    "import json, pathlib\n"
    "path = json.loads(sys.stdin.readline())['path']\n"
    "mark = pathlib.Path(MARK)\n"
    "with wave.open(path, 'wb') as out:\n"
    "    out.setparams((1, 2, 22050, 0, 'NONE', ''))\n"
    "    out.writeframes(b'xx' * 50 if mark.exists() else b'')\n"
    "mark.touch()\n"
    "print('{\"done\": true}', flush=True)\n"
    "sys.stdin.read()\n"
)


def test_a_sentence_that_came_without_a_sound_is_made_once_more(
    private_folder: Path, tmp_path: Path
) -> None:
    source = ONCE_SOUNDLESS.replace("MARK", repr(str(tmp_path / "mark")))
    with Pyttsx3Synthesizer(worker=worker(tmp_path, source)) as synthesizer:
        assert len(synthesizer.synthesize("Hello.").samples) == 50


def test_a_worker_that_speaks_out_of_turn_is_ended(private_folder: Path, tmp_path: Path) -> None:
    before = children()
    with Pyttsx3Synthesizer(worker=worker(tmp_path, BABBLING)) as synthesizer:
        synthesizer.start()
        [babbler] = children() - before
        wait_until(lambda: has_ended(babbler), timeout_s=10)


@pytest.mark.usefixtures("private_folder")
def test_a_process_that_cannot_start_leaves_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SynthesizerError, match="cannot be started"):
        Pyttsx3Synthesizer().start()


def test_a_folder_that_cannot_be_created_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "removed"))
    with pytest.raises(SynthesizerError, match="no private folder"):
        Pyttsx3Synthesizer().start()


def test_left_overs_of_killed_runs_are_removed(private_folder: Path, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = private_folder / f"sightline-speech-{ended.pid}-abc"
    left.mkdir()
    (left / "1.wav").write_bytes(b"private")
    with pytest.raises(SynthesizerError):
        Pyttsx3Synthesizer(worker=worker(tmp_path, ENGINELESS)).synthesize("Hello.")
    assert not left.exists()


@needs_espeak
def test_a_language_is_spoken_by_its_voice_and_the_usual_one_comes_back(
    private_folder: Path,
) -> None:
    # The rate of two voices is the same; their sounds and lengths are not.
    sentence = "Guten Morgen, wie geht es Ihnen?"
    with Pyttsx3Synthesizer() as synthesizer:
        synthesizer.synthesize("One.")
        assert {"en", "de", "fr", "es", "it", "nl", "pt", "cmn"} <= synthesizer.languages()
        assert all(2 <= len(each) <= 3 for each in synthesizer.languages())
        usual = synthesizer.synthesize(sentence).duration_s
        spoken = {each: synthesizer.synthesize(sentence, each).duration_s for each in ("de", "fr")}
        again = synthesizer.synthesize(sentence).duration_s
    with Pyttsx3Synthesizer(voice="gmw/de") as german:
        assert german.synthesize(sentence).duration_s == pytest.approx(spoken["de"], abs=0.03)
        # Who has chosen a voice of a language hears that one.
        assert german.synthesize(sentence, "de").duration_s == pytest.approx(spoken["de"], abs=0.03)
    assert again == pytest.approx(usual, abs=0.03)
    assert abs(spoken["de"] - usual) > 0.05 and abs(spoken["fr"] - usual) > 0.05


def test_an_engine_that_cannot_name_its_voices_still_speaks(
    tmp_path: Path, private_folder: Path
) -> None:
    source = (
        "import json\nprint(json.dumps({'ready': True}), flush=True)\n"
        "assert 'languages' in input()\n"
        "print(json.dumps({'error': 'KeyError: voices'}), flush=True)\ninput()\n"
    )
    with Pyttsx3Synthesizer(worker=worker(tmp_path, source)) as synthesizer:
        assert synthesizer.languages() == synthesizer.languages() == frozenset()
    with (
        Pyttsx3Synthesizer(worker=worker(tmp_path, ENGINELESS)) as synthesizer,
        pytest.raises(SynthesizerError, match="no eSpeak"),
    ):
        synthesizer.languages()
