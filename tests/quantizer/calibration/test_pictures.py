"""Published layouts of pictures with conversations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer

from models.cogvlm2.config import CogVLM2Config, VisionConfig
from models.cogvlm2.sequences import CogVLM2Pictures
from quantizer.calibration.pictures import (
    CAPTION_QUESTION,
    is_picture_data,
    read_questions,
    read_records,
)
from quantizer.calibration.streams import picture_samples
from quantizer.errors import DataError


def draw(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    return path


def llava(name: str, *said: tuple[str, str]) -> dict[str, Any]:
    return {"image": name, "conversations": [{"from": w, "value": t} for w, t in said]}


TWO_TURNS = llava(
    "coco/1.jpg",
    ("human", "<image>\nWhat?"),
    ("gpt", "A cat"),
    ("human", "Where?"),
    ("gpt", "Here"),
)
TEXT_ONLY = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_llavas_layout(tmp_path: Path, suffix: str) -> None:
    draw(tmp_path / "images/coco/1.jpg")
    records = [TWO_TURNS, TEXT_ONLY]
    text = "\n".join(map(json.dumps, records)) if suffix == ".jsonl" else json.dumps(records)
    path = tmp_path / f"llava{suffix}"
    path.write_text(text)
    assert is_picture_data(path)
    for place in (path, tmp_path):  # a folder with one such file will do
        (record,) = read_records(place)
        assert record.picture == (tmp_path / "images/coco/1.jpg").resolve()
        assert record.turns() == (("What?", "A cat"), ("Where?", "Here"))


@pytest.mark.parametrize("labels", ["labels", "labels_en"])
def test_cogvlms_layout(tmp_path: Path, labels: str) -> None:
    said = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A dog"}]
    contents = {
        "details/00000001": {"captions": [{"role": "caption", "content": "A man"}]},
        "single/00000002": {"conversations": said},
    }
    for place, content in contents.items():
        folder, name = place.split("/")
        draw(tmp_path / folder / "images" / f"{name}.jpg")
        (tmp_path / folder / labels).mkdir()
        (tmp_path / folder / labels / f"{name}.json").write_text(json.dumps(content))
    found = {record.picture.stem: record.turns() for record in read_records(tmp_path)}
    assert found == {
        "00000001": ((CAPTION_QUESTION, "A man"),),
        "00000002": (("What?", "A dog"),),
    }
    assert len(read_records(tmp_path / "single")) == 1


def test_roles_of_either_kind_are_read_from_a_file(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    said = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A dog"}]
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"image": "1.png", "conversations": said}))
    assert read_records(path)[0].turns() == (("What?", "A dog"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "no picture with a conversation"),
        (json.dumps([TEXT_ONLY]), "no picture with a conversation"),
        ("[{", "is not JSON"),
        ('{"image": "1.png"}', "data.json:1: has neither conversations"),
        ('{"image": ["1.png", "2.png"], "conversations": []}', "give the path of one picture"),
        ('{"image": "../1.png", "conversations": []}', "lies outside the folder"),
        (json.dumps([llava("1.png", ("gpt", "Yes"))]), "roles are gpt"),
        (json.dumps([llava("1.png", ("human", "Yes?"))]), "roles are human"),
        (json.dumps({"image": "1.png", "conversations": [{"from": "gpt"}]}), "has no text"),
        ("3", "is no JSON object"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_records(path)


def test_a_folder_of_no_known_layout_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"has no questions.jsonl, no images/ beside labels/"):
        read_records(tmp_path)


def test_a_conversation_becomes_a_sequence_as_at_run_time(
    tmp_path: Path, letter_tokenizer: Tokenizer
) -> None:
    draw(tmp_path / "coco/1.jpg")
    path = tmp_path / "data.json"
    path.write_text(json.dumps([TWO_TURNS]))

    def text(context: int) -> str:
        config = CogVLM2Config(
            vocab_size=99,
            bos_token_id=1,
            pad_token_id=0,
            max_position_embeddings=context,
            vision=VisionConfig(image_size=56),
        )
        layout = CogVLM2Pictures(config)
        (sample,) = picture_samples(path, letter_tokenizer, layout, samples=4, seed=0).fitting
        ids = sample["input_ids"][0, 7:].tolist()
        return "".join(chr(29 + id_) if id_ < 98 else "\n" for id_ in ids)

    assert text(128) == "Question: What? Answer: A cat\nQuestion: Where? Answer:Here"
    assert text(40) == "Question: What? Answer:A cat"  # later turns that do not fit are left out


def test_questions_are_read_in_order(tmp_path: Path) -> None:
    lines = [
        {"picture": f"{n}.png", "question": f"q{n}?", "answer": f"a{n}", "skill": "count"}
        for n in range(3)
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    read = read_questions(tmp_path)
    assert [item.question for item in read] == ["q0?", "q1?", "q2?"]
    assert read[1].picture == (tmp_path / "1.png").resolve()
    assert (read[2].answer, read[2].skill) == ("a2", "count")


def test_characters_that_json_allows_end_no_line(tmp_path: Path) -> None:
    item = {"picture": "1.png", "question": "one\u2028two\x85?", "answer": "a", "skill": "count"}
    text = json.dumps(item, ensure_ascii=False) + "\r\n"
    (tmp_path / "questions.jsonl").write_bytes((text + text).encode())
    assert [found.question for found in read_questions(tmp_path)] == ["one\u2028two\x85?"] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no questions.jsonl"),
        ("", "holds no questions"),
        ("{oops", "questions.jsonl:1: is not JSON"),
        ('{"picture": "1.png", "question": "q"}', "needs the text fields"),
        ("[1, 2]", "needs the text fields"),
        (
            '{"picture": "../1.png", "question": "q", "answer": "a", "skill": "s"}',
            "outside the folder",
        ),
    ],
)
def test_unusable_question_files_are_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "questions.jsonl").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_questions(tmp_path)
    assert "\n" not in str(caught.value)
