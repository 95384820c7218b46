"""Sentiment: reading labelled texts, both protocols on a model whose answers are known."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders
from torch import Tensor, nn

from models.errors import CheckpointError
from models.loading import LoadedModel, load_model
from quantizer.errors import DataError, SettingsError
from quantizer.evaluate.generation import greedy_rows
from quantizer.evaluate.sentiment import (
    closest_label,
    continuations,
    edit_distance,
    prompt_for,
    sentiment,
)
from quantizer.evaluate.sentiment_data import read_sentiment

# What follows a letter with which probability, by the mood of the text; all else shares the rest.
TABLES = {
    "plain": {(" ", "n"): 0.001, (" ", "p"): 0.001, (":", "u"): 0.9, ("u", "u"): 0.9},
    "+": {(" ", "p"): 0.9, (" ", "n"): 1e-4, (":", "p"): 0.9, ("p", "o"): 0.9, ("o", "</s>"): 0.9},
    "-": {
        (" ", "n"): 0.9,
        ("n", "e"): 0.3,
        ("e", "g"): 0.9,
        ("e", "u"): 1e-4,
        (":", "n"): 0.9,
        ("n", "g"): 0.6,
        ("g", "</s>"): 0.9,
    },
}
ITEMS = [("meh", "neutral"), ("so+", "positive"), ("a-b", "negative"), ("well", "positive")]


class Moody(nn.Module):
    """Pairs of letters by one of three tables: a + or - seen so far says which."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.config = SimpleNamespace(
            vocab_size=99, max_position_embeddings=200, bos_token_id=1, eos_token_id=2
        )
        self.marks = [tokenizer.token_to_id(mark) for mark in "+-"]
        tables = []
        for table in TABLES.values():
            rows = torch.full((99, 99), 0.0)
            for (before, after), probability in table.items():
                rows[tokenizer.token_to_id(before), tokenizer.token_to_id(after)] = probability
            rest = (1 - rows.sum(1, keepdim=True)) / (rows == 0).sum(1, keepdim=True)
            tables.append(torch.where(rows == 0, rest, rows).log())
        self.tables = nn.Parameter(torch.stack(tables))

    def forward(
        self,
        input_ids: Tensor,
        use_cache: bool,
        past_key_values: Tensor | None = None,
        logits_to_keep: int = 0,
    ) -> SimpleNamespace:
        """Return logits (B, T, 99), moved by a constant; what was read before is the cache."""
        seen = input_ids
        if past_key_values is not None:
            seen = torch.cat([past_key_values, input_ids], 1)
        plus, minus = ((seen == mark).cumsum(1) > 0 for mark in self.marks)
        mood = torch.where(plus, 1, torch.where(minus, 2, 0))
        logits = self.tables[mood, seen][:, -input_ids.shape[1] :] + 3.0
        return SimpleNamespace(logits=logits[:, -logits_to_keep:], past_key_values=seen)


@pytest.fixture
def moody(letter_tokenizer: Tokenizer) -> LoadedModel:
    model = Moody(letter_tokenizer).requires_grad_(False)
    joining = Tokenizer.from_str(letter_tokenizer.to_str())
    joining.decoder = decoders.Fuse()
    return LoadedModel(model, joining, "toy", None, Path("toy"))


def write_items(path: Path, items: list[tuple[str, str]] = ITEMS) -> Path:
    path.write_text("".join(json.dumps({"text": t, "label": n}) + "\n" for t, n in items))
    return path


def by_hand(mood: str, label: str) -> float:
    """Multiply the table's entries along " label" after the prompt's colon."""
    total = 0.0
    for before, after in zip(": " + label, " " + label, strict=False):
        own = {pair[1]: p for pair, p in TABLES[mood].items() if pair[0] == before}
        total += math.log(own.get(after, (1 - sum(own.values())) / (99 - len(own))))
    return total


def test_likelihood_by_hand(moody: LoadedModel, tmp_path: Path) -> None:
    result = sentiment(moody, write_items(tmp_path / "data.jsonl"))
    for answer, mood in zip(result["answers"], ["plain", "+", "-", "plain"], strict=True):
        expected = {name: by_hand(mood, name) for name in ("negative", "neutral", "positive")}
        assert answer["log_likelihoods"] == pytest.approx(expected, abs=1e-4)
    # Without a mark nothing but the number of letters differs: the sum favours the shortest.
    given = [answer["given"] for answer in result["answers"]]
    assert given == ["neutral", "positive", "negative", "neutral"]
    assert result["value"] == 0.75
    assert (result["task"], result["protocol"], result["items"]) == ("sentiment", "standard", 4)
    assert result["commonest"] == 0.5
    assert result["given"] == {"negative": 1, "neutral": 2, "positive": 1}
    assert {name: part["value"] for name, part in result["labels"].items()} == {
        "negative": 1.0,
        "neutral": 1.0,
        "positive": 0.5,
    }


