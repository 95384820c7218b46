"""`assistant ask` and `assistant read`: one picture, one answer, and out."""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from assistant.audio import AudioClip, check_wav_output, join_clips, read_question, write_wav
from assistant.commands.exits import ANSWERED, EXIT_CODES, NO_AUDIO, print_error
from assistant.errors import PlayerError, SynthesizerError, UsageError
from assistant.hearing.recognizer import Recognizer
from assistant.hearing.vosk_recognizer import MODEL_VARIABLE, VoskRecognizer, configured_model
from assistant.inference.vision_model import VisionLanguageModel
from assistant.models_store.installed import installed_speech_model
from assistant.seeing.ocr import RapidOcrReader
from assistant.session.events import answer_json
from assistant.session.voice import OWN_VOICE
from assistant.settings.file import load_settings
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings
from assistant.skills.answerer import Answerer
from assistant.skills.grounding import Basis
from assistant.skills.text_answers import Answer
from assistant.speech.rendering import spoken_sentences
from assistant.stopwatch import Stopwatch
from assistant.ui.plain import PlainFront
from models.pictures import RgbPicture, load_picture
from models.pocket import pocket_int4_folder

SILENT_PEAK = 150
"""Largest sample of a recording in which nobody speaks: a quiet room, not a voice."""


