"""From a name to an answer of the assistant, with tiny models from a hub on this machine.

Processes load PyTorch six times and more, so all of it is slow.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import huggingface_hub
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from tokenizers import Tokenizer

import quantize  # isort: skip
from quantizing import measuring
from quantizing.programs import Programs
from quantizing.state import State

from assistant.inference.text_model import LocalTextModel
from assistant.settings.file import load_settings
from assistant.settings.paths import settings_file
from models.cogvlm2.config import CogVLM2Config, VisionConfig
from models.cogvlm2.model import CogVLM2ForCausalLM
from quantizer.run.progress import count_finished
from tests.assistant.fakes_server import Manners
from tests.scripts.quantizing.conftest import ROOT, assistant_of, offer, small

pytestmark = pytest.mark.slow

COGVLM2, LLAMA = "cogvlm2-19b", "llama-3.1-8b-instruct"


class Ran(NamedTuple):
    """What one start of the command said."""

    code: int
    told: str
    error: str


@pytest.fixture
def start(hub_address: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Start the command, with the hub of this machine."""
    programs = Programs(assistant=assistant_of(hub_address))

    def run(*words: str) -> Ran:
        code = quantize.main([*words, "--device", "cpu"], programs)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a pull ask the hub, as it may outside the tests."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def cogvlm2(
    manners: Manners, known: Callable[..., None], letter_tokenizer: Tokenizer, tmp_path: Path
) -> Path:
    """A model of random weights under the name of the large one.

    It is wider than those that the assistant takes for its own small one, and asks little.
    """
    folder = tmp_path / "offered"
    folder.mkdir()
    config = CogVLM2Config(
        vocab_size=99, hidden_size=576, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=9, num_multi_query_heads=3, max_position_embeddings=128,
        bos_token_id=1, eos_token_ids=(2,), pad_token_id=0,
        vision=VisionConfig(image_size=56, patch_size=14, hidden_size=16, num_heads=2,
                            num_hidden_layers=1, intermediate_size=32),
    )  # fmt: skip
    torch.manual_seed(0)
    state = CogVLM2ForCausalLM(config).state_dict()
    kept = {name: value.clone() for name, value in state.items() if not name.endswith("inv_freq")}
    save_file(kept, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    letter_tokenizer.save(str(folder / "tokenizer.json"))
    offer(manners, COGVLM2, folder)
    known(small(COGVLM2, folder))
    return folder


def draw(path: Path) -> Path:
    """A picture that the assistant finds fit to ask about."""
    image = Image.new("RGB", (320, 240), (230, 225, 210))
    pen = ImageDraw.Draw(image)
    pen.ellipse((60, 50, 160, 150), fill="red")
    pen.rectangle((180, 80, 280, 200), fill="navy")
    image.save(path)
    return path


@pytest.fixture
def llama(manners: Manners, known: Callable[..., None], tiny_llama: Path) -> Path:
    """The tiny model under the name of the large one."""
    offer(manners, LLAMA, tiny_llama)
    known(small(LLAMA, tiny_llama))
    return tiny_llama


def digests(folder: Path) -> dict[str, str]:
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.glob("*.safetensors")
    }


