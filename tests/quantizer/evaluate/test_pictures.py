"""Perplexity, picture answers and their intervals."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from models.errors import CheckpointError, ModelFolderError
from models.loading import load_model
from quantizer.errors import DataError, SettingsError
from quantizer.evaluate.intervals import bootstrap_ratio
from quantizer.evaluate.perplexity import perplexity
from quantizer.evaluate.pictures import normalize, pictures, summarize


def test_interval_of_a_share_agrees_with_the_binomial() -> None:
    right = torch.tensor([1.0] * 240 + [0.0] * 160)
    low, high = bootstrap_ratio(right, torch.ones(400))
    half_width = 1.96 * math.sqrt(0.6 * 0.4 / 400)
    assert low == pytest.approx(0.6 - half_width, abs=0.006)
    assert high == pytest.approx(0.6 + half_width, abs=0.006)
    assert bootstrap_ratio(right, torch.ones(400)) == (low, high)


def test_perplexity_is_the_token_mean_over_windows(
    tiny_llama: Path, tmp_path: Path, letter_tokenizer: Tokenizer
) -> None:
    """Oracle: transformers' own loss on windows cut by hand, BOS read and not predicted."""
    from transformers import LlamaForCausalLM

    documents = ["abcdefgh" * 4, "The sun is up.", "xyz" * 9]
    path = tmp_path / "text.txt"
    path.write_text("<|endoftext|>\n".join(documents))
    result = perplexity(load_model(tiny_llama, dtype=torch.float32), path, seq_len=20)

    stream: list[int] = []
    for document in documents:
        stream += [1] + [letter_tokenizer.token_to_id(letter) for letter in document]
    assert len(stream) == 76
    model = LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    losses = []
    for start in (0, 20, 40):
        ids = torch.tensor([stream[start : start + 20]])
        labels = ids.masked_fill(ids == 1, -100)
        with torch.no_grad():
            losses.append(float(model(ids, labels=labels).loss))
    assert result["value"] == pytest.approx(math.exp(sum(losses) / 3), rel=1e-4)
    assert result["losses"] == pytest.approx(losses, rel=1e-4)
    tokens = 3 * 19 - 2  # one BOS in the second window, one in the third
    assert (result["items"], result["tokens"], result["protocol"]) == (3, tokens, "standard")
    assert (result["bos"], result["documents"]) == ("<s> before each document", 3)
    low, high = result["interval_95"]
    assert low <= result["value"] <= high
    assert result["model"] == str(tiny_llama)
    assert result["seconds"] > 0


def test_limit_takes_the_first_windows(tiny_llama: Path, text_file: Path) -> None:
    loaded = load_model(tiny_llama, dtype=torch.float32)
    whole = perplexity(loaded, text_file)
    assert whole["seq_len"] == 64  # the context, as it is shorter than 2048
    first = perplexity(loaded, text_file, limit=2)
    assert first["losses"] == whole["losses"][:2]


def test_short_text_is_one_short_window(tiny_llama: Path, tmp_path: Path) -> None:
    loaded = load_model(tiny_llama, dtype=torch.float32)
    path = tmp_path / "short.txt"
    path.write_text("Hello")
    assert perplexity(loaded, path)["tokens"] == 5
    path.write_text("")
    with pytest.raises(DataError, match="holds no text"):
        perplexity(loaded, path)
    path.write_text("Hello")
    with pytest.raises(SettingsError, match="2 to 64"):
        perplexity(loaded, path, seq_len=65)


@pytest.mark.parametrize("poison", [float("nan"), 1e8])
def test_damaged_weights_have_no_perplexity(
    tiny_llama: Path, text_file: Path, poison: float
) -> None:
    loaded = load_model(tiny_llama, dtype=torch.float32)
    loaded.model.get_parameter("lm_head.weight")[5] = poison
    with pytest.raises(CheckpointError, match="not finite"):
        perplexity(loaded, text_file, limit=2)


def test_perplexity_of_a_picture_model_on_text(tiny_cogvlm2: Path, text_file: Path) -> None:
    result = perplexity(load_model(tiny_cogvlm2, dtype=torch.float32), text_file, limit=2)
    assert result["seq_len"] == 128
    assert result["value"] == pytest.approx(99, rel=0.5)  # random weights know nothing


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Three.", "3"),
        ("  dark   RED ", "dark red"),
        ("I can't tell.", "i can't tell"),
        ("There are two circles!", "there are 2 circles"),
        ("zero", "0."),
    ],
)
def test_equal_answers_match(one: str, other: str) -> None:
    assert normalize(one) == normalize(other)


@pytest.mark.parametrize(("one", "other"), [("3", "4"), ("red", "dark red"), ("", "0")])
def test_different_answers_do_not_match(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


def test_pictures_count_exact_answers_per_skill(
    tiny_cogvlm2: Path, picture_folder: Path, tmp_path: Path
) -> None:
    loaded = load_model(tiny_cogvlm2, dtype=torch.float32)
    first = pictures(loaded, picture_folder)
    assert first["items"] == 24
    assert {name: part["items"] for name, part in first["skills"].items()} == {
        "colour": 12,
        "count": 12,
    }
    # Take what the model said as the truth, except for one question about a count.
    folder = tmp_path / "agreeing"
    shutil.copytree(picture_folder, folder)
    path = folder / "questions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line, answer in zip(lines, first["answers"], strict=True):
        line["answer"] = f" {answer['given'].upper()}."
    lines[3]["answer"] = "something else entirely"
    path.write_text("\n".join(map(json.dumps, lines)))
    second = pictures(loaded, folder)
    assert second["value"] == pytest.approx(23 / 24)
    assert second["skills"]["count"]["value"] == pytest.approx(11 / 12)
    assert second["skills"]["colour"]["value"] == 1.0
    assert [answer["right"] for answer in second["answers"]].index(False) == 3
    low, high = second["interval_95"]
    assert 0.7 < low < 23 / 24 < high <= 1
    assert pictures(loaded, folder, limit=3)["value"] == 1.0


def test_text_models_cannot_look_at_pictures(tiny_llama: Path, picture_folder: Path) -> None:
    with pytest.raises(ModelFolderError, match="cannot look at pictures"):
        pictures(load_model(tiny_llama), picture_folder)


def test_reading_is_measured_by_characters_and_declines_by_pictures() -> None:
    def answer(expected: str, given: str, skill: str, size: float = 0.0) -> dict[str, Any]:
        right = normalize(given) == normalize(expected)
        fields = {"expected": expected, "given": given, "skill": skill, "size": size}
        return fields | {"right": right}

    answers = [
        answer("EXIT", "exit", "word", 44.0),
        answer("MILK", "MILLS", "word", 44.0),
        answer("OPEN\nDAILY", "OPEN", "lines", 24.0),
        answer("SALT", "I can't tell.", "word", 12.0),
        answer("I can't tell.", "I can't tell.", "decline"),
        answer("3", "3", "count"),
    ]
    summary = summarize(answers)
    # MILK to MILLS takes two edits of its four letters; EXIT none.
    large = summary["reading"]["40 pixels and more"]
    assert (large["value"], large["characters"]) == (2 / 8, 8)
    assert summary["reading"]["24 to 40 pixels"]["value"] == 6 / 10
    assert summary["skills"]["word"]["character_error"]["items"] == 3
    assert "character_error" not in summary["skills"]["count"]
    assert summary["false_declines"]["value"] == 1 / 5
    assert summary["skills"]["decline"]["value"] == 1.0
