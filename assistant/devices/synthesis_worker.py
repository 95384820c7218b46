"""The process in which pyttsx3 lives: one JSON request a line in, one JSON reply a line out.

Run as a file by `assistant.devices.synthesizer`, with the private folder as its only argument.
It imports nothing of this project, so that it starts quickly. pyttsx3 keeps global state, prints
to standard output, and its engine can hang or exit the process: here it may do all of that.
"""

import json
import os
import shutil
import signal
import sys
from typing import Any, TextIO


def main() -> int:
    """Serve requests until standard input ends, then remove the private folder."""
    folder = sys.argv[1]
    _ignore_signals()
    os.umask(0o077)
    replies = _take_standard_output()
    try:
        engine, trouble = _start_engine()
        voices = _Voices(engine)
        _reply(replies, {"ready": trouble is None, "error": trouble})
        for line in sys.stdin:
            _reply(replies, _serve(engine, voices, json.loads(line)))
    finally:
        # Standard input ends also when the parent was killed: no speech may outlive it.
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _ignore_signals() -> None:
    """Leave it to the end of standard input to end this process.

    A signal that ends the assistant may reach this process too, and must not keep it from
    removing its files.
    """
    for name in ("SIGHUP", "SIGTERM", "SIGINT"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _take_standard_output() -> TextIO:
    """Keep the real standard output for replies; what the engine prints goes nowhere."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return replies


def _start_engine() -> tuple[Any, str | None]:
    try:
        import pyttsx3

        return pyttsx3.init(), None
    except Exception as error:  # the engines raise anything, also bare Exception
        return None, f"{type(error).__name__}: {error}"


class _Voices:
    """The engine's voices: the one that it began with, and one for each language."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._usual: str | None = None
        self._now: str | None = None
        self._listed = False
        self._spoken: dict[str, list[str]] = {}

    @property
    def languages(self) -> list[str]:
        """The languages, two or three letters, that some voice speaks."""
        self._list()
        return sorted({code.split("-")[0] for codes in self._spoken.values() for code in codes})

    def _list(self) -> None:
        """Look at the voices once; who speaks one language only never needs that."""
        if self._listed:
            return
        self._listed = True
        # Its own thread may still be taking over what it was told.
        _wait_for_espeak()
        usual = self._engine.getProperty("voice")
        spoken = {
            str(voice.id): list(filter(None, map(_code, voice.languages)))
            for voice in self._engine.getProperty("voices")
        }
        # A voice that cannot be gone back to must not be left.
        if isinstance(usual, str) and usual in spoken:
            self._usual, self._spoken = usual, spoken
            self._now = self._now or usual

    def choose(self, engine: Any, wanted: str | None, language: str | None) -> list[str] | None:
        """Take the voice of a name, or one of a language; the names of all if it is not there."""
        if language is not None:
            self._list()
        if wanted is not None:
            known = [str(voice.id) for voice in engine.getProperty("voices")]
            if wanted not in known:
                return known
        chosen = wanted if wanted is not None else self._usual
        if language is not None:
            chosen = self._speaking(language, chosen)
        if chosen is not None and (chosen != self._now or wanted is not None):
            engine.setProperty("voice", chosen)
            self._now = chosen
        return None

    def _speaking(self, language: str, usual: str | None) -> str | None:
        """The usual voice if it speaks the language, else the plainest one that does."""
        mine = {
            name: codes
            for name, codes in self._spoken.items()
            if any(code.split("-")[0] == language for code in codes)
        }
        if not mine or usual in mine:
            return usual
        # Of German and Austrian, German; voices of a second engine inside this one may lack data.
        return min(
            mine,
            key=lambda name: (
                name.startswith("mb/"),
                not name.endswith("/" + language),
                language not in mine[name],
                len(name),
            ),
        )


def _code(language: Any) -> str | None:
    """A language as engines give it (de_DE, b"\x05de", German) as "de-de", or None."""
    text = language.decode("utf-8", "ignore") if isinstance(language, bytes) else str(language)
    text = text.strip("\x00\x01\x02\x03\x04\x05\x06\x07 ").replace("_", "-").lower()
    first = text.split("-")[0]
    return text if 2 <= len(first) <= 3 and first.isalpha() else None


def _serve(engine: Any, voices: _Voices, request: dict[str, Any]) -> dict[str, Any]:
    if engine is None:
        return {"error": "no speech engine"}
    try:
        if request.get("languages"):
            return {"languages": voices.languages}
        known = voices.choose(engine, request["voice"], request.get("language"))
        if known is not None:
            return {"missing_voice": True, "known": known}
        engine.setProperty("rate", request["rate_wpm"])
        _wait_for_espeak(request["rate_wpm"])
        engine.save_to_file(request["text"], request["path"])
        engine.runAndWait()
        # The first sentence may still be at work, whatever the name of that method says.
        _wait_for_espeak()
        return {"done": os.path.exists(request["path"])}
    except Exception as error:  # as above: whatever it is, the parent gets one line
        return {"error": f"{type(error).__name__}: {error}"}


def _wait_for_espeak(rate_wpm: int | None = None) -> None:
    """Wait until eSpeak NG has taken the rate over, which it does in a thread of its own.

    pyttsx3 cancels whatever is at work when a sentence begins. On a busy machine that would be
    the new rate, or the sentence itself: it would come at the old speed, or without a sound.
    Other engines have no such module and need no waiting.

    rate_wpm: given anew where eSpeak has another one: pyttsx3 keeps an order back while it is busy.
    """
    espeak = sys.modules.get("pyttsx3.drivers._espeak")
    if espeak is None:
        return
    espeak.Synchronize()
    if rate_wpm is not None and espeak.GetParameter(espeak.RATE) != rate_wpm:
        espeak.SetParameter(espeak.RATE, rate_wpm, 0)
        espeak.Synchronize()


def _reply(replies: TextIO, answer: dict[str, Any]) -> None:
    replies.write(json.dumps(answer) + "\n")
    replies.flush()


if __name__ == "__main__":
    sys.exit(main())
