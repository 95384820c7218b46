"""What the soak shows and hears: a camera that is a stream, pages, drawings, spoken questions."""

from __future__ import annotations

import http.server
import io
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from assistant.seeing.quality import check_quality
from models.pocket.training.fonts import held_out_fonts
from models.pocket.training.pictures import Split, render

Picture = NDArray[np.uint8]

FRAME_S = 0.05
"""Between two frames of the stream."""

GRAINS = 8
"""Frames of one scene that differ by their noise, as those of a camera do."""

PAGES = (
    ("Oat drink", "Best before 14.03.2027", "Total 12.50"),
    ("Corner Bakery", "Rye bread 4.20", "Butter 2.30", "Total 6.50", "Paid in cash"),
    ("Dear Mrs Hall", "your appointment is on 3 May 2027", "at 9.30 in room 12"),
    ("Green tea", "Net weight 100 g", "Price 3.80", "Call 030 1234567"),
)

QUESTIONS = ("what is the total", "read the text", "what colour is this")
"""Spoken by flite in the grammar that the recognizer knows."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing before the camera.

    frames:   JPEG files that differ by noise.
    question: what a small model is asked about a drawing; "" for a page of text.
    """

    frames: tuple[bytes, ...]
    question: str


def scenes() -> list[Scene]:
    """Pages and drawings in turn."""
    found = []
    drawn = _drawings()
    for number, lines in enumerate(PAGES):
        found.append(Scene(_frames(_page(lines), number), ""))
        rgb, question = next(drawn)
        found.append(Scene(_frames(rgb, 100 + number), question))
    return found


class StreamCamera:
    """An MJPEG stream on this machine, whose scene is turned and which can be lost."""

    def __init__(self, shown: list[Scene]) -> None:
        self._shown = shown
        self._now = shown[0]
        self._is_lost = threading.Event()
        self.sent = 0
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None: ...

            def do_GET(self) -> None:
                camera.stream(self)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where the stream is."""
        return f"http://127.0.0.1:{self._server.server_port}/camera.mjpg"

    def show(self, number: int) -> Scene:
        """Turn to a scene."""
        self._now = self._shown[number % len(self._shown)]
        return self._now

    def show_page(self, lines: tuple[str, ...]) -> None:
        """Hold a page before the camera that nobody has seen yet."""
        self._now = Scene(_frames(_page(lines), 0), "")

    def lose(self) -> None:
        """Break the stream off, and refuse new ones."""
        self._is_lost.set()

    def bring_back(self) -> None:
        """Answer again."""
        self._is_lost.clear()

    def close(self) -> None:
        """End it."""
        self._is_lost.set()
        self._server.shutdown()
        self._server.server_close()

    def stream(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Send frames until the reader has gone or the camera is lost; in the server's thread."""
        if self._is_lost.is_set():
            handler.send_error(503)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for count in itertools.count():
            if self._is_lost.is_set():
                return
            frame = self._now.frames[count % GRAINS]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(frame)}\r\n\r\n"
            try:
                handler.wfile.write(head.encode() + frame + b"\r\n")
            except OSError:
                return
            self.sent += 1
            time.sleep(FRAME_S)


def speak_questions(folder: Path) -> list[Path]:
    """Write every spoken question as a WAV file."""
    files = []
    for number, text in enumerate(QUESTIONS):
        path = folder / f"question{number}.wav"
        subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", str(path)], check=True)
        files.append(path)
    return files


def write_text_model(folder: Path, seed: int) -> Path:
    """A LLaMA with 30 MB of random weights: what it says is nonsense, what it costs is real."""
    import torch
    from letters import letter_tokenizer
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True)
    config = LlamaConfig(
        vocab_size=99, hidden_size=512, intermediate_size=1024, num_hidden_layers=6,
        num_attention_heads=8, num_key_value_heads=8, max_position_embeddings=512,
        bos_token_id=1, eos_token_id=2, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(seed)
    state = LlamaForCausalLM(config).state_dict()
    save_file(
        {name: value.to(torch.bfloat16) for name, value in state.items()},
        folder / "model.safetensors",
    )
    raw = config.to_dict() | {"architectures": ["LlamaForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(raw))
    letter_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def _page(lines: tuple[str, ...]) -> Picture:
    picture = Image.new("RGB", (800, 600), (236, 234, 228))
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(str(held_out_fonts()[0]), 44)
    for row, line in enumerate(lines):
        pen.text((60, 60 + 90 * row), line, font=font, fill=(20, 20, 20))
    return np.asarray(picture, np.uint8)


def _drawings() -> Iterator[tuple[Picture, str]]:
    for seed in itertools.count():
        drawn = render(seed, Split.HELD_OUT, ("count", "colour")[seed % 2])
        if check_quality(drawn.rgb) is None:
            yield drawn.rgb, drawn.questions[0].question


def _frames(rgb: Picture, seed: int) -> tuple[bytes, ...]:
    generator = np.random.default_rng(seed)
    frames = []
    for _ in range(GRAINS):
        noisy = np.clip(rgb + generator.normal(0, 2, rgb.shape), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=92)
        frames.append(file.getvalue())
    return tuple(frames)
