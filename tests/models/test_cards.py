"""Which card computes, and what is said where none does; every answer of the machine is given."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models import cards
from models.cards import Card, Driver, Refusal, Why, choose, driver_refusal, explain_none

GB = 10**9
RTX_4090 = Card(0, "NVIDIA GeForce RTX 4090", 25_757_220_864, 25_200_000_000, (8, 9))
SMALL = Card(0, "NVIDIA GeForce RTX 3070", 8 * GB, 7 * GB, (8, 6))
OLD = Card(0, "Tesla V100", 16 * GB, 16 * GB, (7, 0))
BUSY = Card(0, "NVIDIA GeForce RTX 4090", 25_757_220_864, 5 * GB, (8, 9))
SECOND = Card(1, "NVIDIA GeForce RTX 3090", 25 * GB, 24 * GB, (8, 6))


@pytest.mark.parametrize(
    ("wanted", "found", "device", "why"),
    [
        ("auto", [RTX_4090], "cuda:0", None),
        ("cuda", [RTX_4090], "cuda:0", None),
        ("cpu", [RTX_4090], "cpu", None),
        ("auto", [], "cpu", None),
        ("cuda", [], "cpu", Why.NO_CARD),
        ("auto", [SMALL], "cpu", Why.MEMORY),
        ("auto", [BUSY], "cpu", Why.MEMORY),
        ("auto", [OLD], "cpu", Why.OLD_CARD),
        ("auto", [BUSY, SECOND], "cuda:1", None),
        ("auto", [OLD, SECOND], "cuda:1", None),
        ("cuda:1", [RTX_4090, SECOND], "cuda:1", None),
        ("cuda:1", [RTX_4090], "cpu", Why.NO_CARD),
        ("auto", [OLD, BUSY], "cpu", Why.MEMORY),
    ],
)
def test_the_first_card_that_can_is_taken(
    wanted: str, found: list[Card], device: str, why: Why | None
) -> None:
    choice = choose(wanted, 14 * GB, found)
    assert choice.device == device
    assert (choice.refusal.why if choice.refusal else None) is why


def test_a_card_behind_the_one_that_is_taken_is_not_asked() -> None:
    def each() -> Iterator[Card]:
        yield RTX_4090
        raise AssertionError("asking a card takes some of its memory")

    assert choose("auto", GB, each()).device == "cuda:0"


@pytest.mark.parametrize(
    ("card", "words", "help_with"),
    [
        (SMALL, ["8.0 gigabytes", "14.0 gigabytes"], "smaller model"),
        (BUSY, ["only 5.0 gigabytes free of 25.8"], "end the programs"),
        (OLD, ["capability 7.0"], "processor"),
    ],
)
def test_a_refusal_names_the_figures_and_the_way_out(
    card: Card, words: list[str], help_with: str
) -> None:
    refusal = choose("auto", 14 * GB, [card]).refusal
    assert refusal is not None and card.name in refusal.cause and help_with in refusal.way_out
    for word in words:
        assert word in refusal.cause


def test_why_pytorch_sees_no_card(tmp_path: Path) -> None:
    def said(
        build: str | None,
        driver: Callable[[], Driver],
        environment: dict[str, str] | None = None,
        devices: Path = tmp_path / "none",
    ) -> Refusal:
        return explain_none(build, driver, environment=environment or {}, devices=devices)

    def gone() -> Driver:
        raise FileNotFoundError("nvidia-smi")

    def hangs() -> Driver:
        raise subprocess.TimeoutExpired("nvidia-smi", 2)

    def works(*version: int) -> Callable[[], Driver]:
        return lambda: Driver((RTX_4090,), version)

    assert said("13.0", gone).why is Why.NO_CARD
    device = tmp_path / "pci" / "0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030000\n")
    assert said("13.0", gone, devices=tmp_path / "pci").why is Why.NO_DRIVER
    (device / "vendor").write_text("0x8086\n")
    assert said("13.0", gone, devices=tmp_path / "pci").why is Why.NO_CARD
    assert said("13.0", hangs).why is Why.NO_ANSWER
    assert said(None, works(580, 65)).why is Why.CPU_BUILD
    hidden = said("13.0", works(580, 65), {"CUDA_VISIBLE_DEVICES": ""})
    assert hidden.why is Why.HIDDEN and "CUDA_VISIBLE_DEVICES" in hidden.cause
    old = said("13.0", works(535, 183, 1))
    assert old.why is Why.OLD_DRIVER
    assert "535.183.1" in old.cause and "13.0" in old.cause and "580.65" in old.way_out
    assert said("13.0", works(580, 95, 5)).why is Why.NO_ANSWER


@pytest.mark.parametrize(
    ("version", "build", "is_old"),
    [
        ((580, 65, 6), "13.0", False),
        ((580, 64), "13.0", True),
        ((525, 60, 13), "12.8", False),
        ((470, 256), "12.8", True),
        ((590, 1), "13.1", False),
        ((), "13.0", False),
        ((300,), "99.0", False),
    ],
)
def test_drivers_against_builds(version: tuple[int, ...], build: str, is_old: bool) -> None:
    assert (driver_refusal(version, build) is not None) is is_old


def test_the_driver_is_read_as_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    replies = {
        "name,memory.total": "NVIDIA A, B, 24564\nTesla T4, 15360\n",
        "memory.free,compute_cap,driver_version": "24000, 8.9, 580.65.06\n[N/A], 7.5, 580.65.06\n",
    }

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        fields = command[1].removeprefix("--query-gpu=")
        if replies[fields] == "refused":
            raise subprocess.CalledProcessError(2, command)
        return subprocess.CompletedProcess(command, 0, replies[fields], "")

    monkeypatch.setattr(subprocess, "run", run)
    first, second = cards.ask_driver().cards
    assert first == Card(0, "NVIDIA A, B", 24564 * 2**20, 24000 * 2**20, (8, 9))
    assert second == Card(1, "Tesla T4", 15360 * 2**20)
    # Old drivers do not know the other fields.
    replies["memory.free,compute_cap,driver_version"] = "refused"
    assert cards.ask_driver() == Driver(
        (Card(0, "NVIDIA A, B", 24564 * 2**20), Card(1, "Tesla T4", 15360 * 2**20)), ()
    )
    replies["name,memory.total"] = ""
    with pytest.raises(IndexError):
        cards.ask_driver()


def test_the_build_is_known_without_importing_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch

    assert cards.cuda_of_build() == torch.version.cuda
    (tmp_path / "version.py").write_text("__version__ = '2.13.0'\ncuda: str | None = '13.0'\n")

    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(cards.importlib.util, "find_spec", lambda name: Spec)
    monkeypatch.setattr(cards.importlib.metadata, "version", lambda name: "2.13.0")
    assert cards.cuda_of_build() == "13.0"


def test_auto_never_takes_the_processor_beside_a_card_without_a_word(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from quantizer.commands.common import device_of

    monkeypatch.setattr(cards, "ask_driver", lambda: Driver((RTX_4090,), (535, 183)))
    monkeypatch.setattr("torch.version.cuda", "13.0")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert device_of("auto").type == "cpu"
    assert "535.183" in caplog.text and "install the NVIDIA driver 580.65" in caplog.text
    caplog.clear()

    def none() -> Driver:
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.setattr(cards, "ask_driver", none)
    monkeypatch.setattr(cards, "_is_plugged_in", lambda devices: False)
    assert device_of("auto").type == "cpu" and caplog.text == ""
