"""`assistant ask` and `assistant read`: one picture, one answer, and out."""

import argparse
import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from assistant.answers import Answer, Basis, Said
from assistant.audio import AudioClip, check_wav_output, join_clips, read_question, write_wav
from assistant.commands.exits import ANSWERED, EXIT_CODES, NO_AUDIO, print_error
from assistant.errors import PlayerError, SynthesizerError, UsageError
from assistant.frames import Sheet
from assistant.hearing.vosk_recognizer import MODEL_VARIABLE
from assistant.inference.opening import ModelOpener
from assistant.inference.placing import Placing
from assistant.inference.text_opening import TextOpener
from assistant.session.events import answer_json
from assistant.session.pages import OpenFile, open_page
from assistant.session.voice import OWN_VOICE
from assistant.settings.file import load_settings
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings, set_value
from assistant.skills import router
from assistant.skills.answerer import LONGER_S
from assistant.skills.way_on import lacks_the_subject
from assistant.speech.engine import Synthesizer
from assistant.speech.parts import Parts
from assistant.speech.rendering import spoken_parts, spoken_sentences
from assistant.stopwatch import Stopwatch
from assistant.ui.plain import PlainFront
from assistant.wiring import (
    ServedOrOwn,
    keep_server,
    one_shot_answerer,
    open_player,
    open_recognizer,
    open_synthesizer,
    text_model_folder,
)

SAID_AFTER_S = 2.0
"""Who waits longer is told what for."""

SILENT_PEAK = 150
"""Largest sample of a recording in which nobody speaks: a quiet room, not a voice."""


def add_ask_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `assistant ask`."""
    parser.description = "Answer a question about a picture."
    _add_options(parser, _ask)
    parser.set_defaults(goes_offline_itself=True)
    parser.add_argument("question", nargs="?", metavar="QUESTION", help="the question, typed")
    parser.add_argument(
        "--question-audio", type=Path, metavar="WAV", help="the question, spoken: 16 kHz, mono"
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="vision-language model (default: model.folder of the settings, else the pocket one)",
    )
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        help="what computes the model: auto, cpu, cuda or cuda:1 (default: device of the settings)",
    )
    parser.add_argument(
        "--vosk-model",
        type=Path,
        metavar="DIR",
        help=f"Vosk or Whisper model that hears you (default: vosk.folder of the settings, else "
        f"{MODEL_VARIABLE}, else one that was pulled, else PocketSphinx)",
    )


def add_read_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `assistant read`."""
    parser.description = "Read the text of a picture in reading order."
    _add_options(parser, _read)


