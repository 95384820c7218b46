"""The model that tells meanings: its arithmetic, opened once, or done without."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from assistant.errors import VisionError
from assistant.inference.installed_meanings import InstalledOpener
from assistant.inference.sentence_embedder import SentenceEmbedder

WORDS = ("[PAD]", "[UNK]", "avoid", "alcohol", "beer", "fridge")
TABLE = np.array(
    [[9, 9, 9], [0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 0.1, 0], [0, -1, 0]], dtype=np.float32
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose token vectors stand in a table."""
    made = tmp_path_factory.mktemp("meaning")
    # One Gather node of ONNX, made with the onnx package: each token gives its row of TABLE.
    shutil.copy(Path(__file__).with_name("table.onnx"), made / "model.onnx")
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(made / "tokenizer.json"))
    return made


def test_a_text_is_the_unit_mean_of_its_tokens_whatever_stands_beside_it(folder: Path) -> None:
    embed = SentenceEmbedder(folder)
    texts = ["avoid alcohol", "beer", "fridge fridge fridge avoid", "beer"]
    found = embed(texts)
    for text, vector in zip(texts, found, strict=True):
        mean = np.mean([TABLE[WORDS.index(word)] for word in text.split()], axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
    assert embed(["beer"])[0] @ embed(["alcohol"])[0] > embed(["beer"])[0] @ embed(["fridge"])[0]


def test_a_folder_without_its_files_is_named_once_and_then_done_without(
    folder: Path, tmp_path: Path
) -> None:
    opener = InstalledOpener(lambda: tmp_path, SentenceEmbedder)
    with pytest.raises(VisionError, match="models pull minilm"):
        opener.find()
    assert opener() is None
    assert InstalledOpener(lambda: None, SentenceEmbedder)() is None
    good = InstalledOpener(lambda: folder, SentenceEmbedder)
    assert good() is good() is not None


def test_files_that_are_no_model_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"\x00" * 100)
    with pytest.raises(VisionError, match="cannot be loaded"):
        SentenceEmbedder(tmp_path)