def test_generated_text_by_hand(moody: LoadedModel, tmp_path: Path) -> None:
    result = sentiment(moody, write_items(tmp_path / "data.jsonl"), protocol="autogptq")
    # "ng" is six letters from "negative" and from "neutral", and the first of them counts.
    assert [(a["generated"], a["given"]) for a in result["answers"]] == [
        ("u" * 14, "neutral"),
        ("po", "positive"),
        ("ng", "negative"),
        ("u" * 14, "neutral"),
    ]
    assert result["value"] == 0.75
    limited = sentiment(moody, tmp_path / "data.jsonl", protocol="autogptq", limit=1)
    assert (limited["items"], limited["value"], limited["limit"]) == (1, 1.0, 1)


def test_prompt_is_the_papers() -> None:
    assert prompt_for("I {see}.") == (
        "Question: What's the sentiment of the given text? Choices are negative, neutral, "
        "positive. Text: I {see}. Answer:"
    )


def word_tokenizer() -> Tokenizer:
    """Words with the space before them as one token, as large models have."""
    from tokenizers import Regex, models, pre_tokenizers

    words = ["<unk>", "Question", ":", " negative", " neutral", " positive", " Answer"]
    tokenizer = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?[A-Za-z]+|[^A-Za-z]"), "isolated")
    return tokenizer


