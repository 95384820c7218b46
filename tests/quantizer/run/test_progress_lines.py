"""``progress.jsonl``: a line that is not what was written costs its block, never the result."""

import json
import random
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from quantizer.report.report import ModuleReport, StageReport
from quantizer.run.progress import FinishedRecord, ShardLayout, Work, unfinished_work, work_folder

STAGE = StageReport("gptq", 1.5, None, 3, 0.01, None)
MODULE = ModuleReport(
    "block.0.w\u00e9ight", (4, 8), 7, 1, "gptq", "max", None, 0, 0.01, 2.0, 1.5, None, (STAGE,),
    0.1, 64, 16, ("careful",),
)  # fmt: skip


def record(index: int) -> FinishedRecord:
    module = json.loads(json.dumps(asdict(MODULE)))
    return FinishedRecord(
        f"block.{index}", {f"block.{index}.weight": "ab" * 32}, "cd" * 32, [module], 1.25 + index
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output folder whose unfinished work holds three finished blocks."""
    out = tmp_path / "out"
    with unfinished_work(out) as work:
        begin(work)
        for index in range(3):
            work.shard(index).write_bytes(b"x")
            work.record(record(index))
    return out


def begin(work: Work) -> list[FinishedRecord]:
    return list(work.begin({"bits": 4}, ShardLayout(5, 1, False), restart=False))


def taken_up(out: Path) -> list[FinishedRecord]:
    with unfinished_work(out) as work:
        return begin(work)


def progress(out: Path) -> Path:
    return work_folder(out) / "progress.jsonl"


def test_whole_lines_are_taken_up(out: Path) -> None:
    content = progress(out).read_bytes()
    assert taken_up(out) == [record(0), record(1), record(2)]
    assert progress(out).read_bytes() == content
    for line in content.decode().splitlines():
        raw: dict[str, Any] = json.loads(line)
        assert list(raw)[-1] == "checksum" and len(raw["checksum"]) == 64


def test_lines_of_earlier_versions_have_no_checksum(out: Path) -> None:
    lines = [json.dumps(asdict(record(index)), ensure_ascii=False) + "\n" for index in range(3)]
    progress(out).write_text("".join(lines), encoding="utf-8")
    assert taken_up(out) == [record(0), record(1), record(2)]
    assert all('"checksum"' in line for line in progress(out).read_text().splitlines())


def test_every_flipped_bit_costs_that_block_and_what_follows(
    out: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(work_folder(out), tmp_path / "kept")
    content = progress(out).read_bytes()
    ends = [at for at, byte in enumerate(content) if byte == ord("\n")]
    draw = random.Random(0)
    for bit in draw.sample(range(8 * len(content)), 120):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        shutil.copytree(tmp_path / "kept", work_folder(out), dirs_exist_ok=True)
        progress(out).write_bytes(damaged)
        before = sum(end < bit // 8 for end in ends)
        assert taken_up(out) == [record(index) for index in range(before)], bit
    assert "progress.jsonl: line 2 is damaged; quantizing its block" in caplog.text


def old(change: dict[str, Any]) -> str:
    raw = asdict(record(0))
    for key, value in change.items():
        if key.startswith("module."):
            raw["modules"][0][key.removeprefix("module.")] = value
        else:
            raw[key] = value
    return json.dumps(raw)


@pytest.mark.parametrize(
    "line",
    [
        old({"block": 3}),
        old({"digests": ["a"]}),
        old({"digests": {"a": 1}}),
        old({"states": None}),
        old({"modules": None}),
        old({"modules": [3]}),
        old({"module.stages": 1}),
        old({"module.shape": [1]}),
        old({"module.more": 1}),
        old({"seconds": "1"}),
        old({"seconds": -1}),
        old({"seconds": True}),
        old({"more": 1}),
        "[" * 100_000,
        '{"seconds": 1e999}',
        "9" * 5000,
        "null",
        "",
        "\x00",
    ],
)
def test_an_old_line_of_another_form_is_no_finished_block(out: Path, line: str) -> None:
    progress(out).write_text(line + "\n" + old({}) + "\n")
    assert taken_up(out) == []


def test_a_checksum_of_another_line_does_not_count(out: Path) -> None:
    lines = progress(out).read_text().splitlines()
    raw = json.loads(lines[0])
    raw["seconds"] = 1000.0
    progress(out).write_text("\n".join([json.dumps(raw), *lines[1:], ""]))
    assert taken_up(out) == []
