"""The models in the user's data folder, and the records of what was pulled.

models/vosk-small-en/             the model, moved here whole, with the marker that it is ours
models/records/vosk-small-en.json where it came from, and the SHA-256 of every file
models/.pulling/vosk-small-en/    what is not finished
imported/qwen2.5-coder-1.5b/      the folder that was made of a GGUF file among the models
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assistant.errors import DamagedFileError
from assistant.hearing.speech_models import AUTO, SpeechModel, choose, spoken_language
from assistant.hearing.vosk_recognizer import configured_model
from assistant.machine import sha256_of
from assistant.models_store.ownership import MARKER, check_ours, is_marked, mark
from assistant.models_store.schema import digest, relative_path, size_bytes, text
from assistant.settings.paths import FILE_MODE, data_folder, make_private_folder
from models.catalog import CatalogModel, ModelKind, known_models
from models.files.bounded import read_json
from models.own_folders import imported_folder

SCHEMA_VERSION = 1
RECORDS, PULLING = "records", ".pulling"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a model as it was when it was pulled."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PullRecord:
    """What one pull brought.

    source:   the address, or the repository and its commit.
    archive:  the zip file; None for a model that comes as files.
    files:    by their path inside the model's folder, with forward slashes.
    """

    name: str
    source: str
    archive: FileRecord | None
    files: Mapping[str, FileRecord]


def models_folder() -> Path:
    """The folder that holds all pulled models."""
    return data_folder() / "models"


def model_folder(name: str) -> Path:
    """The folder of one model, there or not."""
    return models_folder() / name


def pulling_folder(name: str) -> Path:
    """The folder for the unfinished pull of one model; made private, and marked as ours.

    Raises:
        SettingsError: it cannot be made.
        DownloadError: a folder of somebody else's is in its place.
        OSError: it cannot be marked.
    """
    make_private_folder(models_folder())
    make_private_folder(models_folder() / PULLING)
    folder = models_folder() / PULLING / name
    if os.path.lexists(folder):
        check_ours(folder, from_before=lambda folder: _is_unfinished(folder, name))
    make_private_folder(folder)
    mark(folder)
    return folder


def _is_unfinished(folder: Path, name: str) -> bool:
    """True if a folder holds only what a pull of 0.4 or before left there."""
    known = {"unpacked", "old", *(f"{name}.zip{end}" for end in ("", ".part", ".part.json"))}
    left = (path.name for path in folder.iterdir())
    return all(entry in known or re.fullmatch(r"[0-9a-f]{40}", entry) for entry in left)


def record_file(name: str) -> Path:
    """The file of one model's record, there or not."""
    return models_folder() / RECORDS / f"{name}.json"


def installed_speech_model() -> Path | None:
    """The folder of the speech model that was pulled last, or None."""
    return _latest(ModelKind.SPEECH)


def pulled_speech_models() -> list[SpeechModel]:
    """The speech models that were pulled, the last one first."""
    return [
        SpeechModel(model_folder(model.name), model.languages)
        for model in _pulled(ModelKind.SPEECH)
    ]


def speech_model(chosen: str, recognizer: str = AUTO, language: str = "") -> Path | None:
    """The model to hear with: one that was chosen, by name or by the environment, else one that
    was pulled; None where PocketSphinx is left.

    chosen:     a folder of the settings or the command line, or "".
    recognizer: as in `assistant.hearing.speech_models.choose`.
    language:   what is spoken, in two letters, or "".

    Raises:
        RecognizerError: the recognizer that is wanted has no model.
    """
    named = configured_model(Path(chosen) if chosen else None)
    if named is not None and (chosen or recognizer == AUTO):
        return named
    pulled = pulled_speech_models()
    model = choose(recognizer, spoken_language(language, pulled), pulled)
    return None if model is None else model.folder


def installed_picture_model() -> Path | None:
    """The folder of the picture model that was pulled last and can be used as it is, or None.

    A model that needs less memory than its download takes must be made smaller before.
    """
    return _latest(
        ModelKind.VISION, usable=lambda model: model.memory_bytes >= model.download_bytes
    )


def is_half_pulled(name: str) -> bool:
    """True if a pull of this model was begun and can go on."""
    return (models_folder() / PULLING / name).is_dir()


def installed_text_model() -> Path | None:
    """The folder of the text model that was pulled last, or None."""
    # A GGUF file answers nothing as it is, but what was made of it does.
    for model in _pulled(ModelKind.TEXT):
        for folder in (model_folder(model.name), imported_folder(model.name)):
            if (folder / "config.json").exists():
                return folder
    return None


def installed_embedder() -> Path | None:
    """The folder of the model that tells the meaning of texts, or None."""
    return _latest(ModelKind.MEANING)


def installed_relevance_model() -> Path | None:
    """The folder of the model that tells which text answers a question, or None."""
    return _latest(ModelKind.RELEVANCE)


def _latest(
    kind: ModelKind, usable: Callable[[CatalogModel], bool] = lambda model: True
) -> Path | None:
    """The folder of the model of a kind that was pulled last and can be used; or None."""
    return next((model_folder(model.name) for model in _pulled(kind) if usable(model)), None)


