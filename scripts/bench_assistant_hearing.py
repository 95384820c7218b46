#!/usr/bin/env python3
"""Measure what the recognizer in use hears: known wordings, free questions, others' speech, noise.

    python scripts/bench_assistant_hearing.py DATA [--vosk-model FOLDER] [--voices awb kal16]
                                              [--every 1] [--limit-s 1e9] [--out FILE]

The voices are flite's, at three speeds, in a quiet room and with noise at 20 and 10 dB below
speech, half of it a room's (pink) and half hiss (white). What is chosen by measuring is chosen with
the voices slt and rms; the figures that count are those of awb and kal16. Sound goes block by block
through the same path as a microphone's: detector, end of speech, recognizer.

Each spoken question comes out as one of
  right        word for word, or in the same meaning: the same content words
  asked_back   "Did you say …?", in the right words or in others
  rejected     nothing was understood
  misheard     taken with a wrong content word, and answered as the same kind of question
  another      taken as another kind of question or an order, or as another known sentence
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from assistant.audio import QUESTION_RATE_HZ, read_question  # noqa: E402
from assistant.hearing.endpoint import Endpoint, EndpointSettings  # noqa: E402
from assistant.hearing.grammar import pocket_questions, sentence_pattern  # noqa: E402
from assistant.hearing.known_wordings import known_sentences  # noqa: E402
from assistant.hearing.orders import heard_orders, order_in  # noqa: E402
from assistant.hearing.question import ORDER_ENDS_S, SpokenQuestion  # noqa: E402
from assistant.hearing.recognizer import AudioChunk, Recognizer, Transcript  # noqa: E402
from assistant.hearing.voice_activity import SileroVoiceActivity  # noqa: E402
from assistant.skills.router import heard, understand  # noqa: E402
from assistant.skills.wording import RULES, expand  # noqa: E402
from assistant.text.words import bare_words  # noqa: E402
from assistant.wiring import open_recognizer  # noqa: E402
from tests.assistant.made_sounds import no_speech, pink  # noqa: E402

VOICES = ("slt", "rms", "awb", "kal16")
SPEEDS = (0.85, 1.0, 1.2)
"""How flite stretches its sounds: quick, usual, slow."""

NOISES_DB = (None, 20, 10)
BLOCK = 512
BEFORE_S, AFTER_S = 0.5, 1.2
QUESTIONS, POCKET, ORDERS = 60, 20, 40
"""Known sentences of each kind."""

SMALL = frozenset(
    ["a", "an", "the", "my", "this", "that", "it", "is", "are", "was", "do", "does", "did", "to"]
    + ["of", "in", "on", "at", "for", "me", "i", "there", "here", "please", "and", "now"]
)
"""Words without which a question means the same."""

SAME = {
    "theater": "theatre", "check": "cheque", "mold": "mould", "flavor": "flavour",
    "programme": "program", "gray": "grey", "5": "five", "20": "twenty", "3": "three",
    "12": "twelve", "1": "one", "2": "two", "10": "ten", "4": "four", "6": "six", "7": "seven",
    "8": "eight", "9": "nine", "tv": "television", "dollar": "dollars",
}  # fmt: skip
"""Other spellings of the same words."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One spoken sentence. noise_db: below speech, None for a quiet room."""

    kind: str
    text: str
    voice: str
    stretch: float
    noise_db: int | None
    noise: str


