"""The model that ranks texts for a question: its arithmetic, opened once, or done without."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from safetensors.numpy import save_file

from assistant.errors import VisionError
from assistant.inference.cross_encoder import TUNED, TUNED_FOR, CrossEncoder
from assistant.inference.installed_meanings import InstalledMeanings
from assistant.inference.onnx_texts import BATCH
from assistant.inference.sentence_embedder import SentenceEmbedder
from assistant.machine import sha256_of

WORDS = ("[PAD]", "[SEP]", "avoid", "alcohol", "beer", "fridge")
WEIGHTS = np.array([0, 0, 1, 2, 4, -8], dtype=np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose score is the sum of what the words of the text weigh, not of the question."""
    made = tmp_path_factory.mktemp("relevance") / "a-ranker"
    made.mkdir()
    # Made with the onnx package: the sum over tokens of attention mask x token type x weight.
    shutil.copy(Path(__file__).with_name("scores.onnx"), made / "model.onnx")
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[PAD]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A", pair="$A:0 [SEP]:0 $B:1", special_tokens=[("[SEP]", 1)]
    )
    tokenizer.save(str(made / "tokenizer.json"))
    return made


def untuned(folder: Path) -> CrossEncoder:
    return CrossEncoder(folder, tuned=None)


def weight_of(text: str) -> float:
    return float(sum(WEIGHTS[WORDS.index(word)] for word in text.split()))


def test_each_text_is_scored_as_a_text_behind_the_question_whatever_stands_beside_it(
    folder: Path,
) -> None:
    rank = CrossEncoder(folder, tuned=None)
    texts = ["beer", "avoid alcohol avoid alcohol avoid", "fridge avoid", "avoid"] * BATCH
    scores = rank("beer beer beer", texts)
    assert scores.shape == (len(texts),)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [weight_of(text) for text in texts])
    np.testing.assert_allclose(rank("fridge", texts), scores)
    assert rank("beer", []).shape == (0,)
    assert rank.name == "a-ranker"


def test_both_models_are_opened_where_they_are_and_one_that_is_broken_is_done_without(
    folder: Path, tmp_path: Path
) -> None:
    meanings = InstalledMeanings(lambda: folder, lambda: tmp_path)
    with pytest.raises(VisionError, match="models pull ms-marco-minilm"):
        meanings.find()
    assert meanings.models.rank() is None
    assert isinstance(meanings.models.embed(), SentenceEmbedder)
    other = InstalledMeanings(lambda: tmp_path, lambda: folder, untuned)
    with pytest.raises(VisionError, match="models pull minilm"):
        other.find()
    assert other.models.rank() is other.models.rank() is not None
    nothing = InstalledMeanings(lambda: None, lambda: None)
    nothing.find()
    assert nothing.models.embed() is nothing.models.rank() is None


def test_a_model_of_another_shape_fails_as_a_model_not_as_a_program(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    table = Path(__file__).with_name("table.onnx")
    shutil.copy(table, tmp_path / "model.onnx")
    with pytest.raises(VisionError, match="failed"):
        CrossEncoder(tmp_path, tuned=None)("beer", ["beer", "avoid alcohol"])


def test_files_that_are_no_model_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"\x00" * 100)
    with pytest.raises(VisionError, match="cannot be loaded"):
        CrossEncoder(tmp_path, tuned=None)


def test_tuned_tensors_are_used_instead_of_those_of_the_file(folder: Path, tmp_path: Path) -> None:
    tuned, other = tmp_path / "tuned.safetensors", np.array([0, 0, 8, 4, 2, 1], dtype=np.float16)
    digest = sha256_of(folder / "model.onnx")
    save_file({"table": other}, tuned, metadata={TUNED_FOR: digest})
    rank = CrossEncoder(folder, tuned)
    np.testing.assert_allclose(rank("beer", ["avoid alcohol", "fridge", "beer"]), [12, 1, 2])
    assert weight_of("avoid alcohol") == 3


def test_tensors_that_were_tuned_for_another_file_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(VisionError, match="not the file of ms-marco-minilm") as refused:
        CrossEncoder(folder, TUNED)
    assert "models pull ms-marco-minilm" in str(refused.value.way_out)
    damaged = tmp_path / "tuned.safetensors"
    damaged.write_bytes(TUNED.read_bytes()[:-100])
    with pytest.raises(VisionError, match="cannot be loaded") as broken:
        CrossEncoder(folder, damaged)
    assert broken.value.way_out == "install Sightline again"
