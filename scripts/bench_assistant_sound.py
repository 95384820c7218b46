"""Measure how soon a key is heard, how soon speech is silent, and how soon a question is known.

    python scripts/bench_assistant_sound.py [--repeats 30] [--out FILE]

All of it goes through a real sound server without hardware (tests/sound/sound_server.py). The
delay of the server itself, from `paplay`'s first sample to the recorded one, is measured in the
same run and subtracted from what is heard; both figures are in the report.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from assistant.audio import AudioClip, write_wav  # noqa: E402
from assistant.devices.microphone import SoundDeviceMicrophone  # noqa: E402
from assistant.devices.player import SoundDevicePlayer  # noqa: E402
from assistant.devices.portaudio import keep_libraries_quiet  # noqa: E402
from assistant.devices.synthesizer import Pyttsx3Synthesizer  # noqa: E402
from assistant.hearing.listener import Heard, HeardKind  # noqa: E402
from assistant.hearing.recognizer_process import RecognizerProcess  # noqa: E402
from assistant.hearing.voice_activity import SileroVoiceActivity  # noqa: E402
from assistant.hearing.voice_listener import VoiceListener  # noqa: E402
from assistant.speech.sentence_speaker import SentenceSpeaker  # noqa: E402
from assistant.speech.speaker import Earcon, SpeechEvent, SpeechEventKind, Utterance  # noqa: E402
from tests.sound.sound_server import Ear, SoundServer  # noqa: E402

QUESTIONS = ("what is the total", "how many circles are there", "read the text", "is it blank")
LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen."


def main(argv: list[str] | None = None) -> int:
    """Measure, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30, help="of each measure")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "scripts/results/assistant_sound.json", metavar="FILE"
    )
    options = parser.parse_args(argv)
    keep_libraries_quiet()
    with tempfile.TemporaryDirectory(prefix="sound-") as folder:
        server = SoundServer(Path(folder))
        os.environ.update(server.environment)
        try:
            report = measure(server, Path(folder), options.repeats)
        finally:
            server.close()
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    return 0


def measure(server: SoundServer, folder: Path, repeats: int) -> dict[str, Any]:
    """Every measure of this file, in milliseconds."""
    with server.listener() as ear:
        loop_ms = loop_delay_ms(server, ear, folder, repeats)
        delay_ms = float(np.median(loop_ms))
        events: queue.Queue[SpeechEvent] = queue.Queue()
        speaker = SentenceSpeaker(Pyttsx3Synthesizer(), SoundDevicePlayer, on_event=events.put)
        try:
            say(speaker, events, "Ready.")
            earcons = [earcon_ms(speaker, ear) for _ in range(repeats)]
            talking = [earcon_ms(speaker, ear, gap_s=0.6) for _ in range(repeats)]
            first_words = [first_word_ms(speaker, events, ear) for _ in range(repeats)]
            stops = [stop_ms(speaker, events, ear) for _ in range(repeats)]
        finally:
            speaker.close()
    ends = {how: question_ms(server, folder, repeats, how) for how in ("silence", "talk key")}
    return {
        "what": "times through a PulseAudio server with null sinks, in ms",
        "machine": f"{os.cpu_count()} CPU cores shared with a training and other programs; this "
        "one ran at lower priority, and on one core where taskset said so",
        "heard": "a sound counts when the recorded piece that holds it arrives: never too early",
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "loop_delay": summary(loop_ms),
        "key_to_earcon_after_silence": summary(earcons, delay_ms),
        "key_to_earcon_device_open": summary(talking, delay_ms),
        "sentence_to_first_sound": summary(first_words, delay_ms),
        "stop_to_silence": summary(stops, delay_ms),
        "last_voiced_sound_to_question": summary(ends["silence"]),
        "talk_key_to_question": summary(ends["talk key"]),
    }


