"""The process that may pull when the program may not: one order, stopped with what it started."""

import json
import os
import queue
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.models_store import puller_keeper
from assistant.models_store.installed import (
    PullRecord,
    installed_text_model,
    is_installed,
    model_folder,
    write_record,
)
from assistant.models_store.puller import Puller
from assistant.pull_progress import STOPPED, Progress
from models.errors import CatalogError
from models.own_folders import imported_folder
from tests.assistant.fakes_server import Manners, serving
from tests.assistant.models_store.test_mirrors import COMMIT, FILE, WEIGHTS, listed

WAIT_S = 30.0

SILENT = "the command that pulls it ended without a word; try it by hand"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class Pull:
    """One pull, and what was told of it."""

    def __init__(self, puller: Puller, name: str) -> None:
        self._told: queue.Queue[Progress] = queue.Queue()
        puller.pull(name, self._told.put)

    def next(self) -> Progress:
        return self._told.get(timeout=WAIT_S)

    def all(self) -> list[Progress]:
        found = [self.next()]
        while not (found[-1].is_done or found[-1].failed):
            found.append(self.next())
        return found


@pytest.fixture
def puller_that(tmp_path: Path) -> Iterator[object]:
    """Makes pullers whose keeper runs Python scripts instead of the commands."""
    made: list[Puller] = []

    def make(*scripts: str) -> Puller:
        files = []
        for number, script in enumerate(scripts):
            files.append(tmp_path / f"step{number}.py")
            files[-1].write_text(textwrap.dedent(script))
        keeper = tmp_path / "keeper.py"
        keeper.write_text(
            "import sys\n"
            "from assistant.models_store.puller_keeper import Keeper\n"
            f"scripts = {list(map(str, files))!r}\n"
            "def steps(name):\n"
            "    for script in scripts:\n"
            "        yield (sys.executable, script, name)\n"
            "Keeper(steps).serve(sys.stdin)\n"
        )
        made.append(Puller((sys.executable, str(keeper))))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_what_a_pull_says_is_told_and_its_end(puller_that: object) -> None:
    puller = puller_that(  # type: ignore[operator]  # made by the fixture
        """
        import json, sys
        def say(**what): print(json.dumps(what), flush=True)
        say(status="licence: MIT")
        say(here_bytes=25, whole_bytes=100)
        print("a warning of some library", flush=True)
        say(status="the hub cannot be reached; trying a-model 1.0 instead")
        say(here_bytes=100, whole_bytes=None)
        say(status=sys.argv[1] + " is installed in /x; it is used from the next start")
        """
    )
    assert Pull(puller, "a-model").all() == [
        Progress(share=0.25),
        Progress(remark="the hub cannot be reached; trying a-model 1.0 instead"),
        Progress(is_done=True),
    ]


@pytest.mark.parametrize(
    ("script", "failed"),
    [
        ("import sys; print('error: no network; check it', file=sys.stderr); sys.exit(2)",
         "no network; check it"),
        ("import sys; sys.exit(3)", SILENT),
        ("import os; os.abort()", SILENT),
    ],
)  # fmt: skip
def test_a_pull_that_fails_is_one_sentence_and_the_next_one_can_begin(
    puller_that: object, script: str, failed: str
) -> None:
    puller = puller_that(script, "print('must not run')")  # type: ignore[operator]  # as above
    for _ in range(2):
        assert Pull(puller, "a-model").all() == [Progress(failed=failed)]


HANGS = """
    import json, os, pathlib, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path(__file__).with_name("numbers").write_text(f"{os.getpid()} {child.pid}")
    print(json.dumps({"here_bytes": 1, "whole_bytes": 4}), flush=True)
    time.sleep(600)
"""


def is_alive(number: int) -> bool:
    status = Path(f"/proc/{number}/status")
    return status.exists() and "VmRSS" in status.read_text()


def have_ended(numbers: list[int]) -> None:
    until = time.monotonic() + WAIT_S
    while any(map(is_alive, numbers)):
        assert time.monotonic() < until, "it still pulls"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
