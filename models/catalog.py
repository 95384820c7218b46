"""The catalog of known models: where each comes from, under which licence, how large it is."""

import difflib
import enum
import functools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.errors import CatalogError
from models.files.bounded import read_toml

CATALOG_FILE = Path(__file__).with_name("catalog.toml")
SCHEMA_VERSION = 1

_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]*")
_FULL_DIGEST = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"(?:[0-9a-f]{64})?")
_REPOSITORY = re.compile(r"[\w.\-]+/[\w.\-]+")
_PLAIN_NAME = re.compile(r"\w[\w.\-]*")
_LANGUAGE = re.compile(r"[a-z]{2}|\*")


class ModelKind(enum.Enum):
    """What a model is for."""

    SPEECH = "speech"
    VISION = "vision"
    TEXT = "text"
    MEANING = "meaning"
    """Says how near two texts are in meaning."""
    RELEVANCE = "relevance"
    """Says how well a text answers a question."""


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """One zip file at a plain address.

    folder:     the one folder inside the archive that is the model.
    size_bytes: of the archive, 0 where it is not known.
    sha256:     of the archive, 64 hexadecimal digits, or empty where it is not known.
    """

    address: str
    folder: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class HubSource:
    """Files of a repository of the Hugging Face hub.

    files:   patterns of the names to fetch; other files are left where they are.
    consent: True if the maker wants the licence accepted on the repository's page first.
    digests: SHA-256 of files by their names, where they are known here; a file that has one is held
             to it, whatever the hub states.
    """

    repository: str
    revision: str
    files: tuple[str, ...]
    consent: bool
    digests: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Joined:
    """One file of a model that packages hold in pieces, as they limit the size of a file.

    parts:  the pieces in their order; they give way to the whole.
    sha256: of the whole, 64 hexadecimal digits.
    """

    name: str
    parts: tuple[str, ...]
    sha256: str