def loop_delay_ms(server: SoundServer, ear: Ear, folder: Path, repeats: int) -> list[float]:
    """From writing sound to the server until it is recorded, without any of our code."""
    wav = folder / "click.wav"
    write_wav(wav, AudioClip(np.full(4800, 8000, np.int16), 48_000))
    content = wav.read_bytes()[44:]
    found = []
    for _ in range(repeats):
        form = ("--rate=48000", "--channels=1", "--format=s16le", "--latency-msec=10")
        player = subprocess.Popen(
            ["pacat", "--playback", "--device=spk", *form],
            stdin=subprocess.PIPE,
            env={**os.environ, **server.environment},
        )
        assert player.stdin is not None
        # The program's own start is no delay of the server.
        player.stdin.write(bytes(9600))
        player.stdin.flush()
        time.sleep(0.8)
        began = time.monotonic()
        player.stdin.write(content)
        player.stdin.flush()
        time.sleep(0.5)
        player.kill()
        player.wait()
        player.stdin.close()
        heard = ear.first_sound_s(began)
        if heard is not None:
            found.append(1000 * heard)
    return found


def earcon_ms(speaker: SentenceSpeaker, ear: Ear, gap_s: float = 5.0) -> float | None:
    """From a key to its signal; after a gap of five seconds the device has been given back."""
    time.sleep(gap_s)
    began = time.monotonic()
    speaker.earcon(Earcon.LISTENING)
    time.sleep(0.6)
    heard = ear.first_sound_s(began)
    return None if heard is None else 1000 * heard


def first_word_ms(
    speaker: SentenceSpeaker, events: "queue.Queue[SpeechEvent]", ear: Ear
) -> float | None:
    """From a sentence of text to its first sound."""
    time.sleep(0.3)
    began = time.monotonic()
    say(speaker, events, "The total is thirty.")
    heard = ear.first_sound_s(began)
    return None if heard is None else 1000 * heard


def stop_ms(speaker: SentenceSpeaker, events: "queue.Queue[SpeechEvent]", ear: Ear) -> float | None:
    """From `stop` in the middle of speech to the last sound."""
    speaker.say(Utterance(LONG))
    while events.get(timeout=20).kind is not SpeechEventKind.STARTED:
        pass
    time.sleep(0.9)
    began = time.monotonic()
    speaker.stop()
    time.sleep(0.8)
    while not events.empty():
        events.get()
    return 1000 * (ear.last_sound_s(began) or 0.0)


def say(speaker: SentenceSpeaker, events: "queue.Queue[SpeechEvent]", text: str) -> None:
    """Speak to the end."""
    speaker.say(Utterance(text))
    while events.get(timeout=20).kind is not SpeechEventKind.FINISHED:
        pass
    time.sleep(0.3)


def question_ms(server: SoundServer, folder: Path, repeats: int, how: str) -> list[float | None]:
    """From the end of a spoken question to its words: by silence, or by the talk key."""
    heard: queue.Queue[Heard] = queue.Queue()
    listener = VoiceListener(
        SoundDeviceMicrophone(), RecognizerProcess, SileroVoiceActivity, on_heard=heard.put
    )
    found: list[float | None] = []
    try:
        for number in range(max(len(QUESTIONS), repeats // 3)):
            wav = folder / f"{number % len(QUESTIONS)}.wav"
            if not wav.exists():
                text = QUESTIONS[number % len(QUESTIONS)]
                subprocess.run(["flite", "-voice", "rms", "-t", text, "-o", str(wav)], check=True)
            listener.start()
            time.sleep(1.5)
            server.say(wav)
            pressed = time.monotonic()
            if how == "talk key":
                listener.finish()
            result = heard.get(timeout=60)
            while result.kind is HeardKind.PARTIAL:
                result = heard.get(timeout=60)
            ended = pressed if how == "talk key" else result.speech_ended_at
            found.append(None if ended is None else 1000 * (time.monotonic() - ended))
            time.sleep(1.2)
    finally:
        listener.close()
    return found


def summary(values: list[float | None], minus_ms: float = 0.0) -> dict[str, Any]:
    """Median and 95th percentile in ms, as heard and with the loop's delay subtracted."""
    known = np.array([value for value in values if value is not None])
    if not len(known):
        return {"n": 0}
    median, p95 = np.percentile(known, [50, 95])
    report: dict[str, Any] = {
        "n": len(known),
        "missed": len(values) - len(known),
        "median_ms": round(float(median), 1),
        "p95_ms": round(float(p95), 1),
    }
    if minus_ms:
        report["median_ms_without_loop"] = round(max(0.0, float(median) - minus_ms), 1)
        report["p95_ms_without_loop"] = round(max(0.0, float(p95) - minus_ms), 1)
    return report


if __name__ == "__main__":
    sys.exit(main())