@pytest.mark.parametrize("how", ["stop", "close", "kill"])
def test_a_pull_ends_with_all_that_it_started(
    puller_that: object, tmp_path: Path, how: str
) -> None:
    puller: Puller = puller_that(HANGS)  # type: ignore[operator]  # as above
    pull = Pull(puller, "a-model")
    assert pull.next() == Progress(share=0.25)
    numbers = [int(each) for each in (tmp_path / "numbers").read_text().split()]
    began = time.monotonic()
    if how == "stop":
        puller.stop()
        assert pull.all() == [Progress(failed=STOPPED)]
        assert time.monotonic() - began < 5.0
    elif how == "close":
        puller.close()
    else:
        # As if the assistant itself had been killed: the orders end.
        assert puller._process is not None and puller._process.stdin is not None
        puller._process.stdin.close()
    have_ended(numbers)


def test_a_keeper_that_cannot_start_or_has_ended_is_said() -> None:
    for command in (("/no/such/program",), (sys.executable, "-c", "pass")):
        puller = Puller(command)
        (end,) = Pull(puller, "a-model").all()
        assert "has ended; pull it by command" in end.failed
        puller.close()


def test_only_names_of_the_catalog_are_pulled() -> None:
    (command,) = puller_keeper.steps("smolvlm-500m")
    assert command[1:] == ("-m", "assistant.cli", "models", "pull", "smolvlm-500m", "--json")
    for name in ("https://example.com/evil", "--again", "../../etc", "", "smolvlm 500m"):
        with pytest.raises(CatalogError):
            list(puller_keeper.steps(name))
    puller = Puller()
    (end,) = Pull(puller, "https://example.com/evil").all()
    assert "no model 'https://example.com/evil' in the catalog" in end.failed
    puller.close()


def test_a_gguf_file_is_made_ready_and_then_used(capsys: pytest.CaptureFixture[str]) -> None:
    name = "qwen2.5-coder-1.5b"
    steps = puller_keeper.steps(name)
    assert next(steps)[3:5] == ("models", "pull")
    model_folder(name).mkdir(parents=True)
    write_record(PullRecord(name, "x", None, {}))
    (model_folder(name) / "x.gguf").touch()
    assert installed_text_model() is None
    command = next(steps)
    assert json.loads(capsys.readouterr().out) == {"importing": name}
    assert command[2:] == (
        "quantizer.cli", "import", name, str(imported_folder(name)), "--dtype", "bfloat16",
    )  # fmt: skip
    imported_folder(name).mkdir(parents=True)
    (imported_folder(name) / "config.json").touch()
    assert installed_text_model() == imported_folder(name)
    assert len(list(puller_keeper.steps(name))) == 1, "it is ready already"


@pytest.mark.slow
def test_the_real_command_pulls_through_the_keeper_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a hub on this machine; everything but its address is as it is for a user."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    manners = Manners({"/api/models/maker/model/revision/main": listed(), FILE: WEIGHTS})
    assert COMMIT in FILE
    with serving(manners) as root:
        pull = tmp_path / "pull.py"
        pull.write_text(
            "import sys\n"
            "from assistant import cli\n"
            "from assistant.models_store import hub\n"
            "from models import catalog\n"
            f"hub.USUAL_ENDPOINT = {root!r}\n"
            "source = catalog.HubSource('maker/model', 'main', ('*.safetensors',), False)\n"
            "model = catalog.CatalogModel('smolvlm-500m', 'S', catalog.ModelKind.VISION, 'MIT',\n"
            f"    'https://x.org', {len(WEIGHTS)}, {len(WEIGHTS)}, source)\n"
            "catalog._shipped = lambda: (model,)\n"
            "sys.exit(cli.main(['models', 'pull', sys.argv[1], '--json']))\n"
        )
        keeper = tmp_path / "keeper.py"
        keeper.write_text(
            "import sys\n"
            "from assistant.models_store.puller_keeper import Keeper\n"
            f"Keeper(lambda name: iter([(sys.executable, {str(pull)!r}, name)])).serve(sys.stdin)\n"
        )
        puller = Puller((sys.executable, str(keeper)))
        manners.statuses = [404]
        (end,) = Pull(puller, "smolvlm-500m").all()
        assert "no such repository" in end.failed and ";" in end.failed
        assert not is_installed("smolvlm-500m")
        assert Pull(puller, "smolvlm-500m").all()[-1] == Progress(is_done=True)
        puller.close()
    assert is_installed("smolvlm-500m")


def test_other_orders_are_none_and_the_keeper_ends_with_its_input() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "assistant.models_store.puller_keeper"],
        input="dance\nstop\n",
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={**os.environ},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
