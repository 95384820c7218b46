"""Which picture model is offered to which machine, and which of those pulled is used."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from assistant.inference.opening import ModelOpener, usual_folder
from assistant.models_store import offer
from assistant.models_store.installed import (
    PullRecord,
    installed_picture_model,
    model_folder,
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
        "download, licence Apache-2.0: assistant models pull smolvlm-256m"
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
    pulled("cogvlm2-19b")  # as it is published, for which nobody has the memory
    assert installed_picture_model() is None and usual_folder() == pocket_int4_folder()
    folder = pulled("smolvlm-500m")
    assert usual_folder() == folder
    assert ModelOpener("").name == "models/smolvlm-500m"
    assert ModelOpener("/elsewhere/model").name == "elsewhere/model"
