"""The soak's judgement: what grows is found, what is flat is not blamed."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module")
def watch() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        return importlib.import_module("soak_watch")


def samples(watch: Any, count: int, **growing: float) -> list[Any]:
    """Looks at a program whose named measures grow by so much at each."""
    at_first = {"main_mib": 500.0, "tree_mib": 700.0, "handles": 36, "threads": 27,
                "processes": 5, "cpu_s": 0.0}  # fmt: skip
    return [
        watch.Taken(**{name: value + at * growing.get(name, 0) for name, value in at_first.items()})
        for at in range(count)
    ]


def test_what_is_flat(watch: Any) -> None:
    found = watch.judged(samples(watch, 96))
    assert found["memory_is_flat"] and found["handles_are_flat"] and found["threads_are_flat"]
    # A megabyte in an hour, of 500, is not yet 5 percent after eight.
    assert watch.judged(samples(watch, 96, main_mib=1 / 12))["memory_is_flat"]


@pytest.mark.parametrize(
    ("measure", "a_look", "verdict"),
    [
        ("main_mib", 0.6, "memory_is_flat"),
        ("tree_mib", 0.9, "memory_is_flat"),
        ("handles", 0.1, "handles_are_flat"),
        ("threads", 0.1, "threads_are_flat"),
    ],
)
def test_what_grows_is_found(watch: Any, measure: str, a_look: float, verdict: str) -> None:
    assert watch.judged(samples(watch, 96, **{measure: a_look}))[verdict] is False


def test_the_warm_up_is_not_blamed(watch: Any) -> None:
    values = [*(100.0 + 10 * at for at in range(24)), *([400.0] * 72)]
    assert watch.flatness(values)["growth_percent"] == 0.0
    assert watch.flatness(values)["at_start"] == 100.0
    # One peak is no growth, and is told.
    values[60] = 900.0
    assert watch.flatness(values)["growth_percent"] == 0.0
    assert watch.flatness(values)["most"] == 900.0


def test_only_rounds_that_do_the_same_are_compared(watch: Any) -> None:
    day = [9.0, 1.0, 5.0, 3.0]
    assert watch.like_rounds([50.0, *day[1:], *day, *day], 4)["growth_percent"] == 0.0
    slower = watch.like_rounds([50.0, *day[1:], *(2 * each for each in day)], 4)
    # 1, 5, 3 became 2, 10, 6; the first round of all is left out.
    assert slower == {"compared": 3, "before": 3.0, "after": 6.0, "growth_percent": 100.0}
    assert watch.like_rounds(day, 4)["compared"] == 0


def test_latencies_by_hand(watch: Any) -> None:
    found = watch.drift([9.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0])
    # The first quarter is left out; of the six others, two and two are compared.
    assert found["after_warm_up_ms"] == 1000 and found["at_the_end_ms"] == 2500
    assert found["growth_percent"] == 150.0 and found["slowest_ms"] == 9000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_and_its_children_are_found(watch: Any) -> None:
    script = (
        "import subprocess, sys\n"
        "held = [open('/dev/null') for _ in range(50)]\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "block = bytearray(60 * 2**20)\n"
        "print('ready', flush=True)\n"
        "input()\n"
    )
    before = watch.taken(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        found = watch.taken(process.pid)
        children = watch.descendants(process.pid)
        assert len(children) == 1 and watch.is_running(children[0])
        whole = watch.taken(os.getpid())
        process.kill()
    assert found.processes == 2 and found.handles >= 50 + 3 + 3 and found.threads == 2
    assert 60 < found.main_mib < 120 and found.tree_mib > 60
    assert whole.processes == before.processes + 2
    assert not watch.is_running(process.pid)
