"""The parts of a making: child processes, progress, what is told, the settings."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from quantizing import measuring, using
from quantizing.calibration import Calibration
from quantizing.errors import NotDone
from quantizing.making import was_made
from quantizing.needs import duration
from quantizing.programs import Programs, run
from quantizing.progress import Warnings, Watch, block_weight
from quantizing.state import FILE, State
from quantizing.wanted import Wanted

from assistant.settings.file import load_settings, save_setting
from assistant.settings.paths import settings_file
from assistant.settings.settings import set_value
from quantizer.run.progress import work_folder


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    return Wanted("model", None, tmp_path / "model", tmp_path / "model-int4")


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


def test_what_a_child_says() -> None:
    told: list[str] = []
    code = "import sys; print('status: one'); print('careful', file=sys.stderr)"
    assert run(python(code), told.append).out == ""
    assert sorted(told) == ["careful", "one"]
    assert run(python("print(7)"), told.append, keep=True).out == "7\n"
    assert run(python("raise SystemExit(1)"), told.append, accepted=(0, 1)).code == 1
    with pytest.raises(NotDone, match="^no room; free some$"):
        run(python("raise SystemExit('error: no room; free some')"), told.append)
    with pytest.raises(NotDone, match=r"ended \(3\)"):
        run(python("raise SystemExit(3)"), told.append)


def test_a_child_is_asked_once_to_stop(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "try:\n    print('begun', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        f"    time.sleep(0.2); open({str(tmp_path / 'tidied')!r}, 'w').close()\n"
    )

    def interrupt(line: str) -> None:
        if line == "begun":
            os.kill(os.getpid(), signal.SIGINT)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(python(code), interrupt)
    assert (tmp_path / "tidied").exists()
    assert time.monotonic() - began < 30


@pytest.mark.skipif(sys.platform != "linux", reason="the system ends children on Linux alone")
def test_a_child_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    scripts = Path(__file__).resolve().parents[3] / "scripts"
    (tmp_path / "child.py").write_text(
        "import os, time; "
        f"open({str(tmp_path / 'half')!r}, 'w').write(str(os.getpid())); "
        f"os.rename({str(tmp_path / 'half')!r}, {str(tmp_path / 'pid')!r}); time.sleep(60)"
    )
    parent = (
        f"import sys; sys.path.insert(0, {str(scripts)!r})\n"
        "from quantizing.programs import OURS, run\n"
        f"run((*OURS, {str(tmp_path / 'child.py')!r}), print)"
    )
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", parent], os.environ)
    wait_for((tmp_path / "pid").exists)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    number = int((tmp_path / "pid").read_text())
    wait_for(lambda: not Path(f"/proc/{number}").exists() or "Z" in state_of(number))


def state_of(number: int) -> str:
    try:
        return Path(f"/proc/{number}/stat").read_text().split()[2]
    except OSError:
        return "Z"


def wait_for(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def plan(*tokens: int) -> dict[str, object]:
    group = {"shapes": [[4, 4]], "method": "rpiq"}
    return {"seconds": 100.0, "blocks": [{"groups": [{**group, "tokens": t}]} for t in tokens]}


def test_time_left_by_the_pace_of_this_start(tmp_path: Path) -> None:
    now, told = [0.0], []
    work = work_folder(tmp_path / "out")
    work.mkdir()
    (work / "progress.jsonl").write_text("{}\n")
    watch = Watch(tmp_path / "out", plan(0, 100, 100, 200), told.append, lambda: now[0])
    assert told == ["1 of 4 blocks were finished before."]
    watch.look()
    assert len(told) == 1
    (work / "progress.jsonl").write_text("{}\n" * 2)
    now[0] = 300.0
    watch.look()
    # A block of 100 tokens took 300 s. It has 100·4·8 + 64 = 3264 steps, and left are 3264 + 6464.
    assert told[1] == "2 of 4 blocks are finished, about 15 minutes left."
    watch.look()
    assert len(told) == 2


def test_time_left_by_the_plan_at_first(tmp_path: Path) -> None:
    now, told = [0.0], []
    watch = Watch(tmp_path / "out", plan(100, 100), told.append, lambda: now[0])
    now[0] = 20.0
    watch.look()
    assert told == ["0 of 2 blocks are finished, about 80 seconds left."]


def test_the_weight_of_a_block() -> None:
    # Two layers of 3 and 5 outputs share 4 inputs, 10 tokens: 10·4·(4 + 8) + 16·8.
    assert block_weight([{"tokens": 10, "shapes": [[3, 4], [5, 4]]}]) == 608


def test_few_warnings_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    warnings = Warnings(told.append)
    for number in range(5):
        warnings(f"warning {number}")
    warnings.say_rest(Path("report.md"))
    assert told == ["warning 0", "warning 1", "warning 2", "2 more warnings stand in report.md."]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "some seconds"),
        (30, "half a minute"),
        (100, "about 100 seconds"),
        (1806, "about 30 minutes"),
        (7300, "about 2 hours"),
        (900_000, "about 10 days"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def result(value: float, items: int = 10) -> dict[str, object]:
    return {"value": value, "items": items}


def test_how_good_it_is_in_words() -> None:
    say = measuring.in_words
    assert say(result(5.4321), sees=False) == [
        "Perplexity of 10 sequences kept apart, less is better: 5.432 for the small model."
    ]
    compared = {"items": 10, "excludes_zero": True, "ratio": 1.0123, "difference": -0.2}
    both = {**result(5.4), "against": result(5.0), "comparison": compared}
    assert say(both, sees=False)[1] == "The small model is worse by 1.2%, beyond chance."
    shares = {**result(0.5), "against": result(0.7), "comparison": compared}
    assert say(shares, sees=True) == [
        "Of 10 questions about pictures kept apart, the small model answers 50% right, the full "
        "model 70%.",
        "The small model is worse, beyond chance.",
    ]
    better = {**compared, "difference": 0.2, "ratio": 0.99}
    assert "better" in say({**shares, "comparison": better}, sees=True)[1]
    assert "better" in say({**both, "comparison": better}, sees=False)[1]
    alike = {**compared, "excludes_zero": False}
    assert "cannot be told apart" in say({**both, "comparison": alike}, sees=False)[1]
    assert "too few" in say({**both, "comparison": {**alike, "items": 5}}, sees=False)[1]


def test_the_settings_are_changed_and_taken_back(wanted: Wanted) -> None:
    told: list[str] = []
    before, _ = load_settings(settings_file())
    save_setting(settings_file(), set_value(before, "model.folder", "/mine"), "model.folder")
    using.use(wanted, State(wanted), told.append, sees=True)
    using.use(wanted, State(wanted), told.append, sees=True)
    settings, wrong = load_settings(settings_file())
    assert (settings.model_folder, settings.text_model_folder) == (str(wanted.out), "")
    assert wrong == []
    using.undo(wanted, State(wanted), told.append)
    assert load_settings(settings_file())[0].model_folder == "/mine"
    assert "model.folder is /mine again" in told[-1]
    with pytest.raises(NotDone, match="were not changed"):
        using.undo(wanted, State(wanted), told.append)
    using.use(wanted, State(wanted), told.append, sees=False)
    changed = set_value(settings, "text_model.folder", "/other")
    save_setting(settings_file(), changed, "text_model.folder")
    with pytest.raises(NotDone, match="text_model.folder is /other by now"):
        using.undo(wanted, State(wanted), told.append)


def test_a_state_that_is_damaged(wanted: Wanted) -> None:
    State(wanted).put("finished", True)
    assert State(wanted).get("finished") is True
    (wanted.work / FILE).write_text('{"version": 2, "facts": {}}')
    with pytest.raises(NotDone, match="remove that file"):
        State(wanted)


def report(wanted: Wanted, *notes: str) -> None:
    """A report of two layers whose held-out errors are a half and a quarter of plain rounding's."""
    modules = [{"j_val": j, "stages": [{"j_val": 4.0}, {"j_val": 1.0}]} for j in (2.0, 1.0, None)]
    wanted.out.mkdir(exist_ok=True)
    (wanted.out / "report.json").write_text(json.dumps({"notes": notes, "modules": modules}))


