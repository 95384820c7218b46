"""Where BOS stands, by whose rule, and that it is never predicted."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, processors

from models.errors import ModelFolderError
from models.loading import load_model
from models.text.tokenization import text_start
from quantizer.calibration.marking import Marks, joined, marks_for, windows_of
from quantizer.calibration.texts import read_for
from quantizer.cli import main
from quantizer.errors import SettingsError
from quantizer.evaluate.perplexity import perplexity

NONE = processors.TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])


@pytest.fixture
def bare(letter_tokenizer: Tokenizer) -> Tokenizer:
    """The letters, with a tokenizer that puts nothing in front of a text."""
    tokenizer = Tokenizer.from_str(letter_tokenizer.to_str())
    tokenizer.post_processor = NONE
    return tokenizer


def with_end(tokenizer: Tokenizer) -> Tokenizer:
    own = Tokenizer.from_str(tokenizer.to_str())
    own.add_special_tokens(["<|endoftext|>"])
    return own


@pytest.mark.parametrize("own_rule", [True, False])
@pytest.mark.parametrize("said", [None, True, False])
def test_the_rule_is_that_of_transformers(
    own_rule: bool,
    said: bool | None,
    letter_tokenizer: Tokenizer,
    bare: Tokenizer,
    tmp_path: Path,
) -> None:
    """Oracle: what Transformers puts before a text, whatever tokenizer_config.json says of it."""
    from transformers import AutoTokenizer

    tokenizer = letter_tokenizer if own_rule else bare
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    config = {"bos_token": "<s>"} if said is None else {"bos_token": "<s>", "add_bos_token": said}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    ids = AutoTokenizer.from_pretrained(tmp_path)("ab")["input_ids"]
    assert text_start(tokenizer) == (ids[0] if len(ids) > 2 else None) == (1 if own_rule else None)


@pytest.mark.parametrize(
    ("asked", "rule", "end", "bos", "documents", "found"),
    [
        ("auto", True, True, 2, 1, Marks("document", before=(1,))),
        ("auto", True, False, None, 3, Marks("document", before=(1,))),
        ("auto", False, True, 1, 3, Marks("document", after=(98,))),
        ("auto", False, True, 1, 1, Marks()),
        ("auto", False, False, 1, 3, Marks()),
        ("none", True, True, 1, 3, Marks()),
        ("sequence", True, True, 2, 3, Marks("sequence", before=(1,))),
        ("sequence", False, True, 2, 3, Marks("sequence", before=(2,))),
        ("document", False, False, 2, 1, Marks("document", before=(2,))),
        ("document", False, True, None, 1, Marks("document", after=(98,))),
    ],
)
def test_marks_are_chosen_by_the_rule_and_on_demand(
    asked: str, rule: bool, end: bool, bos: int | None, documents: int, found: Marks,
    letter_tokenizer: Tokenizer, bare: Tokenizer,
) -> None:  # fmt: skip
    tokenizer = letter_tokenizer if rule else bare
    tokenizer = with_end(tokenizer) if end else tokenizer
    chosen = marks_for(asked, tokenizer, bos, documents)
    if found.after:
        found = Marks(found.each, after=(tokenizer.token_to_id("<|endoftext|>"),))
    assert chosen == found


def test_what_cannot_be_marked_is_refused(bare: Tokenizer) -> None:
    with pytest.raises(SettingsError, match="bos sequence needs a mark"):
        marks_for("sequence", bare, None, 2)
    with pytest.raises(SettingsError, match="bos often is unknown"):
        marks_for("often", bare, 1, 2)
    with pytest.raises(ModelFolderError, match="nothing marks"):
        marks_for("auto", bare, None, 2)


def test_rows_have_their_marks_and_know_them() -> None:
    ids, put_in = joined([[5, 6, 7], [8, 9]], Marks("document", before=(1,)))
    assert ids.tolist() == [1, 5, 6, 7, 1, 8, 9]
    assert put_in.tolist() == [True, False, False, False, True, False, False]
    ids, put_in = joined([[5, 6, 7], [8, 9]], Marks("document", after=(2,)))
    assert ids.tolist() == [5, 6, 7, 2, 8, 9, 2]
    assert put_in.tolist() == [False, False, False, True, False, False, True]
    each = Marks("sequence", before=(1,))
    rows = windows_of(*joined([[5, 6, 7], [8, 9]], each), 3, each)
    assert [row.tolist() for row in rows.ids] == [[1, 5, 6], [1, 7, 8]]
    assert [row.tolist() for row in rows.put_in] == [[True, False, False]] * 2


@pytest.mark.parametrize("bos", ["none", "sequence", "document"])
def test_figures_are_those_of_transformers(
    bos: str, tiny_llama: Path, tmp_path: Path, letter_tokenizer: Tokenizer
) -> None:
    """Oracle: transformers' loss on rows written by hand, marks labelled as not to be predicted."""
    from transformers import LlamaForCausalLM

    texts = ["the sun is up", "and so is the cat", "who sings"]
    path = tmp_path / "text.txt"
    path.write_text("<|endoftext|>".join(texts))
    documents = [[letter_tokenizer.token_to_id(c) for c in text] for text in texts]
    flat = [token for document in documents for token in document]
    rows = {
        "none": [flat[start : start + 10] for start in range(0, 30, 10)],
        "sequence": [[1, *flat[start : start + 9]] for start in range(0, 36, 9)],
        "document": [
            ([token for document in documents for token in (1, *document)])[start : start + 10]
            for start in range(0, 40, 10)
        ],
    }[bos]
    model = LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    expected = []
    for row in rows:
        ids = torch.tensor([row])
        with torch.no_grad():
            expected.append(float(model(ids, labels=ids.masked_fill(ids == 1, -100)).loss))
    loaded = load_model(tiny_llama, dtype=torch.float32)
    result = perplexity(loaded, path, seq_len=10, bos=bos)
    assert result["losses"] == pytest.approx(expected, rel=1e-4)
    said = {"none": "none", "sequence": "<s> before each sequence"}
    assert result["bos"] == said.get(bos, "<s> before each document")


