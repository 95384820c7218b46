"""Cards that are full, too small, busy, or fail in the middle of an answer: nothing is lost.

A model that is said to lie on a card lies on the processor here; what the card would raise, it
raises at a token of the test's choice.
"""

import gc
import itertools
import json
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch import nn

from assistant.errors import VisionError
from assistant.inference import placing as placing_module
from assistant.inference.placing import Placed, Placing, failure_of_card
from assistant.inference.text_model import LocalTextModel
from assistant.inference.vision_model import LocalVisionModel
from models.cards import Card, Refusal, Why
from models.cogvlm2 import CogVLM2ForCausalLM
from models.loading import LoadedModel
from models.pocket import pocket_int4_folder
from models.pocket.training.loop import pocket_config

CARD = Card(0, "NVIDIA GeForce RTX 4090", 24 * 10**9, 20 * 10**9, (8, 9))
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
DEAD = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def cards(*found: Card, missing: Refusal | None = None) -> Callable[[], Any]:
    return lambda: (iter(found), missing)


class Resident:
    def __init__(self, gives: bool = True) -> None:
        self.gives, self.asked = gives, 0

    def let_go(self, idle_s: float) -> bool:
        self.asked += 1
        return self.gives


@pytest.fixture
def sized(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let every folder need so many bytes of a card, and of the machine."""

    def size(needed: int) -> None:
        monkeypatch.setattr(placing_module, "card_bytes", lambda folder: needed)
        monkeypatch.setattr(placing_module, "host_bytes", lambda folder: needed)
        monkeypatch.setattr(placing_module, "memory_bytes", lambda: (64 * 10**9, 60 * 10**9))

    return size


def test_a_large_model_gets_the_card_and_a_small_one_the_processor(
    sized: Callable[[int], None],
) -> None:
    told: list[str] = []
    sized(14 * 10**9)
    placing = Placing("auto", told.append, cards=cards(CARD))
    assert placing.device_for(Path("m"), Resident(), refused=False) == "cuda:0"
    assert Placing("cpu", told.append, cards=cards(CARD)).device_for(
        Path("m"), Resident(), refused=False
    ) == "cpu"  # fmt: skip
    sized(40_000_000)
    assert placing.device_for(Path("m"), Resident(), refused=False) == "cpu"
    forced = Placing("cuda", told.append, cards=cards(CARD))
    assert forced.device_for(Path("m"), Resident(), refused=False) == "cuda:0"
    assert told == []


def test_a_card_that_is_there_and_not_used_is_told_once_with_the_way_out(
    sized: Callable[[int], None],
) -> None:
    told: list[str] = []
    sized(14 * 10**9)
    old = Refusal(Why.OLD_DRIVER, "its driver is old", "install the NVIDIA driver 580.65")
    placing = Placing("auto", told.append, cards=cards(missing=old))
    for _ in range(3):
        assert placing.device_for(Path("m"), Resident(), refused=False) == "cpu"
    said = "The graphics card is not used: its driver is old; install the NVIDIA driver 580.65."
    assert told == [said]
    # A machine without a card misses none.
    Placing("auto", told.append, cards=cards()).device_for(Path("m"), Resident(), refused=False)
    assert told == [said]


def test_the_memory_of_the_device_that_is_used_is_checked(
    sized: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sized(14 * 10**9)
    monkeypatch.setattr(placing_module, "memory_bytes", lambda: (16 * 10**9, 8 * 10**9))
    placing = Placing("auto", cards=cards(CARD))
    assert placing.device_for(Path("m"), Resident(), refused=False) == "cuda:0"
    with pytest.raises(VisionError, match="needs 14.0 gigabytes of memory and 8.0 gigabytes"):
        placing.device_for(Path("m"), Resident(), refused=True)


def test_another_model_makes_room_on_a_full_card_unless_it_is_at_work(
    sized: Callable[[int], None],
) -> None:
    sized(14 * 10**9)
    for gives, device in ((True, "cuda:0"), (False, "cpu")):
        other = Resident(gives)
        free = [20 * 10**9]

        def found(free: list[int] = free) -> tuple[Iterator[Card], None]:
            return iter([Card(0, "card", 24 * 10**9, free[0], (8, 9))]), None

        placing = Placing("auto", cards=found)
        assert placing.device_for(Path("first"), other, refused=False) == "cuda:0"
        free[0] = 6 * 10**9
        real_let_go = other.let_go

        def let_go(
            idle_s: float, free: list[int] = free, go: Callable[[float], bool] = real_let_go
        ) -> bool:
            gone = go(idle_s)
            free[0] += 14 * 10**9 if gone else 0
            return gone

        other.let_go = let_go  # type: ignore[method-assign]
        mine = Resident()
        assert placing.device_for(Path("second"), mine, refused=False) == device
        assert other.asked == 1 and mine.asked == 0


def test_a_model_is_let_go_of_when_idle_and_loaded_again(sized: Callable[[int], None]) -> None:
    sized(14 * 10**9)
    loaded: list[str] = []

    class Model:
        pass

    def load(device: str) -> Model:
        loaded.append(device)
        return Model()

    placing = Placing("auto", cards=cards(CARD))
    placed = Placed(Path("m"), load, placing)
    gone = weakref.ref(placed.get())
    assert not placed.let_go(3600.0), "it was asked for just now"
    with placed.used():
        assert not placed.let_go(0.0), "it is being used"
    placing.let_go_idle(0.0)
    gc.collect()
    assert gone() is None
    placed.get()
    assert loaded == ["cuda:0", "cuda:0"]
    on_processor = Placed(Path("m"), load, Placing("cpu"))
    on_processor.get()
    assert not on_processor.let_go(0.0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FULL, "memory"),
        (DEAD, "fault"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
            "memory",
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "fault"),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), None),
    ],
)
def test_failures_of_a_card_are_told_from_mistakes(error: RuntimeError, kind: str | None) -> None:
    assert failure_of_card(error) == kind


class Failing:
    """Gives models of the test's own, and lets one step of them fail while on a pretended card."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folders: dict[Path, LoadedModel]) -> None:
        self.devices: list[str] = []
        self.steps, self.fails_at, self.error = 0, -1, FULL
        self.fails_to_load = False
        self._folders = folders
        monkeypatch.setattr("models.loading.load_model", self._load)
        # What would lie on the card lies here.
        monkeypatch.setattr(Placed, "device", property(lambda placed: "cpu"))

    def _load(self, folder: Path, *, device: str, **_: Any) -> LoadedModel:
        self.devices.append(device)
        if self.fails_to_load and device != "cpu":
            raise FULL
        return self._folders[folder]

    def step(self, *_: Any) -> None:
        if self.devices[-1] != "cpu":
            self.steps += 1
            if self.steps == self.fails_at:
                raise self.error


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, LoadedModel]:
    """A picture model and a text model, each of random weights, in folders that hold config.json
    alone."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = Tokenizer.from_file(str(pocket_int4_folder() / "tokenizer.json"))
    words = pocket_config().vocab_size
    torch.manual_seed(3)
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=words, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=512, eos_token_id=words - 1,
        )
    )  # fmt: skip
    found = {}
    for name, model in (("cogvlm2", CogVLM2ForCausalLM(pocket_config())), ("llama", llama)):
        model.eval().requires_grad_(False)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.4)  # so wide that every step says something else
        folder = tmp_path_factory.mktemp(name)
        (folder / "config.json").write_text(json.dumps({"hidden_size": 4096}))
        found[folder] = LoadedModel(model, tokenizer, name, None, folder)
    return found


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, folders: dict[Path, LoadedModel]) -> Iterator[Failing]:
    failing = Failing(monkeypatch, folders)
    hooks = [
        loaded.model.get_submodule("lm_head").register_forward_pre_hook(failing.step)
        for loaded in folders.values()
    ]
    yield failing
    for hook in hooks:
        hook.remove()


@pytest.fixture(scope="module")
def picture_folder(folders: dict[Path, LoadedModel]) -> Path:
    return next(iter(folders))


@pytest.fixture(scope="module")
def text_folder(folders: dict[Path, LoadedModel]) -> Path:
    return list(folders)[1]


def rgb() -> Any:
    return np.random.default_rng(4).integers(40, 220, (48, 64, 3), dtype=np.uint8)


def words(tokens: Any) -> list[tuple[int, str]]:
    """How an answer begins; probabilities differ, since words are summed in other portions."""
    return [(token.id, token.text) for token in itertools.islice(tokens, 10)]


def placing_on_card(told: list[str]) -> Placing:
    return Placing("cuda", told.append, cards=cards(CARD))


@pytest.mark.parametrize(("error", "word"), [(FULL, "no memory left"), (DEAD, "failed")])
@pytest.mark.parametrize("fails_at", [1, 4])
def test_an_answer_about_a_picture_goes_on_where_the_card_failed(
    failing: Failing, picture_folder: Path, error: RuntimeError, word: str, fails_at: int
) -> None:
    alone = LocalVisionModel(picture_folder)
    whole = words(alone.answer(alone.look(rgb()), "Who?"))
    assert len(whole) > 6 and len(set(whole)) > 3
    failing.devices.clear()
    told: list[str] = []
    model = LocalVisionModel(picture_folder, placing_on_card(told))
    scene = model.look(rgb())
    failing.fails_at, failing.error = fails_at, error
    assert words(model.answer(scene, "Who?")) == whole
    assert failing.devices == ["cuda:0", "cpu"]
    assert len(told) == 1 and word in told[0] and "processor" in told[0]
    # The picture and further questions about it stay, and nothing more is said.
    assert words(model.answer(scene, "Who?")) == whole
    assert failing.devices == ["cuda:0", "cpu"] and len(told) == 1


def test_an_answer_about_a_text_goes_on_where_the_card_failed(
    failing: Failing, text_folder: Path
) -> None:
    def told_by(model: LocalTextModel) -> list[str]:
        return list(itertools.islice(model.answer("A cat.", "Who?"), 12))

    whole = told_by(LocalTextModel(text_folder))
    assert len("".join(whole)) > 6
    failing.devices.clear()
    told: list[str] = []
    model = LocalTextModel(text_folder, placing_on_card(told))
    failing.fails_at = 5
    assert told_by(model) == whole
    assert failing.devices == ["cuda:0", "cpu"] and len(told) == 1


def test_after_a_fault_no_other_model_tries_the_card(
    failing: Failing, picture_folder: Path, text_folder: Path
) -> None:
    """Its driver serves no process that has had a fault; what lacks memory is one model's."""
    for error, device in ((DEAD, "cpu"), (FULL, "cuda:0")):
        placing = placing_on_card([])
        pictures = LocalVisionModel(picture_folder, placing)
        failing.steps, failing.fails_at, failing.error = 0, 1, error
        words(pictures.answer(pictures.look(rgb()), "Who?"))
        LocalTextModel(text_folder, placing)
        assert failing.devices[-1] == device