def test_the_errors_of_layers(wanted: Wanted) -> None:
    report(wanted)
    assert "is 0.38 of plain rounding's, the mean over 2 layers" in measuring.errors_of_layers(
        wanted
    )
    (wanted.out / "report.json").write_text("{}")
    with pytest.raises(NotDone, match="report.json cannot be read.*--restart"):
        measuring.errors_of_layers(wanted)


def test_a_result_is_that_of_its_data_alone(wanted: Wanted, tmp_path: Path) -> None:
    data = Calibration(tmp_path / "data-1", None, 4)
    assert not was_made(wanted, data)
    wanted.out.mkdir()
    report = {"source": str(wanted.source), "calibration": {"path": str(data.fitting)}}
    (wanted.out / "report.json").write_text(json.dumps(report))
    assert was_made(wanted, data)
    assert not was_made(wanted, Calibration(tmp_path / "data-2", None, 4))
    (wanted.out / "report.json").write_text(json.dumps({**report, "source": "/other"}))
    assert not was_made(wanted, data)
    (wanted.out / "report.json").write_text("[]")
    assert not was_made(wanted, data)


def test_what_inspect_finds_anew_is_a_reason_against_it(wanted: Wanted) -> None:
    report(wanted, "short groups")

    def found(*findings: str) -> list[str]:
        told: list[str] = []
        said = json.dumps({"findings": findings, "layers": [1, 2]})
        code = f"print({said!r}); raise SystemExit({int(bool(findings))})"
        measuring.inspect(Programs(quantizer=python(code)), wanted, told.append)
        return told

    assert found() == ["Checked: 2 layers in 4 bits read back as they should."]
    assert found("short groups")[0].endswith("; remarks in its report.md: 1.")
    with pytest.raises(NotDone, match="a scale is NaN; the assistant is not set to use it"):
        found("short groups", "a scale is NaN")
