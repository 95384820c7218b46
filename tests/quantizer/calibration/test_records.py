"""Records of text: what is read of them, by every command alike, and the reason of each refusal."""

import gzip
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from models.text.chat_template import ChatTemplate
from quantizer.calibration.pictures import is_picture_data
from quantizer.calibration.texts import read_documents
from quantizer.cli import main
from quantizer.errors import DataError

TEXTS = ["The sun is up.", 'He said "no", twice.\nAnd left.', "9 cats; 3 trees"]
QUOTED = '"He said ""no"", twice.\nAnd left."'
TEMPLATE = ChatTemplate(
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}",
    Path("chat_template.jinja"),
)


def lines(records: Sequence[Any]) -> str:
    return "\n".join(json.dumps(record) for record in records) + "\n"


def chat(role: str, text: str, *, keys: tuple[str, str] = ("role", "content")) -> dict[str, str]:
    return dict(zip(keys, (role, text), strict=True))


FORMS = {
    "a.jsonl": lines([{"text": text, "id": 3} for text in TEXTS]),
    "a.ndjson": lines([{"text": text} for text in TEXTS]) + "\n\n",
    "a.json": json.dumps([{"text": text} for text in TEXTS], indent=1),
    "a.txt": lines([{"text": text} for text in TEXTS]),
    "a": lines([{"text": text} for text in [*TEXTS, "  "]]),
    "list.txt": json.dumps([{"text": text} for text in TEXTS]),
    "pretty": json.dumps([{"text": text} for text in TEXTS], indent=2),
    "a.csv": f"id,text\n1,The sun is up.\n2,{QUOTED}\n3,9 cats; 3 trees\n",
    "semicolons.csv": f'id;text\n1;The sun is up.\n2;{QUOTED}\n3;"9 cats; 3 trees"\n',
    "a.tsv": f"text\tid\nThe sun is up.\t1\n{QUOTED}\t2\n9 cats; 3 trees\t3",
}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_gives_the_same_texts(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FORMS[name])
    assert read_documents(tmp_path / name) == TEXTS
    assert read_documents(tmp_path / name, choice="whole") == TEXTS


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [chat("user", "Hi"), chat("assistant", "Yes")]},
        {"conversations": [chat("human", "Hi", keys=("from", "value")),
                           chat("gpt", "Yes", keys=("from", "value"))]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                      {"role": "assistant", "content": [{"type": "text", "text": "Y"},
                                                        {"type": "text", "text": "es"}]}]},
    ],
)  # fmt: skip
def test_messages_go_through_the_chat_template(record: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines([record]))
    assert read_documents(path, lambda: TEMPLATE) == ["[user]Hi[assistant]Yes"]
    with pytest.raises(DataError, match=r"a.jsonl:1: has messages, and .* no chat template"):
        read_documents(path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": ', "a.jsonl:2: is not JSON"),
        ("a.jsonl", '{"text": "a"}\n"b"', "a.jsonl:2: is no object"),
        ("a.jsonl", '{"body": "a"}', "a.jsonl:1: has neither text nor messages"),
        ("a.txt", '{"body": "a"}', "a.txt:1: has neither text nor messages"),
        ("a.jsonl", '{"image": "1.png", "conversations": []}', "a.jsonl:1: is about a picture"),
        ("a.jsonl", '{"messages": []}', "a.jsonl:1: has messages without a message"),
        ("a.jsonl", '{"messages": [{"role": "user"}]}', "a.jsonl:1: a message has no role with"),
        ("a.jsonl", '{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
         "a.jsonl:1: is about a picture"),
        ("a.jsonl", '{"messages": [{"role": "user", "content": null}]}',
         "a.jsonl:1: a message has no role with"),
        ("a.txt", '["a", "b"]', "a.txt: record 1: is no object"),
        ("a.txt", '{\n "data": [\n  {"text": "a"}\n ]\n}', "a.txt: has neither text nor messages"),
        ("a.txt", '[\n {"text": "a"},\n', "a.txt: is not JSON"),
        ("a.json", '[{"text": "a"}, 3]', "a.json: record 2: is no object"),
        ("a.json", '[{"text": "a"}', "a.json: is not JSON"),
        ("a.csv", "label,body\n1,a\n", "a.csv: has no column text but label, body"),
        ("a.csv", "label,text\n1\n", "a.csv:2: lacks its text"),
        ("a.csv", "", "a.csv: has no column text but none"),
        ("a.jsonl", '{"text": " "}\n', "a.jsonl: holds no text"),
    ],
)  # fmt: skip
def test_the_reason_is_the_true_one(name: str, content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as error:
        read_documents(tmp_path / name)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PAR1\x15\x04", "is Parquet and no UTF-8 text; write its texts as .jsonl"),
        (
            gzip.compress(b"text", mtime=0),
            "is compressed by gzip and no UTF-8 text; unpack it first",
        ),
        (b"PK\x03\x04abc", "is a ZIP archive"),
        (b"\x28\xb5\x2f\xfdabc", "is compressed by Zstandard"),
        ("text".encode("utf-16"), "is UTF-16 text"),
        (b"GGUF\x03", "is a model in a GGUF file"),
        (b"caf\xe9", "is not UTF-8 text; convert it first"),
    ],
)
def test_what_is_no_text_is_told_by_its_beginning(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(DataError) as error:
        read_documents(tmp_path / "a.jsonl")
    assert reason in str(error.value)


def test_a_text_that_begins_with_a_bracket_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in (
        "{ int x; }\n\nmore",
        "[1] a list of notes\n\nmore",
        "[]() { }",
        '["No," she said.]\n\nmore',
        '{"quoted" } first',
    ):
        path.write_text(text)
        assert read_documents(path) == text.split("\n\n")


@pytest.mark.parametrize(
    ("record", "pictures"),
    [
        ({"text": "a"}, False),
        ({"messages": [chat("user", "Hi")]}, False),
        ({"image": "1.png", "conversations": []}, True),
        ({"picture": "1.png", "question": "q", "answer": "a"}, True),
        ({"text": "a", "image": "1.png"}, True),
    ],
)
def test_pictures_and_texts_are_told_apart_by_what_is_there(
    record: dict[str, Any], pictures: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines([record, record]))
    assert is_picture_data(path) == pictures


def test_all_commands_read_the_same(
    tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oracle: the same texts as a plain file, and one figure from both."""
    texts = [f"the sun runs over tree {n} and sings" for n in range(40)]
    (tmp_path / "plain.txt").write_text("<|endoftext|>".join(texts))
    (tmp_path / "records.jsonl").write_text(lines([{"text": text} for text in texts]))
    conversations = [{"messages": [chat("user", "Hi"), chat("assistant", text)]} for text in texts]
    (tmp_path / "chats.jsonl").write_text(lines(conversations))
    model = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    figures = {}
    for name in ("plain.txt", "records.jsonl"):
        out = tmp_path / "eval.json"
        words = ["eval", model, "--task", "perplexity", "--data", tmp_path / name, "--json", out]
        assert main([str(word) for word in words]) == 0
        figures[name] = json.loads(out.read_text())["losses"]
        run = ["run", model, "--out", tmp_path / name[:4], "--calibration", tmp_path / name]
        run += ["--method", "gptq", "--group-size", 16, "--samples", 8, "--seq-len", 32]
        assert main([str(word) for word in run]) == 0
    assert figures["plain.txt"] == figures["records.jsonl"]
    weights = [(tmp_path / part / "model.safetensors").read_bytes() for part in ("plai", "reco")]
    assert weights[0] == weights[1]
    capsys.readouterr()
    told = []
    for words in (
        ["eval", model, "--task", "perplexity", "--data", tmp_path / "chats.jsonl"],
        ["run", model, "--out", tmp_path / "x", "--calibration", tmp_path / "chats.jsonl"],
        ["compare", model, "--out", tmp_path / "x", "--data", tmp_path / "chats.jsonl",
         "--calibration", tmp_path / "chats.jsonl"],
    ):  # fmt: skip
        more = [] if words[0] == "eval" else ["--group-size", 16]
        assert main([str(word) for word in (*words, *more)]) == 2
        told.append(capsys.readouterr().err)
    assert len(set(told)) == 1 and "chats.jsonl:1: has messages, and the model's" in told[0]
    (model / "chat_template.jinja").write_text(TEMPLATE.source)
    words = ["eval", model, "--task", "perplexity", "--data", tmp_path / "chats.jsonl"]
    assert main([str(word) for word in words]) == 0
