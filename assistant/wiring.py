"""The only factories: what is joined for a conversation, for one question, and for the doctor.

Only commands import this. Drivers are imported where they are opened: a missing library is told
then, and a start never waits for one that it does not need.
"""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assistant.audio import AudioClip
from assistant.devices.streams import StreamKeeper, is_address
from assistant.doctor.checks import Probe
from assistant.doctor.probes import Openers, this_machine
from assistant.errors import AssistantError, SettingsError
from assistant.frames import Frame, FrameSource
from assistant.hearing.late_listener import LateListener
from assistant.hearing.listener import Listener
from assistant.hearing.recognizer import Recognizer
from assistant.hearing.speech_models import spoken_language
from assistant.hearing.voice_listener import Microphone, VoiceListener
from assistant.inference.installed_meanings import InstalledMeanings
from assistant.inference.opening import ModelOpener, VisionModelOpener
from assistant.inference.placing import Placing
from assistant.inference.server_opening import DOCTOR_LIMITS, OwnServer, may_ask, own_server
from assistant.inference.text_model import TextModel
from assistant.inference.text_opening import TextModels, TextOpener
from assistant.inference.vision_model import VisionLanguageModel
from assistant.machine import give_memory_back
from assistant.models_store.installed import (
    installed_text_model,
    pulled_speech_models,
    speech_model,
)
from assistant.models_store.puller import Puller
from assistant.seeing.ocr import RapidOcrReader
from assistant.seeing.tesseract import ALL, Tesseract, installed
from assistant.seeing.text import never
from assistant.session import phrases
from assistant.session.events import State
from assistant.session.session import Session
from assistant.settings.file import load_settings, save_setting
from assistant.settings.paths import settings_file
from assistant.settings.settings import Settings
from assistant.skills.answerer import Answerer, Asking
from assistant.skills.conversation import Conversation
from assistant.speech.engine import Synthesizer
from assistant.speech.speaker import Speaker
from assistant.speech.spoken_synthesizer import SpokenSynthesizer
from assistant.stopwatch import Stopwatch
from assistant.text import languages
from models.socket_filter import Offline

CLOSE_WITHIN_S = 0.5
"""How long the end waits for a device that is just being opened."""

READER_OPENS_IN_S = 12.0
"""For a stream's reader: its process starts, which takes long on a slow machine, and FFmpeg then
waits up to 5 s."""

TIDY_EVERY_S, QUIET_LOOK_S = 30.0, 0.1
"""How often memory is given back that questions have left behind, and how often a moment without
sound is looked for then."""

DOCTOR_WAITS_S = 4.0
"""For the first word of the speech engine: less than a probe may take."""


