"""Importing any package of ours switches off what libraries would send and write elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models import offline

SWITCHES = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "HF_HUB_OFFLINE")
FOLDERS = ("MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH")


def environment_after(script: str, **given: str) -> dict[str, str]:
    """The environment of a process of that process, with nothing of ours set before."""
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    script += f"\nimport subprocess, sys\nsubprocess.run([sys.executable, '-c', {show!r}])"
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", script], env={**kept, **given}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("package", ["assistant", "quantizer", "models"])
def test_any_package_is_enough_and_children_inherit(package: str, tmp_path: Path) -> None:
    script = (
        f"import {package}, sys\n"
        "loaded = {'onnxruntime', 'huggingface_hub', 'torch', 'matplotlib'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    found = environment_after(script, SIGHTLINE_HOME=str(tmp_path), ORT_DISABLE_TELEMETRY="0")
    assert [found[name] for name in SWITCHES] == ["1"] * len(SWITCHES)
    for name in FOLDERS:
        assert Path(found[name]).parent == tmp_path / "cache"
    assert list(tmp_path.iterdir()) == [], "naming a folder must not make it"


def test_without_a_home_of_ours_it_is_the_systems_cache_folder(tmp_path: Path) -> None:
    found = environment_after("import models", HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert found["MPLCONFIGDIR"] == str(tmp_path / "sightline" / "matplotlib")


def test_a_folder_that_the_user_chose_stays(tmp_path: Path) -> None:
    found = environment_after("import models", SIGHTLINE_HOME=str(tmp_path), MPLCONFIGDIR="/mine")
    assert found["MPLCONFIGDIR"] == "/mine"


@pytest.mark.parametrize("home", ["/dev/null/nowhere", "~nobody-of-that-name/x"])
def test_where_no_folder_can_be_made_libraries_use_their_own(home: str) -> None:
    found = environment_after("import models", SIGHTLINE_HOME=home)
    assert not set(FOLDERS) & set(found)
    assert found["ORT_DISABLE_TELEMETRY"] == "1"


@pytest.mark.parametrize(
    ("given", "lifted"), [({}, None), ({"HF_HUB_OFFLINE": "0"}, None), ({"HF_HUB_OFFLINE": "1"}, 1)]
)
def test_only_what_we_set_is_lifted_for_a_pull(given: dict[str, str], lifted: int | None) -> None:
    script = (
        "import os, models\n"
        "from models.offline import hub_reachable\n"
        "with hub_reachable():\n"
        "    held = os.environ.get('HF_HUB_OFFLINE')\n"
        "    from huggingface_hub import constants\n"
        "    assert constants.HF_HUB_DISABLE_TELEMETRY\n"
        f"assert held == {lifted and str(lifted)!r}, held\n"
        f"assert constants.is_offline_mode() is {lifted is not None}"
    )
    assert environment_after(script, **given)["HF_HUB_OFFLINE"] == "1"


def test_the_older_name_is_the_users_choice_and_is_named() -> None:
    script = (
        "import models\n"
        "from models.offline import chosen_offline, hub_reachable\n"
        "with hub_reachable():\n"
        "    from huggingface_hub import constants\n"
        "assert constants.is_offline_mode()\n"
        "assert chosen_offline() == 'TRANSFORMERS_OFFLINE', chosen_offline()\n"
    )
    environment_after(script, TRANSFORMERS_OFFLINE="true")


def test_a_process_of_ours_knows_that_the_user_did_not_ask_for_it() -> None:
    script = (
        "import os, models, subprocess, sys\n"
        "again = 'import models.offline as o; assert not o.is_offline_by_choice()'\n"
        "subprocess.run([sys.executable, '-c', again], check=True)"
    )
    environment_after(script)


def test_the_switches_are_those_that_the_libraries_read() -> None:
    """Each name stands in the library it is for; a renamed switch would be set in vain."""
    import huggingface_hub.constants
    import matplotlib
    import onnxruntime.capi

    native = next(Path(onnxruntime.capi.__path__[0]).glob("*pybind11*")).read_bytes()
    assert b"ORT_DISABLE_TELEMETRY" in native
    hub = Path(huggingface_hub.constants.__file__).read_text()
    for name in set(offline.SWITCHES) - {"ORT_DISABLE_TELEMETRY"}:
        assert f'"{name}"' in hub, name
    assert "MPLCONFIGDIR" in Path(matplotlib.__file__).read_text()
