"""What the benchmark of the assistant makes of what it measured, without measuring anything."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_bars_are_met_missed_skipped_or_not_measured() -> None:
    bench = script("bench_assistant")
    found = bench.bars(
        {
            "plain": {
                "result": {"pipe": {"forbidden_bytes": 0}, "terminal": {"forbidden_bytes": 3}}
            },
            "sound": {"skipped": "not installed: flite"},
            "orders": {"failed": "took more than 600 s"},
        }
    )
    states = {(bar["part"], bar["bar"]): bar["state"] for bar in found}
    assert states["plain", "forbidden bytes, pipe"] == "met"
    assert states["plain", "forbidden bytes, terminal"] == "missed"
    assert states["sound", "key to earcon, 95th percentile, ms"] == "skipped"
    assert states["orders", "orders heard as something else"] == "failed"
    assert states["gate", "good pictures refused"] == "not measured"


def test_a_part_that_lacks_something_says_what(tmp_path: Path) -> None:
    bench = script("bench_assistant")
    lacking = bench.Part(("no.py",), ("sh", "no-such-program"))
    assert bench.reason_to_skip(lacking, tmp_path) == "not installed: no-such-program"
    homeless = bench.Part(("no.py",), (), "vision")
    assert "vision" in bench.run_part(homeless, tmp_path, 9.0)["skipped"]


def test_one_part_is_measured_and_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = script("bench_assistant")
    part = tmp_path / "part.py"
    part.write_text("import sys; open(sys.argv[-1], 'w').write('{\"pipe\": {}}')")
    monkeypatch.setitem(bench.PARTS, "plain", bench.Part((str(part),)))
    out = tmp_path / "report.json"
    out.write_text(json.dumps({"schema": 1, "parts": {"gate": {"result": 1}}}))
    assert bench.main([str(tmp_path), "--parts", "plain", "--out", str(out)]) == 0
    parts = json.loads(out.read_text())["parts"]
    assert parts["plain"]["result"] == {"pipe": {}} and parts["gate"] == {"result": 1}


def test_forbidden_bytes_are_found_whatever_their_kind() -> None:
    plain = script("bench_assistant_plain")
    good = "status: ready\nyou: caf\u00e9?\nanswer: one\n  two\n".encode()
    assert plain.judge(good)["forbidden_bytes"] == 0
    bad = (
        "status: ready\nstatus: ready\nanswer: \x1b[1m\u2503\u2588\u28ff\x07\x08\x9b\r\nno label\n"
    )
    found = plain.judge(bad.encode())
    assert found["forbidden"] == {
        "escape": 2, "carriage return": 1, "bell": 1, "other control": 1,
        "box drawing": 2, "braille": 1,
    }  # fmt: skip
    assert found["states_repeated"] == 1 and found["lines_without_label"] == ["no label"]
