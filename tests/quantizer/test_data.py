"""Text files and picture folders: what is read, and what is refused."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from quantizer.data import read_documents, read_questions, tokenize
from quantizer.errors import DataError


def test_marks_separate_documents_where_there_are_any(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("one\n\nstill one\n<|endoftext|>\ntwo\n<|endoftext|>\n")
    assert read_documents(path) == ["one\n\nstill one", "two"]


def test_blank_lines_separate_documents_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("one\nstill one\n \t\n\n\ntwo\n\n")
    assert read_documents(path) == ["one\nstill one", "two"]


def test_every_document_starts_with_bos(letter_tokenizer: Tokenizer) -> None:
    ids = tokenize(["ab", "c"], letter_tokenizer, bos_token_id=1).tolist()
    a, b, c = (letter_tokenizer.token_to_id(letter) for letter in "abc")
    assert ids == [1, a, b, 1, c]


@pytest.mark.parametrize("content", [b"", b" \n\n ", b"<|endoftext|>\n<|endoftext|>"])
def test_text_without_words_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match="holds no text"):
        read_documents(path)


def test_unreadable_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_documents(tmp_path / "missing.txt")
    with pytest.raises(DataError, match="is a folder"):
        read_documents(tmp_path)
    (tmp_path / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_documents(tmp_path / "latin.txt")


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
