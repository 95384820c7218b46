"""Data that calibrate and data that judge: apart, copied, fetched, or refused."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from quantizing import photographs, texts
from quantizing.errors import NotDone

from assistant.errors import DownloadError
from assistant.models_store import hub
from quantizer.calibration.pictures import read_questions, read_records
from quantizer.errors import DataError
from tests.assistant.fakes_server import Manners


def pictures(folder: Path, count: int) -> None:
    """Pictures of one grey each, so that one tells which it is."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(folder / f"{number:02d}.png")


def greys(folder: Path) -> set[int]:
    return {np.asarray(Image.open(file))[0, 0, 0] for file in folder.glob("*.png")}


def test_pictures_with_answers_are_parted(tmp_path: Path) -> None:
    source = tmp_path / "mine"
    pictures(source, 20)
    lines = [
        {"picture": f"{n:02d}.png", "question": f"Which {half}?", "answer": str(n), "skill": "grey"}
        for n in range(20)
        for half in ("one", "other")
    ]
    (source / "questions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    chosen = photographs.own_pictures(source, tmp_path / "data", 64)
    assert chosen.judging is not None and chosen.remarks == ()
    fitting, judging = greys(chosen.fitting), greys(chosen.judging)
    assert (len(fitting), len(judging)) == (16, 4) and not fitting & judging
    for record in read_records(chosen.fitting):
        ((question, answer),) = record.turns()
        assert int(answer) == np.asarray(Image.open(record.picture))[0, 0, 0]
        assert question == "Which one?"
    for item in read_questions(chosen.judging):
        assert int(item.answer) == np.asarray(Image.open(item.picture))[0, 0, 0]


def test_conversations_are_kept_whole_and_long_answers_judge_nothing(tmp_path: Path) -> None:
    source = tmp_path / "llava"
    pictures(source, 5)
    turns = ["What is it?", "A grey picture of nothing", "Really?", "Yes."]
    said = [{"from": "human" if n % 2 == 0 else "gpt", "value": t} for n, t in enumerate(turns)]
    entries = [{"image": f"{n:02d}.png", "conversations": said} for n in range(5)]
    (source / "data.json").write_text(json.dumps(entries))
    chosen = photographs.own_pictures(source, tmp_path / "data", 2)
    assert [record.turns() for record in read_records(chosen.fitting)] == [
        ((turns[0], turns[1]), (turns[2], turns[3]))
    ] * 4
    assert chosen.judging is None
    assert "short enough" in chosen.remarks[0]


def test_photographs_alone(tmp_path: Path) -> None:
    pictures(tmp_path / "mine/holiday", 10)
    (tmp_path / "mine/notes.txt").write_text("not a picture")
    chosen = photographs.own_pictures(tmp_path / "mine", tmp_path / "data", 64)
    records = read_records(chosen.fitting)
    assert len(records) == 8 and len({record.turns() for record in records}) > 3
    assert all(answer == "" for record in records for _, answer in record.turns())
    assert "without questions and answers" in chosen.remarks[0]


def test_a_folder_without_pictures(tmp_path: Path, text_file: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/letter.txt").write_text("Dear all")
    with pytest.raises(NotDone, match="holds no pictures.*another --calibration"):
        photographs.own_pictures(tmp_path / "empty", tmp_path / "data", 4)
    with pytest.raises(NotDone, match="no folder of pictures"):
        photographs.own_pictures(tmp_path / "empty/letter.txt", tmp_path / "data", 4)
    (tmp_path / "empty/questions.jsonl").write_text('{"picture": "a.png"}')
    with pytest.raises(DataError, match="needs the text fields"):
        photographs.own_pictures(tmp_path / "empty", tmp_path / "data", 4)
    item = {"picture": "a.png", "question": "?", "answer": "a", "skill": "s"}
    (tmp_path / "empty/questions.jsonl").write_text(json.dumps(item))
    with pytest.raises(NotDone, match="none of its pictures is there"):
        photographs.own_pictures(tmp_path / "empty", tmp_path / "data", 4)


def test_drawn_pictures_warn(tmp_path: Path) -> None:
    chosen = photographs.drawn_pictures(tmp_path, 2)
    assert "WARNING" in chosen.remarks[0] and "weakest" in chosen.remarks[0]
    assert chosen.judging is not None
    assert len(list(chosen.fitting.glob("*.png"))) == len(list(chosen.judging.glob("*.png"))) == 2
    drawn = [file.read_bytes() for part in (chosen.fitting, chosen.judging)
             for file in part.glob("*.png")]  # fmt: skip
    assert len(set(drawn)) == 4


def test_texts_are_parted() -> None:
    documents = [f"document {n}" for n in range(25)]
    fitting, judging = texts.split(documents)
    assert judging == ["document 9", "document 19"]
    assert sorted(fitting + judging) == sorted(documents)
    assert texts.split(["a", "b", "c"]) == (["a", "b"], ["c"])
    fitting, judging = texts.split(["word " * 100])
    assert fitting[0] + judging[0] == "word " * 100
    assert 9 < len(fitting[0]) / len(judging[0]) * 1.1 < 11
    with pytest.raises(NotDone, match="too little"):
        texts.split(["word"])


def test_a_folder_of_texts(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one.txt").write_text("first\n\nsecond")
    (tmp_path / "two.jsonl").write_text('{"text": "third"}\n{"text": "fourth"}')
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    found = texts.own_documents(tmp_path, tmp_path)
    assert found == ["first", "second", "third", "fourth"]
    assert texts.own_documents(tmp_path / "two.jsonl", tmp_path) == ["third", "fourth"]
    (tmp_path / "none").mkdir()
    with pytest.raises(NotDone, match="holds no texts"):
        texts.own_documents(tmp_path / "none", tmp_path)


def test_no_more_is_written_than_is_wanted(tmp_path: Path) -> None:
    assert texts.write(tmp_path / "x", ["a" * 10] * 9, 25) == 3
    written = (tmp_path / "x").read_text().splitlines()
    assert [json.loads(line) for line in written] == [{"text": "a" * 10}] * 3


def test_our_own_texts_suffice() -> None:
    documents = texts.our_documents()
    assert sum(map(len, documents)) > 500_000 and len(documents) > 100
    assert any("Sightline" in document for document in documents)


def test_the_public_set(
    manners: Manners, hub_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub, "USUAL_ENDPOINT", hub_address)
    told: list[str] = []

    def get() -> list[str]:
        return texts.public_documents(tmp_path, told.append, lambda here, whole: None)

    with pytest.raises(DownloadError, match="no such file"):
        get()
    path = texts.C4.address.removeprefix(hub_address)
    assert path.startswith("/datasets/allenai/c4/resolve/")
    lines = "".join(json.dumps({"text": f"page {n}", "url": "x"}) + "\n" for n in range(30))
    manners.files[path] = gzip.compress(lines.encode())
    assert get() == [f"page {n}" for n in range(30)]
    assert "ODC-BY" in told[0] and list(tmp_path.glob("*.gz*")) == []
    manners.files[path] = b"<html>"
    with pytest.raises(NotDone, match="holds no texts"):
        get()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("SIGHTLINE_SET_HF_HUB_OFFLINE", raising=False)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        get()
