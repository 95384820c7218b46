"""The models of text recognition: found and checked here, so that nothing looks for them online.

rapidocr downloads a model file that it misses, or whose digest is not the one it knows. It is
never asked to: it is given files that were looked at before.
"""

import hashlib
import importlib.util
from pathlib import Path

from assistant.errors import OcrError

MODELS = {
    "Det": (
        "PP-OCRv6_det_small.onnx",
        "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    ),
    "Cls": (
        "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
    ),
    "Rec": (
        "PP-OCRv6_rec_small.onnx",
        "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    ),
}
"""For each step of rapidocr the file of its wheel, and its SHA-256."""


def checked_models(folder: Path | None = None) -> dict[str, str]:
    """Return rapidocr's parameters that name the model files, each as it was released.

    folder: where they lie; None is the installed package's own.

    Raises:
        OcrError: the package or a file is missing, cannot be read, or is damaged.
    """
    folder = folder or _package_folder() / "models"
    return {
        f"{step}.model_path": str(_checked(folder / name, sha256))
        for step, (name, sha256) in MODELS.items()
    }


def _package_folder() -> Path:
    # Not imported: the caller decides when the package loads its libraries.
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise OcrError("the package rapidocr is missing", "run scripts/setup again")
    return Path(spec.origin).parent


def _checked(path: Path, sha256: str) -> Path:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OcrError(
            f"{path}: cannot be read ({error.strerror})", "reinstall the rapidocr package"
        ) from error
    if found != sha256:
        raise OcrError(f"{path}: is damaged", "reinstall the rapidocr package")
    return path