class ClipPlayer(Protocol):
    """What plays one clip after the other; every method may raise PlayerError."""

    def play(self, clip: AudioClip) -> None:
        """Play a clip and return when it was heard."""
        ...

    def set_volume(self, percent: int) -> None:
        """Set the loudness of what is played next."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


# Seeing and answering.


def one_shot_answerer(
    open_model: VisionModelOpener,
    stopwatch: Stopwatch,
    text_models: TextModels | None = None,
    while_asking: Asking = lambda seconds: contextlib.nullcontext(),
) -> Answerer:
    """What answers one question about one picture.

    stopwatch:    times its stages.
    text_models:  where a text model comes from; None where none is asked.
    while_asking: what is done meanwhile.
    """
    return Answerer(
        RapidOcrReader(open_other=second_reader),
        open_model,
        stopwatch,
        text_models=text_models,
        meanings=InstalledMeanings().models,
        one_question=True,
        while_asking=while_asking,
    )


class ServedOrOwn:
    """The text model of the user's own server, as long as the settings want it; else the one of
    this machine."""

    def __init__(self, server: Callable[[], OwnServer | None], own: TextOpener) -> None:
        """server: what is to be asked now, if anything."""
        self._server, self._own = server, own

    @property
    def is_open(self) -> bool:
        """As `TextModels` says."""
        return self._served is not None or self._own.is_open

    def begin(self) -> None:
        """As `TextModels` says."""
        if self._served is None:
            self._own.begin()

    def __call__(self, cancelled: Callable[[], bool] = never) -> TextModel | None:
        """As `TextModels` says."""
        return self._served or self._own(cancelled)

    @property
    def _served(self) -> TextModel | None:
        server = self._server()
        return None if server is None else server.texts


def text_reader() -> RapidOcrReader:
    """What reads text beside a conversation: half of the cores, at least one.

    Text is read while the user speaks: on two busy cores, two threads of it cost the microphone
    words, and the question was not understood.
    """
    return RapidOcrReader(
        threads=max(1, (os.cpu_count() or 2) // 2),
        open_other=second_reader,
        language_of=languages.page_language,
    )


def second_reader() -> Tesseract | None:
    """What reads other scripts and small print, by the settings; None where nothing does.

    Raises:
        OcrError: it is installed, and does not work.
    """
    packs = ALL
    with contextlib.suppress(SettingsError):
        packs = load_settings(settings_file())[0].tesseract_packs
    return installed(packs)


def text_model_folder(chosen: str) -> Path | None:
    """The folder of the text model: the chosen one, else one that was pulled; None without one."""
    return Path(chosen).expanduser() if chosen else installed_text_model()


def keep_stream(source: str) -> StreamKeeper | None:
    """A process that may read a stream when this one may not; None for other cameras.

    To be asked for before internet sockets are given up, which is done on Linux only.
    """
    return StreamKeeper(source) if sys.platform == "linux" and is_address(source) else None


def keep_server(settings: Settings, *, for_pictures: bool = True) -> tuple[OwnServer | None, str]:
    """The model server of the settings, if there is one, and what is to be said of it aloud.

    To be asked for before internet sockets are given up.

    for_pictures: False where another model was chosen for them.
    """
    try:
        server = own_server(settings, for_pictures=for_pictures)
    except SettingsError as error:
        return None, str(error)
    return server, server.notice if server is not None else ""


def open_camera(
    source: str,
    on_lost: Callable[[str], None] | None = None,
    on_back: Callable[[str], None] | None = None,
    stream: StreamKeeper | None = None,
) -> FrameSource:
    """The camera, file, folder, video or stream of a name; it is opened in a thread of its own.

    stream: what may read it, if it is a stream.
    """
    from assistant.devices.camera import Camera
    from assistant.devices.capture import open_source

    if stream is None:
        return Camera(source, on_lost=on_lost, on_back=on_back, opener=open_source)
    return Camera(
        source,
        on_lost=on_lost,
        on_back=on_back,
        opener=stream.open,
        open_limit_s=READER_OPENS_IN_S,
    )


# Hearing.


def open_recognizer(chosen: str, settings: Settings | None = None) -> Recognizer:
    """The recognizer of a model that was chosen or pulled, else PocketSphinx.

    chosen:   a folder of the settings or the command line, or "".
    settings: which of several is wanted; None for the defaults.

    Raises:
        RecognizerError: its model is missing or damaged.
    """
    from assistant.hearing.recognizer_process import RecognizerProcess

    wanted = settings or Settings()
    language = spoken_language(wanted.hearing_language, pulled_speech_models())
    folder = speech_model(chosen, wanted.hearing_recognizer, language)
    if folder is None:
        return RecognizerProcess()
    return RecognizerProcess.of_model(folder, language)


def open_microphone() -> Microphone:
    """The default microphone, which is looked for when it is opened."""
    from assistant.devices.microphone import SoundDeviceMicrophone

    return SoundDeviceMicrophone()


def open_listener(settings: Settings) -> Listener:
    """What hears questions at the default microphone, with the recognizer of the settings."""
    from assistant.hearing.voice_activity import SileroVoiceActivity

    return VoiceListener(
        open_microphone(),
        lambda: open_recognizer(settings.vosk_folder, settings),
        SileroVoiceActivity,
    )


# Speaking.


def open_synthesizer(
    settings: Settings,
    *,
    timeout_s: float | None = None,
    notice: Callable[[str], None] = lambda notice: None,
) -> Synthesizer:
    """The speech engine, with the voice and the speed of the settings.

    timeout_s: for one sentence; None for the usual one.
    notice:    told which language has no voice.
    """
    from assistant.devices.synthesizer import Pyttsx3Synthesizer

    synthesizer = SpokenSynthesizer(
        Pyttsx3Synthesizer() if timeout_s is None else Pyttsx3Synthesizer(timeout_s=timeout_s),
        notice=notice,
    )
    synthesizer.set_rate(settings.speech_rate)
    synthesizer.set_voice(settings.speech_voice or None)
    return synthesizer


def open_player() -> ClipPlayer:
    """The loudspeaker.

    Raises:
        PlayerError: there is none.
    """
    from assistant.devices.player import SoundDevicePlayer

    return SoundDevicePlayer()


def open_speaker(notice: Callable[[str], None]) -> Speaker:
    """What speaks in a conversation; engine and loudspeaker are opened in its own thread.

    notice: told, from that thread, which language has no voice.
    """
    from assistant.devices.player import SoundDevicePlayer
    from assistant.devices.synthesizer import Pyttsx3Synthesizer
    from assistant.speech.sentence_speaker import SentenceSpeaker

    synthesizer = SpokenSynthesizer(Pyttsx3Synthesizer(), notice=notice)
    return SentenceSpeaker(synthesizer, SoundDevicePlayer)


class Live:
    """A conversation with its devices; no start waits for any of them.

    What is missing is told once. It is looked for again whenever it is needed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        speech: bool,
        way_out: str,
        stream: StreamKeeper | None = None,
        server: OwnServer | None = None,
        puller: Puller | None = None,
    ) -> None:
        """Open the camera and the speaker, which work in threads of their own.

        speech:  False if this start shall make no sound at all.
        way_out: what the user can do where there is no vision model.
        stream:  what may read the camera, if it is a stream; it is ended with the rest.
        server:  what answers instead of the models of this machine; likewise.
        puller:  what may pull models that are offered; likewise.
        """
        self._settings, self._server, self._puller = settings, server, puller
        self._reader = text_reader()
        self._placing = Placing(settings.device, lambda text: self.session.report(text))
        self._models = ModelOpener(settings.model_folder, way_out=way_out, placing=self._placing)
        self._embeds_as = self._models.name
        self._meanings = InstalledMeanings()
        self._text_models = TextOpener(
            lambda: text_model_folder(self.session.settings.text_model_folder), self._placing
        )
        conversation = Conversation(
            self._reader,
            self._open_pictures,
            text_models=ServedOrOwn(self._wanted_server, self._text_models),
            meanings=self._meanings.models,
            mirrored=lambda: self.session.settings.camera_mirrored,
        )
        self.session = Session(conversation, settings=settings, save=self._save)
        self._speaker = open_speaker(self.session.report) if speech else None
        self._listener = LateListener()
        self._frames: FrameSource | None = None
        if settings.camera_source.strip().lower() not in ("", "none"):
            self._frames = open_camera(
                settings.camera_source,
                self.session.camera_lost,
                self.session.camera_back,
                stream,
            )
        self._stream = stream
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._open, name="devices", daemon=True)
        self._tidier = threading.Thread(target=self._tidy, name="tidying", daemon=True)

    def start(self, *, ask_how_to_speak: bool, has_picture: bool = False) -> None:
        """Begin to talk, and to open what takes longer.

        has_picture: whether a picture file is opened first, so that nobody misses a camera.
        """
        # These open their devices in threads of their own: the first words can be spoken.
        self.session.attach(speaker=self._speaker, listener=self._listener, frames=self._frames)
        if self._frames is None and not has_picture:
            self.session.report(phrases.NO_CAMERA)
        self._thread.start()
        self._tidier.start()
        self.session.start(ask_how_to_speak=ask_how_to_speak)

    def close(self) -> None:
        """End the session and give every device back."""
        self.session.close()
        self._closing.set()
        self._text_models.close()
        # What is still being loaded is given up: nobody waits for it who wants to leave.
        self._thread.join(timeout=CLOSE_WITHIN_S)
        kept = (self._stream, self._server, self._puller)
        for device in (self._speaker, self._listener, self._frames, *kept):
            if device is not None:
                device.close()

    def _embed(self, frame: Frame) -> NDArray[np.float32] | None:
        """What a picture is known by; None from a model that has come since the start."""
        return self._models.embed(frame) if self._models.name == self._embeds_as else None

    def _wanted_server(self) -> OwnServer | None:
        """The server, as long as the settings want it: it can be switched off at any moment."""
        return self._server if may_ask(self.session.settings) else None

    def _open_pictures(self) -> VisionLanguageModel | str:
        server = self._wanted_server()
        return server.pictures if server is not None and server.pictures else self._models()

    def _find_models(self) -> None:
        server = self._wanted_server()
        if server is not None:
            server.find()
        if server is None or server.pictures is None:
            self._models.find()

    def _save(self, settings: Settings, name: str) -> None:
        """Keep one changed setting, and open what it has switched on; raises SettingsError."""
        if name == "history.enabled" and settings.history_enabled:
            threading.Thread(target=self._open_memory, daemon=True).start()
        save_setting(settings_file(), settings, name)

    def _open(self) -> None:
        wanted = [
            *(self._open_listener, self._find_models, self._reader.load, self._meanings.find),
            languages.load,
        ]
        if self._settings.history_enabled:
            wanted.append(self._open_memory)
        for open_one in wanted:
            if not self._closing.is_set():
                self._try(open_one)

    def _tidy(self) -> None:
        """Give memory back now and then, as soon as no sound is waited for."""
        while not self._closing.wait(TIDY_EVERY_S):
            while self.session.state in (State.LISTENING, State.SPEAKING):
                if self._closing.wait(QUIET_LOOK_S):
                    return
            self._placing.let_go_idle()
            give_memory_back()

    def _try(self, open_one: Callable[[], None]) -> None:
        try:
            open_one()
        except AssistantError as error:
            self.session.report(str(error))

    def _open_listener(self) -> None:
        microphone = open_microphone()
        is_there = False
        try:
            microphone.open()
            is_there = True
        except AssistantError as error:
            # Who types needs none; at the talk key it is looked for again, and missed aloud.
            logging.getLogger(__name__).info("no microphone at the start: %s", error)
        finally:
            microphone.close()
            self._listener.ready(lambda: open_listener(self._settings), at_once=is_there)

    def _open_memory(self) -> None:
        from assistant.memory import trouble_told
        from assistant.memory.notebook import open_notebook

        try:
            notebook = open_notebook(embed=self._embed, model=self._embeds_as)
        except AssistantError as error:
            why = f"Nothing can be saved: {error}"
            self.session.without_memory(why, is_known=trouble_told.was_told(why))
            return
        trouble_told.forget()
        self.session.attach(memory=notebook)


def doctor_probes(
    *,
    delete_id: str,
    offline: Offline,
    stream: StreamKeeper | None = None,
    server: OwnServer | None = None,
) -> list[Probe]:
    """What the doctor looks at on this machine.

    delete_id, offline: as in `this_machine`.
    stream:             what may read the camera of the settings, if that is a stream.
    server:             the model server of the settings, if there is one that may be asked.
    """
    return this_machine(
        Openers(
            camera=lambda source: open_camera(source, stream=stream),
            microphone=open_microphone,
            player=open_player,
            synthesizer=lambda settings: open_synthesizer(settings, timeout_s=DOCTOR_WAITS_S),
            speech_model=lambda settings: speech_model(
                settings.vosk_folder, settings.hearing_recognizer, settings.hearing_language
            ),
            text_reader=RapidOcrReader(threads=1).load,
            server=None if server is None else lambda: server.find(DOCTOR_LIMITS),
        ),
        delete_id=delete_id,
        offline=offline,
    )
