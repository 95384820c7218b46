"""The evaluation on a real model, from the command line."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from models.files.llama2c import import_model
from quantizer.calibration.texts import read_documents
from quantizer.cli import main

pytestmark = [pytest.mark.weights, pytest.mark.slow]


@pytest.fixture(scope="module")
def model(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights, folder = data_dir / "weights", tmp_path_factory.mktemp("stories") / "fp32"
    return import_model(weights / "stories260K.bin", weights / "tok512.model", folder)


def measure(tmp_path: Path, *argv: object) -> dict[str, Any]:
    result = tmp_path / "result.json"
    assert main(["eval", *(str(part) for part in argv), "--json", str(result)]) == 0
    written: dict[str, Any] = json.loads(result.read_text())
    return written


def test_autogptq_perplexity_is_that_of_padded_batches(
    model: Path, data_dir: Path, tmp_path: Path
) -> None:
    """Oracle: blocks as the documented rule makes them, filled up on the left and masked."""
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

    text = data_dir / "text" / "tiny_sample_part1.txt"
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    rows = [
        [1, *tokenizer.encode(document, add_special_tokens=False).ids][:512]
        for document in read_documents(text)[:40]
    ]
    reference = LlamaForCausalLM.from_pretrained(model, dtype=torch.float32)
    block: list[list[int]] = []
    losses: list[float] = []

    def close() -> None:
        gaps = [max(map(len, block)) - len(row) for row in block]
        filled = zip(gaps, block, strict=True)
        ids, mask, labels = zip(
            *(
                ([0] * gap + row, [0] * gap + [1] * len(row), [-100] * (gap + 1) + row[1:])
                for gap, row in filled
            ),
            strict=True,
        )
        with torch.no_grad():
            out = reference(
                input_ids=torch.tensor(ids),
                attention_mask=torch.tensor(mask),
                labels=torch.tensor(labels),
            )
        losses.append(float(out.loss))
        block.clear()

    for row in sorted(rows, key=len):
        if block and (len(block) + 1) * len(row) > 2048:
            close()
        block.append(row)
    close()
    argv = (model, "--task", "perplexity", "--data", text, "--protocol", "autogptq", "--limit", 40)
    found = measure(tmp_path, *argv)
    assert found["items"] == len(losses)
    assert found["losses"] == pytest.approx(losses, abs=2e-5)
    assert found["value"] == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-5)


def test_a_model_of_stories_knows_no_sentiment(model: Path, data_dir: Path, tmp_path: Path) -> None:
    """It answers alike whatever is asked: nothing but chance, by either protocol."""
    argv = (model, "--task", "sentiment", "--data", data_dir / "sentiment", "--limit", 60)
    for protocol in ("standard", "autogptq"):
        found = measure(tmp_path, *argv, "--protocol", protocol)
        assert found["items"] == 60
        assert sum(found["given"].values()) == 60
        assert found["interval_95"][0] < max(found["commonest"], 1 / 3)
        scored = "log_likelihoods" if protocol == "standard" else "generated"
        assert all(scored in answer for answer in found["answers"])
