"""Text files: what is read, and what is refused."""

from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.models import BPE, Unigram, WordLevel

from models.errors import ModelFolderError
from quantizer.calibration.texts import read_documents, read_text, tokenize, tokenize_file
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


def test_every_document_ends_with_the_end_of_text_where_nothing_starts_one(
    letter_tokenizer: Tokenizer,
) -> None:
    tokenizer = Tokenizer.from_str(letter_tokenizer.to_str())
    with pytest.raises(ModelFolderError, match="no bos_token_id and the tokenizer no"):
        tokenize(["ab", "c"], tokenizer, bos_token_id=None)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    ids = tokenize(["ab", "c"], tokenizer, bos_token_id=None).tolist()
    a, b, c, end = (tokenizer.token_to_id(t) for t in ("a", "b", "c", "<|endoftext|>"))
    assert ids == [a, b, end, c, end]
    assert tokenize(["ab", "c"], tokenizer, bos_token_id=1).tolist() == [1, a, b, 1, c]


def unknown_makers() -> list[Tokenizer]:
    """Tokenizers that know the letters a and b: by words, by merges, and by likelihood."""
    merges = BPE({"?": 0, "a": 1, "b": 2, " ": 3}, [], unk_token="?", fuse_unk=True)
    words = Tokenizer(WordLevel({"?": 0, "a": 1, "b": 2, " ": 3}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    pieces = [("?", 0.0), ("a", -1.0), ("b", -1.0), (" ", -1.0)]
    return [words, Tokenizer(merges), Tokenizer(Unigram(pieces, unk_id=0))]


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_text_that_the_tokenizer_does_not_know_is_refused(tmp_path: Path, kind: int) -> None:
    tokenizer = unknown_makers()[kind]
    path = tmp_path / "text.txt"
    for known in ("abba ba", "abba xyz", "ab"):
        path.write_text(known)
        assert len(tokenize_file(path, tokenizer, 1)) > 2
    path.write_text("\u0436\u0443\u043a a \u0436\u0443\u043a\n\n\u0436\u0443")
    with pytest.raises(DataError, match=r"text.txt: the text is unknown .* \(73%") as error:
        tokenize_file(path, tokenizer, 1)
    assert "\n" not in str(error.value)


def test_a_tokenizer_of_bytes_knows_every_text(tmp_path: Path) -> None:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE({letter: index for index, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert len(tokenize(["\u0436\u0443\u043a"], tokenizer, 1)) == 1 + 6


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


def test_the_mark_that_editors_put_in_front_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo")
    assert read_documents(path) == ["one", "two"]


def test_line_ends_are_left_alone_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes("a\r\nb\rc é".encode())
    assert read_text(path, "another", newline="") == "a\r\nb\rc é"
    assert read_text(path, "another") == "a\nb\nc é"
    with pytest.raises(DataError, match="none: no such file; give another"):
        read_text(tmp_path / "none", "another")