def test_labels_of_one_token_need_one_row(letter_tokenizer: Tokenizer) -> None:
    item = continuations("fine", word_tokenizer(), None)
    assert item.ends == ([3], [4], [5])
    assert item.rows() == [item.shared]
    # Letter by letter: " negativ", " neutra" and " positiv" are three rows.
    letters = continuations("fine", letter_tokenizer, 1)
    assert [len(end) for end in letters.ends] == [9, 8, 9]
    assert letters.shared[0] == 1
    assert len(letters.shared) == 1 + len(prompt_for("fine"))
    assert len(letters.rows()) == 3


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("abc", "abc", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)],
)
def test_edit_distance(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == distance
    assert edit_distance(other, one) == distance


def test_closest_label() -> None:
    assert closest_label("the text is positive") == "positive"
    assert closest_label("neutral.") == "neutral"
    assert closest_label("") == "neutral"  # the shortest


@pytest.mark.parametrize("protocol", ["standard", "autogptq"])
def test_answers_do_not_depend_on_the_batch(
    protocol: str, tiny_cogvlm2: Path, tmp_path: Path
) -> None:
    loaded = load_model(tiny_cogvlm2, dtype=torch.float32)
    texts = ["a", "Good", "x y", "b", "bad.", "ok", "no", "zz"]
    data = write_items(tmp_path / "data.jsonl", [(text, "neutral") for text in texts])
    alone, together = (
        sentiment(loaded, data, protocol=protocol, batch_size=size) for size in (1, 3)
    )
    for one, other in zip(alone["answers"], together["answers"], strict=True):
        assert one["given"] == other["given"]
        assert one.get("generated") == other.get("generated")
        assert one.get("log_likelihoods", {}) == pytest.approx(
            other.get("log_likelihoods", {}), abs=1e-4
        )


@pytest.mark.parametrize("name", ["Llama", "OPT", "Qwen3", "CogVLM2"])
def test_greedy_rows_are_those_of_a_whole_pass_each(name: str, tiny_cogvlm2: Path) -> None:
    """Oracle: every token chosen from the logits of the whole row, alone, without a cache."""
    model = load_model(tiny_cogvlm2, dtype=torch.float32).model if name == "CogVLM2" else hf(name)
    prompts = torch.randint(3, 99, (4, 9), generator=torch.Generator().manual_seed(2))
    found = greedy_rows(model, prompts, 8)
    for prompt, row in zip(prompts, found, strict=True):
        seen = prompt.tolist()
        expected: list[int] = []
        while len(expected) < 8:
            ids = torch.tensor([seen + expected])
            logits = model(ids) if name == "CogVLM2" else model(input_ids=ids).logits
            if (best := int(logits[0, -1].argmax())) == 2:
                break
            expected.append(best)
        assert row == expected


def hf(name: str) -> Any:
    import transformers

    config = getattr(transformers, f"{name}Config")(
        vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        **({"ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.2} if name == "OPT" else
           {"intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8,
            "initializer_range": 0.2}),
    )  # fmt: skip
    torch.manual_seed(0)
    return getattr(transformers, f"{name}ForCausalLM")(config).eval().requires_grad_(False)


def tweeteval(folder: Path, part: str, texts: str, labels: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "mapping.txt").write_text("0\tnegative\n1\tneutral\n2\tpositive\n")
    (folder / f"{part}_text.txt").write_text(texts, encoding="utf-8")
    (folder / f"{part}_labels.txt").write_text(labels)
    return folder


def test_tweeteval_folder(tmp_path: Path) -> None:
    # U+2028 and U+0085 are no line ends here, though Python's splitlines takes them for some.
    folder = tweeteval(tmp_path / "t", "val", "so\u2028so \nbad\x85day\ngreat\n", "1\n0\n2\n")
    read = read_sentiment(folder)
    assert [(item.text, item.label) for item in read.items] == [
        ("so\u2028so", "neutral"),
        ("bad\x85day", "negative"),
        ("great", "positive"),
    ]
    assert [file.name for file in read.files] == ["mapping.txt", "val_text.txt", "val_labels.txt"]
    tweeteval(folder, "test", "the test part", "2")
    assert [item.text for item in read_sentiment(folder).items] == ["the test part"]
    assert len(read_sentiment(folder / "val_text.txt").items) == 3


def test_json_lines_and_csv_say_the_same(tmp_path: Path) -> None:
    lines = tmp_path / "data.jsonl"
    lines.write_text('{"text": "Good, \\"very\\"", "label": "Positive"}\n\n{"text":"b","label":0}')
    table = tmp_path / "data.csv"
    table.write_text('\ufefflabel,text\n2,"Good, ""very"""\nnegative,b\n', encoding="utf-8")
    assert read_sentiment(lines).items == read_sentiment(table).items
    assert [item.label for item in read_sentiment(table).items] == ["positive", "negative"]


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ("one\ntwo\n", "1\n", r"has 2 lines but val_labels.txt has 1"),
        ("one\ntwo\n", "1\n3\n", r"val_labels.txt:2: label '3' is not in mapping.txt"),
        ("one\n \n", "1\n2\n", r"val_text.txt:2: is without text"),
        ("", "", r"val_text.txt: holds no texts"),
    ],
)
def test_wrong_tweeteval(texts: str, labels: str, message: str, tmp_path: Path) -> None:
    folder = tweeteval(tmp_path / "t", "val", texts, labels)
    with pytest.raises(DataError, match=message):
        read_sentiment(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "", "holds no texts"),
        ("a.jsonl", '{"text": "x", "label": "neutral"}\n{"text"', r"a.jsonl:2: is not JSON"),
        ("a.jsonl", "[1]", r"a.jsonl:1: is no object"),
        ("a.jsonl", '{"text": "x"}', r"a.jsonl:1: needs a text and a label"),
        ("a.jsonl", '{"text": "x", "label": "angry"}', r"a.jsonl:1: label 'angry' is unknown"),
        ("a.csv", "text,label\nx,9\n", r"a.csv:2: label '9' is unknown"),
        ("a.csv", "tweet,mood\nx,1\n", r"a.csv:2: needs a text and a label"),
        ("a.csv", 'text,label\n"' + "x" * 200_000 + '",1\n', r"is not CSV"),
        ("a.csv", b"text,label\n\xff,1\n", "is not UTF-8"),
        ("a.txt", "x", "is no labelled text"),
        ("mapping.txt", "0 negative\n1 angry\n", r"mapping.txt:2: needs a number and one of"),
        ("mapping.txt", "\n", r"mapping.txt: names no labels"),
    ],
)
def test_wrong_files(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    folder = tweeteval(tmp_path / "t", "val", "x\n", "1\n")
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        read_sentiment(folder if name == "mapping.txt" else path)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no test_text.txt or val_text.txt"):
        read_sentiment(tmp_path)
    folder = tweeteval(tmp_path / "t", "val", "x\n", "1\n")
    (folder / "val_labels.txt").unlink()
    with pytest.raises(DataError, match="val_labels.txt: no such file"):
        read_sentiment(folder)
    with pytest.raises(DataError, match=r"none.jsonl: no such file"):
        read_sentiment(tmp_path / "none.jsonl")


def test_a_text_longer_than_the_context(tiny_llama: Path, tmp_path: Path) -> None:
    loaded = load_model(tiny_llama, dtype=torch.float32)
    data = write_items(tmp_path / "data.jsonl")
    for protocol in ("standard", "autogptq"):
        with pytest.raises(DataError, match=r"text 1 needs 1\d\d tokens .* context is 64"):
            sentiment(loaded, data, protocol=protocol)
    with pytest.raises(SettingsError, match="standard or autogptq"):
        sentiment(loaded, data, protocol="guess")


def test_damaged_weights_choose_no_label(moody: LoadedModel, tmp_path: Path) -> None:
    moody.model.get_parameter("tables").fill_(float("nan"))
    with pytest.raises(CheckpointError, match="not finite"):
        sentiment(moody, write_items(tmp_path / "data.jsonl"))
    with pytest.raises(CheckpointError, match="not finite"):
        sentiment(moody, write_items(tmp_path / "data.jsonl"), protocol="autogptq")