def main(argv: Sequence[str] | None = None) -> int:
    """Hear everything, and write the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder that holds speech/")
    parser.add_argument("--vosk-model", default="", help="folder of a Vosk or Whisper model")
    parser.add_argument("--voices", nargs="+", choices=VOICES, default=list(VOICES[2:]))
    parser.add_argument("--every", type=int, default=1, help="only every so manyeth sentence")
    parser.add_argument("--limit-s", type=float, default=1e9, help="begin nothing new after it")
    parser.add_argument("--out", type=Path, help="JSON file (default: standard output)")
    options = parser.parse_args(argv)
    recognizer = open_recognizer(options.vosk_model)
    try:
        report = measure(recognizer, options)
    finally:
        recognizer.close()
    text = json.dumps(report, indent=1, ensure_ascii=False)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def measure(recognizer: Recognizer, options: argparse.Namespace) -> dict[str, Any]:
    """All parts, the short ones first."""
    ends = time.monotonic() + options.limit_s
    activity = SileroVoiceActivity()
    report: dict[str, Any] = {
        "recognizer": recognizer.name,
        "voices": options.voices,
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "no_speech": sounds_without_speech(recognizer, activity),
        "others": other_people(recognizer, activity, options.data / "speech"),
    }
    known = frozenset(map(bare_words, known_sentences()))
    with tempfile.TemporaryDirectory(prefix="hearing-") as folder:
        report["seconds"] = seconds(recognizer, Path(folder))
        outcomes: list[dict[str, Any]] = []
        for spoken in sentences(options.voices, options.every):
            if time.monotonic() > ends:
                report["stopped_after"] = len(outcomes)
                break
            transcript = hear(recognizer, activity, sound_of(spoken, Path(folder)))
            outcome = judge(transcript, spoken.text, known)
            cell = f"{spoken.noise_db or 'no'} dB {spoken.noise if spoken.noise_db else 'noise'}"
            outcomes.append(
                {
                    "kind": spoken.kind, "cell": cell, "outcome": outcome, "said": spoken.text,
                    "voice": spoken.voice, "heard": "" if transcript is None else transcript.text,
                    "stretch": spoken.stretch, "noise_db": spoken.noise_db,
                }
            )  # fmt: skip
    for kind in ("known", "free"):
        report[kind] = shares([each for each in outcomes if each["kind"] == kind])
    return report


def sentences(voices: Sequence[str], every: int) -> Iterator[Spoken]:
    """Every sentence by every voice, each in another of the nine conditions, in a mixed order."""
    free = (ROOT / "scripts/free_questions.txt").read_text(encoding="utf-8").split("\n")[:-1]
    found = []
    for kind, texts in (("known", known_texts()), ("free", free)):
        for number, text in enumerate(texts[::every]):
            for voice in voices:
                place = (number * 4 + VOICES.index(voice) * 5) % 9
                noise = ("room", "hiss")[(number // 9 + VOICES.index(voice)) % 2]
                stretch, noise_db = SPEEDS[place % 3], NOISES_DB[place // 3]
                found.append(Spoken(kind, text, voice, stretch, noise_db, noise))
    # So that a run that is stopped has measured a part of everything.
    random.Random(2).shuffle(found)
    yield from found


def known_texts() -> list[str]:
    """Sentences of the grammar: questions about texts, the pocket model's, and orders."""
    rng = random.Random(1)
    kinds = ((heard(), QUESTIONS), (pocket_questions(), POCKET), (list(heard_orders()), ORDERS))
    found: list[str] = []
    for bodies, wanted in kinds:
        found = _drawn(rng, list(bodies), found, wanted)
    return found


def _drawn(rng: random.Random, bodies: list[str], before: list[str], more: int) -> list[str]:
    """What was drawn before, and as many more sentences that are none of it."""
    rng.shuffle(bodies)
    found = list(before)
    turn = 0
    while len(found) < len(before) + more:
        text = rng.choice(expand(bodies[turn % len(bodies)]))
        while slot := re.search(r"<(\w+)>", text):
            text = text[: slot.start()] + rng.choice(expand(RULES[slot[1]])) + text[slot.end() :]
        if text not in found and sentence_pattern().fullmatch(f"{text} "):
            found.append(text)
        turn += 1
    return found


def sound_of(spoken: Spoken, folder: Path) -> NDArray[np.int16]:
    """A person who says it, in silence, with the noise."""
    samples = voice_of(spoken.text, spoken.voice, spoken.stretch, folder).astype(float)
    rng = np.random.default_rng(zlib.crc32(f"{spoken.text} {spoken.voice}".encode()))
    before, after = (np.zeros(round(s * QUESTION_RATE_HZ)) for s in (BEFORE_S, AFTER_S))
    whole = np.concatenate([before, samples, after])
    loud = samples[np.abs(samples) > 200]
    level = 3.0
    if spoken.noise_db is not None:
        level = float(np.sqrt(np.mean(loud**2))) / 10 ** (spoken.noise_db / 20)
    noise = rng.standard_normal(len(whole))
    if spoken.noise == "room":
        noise = pink(len(whole), rng)
    return np.clip(whole + level * noise, -32768, 32767).astype(np.int16)


