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
        _reply(replies, {"ready": trouble is None, "error": trouble})
        for line in sys.stdin:
            _reply(replies, _serve(engine, json.loads(line)))
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


def _serve(engine: Any, request: dict[str, Any]) -> dict[str, Any]:
    if engine is None:
        return {"error": "no speech engine"}
    try:
        if request["voice"] is not None:
            known = [str(voice.id) for voice in engine.getProperty("voices")]
            if request["voice"] not in known:
                return {"missing_voice": True, "known": known}
            engine.setProperty("voice", request["voice"])
        engine.setProperty("rate", request["rate_wpm"])
        _wait_for_espeak()
        engine.save_to_file(request["text"], request["path"])
        engine.runAndWait()
        # The first sentence may still be at work, whatever the name of that method says.
        _wait_for_espeak()
        return {"done": os.path.exists(request["path"])}
    except Exception as error:  # as above: whatever it is, the parent gets one line
        return {"error": f"{type(error).__name__}: {error}"}


def _wait_for_espeak() -> None:
    """Wait until eSpeak NG has taken the rate over, which it does in a thread of its own.

    pyttsx3 cancels whatever is at work when a sentence begins. On a busy machine that would be
    the new rate, or the sentence itself: it would come at the old speed, or without a sound.
    Other engines have no such module and need no waiting.
    """
    espeak = sys.modules.get("pyttsx3.drivers._espeak")
    if espeak is not None:
        espeak.Synchronize()


def _reply(replies: TextIO, answer: dict[str, Any]) -> None:
    replies.write(json.dumps(answer) + "\n")
    replies.flush()


if __name__ == "__main__":
    sys.exit(main())
