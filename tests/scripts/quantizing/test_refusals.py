"""What is refused before anything is pulled, each in one line with the way out."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import quantize  # isort: skip
from quantizing import needs
from quantizing.errors import NotDone
from quantizing.programs import Programs
from quantizing.wanted import find

from models.catalog import Quantizing
from models.errors import CatalogError
from quantizer.run.progress import work_folder
from tests.scripts.quantizing.conftest import small

SPEED = {"matmul": 1e9, "vector": 1e9, "elementwise": 1e9, "launch": 0.0, "link": 1e9}
PROCESSOR = {
    "device": "cpu",
    "name": "the processor",
    "host_bytes": 10**10,
    "card_bytes": None,
    "speed": SPEED,
    "no_card": "there is no card",
}
CARD = {**PROCESSOR, "device": "cuda", "name": "RTX 4090", "card_bytes": 10**10, "no_card": ""}


class Ran(NamedTuple):
    """What one start of the command said; pulled: whether it came to that."""

    code: int
    told: str
    error: str
    pulled: bool


@pytest.fixture
def start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Start the command on a machine like this; pulling only leaves a trace, and fails."""

    def run(*words: str, seen: dict[str, Any] = PROCESSOR) -> Ran:
        trace = tmp_path / "pulled"
        pull = (
            f"import pathlib, sys; pathlib.Path({str(trace)!r}).touch(); sys.exit('error: no hub')"
        )
        python = (sys.executable, "-I", "-S", "-c")  # which starts in an instant
        programs = Programs(
            assistant=(*python, pull),
            quantizer=(*python, "raise SystemExit('error: not expected')"),
            look=(*python, f"print({json.dumps(seen)!r})"),
        )
        code = quantize.main(words, programs)
        said = capsys.readouterr()
        pulled = trace.exists()
        trace.unlink(missing_ok=True)
        return Ran(code, said.out, said.err, pulled)

    return run


def test_nobody_to_ask_for_consent(start: Callable[..., Ran], known: Callable[..., None]) -> None:
    known(small("cogvlm2-19b"))
    ran = start("cogvlm2-19b")
    assert (ran.code, ran.pulled) == (2, False)
    assert "CogVLM2 licence, and Meta Llama 3 Community License" in ran.told
    assert ran.error.count("\n") == 1 and ran.error.endswith("add --accept-licence\n")


def test_the_licence_is_asked_for_once(
    start: Callable[..., Ran], known: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    known(small("llama-3.1-8b-instruct"))
    asked: list[str] = []
    answers = ["no", " YES "]

    def at_terminal(question: str) -> str:
        asked.append(question)
        return answers[len(asked) - 1]

    monkeypatch.setattr("builtins.input", at_terminal)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    refused = start("llama-3.1-8b")
    assert (refused.code, refused.pulled) == (2, False)
    assert refused.error == "error: the licence was not accepted, so nothing was downloaded\n"
    assert "hf auth login" in refused.told
    accepted = start("llama-3.1-8b")
    assert (accepted.pulled, accepted.error) == (True, "error: no hub\n")
    assert start("llama-3.1-8b").pulled
    assert len(asked) == 2


BIG = Quantizing(
    result_bytes=10**9,
    card_bytes=2 * 10**9,
    host_bytes=3 * 10**9,
    processor_bytes=4 * 10**9,
    products=1e13,
    walks=1e12,
    elements=1e12,
    launches=1.0,
    copied=1e12,
)


@pytest.mark.parametrize(
    ("seen", "words", "cause"),
    [
        (CARD, (), ""),
        (PROCESSOR, (), ""),
        ({**CARD, "card_bytes": 1_999_999_999}, (), "2.0 gigabytes are needed"),
        ({**CARD, "host_bytes": 2_999_999_999}, (), "3.0 gigabytes of memory are needed"),
        ({**PROCESSOR, "host_bytes": 3_999_999_999}, (), "4.0 gigabytes of memory are needed"),
        # 1e13 products at 1e8 a second are 28 hours.
        ({**PROCESSOR, "speed": {**SPEED, "matmul": 1e8}}, (), "add --device cpu"),
        ({**PROCESSOR, "speed": {**SPEED, "matmul": 1e8}}, ("--device", "cpu"), ""),
        ({**CARD, "speed": {**SPEED, "matmul": 1e8}}, (), ""),
    ],
)
def test_what_this_machine_lacks(
    start: Callable[..., Ran],
    known: Callable[..., None],
    seen: dict[str, Any],
    words: tuple[str, ...],
    cause: str,
) -> None:
    known(small("cogvlm2-19b", quantizing=BIG))
    ran = start("cogvlm2-19b", "--accept-licence", *words, seen=seen)
    assert ran.pulled == (not cause)
    assert cause in ran.error and ran.error.count("\n") == 1


def test_the_time_is_told(start: Callable[..., Ran], known: Callable[..., None]) -> None:
    known(small("cogvlm2-19b", quantizing=BIG))
    # 1e13 / 1e9 and three times 1e12 / 1e9 are 13,000 s by a card, and 12,000 s without copies.
    told = start("cogvlm2-19b", "--accept-licence", seen=CARD).told
    assert "2.0 gigabytes of the card, 3.0 gigabytes of memory, and about 4 hours on RTX" in told


def test_only_the_plan(start: Callable[..., Ran], known: Callable[..., None]) -> None:
    known(small("cogvlm2-19b"))
    ran = start("cogvlm2-19b", "--plan")
    assert (ran.code, ran.pulled, ran.error) == (0, False, "")
    assert "1000" not in ran.told and "0.0 megabytes of memory" in ran.told


def test_no_room(
    start: Callable[..., Ran], known: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 9, 500))
    known(small("cogvlm2-19b"))
    ran = start("cogvlm2-19b", "--accept-licence")
    assert (ran.code, ran.pulled) == (2, False)
    assert "of disk are needed and" in ran.error and "set SIGHTLINE_HOME" in ran.error


