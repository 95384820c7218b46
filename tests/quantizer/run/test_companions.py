"""What belongs to a model beside its weights goes with every quantized copy."""

import shutil
from pathlib import Path

import pytest

from quantizer.library import quantize_model
from quantizer.solvers.methods import Settings

COMPANIONS = (
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "vocab.txt", "merges.txt", "qwen.tiktoken", "sentencepiece.bpe.model", "chat_template.jinja",
    "chat_template.json", "preprocessor_config.json", "processor_config.json",
    "video_preprocessor_config.json", "modeling_own.py", "LICENSE.txt", "license.md", "NOTICE",
    "COPYING", "additional_chat_templates/tool_use.jinja",
)  # fmt: skip
LEFT_BEHIND = ("notes.bin", "skills.json", "model.safetensors.index.json.bak", "train.log")


def test_all_of_it_is_copied_and_nothing_else(tiny_llama: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    for name in (*COMPANIONS, *LEFT_BEHIND):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("{}")
    out = tmp_path / "out"
    for _ in range(2):  # the second run replaces the first one's output, folder and all
        quantize_model(source, None, Settings(method="rtn", group_size=16), out=out)
        for name in COMPANIONS:
            assert (out / name).read_bytes() == (source / name).read_bytes(), name
        assert not [name for name in LEFT_BEHIND if (out / name).exists()]


def test_a_file_too_large_for_a_vocabulary_stays_behind(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quantizer.run.output._LARGEST_BYTES", 10_000)
    source = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    (source / "huge.model").write_bytes(bytes(10_001))
    out = tmp_path / "out"
    quantize_model(source, None, Settings(method="rtn", group_size=16), out=out)
    assert not (out / "huge.model").exists() and (out / "tokenizer.json").exists()