def voice_of(text: str, voice: str, stretch: float, folder: Path) -> NDArray[np.int16]:
    """flite's voice, at 16 kHz."""
    wav = folder / f"{zlib.crc32(text.encode())}-{voice}-{stretch}.wav"
    if not wav.exists():
        pace = f"duration_stretch={stretch}"
        command = ["flite", "-voice", voice, "--setf", pace, "-t", text, "-o", str(wav)]
        subprocess.run(command, check=True, capture_output=True)
    return read_question(wav).samples


def hear(
    recognizer: Recognizer, activity: SileroVoiceActivity, sound: NDArray[np.int16]
) -> Transcript | None:
    """What the assistant would take from a sound."""
    question = SpokenQuestion(recognizer, activity, Endpoint())
    for start in range(0, len(sound), BLOCK):
        block = sound[start : start + BLOCK]
        if question.accept(AudioChunk(block, start / QUESTION_RATE_HZ)):
            break
    return None if question.is_silent else question.transcript()


def judge(transcript: Transcript | None, said: str, known: frozenset[str]) -> str:
    """What became of a spoken sentence; see the top of this file."""
    if transcript is None:
        return "rejected"
    right = is_same(transcript.text, said)
    if transcript.doubt:
        return "asked_back_right" if right else "asked_back_other"
    if right:
        return "right"
    text, truth = bare_words(transcript.text), bare_words(said)
    if order_in(text) != order_in(truth) or text in known:
        return "another"
    return "misheard" if understand(text).skill == understand(truth).skill else "another"


def is_same(heard_text: str, said: str) -> bool:
    """True for the same words, or the same content words."""
    first, second = content_words(heard_text), content_words(said)
    if first == second or "".join(first) == "".join(second):
        return True
    one, other = order_in(bare_words(heard_text)), order_in(bare_words(said))
    return one is not None and one == other


def content_words(text: str) -> list[str]:
    """The words that a question is about."""
    words = (SAME.get(word, word) for word in bare_words(text).split())
    found = [word for word in words if word not in SMALL]
    return found or bare_words(text).split()