def test_what_an_unfinished_run_left_counts_as_room(
    start: Callable[..., Ran], known: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    known(small("cogvlm2-19b"))
    monkeypatch.setattr(needs, "SPARE_BYTES", 0)
    # A thousand bytes to pull, and a thousand to write.
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 9, 1500))
    assert not start("cogvlm2-19b", "--accept-licence").pulled
    output = work_folder(find("cogvlm2-19b", None).out) / "output"
    output.mkdir(parents=True)
    (output / "model-00001-of-00002.safetensors").write_bytes(bytes(500))
    assert start("cogvlm2-19b", "--accept-licence").pulled


def test_folders_on_one_disk_share_its_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "SPARE_BYTES", 0)
    free = shutil._ntuple_diskusage(9, 9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    needs.check_disks({tmp_path / "a": 600, tmp_path / "b/c": 400})
    with pytest.raises(NotDone, match="of disk are needed"):
        needs.check_disks({tmp_path / "a": 600, tmp_path / "b/c": 401})


def test_what_is_meant(tmp_path: Path, home: Path) -> None:
    assert find("llama-3.1-8b", None).name == "llama-3.1-8b-instruct"
    wanted = find("CogVLM2", None)
    assert wanted.source == home / "data/models/cogvlm2-19b"
    assert wanted.out == home / "data/quantized/cogvlm2-19b-int4"
    with pytest.raises(CatalogError, match="did you mean"):
        find("qwen3", None)  # which begins several names
    for text, cause in (
        ("vosk-small-en", "no model of pictures or texts"),
        ("smollm2-135m", "few bits already.*quantizer import"),
        ("no/such", "no such folder"),
        (str(tmp_path), "has no config.json"),
    ):
        with pytest.raises(NotDone, match=cause):
            find(text, None)


def test_calibration_that_cannot_be_used_is_refused_before_the_pull(
    start: Callable[..., Ran], known: Callable[..., None], tmp_path: Path
) -> None:
    known(small("cogvlm2-19b"), small("llama-3.1-8b-instruct"))
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "paper.pdf").touch()
    for model, given, cause in (
        ("cogvlm2-19b", str(empty), "holds no pictures"),
        ("cogvlm2-19b", "public", "archives of many gigabytes"),
        ("cogvlm2-19b", str(tmp_path / "none"), "no such file or folder"),
        ("llama-3.1-8b", str(empty), "holds no texts"),
        ("llama-3.1-8b", str(tmp_path / "none"), "no such file or folder"),
    ):
        ran = start(model, "--accept-licence", "--calibration", given)
        assert (ran.code, ran.pulled, ran.error.count("\n")) == (2, False, 1)
        assert cause in ran.error and "--calibration" in ran.error
    (empty / "photo.jpg").touch()
    assert start("cogvlm2-19b", "--accept-licence", "--calibration", str(empty)).pulled


def test_a_folder_that_is_int4_already(start: Callable[..., Ran], tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "config.json").write_text('{"quantization_config": {"bits": 4}}')
    ran = start(str(folder))
    assert (ran.code, ran.pulled) == (2, False)
    assert "is quantized already; use it as it is" in ran.error
    (folder / "config.json").write_text("{")
    assert "config.json: cannot be read" in start(str(folder)).error
    (folder / "config.json").write_text("{}")
    assert (
        "is the model itself; give another --out" in start(str(folder), "--out", str(folder)).error
    )


def test_wrong_options(start: Callable[..., Ran]) -> None:
    for words in ((), ("model", "--size", "3"), ("model", "--samples", "1")):
        ran = start(*words)
        assert (ran.code, ran.told, ran.error.count("\n")) == (2, "", 1)


def test_one_name_is_that_of_one_source(start: Callable[..., Ran], tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place / "model").mkdir(parents=True)
        (tmp_path / place / "model/config.json").write_text("{}")
    start(str(tmp_path / "a/model"))
    assert f"is that of {tmp_path}/a/model" in start(str(tmp_path / "b/model")).error
