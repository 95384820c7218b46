"""Which picture model is offered to which machine, and which of those pulled is used."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.inference import opening
from assistant.inference.opening import ModelOpener, usual_folder
from assistant.models_store import offer
from assistant.models_store.installed import (
    PullRecord,
    installed_picture_model,
    model_folder,
    pulling_folder,
    write_record,
)
from models.catalog import ModelKind, find_model, known_models
from models.pocket import pocket_int4_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of a user who has pulled nothing."""
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path))
    return tmp_path


def pulled(name: str) -> Path:
    folder = model_folder(name)
    folder.mkdir(parents=True)
    write_record(PullRecord(name, "https://x.org", None, {}))
    return folder


@pytest.mark.parametrize(
    ("memory", "card", "name"),
    [
        (64e9, 25.8e9, "cogvlm2-19b"),
        (16e9, 12.9e9, "qwen3-vl-2b"),
        (16e9, 4.3e9, "smolvlm-500m"),
        (8.2e9, 0, "smolvlm-500m"),
        (4.1e9, 0, "smolvlm-256m"),
        (2.0e9, 0, None),
    ],
)
def test_the_model_fits_the_machine(memory: float, card: float, name: str | None) -> None:
    fitting = offer.fitting_model(int(memory), int(card))
    assert (fitting and fitting.name) == name
    if fitting is not None:
        assert fitting.memory_bytes < max(card, memory)


def test_every_picture_model_says_what_it_takes() -> None:
    for model in known_models():
        if model.kind is ModelKind.VISION:
            said = offer.offer_text(model)
            assert model.licence in said and f"assistant models pull {model.name}" in said
            assert "gigabytes" in said or "megabytes" in said
            assert model.memory_bytes > 0
    assert offer.offer_text(find_model("cogvlm2-19b")).endswith(", then quantizer run")
    assert offer.offer_text(find_model("smolvlm-256m")) == (
        "for photographs this machine has room for SmolVLM-256M-Instruct, 517 megabytes to "
        "download, licence Apache-2.0, about 7 minutes on a line of 10 megabits a second, with: "
        "assistant models pull smolvlm-256m"
    )


def test_this_machine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def machine(total: float, driver: Callable[[], tuple[str, int]]) -> str:
        monkeypatch.setattr(offer, "memory_bytes", lambda: (int(total), 0))
        monkeypatch.setattr(offer, "ask_driver", driver)
        return offer.offer_of_this_machine()

    def none() -> tuple[str, int]:
        raise FileNotFoundError("nvidia-smi")

    def hangs() -> tuple[str, int]:
        raise subprocess.TimeoutExpired("nvidia-smi", 4.0)

    for driver in (none, hangs):
        assert machine(8.2e9, driver).endswith("assistant models pull smolvlm-500m")
        assert machine(1e9, driver) == ""
    assert "CogVLM2-19B" in machine(8.2e9, lambda: ("RTX 4090", 25_800_000_000))
    pulled("smolvlm-256m")
    assert machine(8.2e9, none) == "", "there is one already"


def test_what_was_pulled_is_used() -> None:
    assert usual_folder() == pocket_int4_folder()
    opener = ModelOpener("")
    pulled("cogvlm2-19b")  # as it is published, for which nobody has the memory
    assert installed_picture_model() is None and usual_folder() == pocket_int4_folder()
    folder = pulled("smolvlm-500m")
    assert usual_folder() == folder
    assert ModelOpener("").name == "models/smolvlm-500m"
    assert opener.name == "pocket/int4"
    assert ModelOpener("/elsewhere/model").name == "elsewhere/model"


def test_a_model_that_comes_meanwhile_is_used_from_the_next_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(opening, "LocalVisionModel", lambda folder, placing: opened.append(folder))
    opener, chosen = ModelOpener(""), ModelOpener(str(pocket_int4_folder()))
    opener()
    assert opened == [pocket_int4_folder()]
    folder = pulled("smolvlm-500m")
    opener()
    assert opened[-1] == folder and opener.name == "models/smolvlm-500m"
    chosen()
    assert opened[-1] == pocket_int4_folder(), "one that was chosen stays"