def test_what_is_no_failure_of_a_card_is_raised_as_it_is(
    failing: Failing, picture_folder: Path
) -> None:
    told: list[str] = []
    model = LocalVisionModel(picture_folder, placing_on_card(told))
    scene = model.look(rgb())
    failing.fails_at, failing.error = 2, RuntimeError("shapes do not match")
    with pytest.raises(RuntimeError, match="shapes"):
        list(model.answer(scene, "Who?"))
    assert told == []


def test_a_picture_is_looked_at_again_after_the_model_was_let_go_of(
    failing: Failing, picture_folder: Path
) -> None:
    placing = placing_on_card([])
    model = LocalVisionModel(picture_folder, placing)
    scene = model.look(rgb())
    first = words(model.answer(scene, "Who?"))
    placing.let_go_idle(0.0)
    assert scene.handle is None
    assert words(model.answer(scene, "Who?")) == first
    assert failing.devices == ["cuda:0", "cuda:0"]


def test_a_card_that_is_full_while_the_model_is_loaded(
    failing: Failing, picture_folder: Path
) -> None:
    failing.fails_to_load = True
    told: list[str] = []
    model = LocalVisionModel(picture_folder, placing_on_card(told))
    assert failing.devices == ["cuda:0", "cpu"] and len(told) == 1
    assert len(words(model.answer(model.look(rgb()), "Who?"))) > 6


def test_where_the_processor_has_no_room_either_that_is_said_instead(
    failing: Failing, picture_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    model = LocalVisionModel(picture_folder, placing_on_card(told))
    scene = model.look(rgb())
    failing.fails_at = 2
    monkeypatch.setattr(placing_module, "host_bytes", lambda folder: 14 * 10**9)
    monkeypatch.setattr(placing_module, "memory_bytes", lambda: (16 * 10**9, 8 * 10**9))
    with pytest.raises(VisionError, match="no memory left, and the processor cannot.*8.0 giga"):
        words(model.answer(scene, "Who?"))
    assert told == []


def test_a_model_that_is_being_loaded_is_not_waited_for(sized: Callable[[int], None]) -> None:
    """Two models that make room for each other at once would wait for ever."""
    sized(14 * 10**9)
    placing = Placing("auto", cards=cards(CARD))
    asked: list[bool] = []

    def load(device: str) -> object:
        thread = threading.Thread(target=lambda: asked.append(placed.let_go(0.0)))
        thread.start()
        thread.join(5.0)
        return object()

    placed = Placed(Path("m"), load, placing)
    placed.get()
    assert asked == [False]
