"""A quick part of ``scripts/fuzz``, and every input that once ended badly."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.faults.campaign import BARS, QUICK, Count, Kind, kinds, report, run_campaign, run_one
from tests.faults.folders import QUANTIZED
from tests.faults.forked import BAD, OK, REFUSED, forked

ONE_OF_MANY = {"pictures", "sound", "command-pictures"}
"""Kinds whose inputs are single files; what is sound of them lies in one folder."""

FOUND = Path(__file__).with_name("found")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A fork must not find a lock that another thread holds."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """Every kind with its sound inputs."""
    return kinds(tmp_path_factory.mktemp("sound"), QUICK)


@pytest.mark.parametrize("name", QUICK)
def test_damaged_inputs_are_refused_in_one_sentence_or_used_soundly(
    known: dict[str, Kind], tmp_path: Path, name: str
) -> None:
    ends = []
    for number in range(QUICK[name]):
        work = tmp_path / str(number)
        work.mkdir()
        outcome = run_one(known[name], name, number, work)
        assert outcome.kind not in BAD, f"{name} {number}: {outcome.kind}\n{outcome.words}"
        ends.append(outcome.kind)
        shutil.rmtree(work)
    assert REFUSED in ends, "what is damaged so often must be refused now and then"


@pytest.mark.parametrize("name", sorted({*QUICK} - ONE_OF_MANY - {"servers"}))
def test_sound_inputs_are_used(known: dict[str, Kind], tmp_path: Path, name: str) -> None:
    for base in known[name].bases[:2]:
        copy = Path(shutil.copytree(base, tmp_path / base.name))
        outcome = forked(lambda copy=copy, base=base: known[name].use(copy, base.name, 1))
        assert outcome.kind == OK, outcome


def found() -> list[Path]:
    """One folder for every input: KIND/NAME, of a model folder KIND/BASE--NAME."""
    return sorted(path for path in FOUND.glob("*/*") if path.is_dir())


@pytest.mark.parametrize("kept", found(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_ended_badly_does_so_no_more(
    known: dict[str, Kind], tmp_path: Path, kept: Path
) -> None:
    kind, base = known[kept.parent.name], kept.parent.name
    target = tmp_path / "input"
    if kept.parent.name == "folders":
        base = kept.name.partition("--")[0]
        (sound,) = [one for one in kind.bases if one.name == base]
        shutil.copytree(sound, target)
    shutil.copytree(kept, target, dirs_exist_ok=True)
    for number in (0, 1) if base not in QUANTIZED else (0,):
        outcome = forked(lambda number=number: kind.use(target, base, number))
        assert outcome.kind not in BAD, f"{outcome.kind}\n{outcome.words}"


def test_found_inputs_are_small() -> None:
    sizes = {path: path.stat().st_size for path in FOUND.rglob("*") if path.is_file()}
    assert sizes and max(sizes.values()) < 16_000 and sum(sizes.values()) < 200_000


def test_counts_tell_what_ended_how() -> None:
    one, other = Count(), Count()
    one.ends.update(["ok", "refused", "refused"])
    other.ends.update(["hang"])
    other.bad.append({"number": 7, "kind": "hang", "words": "w"})
    counts = report({"pictures": one, "sound": other}, 2.0)
    assert counts["inputs"] == 4 and counts["bad"]["hang"] == 1
    assert counts["kinds"]["pictures"]["refused"] == 2
    assert counts["found"] == {"sound": [{"number": 7, "kind": "hang"}]}
    json.dumps(counts)


def test_a_campaign_stops_in_time_and_begins_every_kind() -> None:
    counts = run_campaign({"orders": 6, "catalog": 3}, until=float("inf"))
    assert {name: count.ends.total() for name, count in counts.items()} == {
        "orders": 6,
        "catalog": 3,
    }
    stopped = run_campaign({"orders": 6, "catalog": 3}, until=0.0)
    assert all(count.ends.total() == 0 for count in stopped.values())


def test_the_bars_are_those_that_were_set() -> None:
    wanted = {"folders": 10_000, "pictures": 5_000, "sound": 2_000, "settings": 2_000}
    assert {name: BARS[name] for name in wanted} == wanted
    assert BARS["servers"] == 2_000 and BARS["progress"] == 1_000 and set(BARS) == set(QUICK)
