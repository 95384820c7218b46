"""A trained pocket model as a model folder that every loader reads: tokenizer, weights, skills."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from models.cogvlm2 import CogVLM2ForCausalLM
from models.cogvlm2.processing import build_prompt
from models.pocket.questions import (
    COLOURS,
    DECLINE,
    MAX_COUNT,
    SHAPES,
    SKILLS,
    all_questions,
    phrase,
)

BOS, EOS, PAD = "<|begin_of_text|>", "<|end_of_text|>", "<|picture|>"
VOCAB_SIZE = 768


def build_tokenizer() -> Tokenizer:
    """Train a byte-level BPE of some hundred pieces on every question and every fixed answer.

    Question words become single tokens, because the closed set of wordings repeats them; capital
    letters never merge, so that a word in a picture is spelled letter by letter. Deterministic.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    return tokenizer


def _corpus() -> Iterator[str]:
    for question in all_questions():
        for text in (phrase(question), question):
            yield build_prompt(text)
    answers = [*COLOURS, *SHAPES, *(str(count) for count in range(MAX_COUNT + 1)), DECLINE]
    for answer in answers:
        yield from [answer] * 100


def export(model: CogVLM2ForCausalLM, folder: Path) -> None:
    """Write config.json, tokenizer.json and bf16 model.safetensors into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config.to_dict() | {"torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    build_tokenizer().save(str(folder / "tokenizer.json"))
    tensors = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        # Recomputed in float32 from the configuration; bf16 would round them.
        if not name.endswith("inv_freq")
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def write_skills(folder: Path, measured: Mapping[str, Any]) -> None:
    """Leave the measured accuracies beside the weights, where the assistant looks them up.

    measured: what `quantizer eval --task pictures` found for these very weights: an entry with
        "value" for each skill; the assistant never asks for one that is left out.
    """
    skills = {
        skill: {"accuracy": round(float(measured[skill]["value"]), 4)}
        for skill in SKILLS
        if skill in measured
    }
    content = json.dumps({"version": 1, "skills": skills}, indent=1)
    (folder / "skills.json").write_text(content + "\n", encoding="utf-8")
