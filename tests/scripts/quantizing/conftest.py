"""A home of its own for every test, models that are tiny, and the script with stand-ins."""

import dataclasses
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

from models import catalog  # noqa: E402
from models.catalog import CatalogModel, HubSource, Quantizing, find_model  # noqa: E402
from tests.assistant.fakes_server import Manners, hub_listing, serving  # noqa: E402
from tests.quantizer.conftest import (  # noqa: E402
    letter_tokenizer,
    picture_folder,
    text_file,
    tiny_cogvlm2,
    tiny_llama,
)

__all__ = ["letter_tokenizer", "picture_folder", "text_file", "tiny_cogvlm2", "tiny_llama"]

SHIPPED = catalog.known_models()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where everything of the user lies."""
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def manners() -> Manners:
    """How the hub behaves."""
    return Manners()


@pytest.fixture
def hub_address(manners: Manners) -> Iterator[str]:
    """A hub on this machine."""
    with serving(manners) as address:
        yield address


def small(name: str, folder: Path | None = None, **changes: Any) -> CatalogModel:
    """A model of the catalog with the size and the needs of a tiny folder."""
    model = find_model(name)
    size = 1000 if folder is None else sum(file.stat().st_size for file in folder.iterdir())
    needs = Quantizing(1000, 1000, 1000, 1000, 1e6, 1e6, 1e6, 1.0, 1.0)
    return dataclasses.replace(
        model, download_bytes=size, **{"memory_bytes": 1000, "quantizing": needs, **changes}
    )


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put models into the catalog in place of those of the same name."""

    def put(*models: CatalogModel) -> None:
        names = {model.name for model in models}
        kept = tuple(each for each in SHIPPED if each.name not in names)
        monkeypatch.setattr(catalog, "_shipped", lambda: (*kept, *models))

    return put


def offer(manners: Manners, name: str, folder: Path) -> None:
    """Let the hub offer the files of a folder as a model of the catalog."""
    source = find_model(name).source
    assert isinstance(source, HubSource)
    listed: list[dict[str, object]] = []
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        entry: dict[str, object] = {"rfilename": file.name, "size": len(content)}
        if file.suffix == ".safetensors":
            entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        listed.append(entry)
        manners.files[f"/{source.repository}/resolve/{COMMIT}/{file.name}"] = content
    listing = f"/api/models/{source.repository}/revision/{source.revision}"
    manners.files[listing] = hub_listing(source.repository, COMMIT, listed)


def assistant_of(address: str) -> tuple[str, ...]:
    """The command `assistant` with the hub at an address of this machine."""
    code = (
        "import sys; from assistant.models_store import hub; "
        f"hub.USUAL_ENDPOINT = {address!r}; from assistant.cli import main; sys.exit(main())"
    )
    return (sys.executable, "-P", "-c", code)