MOST_NAMED = 3
"""Packages that are named one by one: a listener keeps no more."""


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A folder of a Python package that is downloaded as a wheel, and never installed.

    folder:     the folder inside the wheel that is the model, with forward slashes.
    size_bytes: of the wheel.
    sha256:     of the wheel, 64 hexadecimal digits.
    files:      what is taken of the folder; empty for all of it.
    more:       other packages that hold the rest of the model; they have no more themselves.
    joined:     the file that comes in pieces, None where each is whole; the first package names it.
    """

    package: str
    version: str
    folder: str
    size_bytes: int
    sha256: str
    files: tuple[str, ...] = ()
    more: tuple["WheelSource", ...] = ()
    joined: Joined | None = None

    @property
    def name(self) -> str:
        """The packages and their versions; of many the first, and how many more there are."""
        named = [f"{part.package} {part.version}" for part in (self, *self.more)]
        if len(named) <= MOST_NAMED:
            return ", ".join(named)
        return f"{named[0]} and {len(named) - 1} more"


@dataclass(frozen=True, slots=True)
class Quantizing:
    """What it takes to make a model 4 bits, calibrated as in the paper, before it is here.

    result_bytes:    of the folder that comes out.
    card_bytes:      of a graphics card, at the peak.
    host_bytes:      of memory, at the peak, where a card computes.
    processor_bytes: of memory, at the peak, where none does.
    products, walks, elements: operations in products of matrices, along columns, on elements.
    launches, copied: kernels that a card starts, and bytes that go to it and come back.
    """

    result_bytes: int
    card_bytes: int
    host_bytes: int
    processor_bytes: int
    products: float
    walks: float
    elements: float
    launches: float
    copied: float


Source = ArchiveSource | HubSource | WheelSource


def source_name(source: Source) -> str:
    """Where a model comes from, in words: an address, a repository of the hub, or a package."""
    if isinstance(source, HubSource):
        return source.repository
    return source.name if isinstance(source, WheelSource) else source.address


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """One known model; `models/catalog.toml` explains the figures.

    source:     where it is asked for first.
    languages:  what a speech model hears, in two letters; "*" for a hundred of them, () unsaid.
    quantizing: None where nobody worked it out.
    mirrors:    where it is asked for next, in this order, if a source fails.
    """

    name: str
    title: str
    kind: ModelKind
    licence: str
    licence_address: str
    download_bytes: int
    memory_bytes: int
    source: Source
    languages: tuple[str, ...] = ()
    quantizing: Quantizing | None = None
    mirrors: tuple[Source, ...] = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """All places that it can come from, in the order in which they are asked."""
        return (self.source, *self.mirrors)


def comes_as_gguf(model: CatalogModel) -> bool:
    """True for a file that `quantizer import` makes a model folder of."""
    names: list[str] = []
    for source in model.sources:
        if isinstance(source, HubSource):
            names += source.files
        elif isinstance(source, WheelSource):
            names += source.files if source.joined is None else [source.joined.name]
    return any(name.endswith(".gguf") for name in names)


def known_models() -> tuple[CatalogModel, ...]:
    """Return the models of the catalog that comes with the program, in its order.

    Raises:
        CatalogError: the catalog is missing or damaged.
    """
    return _shipped()


@functools.cache
def _shipped() -> tuple[CatalogModel, ...]:
    return read_catalog(CATALOG_FILE)


def find_model(name: str, known: tuple[CatalogModel, ...] | None = None) -> CatalogModel:
    """Return the model of a name, in any case.

    Raises:
        CatalogError: there is none; the message names the nearest.
    """
    models = known_models() if known is None else known
    names = {model.name: model for model in models}
    wanted = name.strip().lower()
    if wanted in names:
        return names[wanted]
    near = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean {near[0]}?" if near else "the names are: " + ", ".join(names)
    raise CatalogError(f"no model '{name}' in the catalog; {hint}")


def read_catalog(path: Path) -> tuple[CatalogModel, ...]:
    """Read and check a catalog.

    Raises:
        CatalogError: the file cannot be read; the message names the model and the key.
    """
    try:
        content = read_toml(path)
    except (OSError, ValueError) as error:
        raise CatalogError(f"{path}: cannot be read ({error}); reinstall the program") from error
    if content.get("schema_version") != SCHEMA_VERSION:
        raise CatalogError(f"{path}: schema_version is not {SCHEMA_VERSION}; update the program")
    entries = content.get("models", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CatalogError(f"{path}: models must be a list of tables; reinstall the program")
    models = tuple(_model(entry, f"{path.name}, model {entry.get('name')}") for entry in entries)
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise CatalogError(f"{path}: two models are named {name}; give one another name")
    return models


def _model(entry: Mapping[str, Any], where: str) -> CatalogModel:
    source, *mirrors = _sources(entry, where)
    _only(
        entry,
        "name title kind languages licence licence_address download_bytes memory_bytes"
        " archive hub wheel quantizing",
        where,
    )
    kind = _text(entry, "kind", where)
    if kind not in {known.value for known in ModelKind}:
        raise CatalogError(f"{where}: kind is '{kind}'; it must be speech, vision, text or meaning")
    return CatalogModel(
        name=_matching(entry, "name", where, _NAME),
        title=_text(entry, "title", where),
        kind=ModelKind(kind),
        licence=_text(entry, "licence", where),
        licence_address=_address(entry, "licence_address", where),
        download_bytes=_bytes(entry, "download_bytes", where),
        memory_bytes=_bytes(entry, "memory_bytes", where),
        source=source,
        languages=_texts(entry, "languages", where, _LANGUAGE),
        quantizing=_quantizing(entry["quantizing"], where) if "quantizing" in entry else None,
        mirrors=tuple(mirrors),
    )


def _sources(entry: Mapping[str, Any], where: str) -> list[Source]:
    """The sources of a model, one at least, its maker's own before any mirror."""
    found: list[Source] = []
    for kind, read in _SOURCES.items():
        tables = entry.get(kind, [])
        for table in tables if isinstance(tables, list) else [tables]:
            if not isinstance(table, dict):
                raise CatalogError(f"{where}: wheel, archive and hub must be tables")
            found.append(read(table, where))
    if not found:
        raise CatalogError(f"{where}: give one or more of wheel, archive and hub")
    return found


def _quantizing(table: Any, where: str) -> Quantizing:
    if not isinstance(table, dict):
        raise CatalogError(f"{where}: quantizing must be a table")
    sizes = ("result_bytes", "card_bytes", "host_bytes", "processor_bytes")
    counts = ("products", "walks", "elements", "launches", "copied")
    _only(table, " ".join((*sizes, *counts)), where)
    for key in counts:
        value = table.get(key)
        if not isinstance(value, float) or not 0 <= value < math.inf:
            raise CatalogError(f"{where}: {key} must be a number such as 1.5e12")
    return Quantizing(
        **{key: _bytes(table, key, where) for key in sizes}, **{key: table[key] for key in counts}
    )