def shares(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts and shares, for all and by condition, and what was taken wrongly."""
    cells = sorted({each["cell"] for each in outcomes})
    return {
        **_shares(outcomes),
        "right_by_voice_stretch_and_noise": right_by_condition(outcomes),
        "by_noise": {c: _shares([each for each in outcomes if each["cell"] == c]) for c in cells},
        "by_voice": {
            voice: _shares([each for each in outcomes if each["voice"] == voice])
            for voice in sorted({each["voice"] for each in outcomes})
        },
        "wrong": [
            {key: each[key] for key in ("said", "heard", "outcome", "cell", "voice")}
            for each in outcomes
            if each["outcome"] in ("another", "misheard")
        ],
    }


def right_by_condition(outcomes: list[dict[str, Any]]) -> dict[str, str]:
    """How many are right of how many, for each voice, stretch and noise."""
    found: dict[str, list[bool]] = {}
    for each in outcomes:
        noise = "quiet" if each["noise_db"] is None else f"{each['noise_db']} dB"
        condition = f"{each['voice']}, {each['stretch']}, {noise}"
        found.setdefault(condition, []).append(each["outcome"] == "right")
    return {name: f"{sum(right)} of {len(right)}" for name, right in sorted(found.items())}


def _shares(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    counts = Counter(each["outcome"] for each in outcomes)
    total = max(1, len(outcomes))
    return {
        "spoken": len(outcomes),
        **dict(sorted(counts.items())),
        "right_share": round(counts["right"] / total, 4),
        "right_or_asked_back_right_share": round(
            (counts["right"] + counts["asked_back_right"]) / total, 4
        ),
        "another_share": round(counts["another"] / total, 4),
    }


def sounds_without_speech(recognizer: Recognizer, activity: SileroVoiceActivity) -> dict[str, Any]:
    """What is heard where nobody speaks: through the microphone's path, and as a recording."""
    taken = []
    count = 0
    for name, samples in no_speech():
        count += 1
        for way, transcript in (
            ("microphone", hear(recognizer, activity, samples)),
            ("talk key", pressed(recognizer, samples)),
        ):
            if transcript is not None:
                taken.append({"sound": name, "way": way, "text": transcript.text})
    return {"sounds": count, "questions": len(taken), "taken": taken}


def pressed(recognizer: Recognizer, samples: NDArray[np.int16]) -> Transcript | None:
    """What is heard where the talk key ends the question, whatever the detector says."""
    recognizer.begin()
    for start in range(0, len(samples), BLOCK):
        recognizer.accept(AudioChunk(samples[start : start + BLOCK], 0.0))
    return recognizer.finish()


def other_people(
    recognizer: Recognizer, activity: SileroVoiceActivity, folder: Path
) -> dict[str, Any]:
    """Recorded people who order drinks: understood as they speak, or not at all."""
    labels = json.loads((folder / "picovoice/label_shared.json").read_text(encoding="utf-8"))
    heard_texts, counts = [], Counter[str]()
    for name, label in sorted(labels.items()):
        samples = read_question(folder / "picovoice" / name).samples
        silence = np.zeros(round(AFTER_S * QUESTION_RATE_HZ), np.int16)
        transcript = hear(recognizer, activity, np.concatenate([samples, silence]))
        outcome = "rejected"
        if transcript is not None:
            said = {word for slot in label["slots"].values() for word in bare_words(slot).split()}
            found = said & set(bare_words(transcript.text).split())
            is_order = order_in(bare_words(transcript.text)) is not None
            right = len(found) >= 0.5 * len(said) and not is_order
            outcome = "understood" if right else "something_else"
            if transcript.doubt:
                outcome = "asked_back"
            heard_texts.append({"file": name, "outcome": outcome, "text": transcript.text})
        counts[outcome] += 1
    answered = counts["something_else"]
    return {"recordings": len(labels), **counts, "something_else": answered, "heard": heard_texts}


TIMED = {
    "questions": (
        "what is the total", "who sent me this letter", "is this milk still good",
        "how many tablets should i take", "what does the label say", "where is my cup",
        "how do i change the battery", "when will the parcel be delivered",
        "what is the weather like outside", "which gate does my plane leave from",
    ),
    "orders": (
        "stop", "next line", "louder", "repeat that", "go to page two", "keep reading",
        "spell it", "be quiet", "speak slower", "continue",
    ),
}  # fmt: skip


def seconds(recognizer: Recognizer, folder: Path) -> dict[str, Any]:
    """From the end of speech to its words, in real time: by silence, and by the talk key."""
    found: dict[str, Any] = {}
    for kind, texts in TIMED.items():
        by_silence, by_key = [], []
        for number, text in enumerate(texts):
            voice = VOICES[number % 2]
            samples = voice_of(text, voice, 1.0, folder)
            last = len(samples) - int(np.argmax(np.abs(samples[::-1]) > 200))
            by_silence.append(_timed(recognizer, samples, last, key=False))
            by_key.append(_timed(recognizer, samples[:last], last, key=True))
        found[kind] = {
            "last_voiced_sample_to_text_s": round(statistics.median(by_silence), 3),
            "of_that_waiting_for_silence_s": (
                ORDER_ENDS_S if kind == "orders" else EndpointSettings().end_s
            ),
            "talk_key_to_text_s": round(statistics.median(by_key), 3),
            "of": len(texts),
        }
    return found


def _timed(recognizer: Recognizer, samples: NDArray[np.int16], last: int, *, key: bool) -> float:
    activity = SileroVoiceActivity()
    silence = np.random.default_rng(0).integers(-3, 4, 2 * QUESTION_RATE_HZ).astype(np.int16)
    before = silence[: QUESTION_RATE_HZ // 2]
    sound = np.concatenate([before, samples, silence])
    ended = (len(before) + last) / QUESTION_RATE_HZ
    question = SpokenQuestion(recognizer, activity, Endpoint())
    began = time.monotonic()
    for start in range(0, len(sound), BLOCK):
        # A block is there when its last sample has been said.
        due = began + (start + BLOCK) / QUESTION_RATE_HZ
        time.sleep(max(0.0, due - time.monotonic()))
        if question.accept(AudioChunk(sound[start : start + BLOCK], due)):
            break
        if key and (start + BLOCK) / QUESTION_RATE_HZ >= ended:
            break
    question.transcript()
    return time.monotonic() - began - ended


if __name__ == "__main__":
    sys.exit(main())
