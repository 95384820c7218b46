"""Which model is meant, and where everything about it lies."""

from dataclasses import dataclass
from pathlib import Path

from assistant.models_store.installed import is_installed, model_folder
from models.catalog import CatalogModel, HubSource, ModelKind, find_model, known_models
from models.files.bounded import read_json
from models.own_folders import data_folder
from quantizing.errors import NotDone

_LOOKS = (ModelKind.VISION, ModelKind.TEXT)
RESULTS = "quantized"
"""The folder of results beside that of the models that were pulled."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One model to make small.

    name:   what it is called.
    model:  None for a folder of the user's own.
    source: the folder of full precision, there or not.
    out:    the folder that comes out.
    """

    name: str
    model: CatalogModel | None
    source: Path
    out: Path

    @property
    def work(self) -> Path:
        """What belongs to the making and not to the result: data, measurements, state."""
        return self.out.parent / f".{self.out.name}.making"

    @property
    def is_here(self) -> bool:
        """True if nothing need be pulled."""
        return self.model is None or is_installed(self.model.name)


def find(text: str, out: Path | None) -> Wanted:
    """The model of a name, of the beginning of one name, or of a folder.

    out: where the result goes; None for the user's data folder.

    Raises:
        NotDone: there is none, or it cannot be made small.
        CatalogError: no name of the catalog is like it.
    """
    place = Path(text).expanduser()
    if place.is_dir():
        folder = place.absolute()
        _check_folder(folder)
        return _placed(folder.resolve().name, None, folder, out)
    if "/" in text:
        raise NotDone(f"{text}: no such folder", "give the folder of a model, or a name")
    model = _of_catalog(text.strip().lower())
    return _placed(model.name, model, model_folder(model.name), out)


def _placed(name: str, model: CatalogModel | None, source: Path, out: Path | None) -> Wanted:
    chosen = data_folder() / RESULTS / f"{name}-int4" if out is None else out.expanduser()
    wanted = Wanted(name, model, source, chosen.absolute())
    if wanted.out.resolve() == source.resolve():
        raise NotDone(f"{wanted.out}: is the model itself", "give another --out")
    return wanted


def _of_catalog(name: str) -> CatalogModel:
    begun = [each for each in known_models() if each.kind in _LOOKS and each.name.startswith(name)]
    model = begun[0] if len(begun) == 1 and name else find_model(name)
    if model.kind not in _LOOKS:
        raise NotDone(f"{model.name} is no model of pictures or texts", "it is used as it comes")
    source = model.source
    patterns = source.files if isinstance(source, HubSource) else ()
    if not any(pattern.endswith(".safetensors") for pattern in patterns):
        raise NotDone(
            f"{model.name} comes with few bits already",
            f"assistant models pull {model.name}, then quantizer import",
        )
    return model


def _check_folder(folder: Path) -> None:
    try:
        config = read_json(folder / "config.json")
    except FileNotFoundError:
        raise NotDone(
            f"{folder}: has no config.json", "give the folder of a model with its safetensors"
        ) from None
    except (OSError, ValueError) as error:
        raise NotDone(f"{folder}/config.json: cannot be read ({error})") from error
    if isinstance(config, dict) and config.get("quantization_config"):
        raise NotDone(
            f"{folder}: is quantized already",
            "use it as it is, by model.folder or text_model.folder of the settings, or give the "
            "full-precision folder it was made from",
        )
