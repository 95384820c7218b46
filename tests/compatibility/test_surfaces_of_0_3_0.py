"""What programs of others read and type is as it was in 0.3.0; more may have come."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quantizer.errors import SettingsError
from quantizer.evaluate.paired import paired_perplexity
from tests.compatibility import surfaces
from tests.compatibility.surfaces import RECORDED, draw, losses, shape, unpack

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures, a model and a result of 0.3.0, and the settings of nobody."""
    made = tmp_path_factory.mktemp("surfaces")
    unpack(made)
    (made / "home").rename(made / "home of somebody")
    draw(made)
    return made


@pytest.fixture(scope="module")
def events(folder: Path) -> Events:
    return surfaces.session(folder)


def test_events_of_a_session_keep_their_names_and_fields(
    events: Events, recorded: dict[str, Any]
) -> None:
    lost = []
    for name, before in recorded["json"].items():
        surface, _, kind = name.partition(" ")
        if surface == "event":
            now = shape(event for event in events if event["event"] == kind)
            lost += [f"{kind}: {each}" for each in losses(before, now)]
    assert lost == []


def test_a_session_s_answers_say_what_they_rest_on(events: Events) -> None:
    heard = [event["text"] for event in events if event["event"] == "question_heard"]
    assert heard == ["what is the total", "how many circles are there"]
    answers = [event for event in events if event["event"] == "answer_given"]
    read, guessed = (answer for answer in answers if answer["basis"] in ("read", "guess"))
    assert "5.50" in read["answer"] and read["basis"] == "read"
    assert {"Total", "5.50"} <= {line["text"] for line in read["evidence"]}
    assert "3" in guessed["answer"] and guessed["model"] == "pocket/int4"
    states = {event["state"] for event in events if event["event"] == "state_changed"}
    assert {"looking", "thinking", "idle"} <= states
    changed = [event for event in events if event["event"] == "settings_changed"]
    assert [(each["name"], each["value"]) for each in changed] == [
        ("verbosity", 1),
        ("speech.headphones", True),
    ]


def test_ask(folder: Path, recorded: dict[str, Any]) -> None:
    answers = surfaces.asked(folder)
    assert losses(recorded["json"]["ask"], shape(answers)) == []
    read, guessed = answers
    assert read["basis"] == "read" and "5.50" in read["answer"]
    assert guessed["basis"] == "guess" and "3" in guessed["answer"]


def test_read(folder: Path, recorded: dict[str, Any]) -> None:
    (answer,) = surfaces.read(folder)
    assert losses(recorded["json"]["read"], shape([answer])) == []
    assert answer["text"] == "Corner shop\nMilk 2.10\nBread 3.40\nTotal 5.50"


def test_eval(folder: Path, recorded: dict[str, Any]) -> None:
    """Also: an int4 folder of 0.3.0 measures nearly alike: marks are no longer predicted."""
    results = surfaces.evaluated(folder)
    for task, result in results.items():
        assert losses(recorded["json"][f"eval {task}"], shape([result])) == [], task
        assert result["task"] == task
    earlier = json.loads((folder / "earlier.json").read_text())
    perplexity = results["perplexity"]
    assert perplexity["against"] == json.loads((folder / "now.json").read_text())
    assert perplexity["value"] == pytest.approx(earlier["value"], rel=0.01)
    assert results["pictures"]["skills"]["count"]["value"] == 1


def test_a_perplexity_of_0_3_0_is_refused_with_the_reason(folder: Path) -> None:
    earlier = json.loads((folder / "earlier.json").read_text())
    with pytest.raises(SettingsError, match="predicted the marks between documents; measure small"):
        paired_perplexity(earlier | {"bos": "none", "items_sha256": "0" * 64}, earlier)


@pytest.mark.parametrize("command", ["assistant", "quantizer"])
def test_commands_and_options_stay(command: str, recorded: dict[str, Any]) -> None:
    typed = {words: has for words, has in recorded["typed"].items() if words.split()[0] == command}
    assert len(typed) > 4
    now, _ = surfaces.options(command, [words.split()[1:] for words in typed])
    lost = [problem for words in typed for problem in _lost(words, typed[words], now.get(words))]
    assert lost == []


def _lost(words: str, before: dict[str, str], now: dict[str, str] | None) -> Iterator[str]:
    if now is None:
        yield f"{words}: is gone"
        return
    for name, takes in before.items():
        if name not in now:
            yield f"{words} {name}: is gone"
        elif bool(takes) != bool(now[name]):
            yield f"{words} {name}: took {takes or 'nothing'}, takes {now[name] or 'nothing'}"
        elif takes.startswith("{") and now[name].startswith("{"):
            gone = set(takes[1:-1].split(",")) - set(now[name][1:-1].split(","))
            yield from (f"{words} {name} {choice}: is gone" for choice in sorted(gone))


def test_a_loss_is_seen_and_a_gain_is_none() -> None:
    before = shape([{"answer": "a", "evidence": [{"box": [[1, 2.5]]}], "model": None}])
    assert losses(before, before) == []
    more = {"answer": "b", "evidence": [{"box": [[1, 2]], "new": 1}], "model": None, "values": []}
    assert losses(before, shape([more])) == []
    less = {"answer": ["a"], "evidence": [{"corners": [[1, 2]]}], "model": "pocket"}
    assert losses(before, shape([less])) == [
        "answer: was string, is array",
        "evidence[].box: is gone",
        "evidence[].box[]: is gone",
        "evidence[].box[][]: is gone",
        "model: was null, is string",
    ]
    options = {"--method": "{gptq,rpiq}", "--json": "", "--out": "OUT"}
    worse = {"--method": "{rpiq}", "--json": "FILE"}
    assert list(_lost("run", options, {**options, "--new": ""})) == []
    assert list(_lost("run", options, worse)) == [
        "run --method gptq: is gone",
        "run --json: took nothing, takes FILE",
        "run --out: is gone",
    ]
