"""The assistant's models on a card: the same answers, within what a decoded token may ask of it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from assistant.inference.placing import Placing
from assistant.inference.text_model import LocalTextModel
from assistant.inference.vision_model import LocalVisionModel
from models.generate import PictureChat, greedy_tokens
from models.loading import load_model
from models.pocket import pocket_int4_folder

ASKED = "What colour is the circle?"


@pytest.fixture(scope="module")
def drawing() -> NDArray[np.uint8]:
    image = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(image).ellipse((30, 30, 100, 100), fill="red")
    return np.asarray(image)


def said(model: LocalVisionModel, rgb: NDArray[np.uint8]) -> str:
    return "".join(token.text for token in model.answer(model.look(rgb), ASKED))


@pytest.mark.gpu
def test_the_picture_model_answers_as_on_the_processor(drawing: NDArray[np.uint8]) -> None:
    on_processor = LocalVisionModel(pocket_int4_folder())
    told: list[str] = []
    on_card = LocalVisionModel(pocket_int4_folder(), Placing("cuda", told.append))
    assert next(iter(on_card._chat.model.parameters())).device.type == "cuda"  # type: ignore[attr-defined]
    answer = said(on_processor, drawing)
    assert "red" in answer
    assert said(on_card, drawing) == answer and told == []
    mine, other = on_card.embed(drawing), on_processor.embed(drawing)
    assert float(mine @ other) > 0.99 * float(np.linalg.norm(mine) * np.linalg.norm(other))


@pytest.mark.gpu(twin="slow")
def test_a_card_that_runs_out_of_memory_in_the_middle(drawing: NDArray[np.uint8]) -> None:
    """What was on the card is loaded again where there is room, and nothing is said twice."""
    answer = said(LocalVisionModel(pocket_int4_folder()), drawing)
    told: list[str] = []
    model = LocalVisionModel(pocket_int4_folder(), Placing("cuda", told.append))
    scene = model.look(drawing)
    steps = 0

    def full(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    model._chat.model.lm_head.register_forward_pre_hook(full)  # type: ignore[attr-defined]
    assert "".join(token.text for token in model.answer(scene, ASKED)) == answer
    assert next(iter(model._chat.model.parameters())).device.type == "cpu"  # type: ignore[attr-defined]
    assert len(told) == 1 and "processor goes on" in told[0]


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    """A LLaMA of random weights, whose heads share keys and values."""
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=768, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
    )  # fmt: skip
    state = LlamaForCausalLM(config).state_dict()
    save_file({name: 5 * tensor for name, tensor in state.items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict(), default=str))
    shutil.copy(pocket_int4_folder() / "tokenizer.json", tmp_path)
    return tmp_path


@pytest.mark.gpu
def test_the_text_model_answers_on_a_card(llama: Path) -> None:
    model = LocalTextModel(llama, Placing("cuda"))
    answer = model.answer("A cat sat. " * 30, "Who sat?")
    assert len([piece for piece, _ in zip(answer, range(6), strict=False)]) == 6
    assert model.placed.device.startswith("cuda")


@pytest.fixture
def counts() -> Iterator[Any]:
    """What a pretend card counts."""
    guard = pytest.importorskip("tests.pretend_gpu.guard", reason="there is no pretend card here")
    from tests.pretend_gpu.device import pretend_card

    problem = guard.load_guard()
    if problem is not None:
        pytest.skip(problem)
    with pretend_card() as counts:
        yield counts


def three_more(tokens: Iterator[Any], counts: Any) -> None:
    """Count what three tokens ask of the card, behind those that read the question."""
    for _ in range(2):
        next(tokens)
    counts.clear()
    for _ in range(3):
        next(tokens)


def check_budget(counts: Any, layers: int) -> None:
    assert counts.waits.total() == 3, counts.table()
    assert counts.copied_in.total() == 0, counts.table()
    assert counts.kernels == {"flash"}, counts.table()
    assert {call.masked for call in counts.attention} == {False}
    assert sum(counts.attention.values()) == 3 * layers
    assert counts.launches.total() / 3 / layers < 70, counts.table()


def test_a_token_about_a_picture_waits_once(counts: Any, drawing: NDArray[np.uint8]) -> None:
    chat = PictureChat(load_model(pocket_int4_folder(), device="cuda:0"))
    chat.config = chat.config.__class__(
        **{name: getattr(chat.config, name) for name in chat.config.__dataclass_fields__}
        | {"eos_token_ids": ()}
    )
    scene = chat.look(drawing)
    counts.clear()
    tokens = chat.answer(scene, ASKED)
    three_more(tokens, counts)
    check_budget(counts, chat.config.num_hidden_layers)


def test_no_prompt_is_attended_to_by_plain_products(
    counts: Any, drawing: NDArray[np.uint8]
) -> None:
    """They would hold all scores: gigabytes for the question behind a large picture."""
    chat = PictureChat(load_model(pocket_int4_folder(), device="cuda:0"))
    next(chat.answer(chat.look(drawing), ASKED))
    assert "math" not in counts.kernels, counts.table()


def test_a_token_about_a_text_waits_once(counts: Any, llama: Path) -> None:
    model = load_model(llama, device="cuda:0").model
    tokens = greedy_tokens(model, torch.arange(200)[None].to("cuda:0"), 8)
    three_more(tokens, counts)
    check_budget(counts, 2)
    assert counts.launches.total() / 3 < 80, counts.table()  # norms count as eight each
    assert all(parameter.device.type == "cuda" for parameter in model.parameters())


def test_loading_puts_every_code_on_the_card_once(counts: Any) -> None:
    """Codes are packed while loading: the first answer waits for no layout, and none is doubled."""
    from models.files.header import check_header
    from models.footprint import weight_bytes
    from models.int4 import Int4Linear

    module = load_model(pocket_int4_folder(), device="cuda:0").model
    layers = [layer for layer in module.modules() if isinstance(layer, Int4Linear)]
    usable = [layer for layer in layers if layer._kernel_fits()]
    assert usable and all(
        layer.qweight is None and layer.kernel_packed is not None for layer in usable
    )
    described = []
    for path in pocket_int4_folder().glob("*.safetensors"):
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        described += check_header(data[8 : 8 + length], len(data) - 8 - length)
    slack = 512 * sum(1 for _ in module.state_dict())
    assert counts.living <= weight_bytes(described) + slack, counts.table()