def test_pictures_from_the_name_to_an_answer(
    start: Callable[..., Ran],
    cogvlm2: Path,
    manners: Manners,
    picture_folder: Path,
    home: Path,
    tmp_path: Path,
) -> None:
    words = (COGVLM2, "--accept-licence", "--calibration", str(picture_folder), "--samples", "6")
    # Cut in the middle of the weights, for as long as one command tries.
    sizes = [len(manners.files[path]) for path in sorted(manners.files)]
    manners.cut_after = [10**9, 10**9, max(sizes) // 2, 0, 0, 0]
    cut = start(*words)
    assert cut.code == 2 and "goes on after" in cut.error
    assert cut.error.count("\n") == 1
    before = len(manners.requests)
    done = start(*words)
    assert (done.code, done.error) == (0, "")
    assert any(begins and begins != "bytes=0-" for begins in manners.starts()[before:])
    out = home / "data/quantized/cogvlm2-19b-int4"
    config = json.loads((out / "config.json").read_text())
    assert config["quantization_config"]["bits"] == 4
    report = json.loads((out / "report.json").read_text())
    assert report["settings"]["recipe"] == "cmdq"
    assert report["calibration"]["samples"] == 6
    assert "18 layers are in 4 bits" in done.told and "of plain rounding's" in done.told
    assert "questions about pictures kept apart, the small model answers" in done.told
    assert load_settings(settings_file())[0].model_folder == str(out)
    # The same command changes nothing more.
    first = digests(out)
    assert start(*words).code == 0 and digests(out) == first
    asked = subprocess.run(
        [sys.executable, "-m", "assistant.cli", "ask", str(draw(tmp_path / "drawing.png")),
         "What is the person doing?", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )  # fmt: skip
    assert asked.returncode in (0, 3), asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["model"] == "quantized/cogvlm2-19b-int4"
    assert answer["timings_ms"]["answer"] > 0, answer
    undone = start(COGVLM2, "--undo")
    assert undone.code == 0 and load_settings(settings_file())[0].model_folder == ""


def test_texts_from_the_name_to_an_answer(
    start: Callable[..., Ran], llama: Path, manners: Manners, home: Path
) -> None:
    words = ("llama-3.1-8b", "--accept-licence", "--samples", "8")
    # A maker that wants its licence accepted first.
    manners.statuses = [403]
    refused = start(*words)
    assert refused.code == 2 and refused.error.count("\n") == 1
    assert "accept it, then run hf auth login" in refused.error
    assert "hf auth login" in refused.told
    done = start(*words)
    assert (done.code, done.error) == (0, "")
    # The hub of this machine has no public texts.
    assert "The public texts did not come" in done.told and "WARNING: the documents" in done.told
    assert "Perplexity of 16 sequences kept apart" in done.told
    out = home / "data/quantized/llama-3.1-8b-instruct-int4"
    settings, _ = load_settings(settings_file())
    assert settings.text_model_folder == str(out) and settings.model_folder == ""
    model = LocalTextModel(Path(settings.text_model_folder))
    assert "".join(model.answer("The sun is out.", "What is out?"))


def test_a_run_that_was_killed_goes_on(
    llama: Path, home: Path, text_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small"
    words = [str(llama), "--out", str(out), "--calibration", str(text_file), "--samples", "8"]
    command = [sys.executable, str(ROOT / "scripts/quantize.py"), *words, "--device", "cpu"]
    begun = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    end = time.monotonic() + 500
    while count_finished(out) < 1 and begun.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(begun.pid, signal.SIGKILL)
    said, _ = begun.communicate()
    assert begun.returncode == -signal.SIGKILL, said
    assert not out.exists()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert " of 2 blocks were finished before." in again.stdout
    assert load_settings(settings_file())[0].text_model_folder == str(out)


def test_ctrl_c_says_that_the_command_goes_on(llama: Path, text_file: Path, tmp_path: Path) -> None:
    words = [str(llama), "--out", str(tmp_path / "small"), "--calibration", str(text_file)]
    command = [sys.executable, str(ROOT / "scripts/quantize.py"), *words, "--device", "cpu"]
    begun = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert begun.stdout is not None
    while "The plan" not in (line := begun.stdout.readline()):
        assert line, "it ended before"
    begun.send_signal(signal.SIGINT)
    _, error = begun.communicate(timeout=300)
    assert begun.returncode == 130
    assert error == "stopped with Ctrl+C; nothing is lost: the same command goes on\n"


def test_what_was_killed_behind_its_run_is_not_run_again(
    llama: Path, text_file: Path, tmp_path: Path, start: Callable[..., Ran]
) -> None:
    out = tmp_path / "small"
    words = [str(llama), "--out", str(out), "--calibration", str(text_file), "--samples", "8"]
    # Stopped where the result is in its place, and nothing was noted yet.
    with pytest.MonkeyPatch.context() as patch:
        original = State.put

        def stopped(self: State, name: str, value: object) -> None:
            if name == "sees":
                raise KeyboardInterrupt
            original(self, name, value)

        patch.setattr(State, "put", stopped)
        assert start(*words).code == 130
    first = digests(out)
    made = (out / "report.json").stat().st_mtime_ns
    # What cannot be measured is said, and is used all the same.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "WINDOWS", 0)
        unmeasured = start(*words)
    assert unmeasured.code == 0 and "could not be measured: --limit 0" in unmeasured.told
    assert load_settings(settings_file())[0].text_model_folder == str(out)
    measured = start(*words)
    assert measured.code == 0 and "Perplexity of" in measured.told
    assert digests(out) == first and (out / "report.json").stat().st_mtime_ns == made