def _archive(table: Mapping[str, Any], where: str) -> ArchiveSource:
    _only(table, "address folder size_bytes sha256", where)
    return ArchiveSource(
        address=_address(table, "address", where),
        folder=_matching(table, "folder", where, re.compile(r"[\w\-]+(?:\.[\w\-]+)*")),
        size_bytes=_bytes(table, "size_bytes", where),
        sha256=_matching(table, "sha256", where, _DIGEST),
    )


def _hub(table: Mapping[str, Any], where: str) -> HubSource:
    _only(table, "repository revision files consent digests", where)
    files, consent = table.get("files"), table.get("consent")
    digests = table.get("digests", {})
    if not isinstance(digests, dict):
        raise CatalogError(f"{where}: digests must be a table")
    if not isinstance(files, list) or not files or not all(isinstance(f, str) for f in files):
        raise CatalogError(f"{where}: files must be a list of patterns")
    if not isinstance(consent, bool):
        raise CatalogError(f"{where}: consent must be true or false")
    return HubSource(
        repository=_matching(table, "repository", where, _REPOSITORY),
        revision=_text(table, "revision", where),
        files=tuple(files),
        consent=consent,
        digests={name: _matching(digests, name, where, _FULL_DIGEST) for name in digests},
    )


def _wheel(table: Mapping[str, Any], where: str) -> WheelSource:
    _only(table, "package version folder size_bytes sha256 files more joined", where)
    more = table.get("more", [])
    if not isinstance(more, list) or any(
        not isinstance(part, dict) or part.keys() & {"more", "joined"} for part in more
    ):
        raise CatalogError(f"{where}: more must be a list of tables of one package each")
    return WheelSource(
        package=_matching(table, "package", where, re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")),
        version=_matching(table, "version", where, re.compile(r"\d+(?:\.\d+)*")),
        folder=_matching(table, "folder", where, re.compile(r"\w[\w\-]*(?:/\w[\w\-]*)*")),
        size_bytes=_bytes(table, "size_bytes", where),
        # A package that anybody may upload is believed by its digest alone.
        sha256=_matching(table, "sha256", where, _FULL_DIGEST),
        files=_texts(table, "files", where, _PLAIN_NAME),
        more=tuple(_wheel(part, where) for part in more),
        joined=_joined(table["joined"], where) if "joined" in table else None,
    )


def _joined(table: Any, where: str) -> Joined:
    if not isinstance(table, dict):
        raise CatalogError(f"{where}: joined must be a table")
    _only(table, "name parts sha256", where)
    parts = _texts(table, "parts", where, _PLAIN_NAME)
    if len(parts) < 2:
        raise CatalogError(f"{where}: parts must name two pieces or more")
    return Joined(
        name=_matching(table, "name", where, _PLAIN_NAME),
        parts=parts,
        sha256=_matching(table, "sha256", where, _FULL_DIGEST),
    )


_SOURCES: Mapping[str, Callable[[Mapping[str, Any], str], Source]] = MappingProxyType(
    {"hub": _hub, "archive": _archive, "wheel": _wheel}
)
"""The kinds of source, in the order in which they are asked: what makers run, then mirrors."""


def _only(table: Mapping[str, Any], keys: str, where: str) -> None:
    unknown = table.keys() - set(keys.split())
    if unknown:
        raise CatalogError(f"{where}: unknown key '{min(unknown)}'")


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise CatalogError(f"{where}: {key} must be a text")
    return value


def _texts(
    table: Mapping[str, Any], key: str, where: str, form: "re.Pattern[str]"
) -> tuple[str, ...]:
    """A list that may be left out."""
    values = table.get(key, [])
    if not isinstance(values, list) or not all(
        isinstance(value, str) and form.fullmatch(value) for value in values
    ):
        raise CatalogError(f"{where}: {key} must be a list of texts in the form they need")
    return tuple(values)


def _matching(table: Mapping[str, Any], key: str, where: str, form: "re.Pattern[str]") -> str:
    value = table.get(key)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise CatalogError(f"{where}: {key} is {value!r}, which has not the form it needs")
    return value


def _address(table: Mapping[str, Any], key: str, where: str) -> str:
    value = _text(table, key, where)
    if not value.startswith("https://"):
        raise CatalogError(f"{where}: {key} must begin with https://")
    return value


def _bytes(table: Mapping[str, Any], key: str, where: str) -> int:
    value = table.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise CatalogError(f"{where}: {key} must be a number of bytes, 0 or more")
    return value