@pytest.mark.parametrize(
    ("memory", "card", "free", "names"),
    [
        (64e9, 25.8e9, 1e12, ["qwen3-vl-2b", "qwen2.5-coder-1.5b"]),
        (16e9, 12.9e9, 1e12, ["qwen3-vl-2b", "qwen2.5-coder-1.5b"]),
        (16e9, 0, 1e12, ["smolvlm-500m", "qwen2.5-coder-1.5b"]),
        (8.2e9, 0, 1e12, ["smolvlm-500m"]),
        (4.1e9, 0, 1e12, ["smolvlm-256m"]),
        (2.0e9, 0, 1e12, []),
        (16e9, 0, 5e9, ["smolvlm-500m"]),
        (16e9, 0, 1e9, []),
    ],
)
def test_one_key_is_offered_for_what_fits_and_can_be_used_as_it_comes(
    memory: float, card: float, free: float, names: list[str]
) -> None:
    def found(**other: bool) -> list[str]:
        return [
            each.key for each in offer.fitting_offers(int(memory), int(card), int(free), **other)
        ]

    assert found() == names
    assert found(texts=False) == [name for name in names if "coder" not in name]
    assert found(pictures=False) == [name for name in names if "coder" in name]
    for name in names:
        model = find_model(name)
        assert offer.room_bytes(model) <= free
        assert model.memory_bytes >= model.download_bytes or "coder" in name
        assert offer.Offered(model).key == name
    if names:
        pulled(names[0])
        assert found() == names[1:], "it is here already"


def test_an_offer_says_what_for_which_size_licence_and_time() -> None:
    assert offer.Offered(find_model("smolvlm-500m")).words() == (
        "For questions about photographs I can get SmolVLM-500M-Instruct: 1.0 gigabytes, licence "
        "Apache-2.0, about 14 minutes on a line of 10 megabits a second."
    )
    assert (
        "about texts that my rules do not understand I can get Qwen2.5-Coder-1.5B-Instruct: "
        in (offer.Offered(find_model("qwen2.5-coder-1.5b")).words())
    )
    large = offer.fitting_offers(int(64e9), int(25.8e9), 10**12, texts=False)
    assert [each.key for each in large] == ["qwen3-vl-2b"]
    assert (
        large[0]
        .words()
        .endswith(
            " The graphics card has room for CogVLM2-19B, which sees more: 39.0 gigabytes, licence "
            "CogVLM2 licence, and Meta Llama 3 Community License, about 9 hours on a line of 10 "
            "megabits a second. The command scripts/quantize cogvlm2-19b brings it and makes it "
            "small."
        )
    )
    (middle,) = offer.fitting_offers(int(64e9), int(12.9e9), 10**12, texts=False)
    assert "CogVLM2" not in middle.words()
    pulling_folder("smolvlm-500m")
    assert "I can go on to get SmolVLM" in offer.Offered(find_model("smolvlm-500m")).words()
    assert [offer.minutes_text(size) for size in (1, 75_000_000, 150_000_000, 9 * 10**9)] == [
        "a minute", "a minute", "2 minutes", "2 hours",
    ]  # fmt: skip


def test_this_machine_has_an_offer_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> tuple[str, int]:
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.setattr(offer, "ask_driver", no_driver)
    monkeypatch.setattr(offer, "memory_bytes", lambda: (8_200_000_000, 0))
    monkeypatch.setattr(offer, "free_bytes", lambda: 10**12)
    assert [each.key for each in offer.offers()] == ["smolvlm-500m"]

    def unsaid() -> tuple[int, int]:
        raise OSError

    monkeypatch.setattr(offer, "memory_bytes", unsaid)
    assert offer.offers() == ()


def test_the_disk_is_asked_also_before_the_folder_is_there() -> None:
    assert offer.free_bytes() > 0