def _add_options(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Add what both commands have."""
    parser.epilog = EXIT_CODES
    parser.add_argument(
        "picture", type=Path, metavar="PICTURE", help="a JPEG, PNG, WebP, HEIC or PDF file"
    )
    parser.add_argument(
        "--page", type=_page_number, default=1, metavar="N", help="of a PDF, from 1 (default: 1)"
    )
    parser.add_argument(
        "--answer-audio",
        type=Path,
        metavar="WAV",
        help="write the spoken answer to this file instead of playing it",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="let --answer-audio replace an existing WAV file"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object; plays no sound")
    parser.add_argument("--no-speech", action="store_true", help="answer in text only")
    parser.add_argument("--verbose", action="store_true", help="log what is done")
    parser.set_defaults(run=run)


def _page_number(text: str) -> int:
    """A page's number; argparse names the option in its error."""
    if not text.isdecimal() or not 0 < int(text) < 10_000:
        raise argparse.ArgumentTypeError(f"{text}: not the number of a page; give 1 or more")
    return int(text)


def _ask(options: argparse.Namespace) -> int:
    # What is wrong in their file is told by the conversation and by doctor.
    settings, _ = load_settings(settings_file())
    if options.device is not None:
        settings = set_value(settings, "device", options.device)
    # Both before anything else: the one must be started while the right to call is there.
    server, of_server = keep_server(settings, for_pictures=options.model is None)
    options.go_offline()
    front = PlainFront(as_json=options.json)
    stopwatch = Stopwatch()
    _check_question_options(options)
    _check_outputs(options)
    speech = _Speech(options, settings, front, stopwatch)
    try:
        with stopwatch.stage("load_picture"):
            file, frame = open_page(options.picture, options.page)
        question = options.question or _hear(options, settings, stopwatch)
        front.line("you", question)
        speech.start()
        placing = Placing(settings.device, front.status)
        opener = ModelOpener(
            str(options.model or settings.model_folder),
            way_out="give a model with --model",
            on_missing=lambda folder: front.status(
                f"no vision model at {folder}; text is read, other questions are not answered"
            ),
            placing=placing,
        )
        if options.model is not None:
            # A folder that was named must be usable, also if this question would not need it.
            with stopwatch.stage("load_model"):
                opener.open()
        own_texts = TextOpener(lambda: text_model_folder(settings.text_model_folder), placing)
        answerer = one_shot_answerer(
            lambda: (server.pictures if server is not None else None) or opener(),
            stopwatch,
            ServedOrOwn(lambda: server, own_texts),
            lambda seconds: said_if_long(front.status, asking_text(seconds)),
        )
        if of_server:
            front.status(of_server)
        answers = answerer.answer_all(frame.rgb, question, front.status)
        code = _deliver(answers, question, front, speech, stopwatch, file.sheet, with_text=False)
        if not options.json and any(map(lacks_the_subject, answers)):
            # There is nobody left to say yes to.
            front.status(f"To hear the text: assistant read {options.picture}{_page_option(file)}")
        return code
    finally:
        speech.close()
        if server is not None:
            server.close()


@contextlib.contextmanager
def said_if_long(say: Callable[[str], None], text: str) -> Iterator[None]:
    """Say what is waited for, if what is done here takes longer than `SAID_AFTER_S`."""
    timer = threading.Timer(SAID_AFTER_S, say, (text,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def asking_text(seconds: float) -> str:
    """What is said while a text model is asked that may take so long."""
    longest = "a minute" if seconds == LONGER_S else f"{seconds:.0f} seconds"
    return f"a text model looks at it, too; this takes {longest} at most"


def _page_option(file: OpenFile) -> str:
    return f" --page {file.sheet.page}" if file.sheet.page > 1 else ""


def _read(options: argparse.Namespace) -> int:
    front = PlainFront(as_json=options.json)
    stopwatch = Stopwatch()
    _check_outputs(options)
    settings, _ = load_settings(settings_file())
    speech = _Speech(options, settings, front, stopwatch)
    try:
        with stopwatch.stage("load_picture"):
            file, frame = open_page(options.picture, options.page)
        speech.start()
        answer = one_shot_answerer(_no_model, stopwatch).read(frame.rgb)
        return _deliver([answer], None, front, speech, stopwatch, file.sheet, with_text=True)
    finally:
        speech.close()


def _check_question_options(options: argparse.Namespace) -> None:
    if options.question_audio is not None:
        if options.question is not None:
            raise UsageError("a typed question and --question-audio were given", "give one of them")
    elif options.question is None or not options.question.strip():
        raise UsageError(
            "the question is empty",
            'type one, such as "What does it say?", or give --question-audio WAV',
        )


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse outputs that must not be written before any work is done."""
    if options.answer_audio is None:
        if options.overwrite:
            raise UsageError("--overwrite does nothing without --answer-audio WAV", "give both")
        return
    if options.no_speech:
        raise UsageError("--answer-audio and --no-speech contradict each other", "give one of them")
    asked = getattr(options, "question_audio", None)
    if asked is not None and asked.resolve() == options.answer_audio.resolve():
        raise UsageError(f"{asked}: the answer would replace the question", "give another name")
    check_wav_output(
        options.answer_audio,
        overwrite=options.overwrite,
        way_out="give another name, or --overwrite",
    )


def _hear(options: argparse.Namespace, settings: Settings, stopwatch: Stopwatch) -> str:
    clip = read_question(options.question_audio)
    if abs(clip.samples.astype(int)).max() < SILENT_PEAK:
        raise UsageError("I heard nothing", "record the question again, closer to the microphone")
    with stopwatch.stage("load_recognizer"):
        recognizer = open_recognizer(str(options.vosk_model or settings.vosk_folder), settings)
    with contextlib.closing(recognizer), stopwatch.stage("recognize"):
        transcript = recognizer.recognize(clip)
    if transcript is None:
        raise UsageError(
            "I did not understand the question",
            'say it in other words, such as "what does it say", or type it',
        )
    if transcript.doubt:
        raise UsageError(transcript.doubt)
    return transcript.text


def _no_model() -> str:
    return "reading needs no vision model."


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
        self._texts = settings.speech_texts
        self._front = front
        self._stopwatch = stopwatch
        self._synthesizer: Synthesizer | None = None
        # Never over a screen reader: who has chosen one gets files that were asked for, no sound.
        speaks = settings.speech_mode in OWN_VOICE and not (options.no_speech or options.json)
        if self._file is not None or speaks:
            self._synthesizer = open_synthesizer(settings, notice=front.status)

    def start(self) -> None:
        """Let the speech engine start while the picture is looked at."""
        if self._synthesizer is not None:
            # What fails now fails again, and is reported, when there is something to say.
            with contextlib.suppress(SynthesizerError):
                self._synthesizer.start()

    def say(self, answers: Sequence[Answer], texts: Sequence[str]) -> bool:
        """Speak answers in words; False if a file was asked for and could not be made."""
        if self._synthesizer is None:
            return True
        sentences = [
            spoken
            for answer, text in zip(answers, texts, strict=True)
            for spoken in self._sentences(answer, text)
        ]
        try:
            if self._file is not None:
                with self._stopwatch.stage("synthesize"):
                    clips = [self._synthesizer.synthesize(*sentence) for sentence in sentences]
                write_wav(self._file, join_clips(clips), overwrite=self._overwrite)
            else:
                self._play(sentences)
        except (SynthesizerError, PlayerError, UsageError) as error:
            said = f"{error}; the answer is in text only"
            if self._file is not None:
                print_error(said)
                return False
            # Played sound is an extra, so that its absence is no error.
            self._front.status(said)
        return True

    def _sentences(self, answer: Answer, text: str) -> list[tuple[str, tuple[Said, ...]]]:
        """The sentences of an answer with their parts, in the order in which they are spoken."""
        parts = Parts(spoken_parts(answer.basis, router.told(answer), self._texts))
        return [(each, parts.of(each)) for each in spoken_sentences(answer.basis, text)]

    def _play(self, sentences: Sequence[tuple[str, tuple[Said, ...]]]) -> None:
        assert self._synthesizer is not None
        player = open_player()
        player.set_volume(self._volume)
        for sentence in sentences:
            with self._stopwatch.stage("synthesize"):
                clip: AudioClip = self._synthesizer.synthesize(*sentence)
            with self._stopwatch.stage("play"):
                player.play(clip)

    def close(self) -> None:
        if self._synthesizer is not None:
            self._synthesizer.close()


def _deliver(
    answers: Sequence[Answer],
    question: str | None,
    front: PlainFront,
    speech: _Speech,
    stopwatch: Stopwatch,
    sheet: Sheet,
    *,
    with_text: bool,
) -> int:
    """Print first, then speak: text must never wait for sound."""
    texts = [router.say(answer) for answer in answers]
    named = any(sheet.is_named_by(line) for text in texts for line in text.splitlines())
    if sheet.pages > 1 and not named:
        way_on = f" For the next one: --page {sheet.page + 1}." if sheet.page < sheet.pages else ""
        front.status(f"{sheet.name}.{way_on}")
    for answer, text in zip(answers, texts, strict=True):
        front.answer(answer.basis, text)
    spoken = speech.say(answers, texts)
    if front.as_json:
        report = _report(answers, texts, question, stopwatch, with_text)
        report |= {"page": sheet.page, "pages": sheet.pages}
        # Where the output cannot hold every character, JSON has an escape for it.
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        print(json.dumps(report, ensure_ascii=not unicode))
    return ANSWERED if spoken else NO_AUDIO


_WEAKEST_FIRST = (Basis.UNKNOWN, Basis.GUESS, Basis.SEEN, Basis.READ)


def _report(
    answers: Sequence[Answer],
    texts: Sequence[str],
    question: str | None,
    stopwatch: Stopwatch,
    with_text: bool,
) -> dict[str, object]:
    """One answer as JSON; several as one on the weakest basis, and each under "answers"."""
    each = [answer_json(answer, text) for answer, text in zip(answers, texts, strict=True)]
    answer, text = answers[0], texts[0]
    report: dict[str, object] = {"question": question, **each[0]}
    if len(each) > 1:
        bases = [answer.basis for answer in answers]
        report["answer"] = " ".join(texts)
        report["basis"] = min(bases, key=_WEAKEST_FIRST.index).value
        report["answers"] = each
    report["timings_ms"] = stopwatch.timings_ms
    if with_text:
        report["text"] = text if answer.basis is Basis.READ else ""
    return report
