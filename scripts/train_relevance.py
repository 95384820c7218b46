#!/usr/bin/env python3
"""Teach the model that ranks places how people ask about a paper in their hand.

    assistant models pull ms-marco-minilm
    .venv/bin/pip install onnx==1.23.2
    .venv/bin/python scripts/train_relevance.py --exam-lines runs/exam/lines.json

It learns biases and layer norms only, 61 thousand numbers, on the pages of scripts/relevance whose
part is "train", and, where the lines of the exam's pictures are given (bench_answers.py keeps
them), on the exam's open sets. One pass; half an hour on two processors. The onnx package reads the
weights of the model's file and is needed for nothing else.

The score of a place is its log-odds against that nothing answers: the loss is the negative log of
the probability of one place that answers, drawn by chance, among some that do not and an empty one,
which is right where the page does not answer.
"""

import argparse
import random
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import Encoding, Tokenizer
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from relevance.exam import exam_questions  # noqa: E402
from relevance.pages import Ranked, questions, ranked  # noqa: E402

from assistant.inference.cross_encoder import TUNED, TUNED_FOR  # noqa: E402
from assistant.inference.onnx_texts import MODEL, TOKENIZER  # noqa: E402
from assistant.machine import sha256_of  # noqa: E402
from assistant.models_store.installed import installed_relevance_model  # noqa: E402

LAYERS, WIDTH, HEADS = 12, 384, 12
MOST_TOKENS = 96
"""Of a question and a place in training; hardly any has more."""

QUESTIONS, OTHERS, RATE, WARM_UP = 8, 5, 2e-3, 0.06
"""Questions of a step; places that do not answer beside one that does; the highest learning rate,
and the part of the steps in which it is reached."""

CHUNKS = 4
"""Groups of like length into which the pairs of a step are parted, so that little is padded."""


def stored_weights(path: Path) -> dict[str, Tensor]:
    """The weights of the int8 model as float32, by the names that Transformers gives them."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    stored = {each.name: numpy_helper.to_array(each) for each in graph.initializer}

    def dequantized(name: str) -> NDArray[np.float32]:
        codes = stored[f"{name}_quantized"].astype(np.float32)
        zero = stored[f"{name}_zero_point"].astype(np.float32)
        return (codes - zero) * stored[f"{name}_scale"]

    found = {name: value for name, value in stored.items() if name.endswith((".weight", ".bias"))}
    for name in stored:
        if name.endswith("_quantized") and "embeddings" in name:
            found[name.removesuffix("_quantized")] = dequantized(name.removesuffix("_quantized"))
    # A matrix product holds the transpose of a linear layer's weight.
    for name in ("bert.pooler.dense.weight", "classifier.weight"):
        found[name] = dequantized(name).T
    for node in graph.node:
        layer = re.match(r"/bert/(encoder/layer.\d+/.*)/MatMul_quant$", node.name)
        if node.op_type == "MatMulInteger" and layer and node.input[1].startswith("onnx::"):
            weight = dequantized(node.input[1].removesuffix("_quantized")).T
            found[f"bert.{layer[1].replace('/', '.')}.weight"] = weight
    return {name: torch.from_numpy(np.array(value)) for name, value in found.items()}


class Ranker:
    """The model with its tokenizer; only biases and norms behind the embeddings can learn."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self.net = BertForSequenceClassification(
            BertConfig(
                hidden_size=WIDTH,
                num_hidden_layers=LAYERS,
                num_attention_heads=HEADS,
                intermediate_size=4 * WIDTH,
                num_labels=1,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        )
        self.net.load_state_dict(stored_weights(folder / MODEL))
        for name, each in self.net.named_parameters():
            each.requires_grad = name.endswith(".bias") or "LayerNorm" in name

    def learnt(self) -> dict[str, Tensor]:
        """What can learn, by its names, which are those of the model's file."""
        return {name: each for name, each in self.net.named_parameters() if each.requires_grad}

    def scores(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """The logits of questions with texts, (N,)."""
        found = self._tokenizer.encode_batch(list(pairs))
        order = sorted(range(len(found)), key=lambda at: len(found[at].ids))
        parts = [part for part in np.array_split(np.array(order), CHUNKS) if len(part)]
        scores = torch.cat([self._of_alike([found[at] for at in part]) for part in parts])
        return scores[torch.from_numpy(np.argsort(order))]

    def _of_alike(self, found: Sequence[Encoding]) -> Tensor:
        longest = max(len(each.ids) for each in found)

        def padded(rows: Sequence[Sequence[int]]) -> Tensor:
            return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])

        return self.net(
            input_ids=padded([each.ids for each in found]),
            attention_mask=padded([each.attention_mask for each in found]),
            token_type_ids=padded([each.type_ids for each in found]),
        ).logits[:, 0]


def drawn(question: Ranked, chance: random.Random) -> list[str]:
    """One place that answers, if there is one, and some that do not."""
    first = [question.texts[chance.choice(question.answers)]] if question.answers else []
    count = min(len(question.others), OTHERS if first else OTHERS + 1)
    return first + [question.texts[at] for at in chance.sample(question.others, count)]


def loss_of(scores: Tensor, counts: Sequence[tuple[bool, int]]) -> Tensor:
    """The mean loss of questions whose scores stand one behind another.

    counts: of each question whether its first text answers, and the number of its texts.
    """
    losses, start = [], 0
    for answers, count in counts:
        logits = torch.cat([scores[start : start + count], scores.new_zeros(1)])
        losses.append(-torch.log_softmax(logits, 0)[0 if answers else -1])
        start += count
    return torch.stack(losses).mean()


def train(ranker: Ranker, known: list[Ranked], seed: int) -> None:
    """One pass over the questions."""
    chance = random.Random(seed)
    chance.shuffle(known)
    steps = len(known) // QUESTIONS
    optimizer = torch.optim.AdamW(ranker.learnt().values(), lr=RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (WARM_UP * steps + 1)) * (1 - step / steps)
    )
    begin, recent = time.monotonic(), []
    for step in range(steps):
        batch = known[step * QUESTIONS : (step + 1) * QUESTIONS]
        texts = [drawn(each, chance) for each in batch]
        counts = [(bool(q.answers), len(t)) for q, t in zip(batch, texts, strict=True)]
        pairs = [(q.asked, text) for q, t in zip(batch, texts, strict=True) for text in t]
        loss = loss_of(ranker.scores(pairs), counts)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        recent.append(float(loss.detach()))
        if step % 50 == 49:
            spent = time.monotonic() - begin
            print(f"{step + 1} of {steps}: {np.mean(recent[-50:]):.3f}, {spent:.0f} s", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Read the questions, train, and write what was learnt."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--exam-lines", type=Path, help="the lines of the exam's pictures")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=TUNED)
    options = parser.parse_args(argv)
    folder = installed_relevance_model()
    if folder is None:
        parser.error("the model is not installed: assistant models pull ms-marco-minilm")
    torch.set_num_threads(options.threads)
    known = [each for each in map(ranked, questions("train")) if each is not None]
    known += [] if options.exam_lines is None else exam_questions(options.exam_lines)
    known = [each for each in known if each.others]
    print(f"{len(known)} questions", flush=True)
    ranker = Ranker(folder)
    train(ranker, known, options.seed)
    tensors = {name: each.detach().half().contiguous() for name, each in ranker.learnt().items()}
    save_file(tensors, options.out, metadata={TUNED_FOR: sha256_of(folder / MODEL)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