def test_a_plain_text_is_one_stream_as_it_stands(
    tiny_llama: Path, tmp_path: Path, letter_tokenizer: Tokenizer
) -> None:
    text = "\n = A title = \n\n The sun is up .\n \n The cat sings .\n"
    path = tmp_path / "wiki.raw"
    path.write_text(text)
    read = read_for(path, tiny_llama, letter_tokenizer, 1, documents="whole")
    assert read.documents == [[letter_tokenizer.token_to_id(letter) for letter in text]]
    assert len(read_for(path, tiny_llama, letter_tokenizer, 1).documents) == 3
    loaded = load_model(tiny_llama, dtype=torch.float32)
    assert perplexity(loaded, path)["documents"] == 1
    assert perplexity(loaded, path, documents="blank-lines")["documents"] == 3
    assert perplexity(loaded, path, protocol="autogptq")["documents"] == 3
    with pytest.raises(SettingsError, match="documents lines is unknown"):
        perplexity(loaded, path, documents="lines")


def test_results_of_other_marks_are_not_compared(
    tiny_llama: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", tiny_llama, "--task", "perplexity", "--data", text_file]
    one = [*words, "--bos", "none", "--json", tmp_path / "one.json"]
    assert main([str(word) for word in one]) == 0
    assert "BOS: none" in capsys.readouterr().out
    assert main([str(word) for word in (*words, "--against", tmp_path / "one.json")]) == 2
    assert "cannot be compared item by item: another --bos" in capsys.readouterr().err


def test_calibration_says_what_it_was_marked_with(
    tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    run = ["run", tiny_llama, "--calibration", text_file, "--method", "gptq", "--group-size", 16]
    run += ["--samples", 8, "--seq-len", 32]
    words = {"auto": "<s> before each document", "none": "none"}
    for bos, said in words.items():
        out = tmp_path / bos
        assert main([str(word) for word in (*run, "--out", out, "--bos", bos)]) == 0
        assert json.loads((out / "report.json").read_text())["calibration"]["bos"] == said
        assert f"| bos | {said} |" in (out / "report.md").read_text()
