#!/usr/bin/env python3
"""Let the recognizer in use hear people who order drinks: none may be heard as something else.

    python scripts/bench_assistant_orders.py DATA [--vosk-model FOLDER] [--out FILE]

The recordings go block by block through the same path as sound from a microphone: detector of
speech, end of speech, recognizer. So an order with a long pause is judged by its first half.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assistant.audio import QUESTION_RATE_HZ, read_question
from assistant.hearing.endpoint import Endpoint
from assistant.hearing.question import SpokenQuestion, VoiceActivity
from assistant.hearing.recognizer import AudioChunk, Recognizer, Transcript
from assistant.hearing.voice_activity import SileroVoiceActivity
from assistant.session.orders import spoken_order
from assistant.skills.router import understand
from assistant.text.words import bare_words
from assistant.wiring import open_recognizer

BLOCK = 512
"""Samples, as the microphone gives them."""

SILENCE_BEFORE_S, SILENCE_AFTER_S = 0.3, 1.2
"""A room in which somebody is going to speak, and has spoken: faint noise, not zeros."""

LEAST_SHARE = 0.5
"""Of the label's words, that must be heard for an order to count as understood."""


def main(argv: Sequence[str] | None = None) -> int:
    """Hear every order, and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds speech/")
    parser.add_argument("--vosk-model", default="", help="folder of a Vosk model")
    parser.add_argument("--out", type=Path, help="JSON file (default: standard output)")
    options = parser.parse_args(argv)
    folder = options.data / "speech" / "picovoice"
    labels = json.loads((folder / "label_shared.json").read_text(encoding="utf-8"))
    recognizer = open_recognizer(options.vosk_model)
    activity = SileroVoiceActivity()
    judged = []
    try:
        for name, label in sorted(labels.items()):
            transcript = hear(folder / name, recognizer, activity)
            judged.append({"file": name, **judge(transcript, label["slots"].values())})
    finally:
        recognizer.close()
    counts = {
        key: sum(order["judged"] == key for order in judged)
        for key in ("rejected", "understood", "heard_as_something_else")
    }
    heard = [order for order in judged if order["judged"] != "rejected"]
    report = {"recognizer": recognizer.name, "orders": len(judged), **counts, "heard": heard}
    text = json.dumps(report, indent=1)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def hear(wav: Path, recognizer: Recognizer, activity: VoiceActivity) -> Transcript | None:
    """What the assistant would take from a recording, played in a quiet room."""
    noise = np.random.default_rng(0)
    before, after = (
        noise.integers(-3, 4, round(seconds * QUESTION_RATE_HZ)).astype(np.int16)
        for seconds in (SILENCE_BEFORE_S, SILENCE_AFTER_S)
    )
    sound = np.concatenate([before, read_question(wav).samples, after])
    question = SpokenQuestion(recognizer, activity, Endpoint())
    for start in range(0, len(sound), BLOCK):
        block = sound[start : start + BLOCK]
        if question.accept(AudioChunk(block, start / QUESTION_RATE_HZ)):
            break
    return None if question.is_silent else question.transcript()


def judge(transcript: Transcript | None, slots: Any) -> dict[str, Any]:
    """Rejected, understood, or heard as something that was not said."""
    if transcript is None:
        return {"judged": "rejected"}
    said = {word for slot in slots for word in bare_words(slot).split()}
    heard = set(bare_words(transcript.text).split())
    is_order = spoken_order(transcript.text) is not None
    understood = len(said & heard) >= LEAST_SHARE * len(said) and not is_order
    return {
        "judged": "understood" if understood else "heard_as_something_else",
        "text": transcript.text,
        "confidence": round(transcript.confidence, 3),
        "taken_as": "order" if is_order else understand(transcript.text).skill,
    }


if __name__ == "__main__":
    sys.exit(main())