def add_parsers(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the commands `ask` and `read` to those of `assistant`."""
    ask = _command(commands, "ask", "answer a question about a picture", _ask)
    ask.add_argument("question", nargs="?", metavar="QUESTION", help="the question, typed")
    ask.add_argument(
        "--question-audio", type=Path, metavar="WAV", help="the question, spoken: 16 kHz, mono"
    )
    ask.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="vision-language model (default: model.folder of the settings, else the pocket one)",
    )
    ask.add_argument(
        "--vosk-model",
        type=Path,
        metavar="DIR",
        help=f"Vosk model for speech recognition (default: vosk.folder of the settings, else "
        f"{MODEL_VARIABLE}, else PocketSphinx)",
    )
    _command(commands, "read", "read the text of a picture in reading order", _read)


def _command(
    commands: "argparse._SubParsersAction[Any]",
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("picture", type=Path, metavar="PICTURE", help="a JPEG, PNG or WebP file")
    command.add_argument(
        "--answer-audio",
        type=Path,
        metavar="WAV",
        help="write the spoken answer to this file instead of playing it",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="let --answer-audio replace an existing WAV file"
    )
    command.add_argument(
        "--json", action="store_true", help="print one JSON object; plays no sound"
    )
    command.add_argument("--no-speech", action="store_true", help="answer in text only")
    command.add_argument("--verbose", action="store_true", help="log what is done")
    command.set_defaults(run=run)
    return command


def _ask(options: argparse.Namespace) -> int:
    front = PlainFront(as_json=options.json)
    stopwatch = Stopwatch()
    _check_question_options(options)
    _check_outputs(options)
    # What is wrong in their file is told by the conversation and by doctor.
    settings, _ = load_settings(settings_file())
    speech = _Speech(options, settings, front, stopwatch)
    try:
        with stopwatch.stage("load_picture"):
            picture = load_picture(options.picture)
        question = options.question or _hear(options, settings, stopwatch)
        front.line("you", question)
        speech.start()
        opener = _ModelOpener(options.model or _folder(settings.model_folder), front)
        if options.model is not None:
            # A folder that was named must be usable, also if this question would not need it.
            with stopwatch.stage("load_model"):
                opener()
        answer = Answerer(RapidOcrReader(), opener, stopwatch).answer(picture, question)
        return _deliver(answer, question, front, speech, stopwatch, with_text=False)
    finally:
        speech.close()


def _read(options: argparse.Namespace) -> int:
    front = PlainFront(as_json=options.json)
    stopwatch = Stopwatch()
    _check_outputs(options)
    settings, _ = load_settings(settings_file())
    speech = _Speech(options, settings, front, stopwatch)
    try:
        with stopwatch.stage("load_picture"):
            picture: RgbPicture = load_picture(options.picture)
        speech.start()
        answer = Answerer(RapidOcrReader(), _no_model, stopwatch).read(picture)
        return _deliver(answer, None, front, speech, stopwatch, with_text=True)
    finally:
        speech.close()


def _check_question_options(options: argparse.Namespace) -> None:
    if options.question_audio is not None:
        if options.question is not None:
            raise UsageError("a typed question and --question-audio were given; give one of them")
    elif options.question is None or not options.question.strip():
        raise UsageError(
            'the question is empty; type one, such as "What does it say?", or give '
            "--question-audio WAV"
        )


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse outputs that must not be written before any work is done."""
    if options.answer_audio is None:
        if options.overwrite:
            raise UsageError("--overwrite does nothing without --answer-audio WAV; give both")
        return
    if options.no_speech:
        raise UsageError("--answer-audio and --no-speech contradict each other; give one of them")
    asked = getattr(options, "question_audio", None)
    if asked is not None and asked.resolve() == options.answer_audio.resolve():
        raise UsageError(f"{asked}: the answer would replace the question; give another name")
    check_wav_output(options.answer_audio, overwrite=options.overwrite)


def _folder(chosen: str) -> Path | None:
    """A folder of the settings, or None for the program's own choice."""
    return Path(chosen).expanduser() if chosen else None


def _hear(options: argparse.Namespace, settings: Settings, stopwatch: Stopwatch) -> str:
    clip = read_question(options.question_audio)
    if abs(clip.samples.astype(int)).max() < SILENT_PEAK:
        raise UsageError("I heard nothing; record the question again, closer to the microphone")
    with stopwatch.stage("load_recognizer"):
        chosen = configured_model(options.vosk_model or _folder(settings.vosk_folder))
        recognizer = _recognizer(chosen or installed_speech_model())
    with stopwatch.stage("recognize"):
        transcript = recognizer.recognize(clip)
    if transcript is None:
        raise UsageError(
            "I did not understand the question; say it in other words, such as "
            '"what does it say", or type it'
        )
    return transcript.text


def _recognizer(vosk_model: Path | None) -> Recognizer:
    if vosk_model is not None:
        return VoskRecognizer(vosk_model)
    from assistant.hearing.pocketsphinx_recognizer import PocketSphinxRecognizer

    return PocketSphinxRecognizer()


def _no_model() -> str:
    return "reading needs no vision model."


class _ModelOpener:
    """Opens the vision-language model at first use, once."""

    def __init__(self, folder: Path | None, front: PlainFront) -> None:
        self._given = folder
        self._front = front
        self._model: VisionLanguageModel | None = None

    def __call__(self) -> VisionLanguageModel | str:
        if self._model is None:
            folder = self._given or pocket_int4_folder()
            if self._given is None and not folder.is_dir():
                self._front.status(
                    f"no vision model at {folder}; text is read, other questions are not answered"
                )
                return "there is no vision model on this machine. Give one with --model."
            from assistant.inference.vision_model import LocalVisionModel

            self._model = LocalVisionModel(folder)
        return self._model


class _Speech:
    """Speaks the answer: into a file, or through the loudspeaker where there is one."""

    def __init__(
        self,
        options: argparse.Namespace,
        settings: Settings,
        front: PlainFront,
        stopwatch: Stopwatch,
    ) -> None:
        self._file: Path | None = options.answer_audio
        self._overwrite: bool = options.overwrite
        self._volume = settings.speech_volume
        self._front = front
        self._stopwatch = stopwatch
        self._synthesizer = None
        # Never over a screen reader: who has chosen one gets files that were asked for, no sound.
        speaks = settings.speech_mode in OWN_VOICE and not (options.no_speech or options.json)
        if self._file is not None or speaks:
            from assistant.devices.synthesizer import Pyttsx3Synthesizer

            self._synthesizer = Pyttsx3Synthesizer()
            self._synthesizer.set_rate(settings.speech_rate)
            self._synthesizer.set_voice(settings.speech_voice or None)

    def start(self) -> None:
        """Let the speech engine start while the picture is looked at."""
        if self._synthesizer is not None:
            # What fails now fails again, and is told, when there is something to say.
            with contextlib.suppress(SynthesizerError):
                self._synthesizer.start()

    def say(self, answer: Answer) -> bool:
        """Speak an answer; False if a file was asked for and could not be made."""
        if self._synthesizer is None:
            return True
        sentences = spoken_sentences(answer)
        try:
            if self._file is not None:
                with self._stopwatch.stage("synthesize"):
                    clips = [self._synthesizer.synthesize(sentence) for sentence in sentences]
                write_wav(self._file, join_clips(clips), overwrite=self._overwrite)
            else:
                self._play(sentences)
        except (SynthesizerError, PlayerError, UsageError) as error:
            told = f"{error}; the answer is in text only"
            if self._file is not None:
                print_error(told)
                return False
            # Played sound is an extra, so that its absence is no error.
            self._front.status(told)
        return True

    def _play(self, sentences: Sequence[str]) -> None:
        assert self._synthesizer is not None
        from assistant.devices.player import SoundDevicePlayer

        player = SoundDevicePlayer()
        player.set_volume(self._volume)
        for sentence in sentences:
            with self._stopwatch.stage("synthesize"):
                clip: AudioClip = self._synthesizer.synthesize(sentence)
            with self._stopwatch.stage("play"):
                player.play(clip)

    def close(self) -> None:
        if self._synthesizer is not None:
            self._synthesizer.close()


def _deliver(
    answer: Answer,
    question: str | None,
    front: PlainFront,
    speech: _Speech,
    stopwatch: Stopwatch,
    *,
    with_text: bool,
) -> int:
    """Print first, then speak: text must never wait for sound."""
    front.answer(answer)
    spoken = speech.say(answer)
    if front.as_json:
        report = _report(answer, question, stopwatch, with_text)
        # Where the output cannot hold every character, JSON has an escape for it.
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        print(json.dumps(report, ensure_ascii=not unicode))
    return ANSWERED if spoken else NO_AUDIO


def _report(
    answer: Answer, question: str | None, stopwatch: Stopwatch, with_text: bool
) -> dict[str, object]:
    report: dict[str, object] = {
        "question": question,
        **answer_json(answer),
        "timings_ms": stopwatch.timings_ms,
    }
    if with_text:
        report["text"] = answer.text if answer.basis is Basis.READ else ""
    return report