def _pulled(kind: ModelKind) -> list[CatalogModel]:
    """The models of a kind that were pulled, the last one first."""
    return sorted(
        (model for model in known_models() if model.kind is kind and is_installed(model.name)),
        key=lambda model: record_file(model.name).stat().st_mtime_ns,
        reverse=True,
    )


def is_installed(name: str) -> bool:
    """True if a pull of this model was finished and its folder is still there."""
    return model_folder(name).is_dir() and record_file(name).is_file()


def file_records(folder: Path) -> dict[str, FileRecord]:
    """Measure every file below a folder but our marker."""
    return {name: FileRecord(path.stat().st_size, sha256_of(path)) for name, path in _files(folder)}


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a model by its path inside the folder, with forward slashes."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MARKER:
            yield name, path


def install(unfinished: Path, record: PullRecord) -> Path:
    """Move a finished folder to its place in one step, and write its record.

    A model that was there before gives way, and is back if the move fails.

    Raises:
        DownloadError: what is there was not made by this program; it stays.
        OSError: the folder cannot be moved.
    """
    target = model_folder(record.name)
    check_place(record.name, record.files)
    mark(unfinished)
    old = pulling_folder(record.name) / "old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    try:
        os.replace(unfinished, target)
    except OSError:
        if old.exists():
            os.replace(old, target)
        raise
    write_record(record)
    shutil.rmtree(pulling_folder(record.name), ignore_errors=True)
    return target


def check_place(name: str, coming: Collection[str] = ()) -> None:
    """Refuse to replace a folder that no pull made.

    A folder of 0.4 or before has no marker; it is one of ours if it holds nothing but files of the
    record of its pull, or of the model that is coming.

    Raises:
        DownloadError: it is somebody else's, or its record is damaged.
    """
    target = model_folder(name)
    if not os.path.lexists(target) or is_marked(target):
        return
    record = read_record(name)
    known = {*coming, *(record.files if record else ())}
    check_ours(target, from_before=lambda folder: known.issuperset(n for n, _ in _files(folder)))


def tidy(name: str) -> None:
    """Remove the folder of a pull that left nothing to go on with.

    Raises:
        OSError: it cannot be removed.
    """
    folder = models_folder() / PULLING / name
    if is_marked(folder) and [path.name for path in folder.iterdir()] == [MARKER]:
        shutil.rmtree(folder)


def put_back(name: str) -> None:
    """Give a model its place again that a killed pull had moved aside.

    Raises:
        OSError: it cannot be moved.
    """
    old = models_folder() / PULLING / name / "old"
    if is_marked(old) and not os.path.lexists(model_folder(name)):
        os.replace(old, model_folder(name))


def write_record(record: PullRecord) -> None:
    """Write a record whole or not at all."""
    path = record_file(record.name)
    make_private_folder(path.parent)
    half = path.with_suffix(".tmp")
    content = {"schema_version": SCHEMA_VERSION, **asdict(record)}
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    # The model that was pulled last is used, also where the clock was set back since.
    others = (each.stat().st_mtime_ns for each in path.parent.glob("*.json") if each != path)
    newest = max(others, default=0)
    if half.stat().st_mtime_ns <= newest:
        os.utime(half, ns=(newest + 1, newest + 1))
    os.replace(half, path)


def read_record(name: str) -> PullRecord | None:
    """Return the record of a model, or None if it was never pulled.

    Raises:
        DamagedFileError: there is one, and it cannot be read.
    """
    path = record_file(name)
    try:
        content = read_json(path)
        if content["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version is not {SCHEMA_VERSION}")
        archive = content["archive"]
        return PullRecord(
            name=text(content["name"], "the name"),
            source=text(content["source"], "the source"),
            archive=None if archive is None else _file(archive),
            files={relative_path(key): _file(value) for key, value in content["files"].items()},
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(
            f"{path}: the record is damaged ({error})", "remove this file and pull the model again"
        ) from error


def _file(content: Mapping[str, Any]) -> FileRecord:
    return FileRecord(size_bytes(content["size_bytes"]), digest(content["sha256"]))


def faults(model: CatalogModel) -> Iterator[str]:
    """Compare an installed model with its record; yield one line for each file that differs.

    Raises:
        DamagedFileError: there is no record to compare with.
    """
    record = read_record(model.name)
    folder = model_folder(model.name)
    if record is None or not folder.is_dir():
        raise DamagedFileError(
            f"{model.name} is not installed", f"get it with: assistant models pull {model.name}"
        )
    for name, expected in record.files.items():
        path = folder / name
        if not path.is_file():
            yield f"{path}: is missing"
        elif path.stat().st_size != expected.size_bytes:
            yield f"{path}: has {path.stat().st_size} bytes instead of {expected.size_bytes}"
        elif sha256_of(path) != expected.sha256:
            yield f"{path}: is damaged (its SHA-256 differs from the one recorded)"
    for name in sorted({name for name, _ in _files(folder)} - record.files.keys()):
        yield f"{folder / name}: was not part of the model"
