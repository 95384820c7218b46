"""The llama2.c import: permutation, padding, tokenizer, and the published greedy text."""

import json
import math
import runpy
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import sentencepiece
import torch
from torch import Tensor

from models.errors import ModelFolderError
from models.files.llama2c import (
    Vocabulary,
    build_tokenizer,
    fit_vocabulary,
    import_model,
    read_vocabulary,
    split_halves,
)
from models.generate import greedy_tokens
from models.loading import LoadedModel, load_model

REPOSITORY = Path(__file__).resolve().parents[3]
DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCAB, CONTEXT = 16, 20, 2, 4, 2, 300, 8


def run_script(*arguments: object) -> int:
    main = runpy.run_path(str(REPOSITORY / "scripts" / "import_llama2c.py"))["main"]
    return int(main([str(argument) for argument in arguments]))


class Reference:
    """llama2.c's forward pass, one position at a time, with rotary pairs (2i, 2i+1)."""

    def __init__(self, shared: bool) -> None:
        generator = torch.Generator().manual_seed(5)
        head = DIM // HEADS

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator) * 0.3

        self.arrays = {
            "embedding": random(VOCAB, DIM),
            "rms_att": random(LAYERS, DIM) + 1,
            "wq": random(LAYERS, DIM, DIM),
            "wk": random(LAYERS, KV_HEADS * head, DIM),
            "wv": random(LAYERS, KV_HEADS * head, DIM),
            "wo": random(LAYERS, DIM, DIM),
            "rms_ffn": random(LAYERS, DIM) + 1,
            "w1": random(LAYERS, HIDDEN, DIM),
            "w2": random(LAYERS, DIM, HIDDEN),
            "w3": random(LAYERS, HIDDEN, DIM),
            "rms_final": random(DIM) + 1,
            "freq": torch.zeros(2, CONTEXT, head // 2),
        }
        self.classifier = self.arrays["embedding"] if shared else random(VOCAB, DIM)
        self.shared = shared

    def file(self) -> bytes:
        sizes = (DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCAB if self.shared else -VOCAB, CONTEXT)
        parts = [*self.arrays.values(), *([] if self.shared else [self.classifier])]
        data = b"".join(struct.pack(f"<{p.numel()}f", *p.flatten().tolist()) for p in parts)
        return struct.pack("<7i", *sizes) + data

    def logits(self, ids: list[int]) -> Tensor:
        a = self.arrays
        head = DIM // HEADS
        keys: list[list[Tensor]] = [[] for _ in range(LAYERS)]
        values: list[list[Tensor]] = [[] for _ in range(LAYERS)]
        out = []
        for position, token in enumerate(ids):
            x = a["embedding"][token].clone()
            for layer in range(LAYERS):
                h = self.norm(x, a["rms_att"][layer])
                q = self.turn(a["wq"][layer] @ h, position)
                keys[layer].append(self.turn(a["wk"][layer] @ h, position))
                values[layer].append(a["wv"][layer] @ h)
                mixed = torch.zeros(DIM)
                for number in range(HEADS):
                    own = slice(number * head, (number + 1) * head)
                    kv = number // (HEADS // KV_HEADS)
                    theirs = slice(kv * head, (kv + 1) * head)
                    scores = torch.stack([q[own] @ k[theirs] for k in keys[layer]])
                    weights = torch.softmax(scores / math.sqrt(head), dim=0)
                    for weight, v in zip(weights, values[layer], strict=True):
                        mixed[own] += weight * v[theirs]
                x = x + a["wo"][layer] @ mixed
                h = self.norm(x, a["rms_ffn"][layer])
                gate = a["w1"][layer] @ h
                x = x + a["w2"][layer] @ (gate * torch.sigmoid(gate) * (a["w3"][layer] @ h))
            out.append(self.classifier @ self.norm(x, a["rms_final"]))
        return torch.stack(out)

    @staticmethod
    def norm(x: Tensor, weight: Tensor) -> Tensor:
        return x / math.sqrt(float((x * x).sum()) / DIM + 1e-5) * weight

    @staticmethod
    def turn(vector: Tensor, position: int) -> Tensor:
        head = DIM // HEADS
        turned = vector.clone()
        for i in range(0, len(vector), 2):
            angle = position / 10000 ** ((i % head) / head)
            a, b = float(vector[i]), float(vector[i + 1])
            turned[i] = a * math.cos(angle) - b * math.sin(angle)
            turned[i + 1] = a * math.sin(angle) + b * math.cos(angle)
        return turned


def tokenizer_bin(path: Path, count: int = VOCAB) -> Path:
    """A tokenizer file as llama2.c writes it: specials, bytes, then single letters."""
    pieces = [b"<unk>", b"\n<s>\n", b"\n</s>\n"]
    pieces += [f"<0x{byte:02X}>".encode() for byte in range(256)]
    pieces += [b" ", b"a", b"b", b"ab", b" ab", b" a"]
    pieces += [chr(0x4E00 + index).encode() for index in range(count - len(pieces))]
    data = struct.pack("<i", 5)
    for index, piece in enumerate(pieces):
        data += struct.pack("<fi", 0.0 if index < 259 else 259.0 - index, len(piece)) + piece
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("shared", [True, False])
@torch.no_grad()
def test_imported_model_equals_llama2c_arithmetic(tmp_path: Path, shared: bool) -> None:
    reference = Reference(shared)
    (tmp_path / "m.bin").write_bytes(reference.file())
    out = import_model(tmp_path / "m.bin", tokenizer_bin(tmp_path / "t.bin"), tmp_path / "out")
    config = json.loads((out / "config.json").read_text())
    assert config["intermediate_size"] == 32
    assert config["tie_word_embeddings"] is shared
    assert sorted(path.name for path in out.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    model = load_model(out, dtype=torch.float32).model
    ids = [1, 40, 7, 299, 0, 12, 12, 3]
    result = model(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(result, reference.logits(ids), rtol=1e-4, atol=1e-4)
    mlp = model.get_submodule("model.layers.1.mlp")
    assert not mlp.gate_proj.weight[HIDDEN:].any() and not mlp.up_proj.weight[HIDDEN:].any()
    assert not mlp.down_proj.weight[:, HIDDEN:].any()


def test_rows_of_a_head_are_split_into_halves() -> None:
    weight = torch.arange(8.0).reshape(8, 1)  # two heads of four channels
    assert split_halves(weight, 2).flatten().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_tokenizer_bin_merges_by_score_and_falls_back_to_bytes(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(read_vocabulary(tokenizer_bin(tmp_path / "t.bin")))
    encoded = tokenizer.encode("ab aé")
    # " ab" has two ways: "ab" scores above " a", so it is made first.
    assert encoded.tokens == ["<s>", "▁ab", "▁a", "<0xC3>", "<0xA9>"]
    assert encoded.ids[-2:] == [3 + 0xC3, 3 + 0xA9]
    assert tokenizer.decode(encoded.ids) == "ab aé"


def test_a_tokenizer_of_another_size_is_refused() -> None:
    vocabulary = Vocabulary(("<unk>", "<s>", "</s>", "a"), (0.0,) * 4, True, True)
    assert fit_vocabulary(vocabulary, 4) is vocabulary
    extended = fit_vocabulary(vocabulary, 260)
    assert extended.byte_fallback
    assert extended.pieces[3] == "<0x00>" and extended.pieces[259] == "a"
    with pytest.raises(ModelFolderError, match="4 pieces but the model 7 embeddings"):
        fit_vocabulary(vocabulary, 7)


# Bad input -------------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "m.bin").write_bytes(Reference(True).file())
    return tmp_path / "m.bin", tokenizer_bin(tmp_path / "t.bin")


def cut(data: bytes) -> bytes:
    return data[:-4]


def lengthen(data: bytes) -> bytes:
    return data + b"\0\0\0\0"


def only_header(data: bytes) -> bytes:
    return data[:20]


def wrong_start(data: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + data[8:]


def versioned(data: bytes) -> bytes:
    return struct.pack("<I", 0x616B3432) + data[4:]


def with_nan(data: bytes) -> bytes:
    return data[:-4] + struct.pack("<f", math.nan)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "is cut short"),
        (lengthen, "is too long"),
        (only_header, "is cut short"),
        (wrong_start, "header of a llama2.c model"),
        (versioned, "version 1 or 2"),
        (with_nan, "NaN"),
    ],
)
def test_damaged_weights_are_one_line_and_code_2(
    sources: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[bytes], bytes],
    message: str,
) -> None:
    weights, tokenizer = sources
    weights.write_bytes(damage(weights.read_bytes()))
    assert run_script(weights, "--tokenizer", tokenizer, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error and str(weights) in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_missing_files_are_one_line_and_code_2(
    sources: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, tokenizer = sources
    ghost = tmp_path / "ghost.bin"
    for arguments in ((ghost, tokenizer), (weights, ghost), (tmp_path, tokenizer)):
        assert run_script(arguments[0], "--tokenizer", arguments[1], "--out", tmp_path / "o") == 2
        error = capsys.readouterr().err
        assert "cannot be read" in error and error.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_files_that_are_no_tokenizer_are_refused(
    sources: tuple[Path, Path], tmp_path: Path
) -> None:
    weights, tokenizer = sources
    wrong = tmp_path / "wrong.model"
    wrong.write_bytes(b"\xff\xff\xff not a model")
    with pytest.raises(ModelFolderError, match=r"wrong\.model is no sentencepiece"):
        import_model(weights, wrong, tmp_path / "out")
    tokenizer.write_bytes(tokenizer.read_bytes()[:-2])
    with pytest.raises(ModelFolderError, match=r"t\.bin is no llama2.c tokenizer or is cut short"):
        import_model(weights, tokenizer, tmp_path / "out")


def test_only_an_earlier_import_is_overwritten(
    sources: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, tokenizer = sources
    arguments = (weights, "--tokenizer", tokenizer, "--out")
    assert run_script(*arguments, tmp_path / "out") == 0
    assert run_script(*arguments, tmp_path / "out") == 0
    other = tmp_path / "other"
    other.mkdir()
    assert run_script(*arguments, other) == 0, "an empty folder may be used"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    capsys.readouterr()
    for out in (tmp_path / "notes", weights):
        assert run_script(*arguments, out) == 2
        error = capsys.readouterr().err
        assert str(out) in error and error.count("\n") == 1
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["diary.txt"]


def spoil_with_quantization(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))


def spoil_with_a_report(folder: Path) -> None:
    (folder / "report.json").write_text("{}")


@pytest.mark.parametrize("spoil", [spoil_with_quantization, spoil_with_a_report])
def test_what_was_made_from_an_import_is_kept(
    sources: tuple[Path, Path], tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """A quantized folder has the import's config.json, tokenizer and file names."""
    weights, tokenizer = sources
    out = import_model(weights, tokenizer, tmp_path / "out")
    (out / "model.safetensors").write_bytes(b"quantized")
    spoil(out)
    with pytest.raises(ModelFolderError, match="is no earlier import"):
        import_model(weights, tokenizer, out)
    assert (out / "model.safetensors").read_bytes() == b"quantized"


# Real weights ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stories(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    weights = data_dir / "weights"
    out = tmp_path_factory.mktemp("stories260K")
    import_model(weights / "stories260K.bin", weights / "tok512.model", out)
    return load_model(out, dtype=torch.float32)


@pytest.fixture(scope="module")
def babyllama(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    weights = data_dir / "weights"
    out = tmp_path_factory.mktemp("babyllama")
    import_model(weights / "babyllama_v361_model5000.bin", weights / "tok105.model", out)
    return load_model(out, dtype=torch.float32)


def documents(data_dir: Path) -> list[str]:
    text = (data_dir / "text" / "tiny_sample_part1.txt").read_text(encoding="utf-8")
    return [part.strip() for part in text.split("<|endoftext|>") if part.strip()]


def perplexity(loaded: LoadedModel, texts: list[str]) -> float:
    ids = [index for text in texts for index in loaded.tokenizer.encode(text).ids]
    loss, count = 0.0, 0
    for start in range(0, len(ids) - 1, 256):
        window = torch.tensor(ids[start : start + 256])
        with torch.inference_mode():
            logits = loaded.model(window[None]).logits[0]
        chosen = torch.log_softmax(logits[:-1], dim=-1).gather(1, window[1:, None])
        loss -= float(chosen.sum())
        count += len(window) - 1
    return math.exp(loss / count)


@pytest.mark.weights
def test_stories260k_reproduces_the_published_greedy_text(
    stories: LoadedModel, data_dir: Path
) -> None:
    golden = (data_dir / "weights" / "stories260K_golden_greedy200.txt").read_text("utf-8")
    ids = [1, *greedy_tokens(stories.model, torch.tensor([[1]]), 200)]
    assert len(ids) == 201
    assert stories.tokenizer.decode(ids) == golden.rstrip("\n")
    assert stories.model.get_submodule("model.layers.0.mlp.up_proj").out_features == 192


@pytest.mark.weights
def test_ids_equal_those_of_sentencepiece(stories: LoadedModel, data_dir: Path) -> None:
    oracle = sentencepiece.SentencePieceProcessor(str(data_dir / "weights" / "tok512.model"))
    texts = documents(data_dir)
    odd = [
        "",
        "  two  spaces ",
        "a\n\n b\t c",
        "naïve 東京 🙂",
        "[~]\u200a",
        "aaaa bbbbb ttttt hehehe",
    ]
    assert len(texts) > 100
    for text in [*texts, "\n".join(texts), *odd]:
        encoded = stories.tokenizer.encode(text).ids
        assert encoded == [1, *oracle.encode(text)]
        assert stories.tokenizer.decode(encoded) == oracle.decode(oracle.encode(text))


@pytest.mark.weights
def test_v361_uses_its_pieces_and_bytes_for_the_rest(
    babyllama: LoadedModel, data_dir: Path
) -> None:
    model = sentencepiece.SentencePieceProcessor(str(data_dir / "weights" / "tok105.model"))
    for text in documents(data_dir)[:40]:
        expected = [1]
        for index in model.encode(text, out_type=str):
            piece = model.piece_to_id(index)
            known = piece != model.unk_id()
            expected += [256 + piece] if known else [3 + byte for byte in index.encode()]
        assert babyllama.tokenizer.encode(text).ids == expected
        assert babyllama.tokenizer.decode(expected) == " ".join(text.split(" ")).strip()


@pytest.mark.slow
@pytest.mark.weights
def test_full_precision_perplexity_on_tinystories(
    stories: LoadedModel, babyllama: LoadedModel, data_dir: Path
) -> None:
    texts = documents(data_dir)[120:]
    # Without its byte fallback babyllama comes to about 3.4; a wrong permutation costs more.
    assert perplexity(babyllama, texts[:20]) == pytest.approx(2.4, abs=0.1)
    assert perplexity(stories, texts) == pytest.approx(5.0, abs=0.3)
