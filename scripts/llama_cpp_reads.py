"""What llama.cpp makes of a GGUF file: ids of texts, logits, greedy tokens, seconds a token.

Runs in the environment of scripts/build_llama_server, which has llama-cpp-python and NumPy alone;
others start it there:

    runs/llama-server/env/bin/python scripts/llama_cpp_reads.py MODEL ASKED.json ANSWERS.npz

ASKED.json: ``texts`` to be split, ``windows`` of ids to be read whole, ``prompts`` of ids to be
continued by ``new_tokens``, ``seconds_of`` tokens to be timed (0: none), ``threads``.
ANSWERS.npz: ``texts_N`` ids, ``logits_N`` (tokens, vocabulary) float32, ``greedy_N`` ids,
``token_s`` seconds of each timed token, ``template`` the chat template.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def main(model_path: str, asked_path: str, out_path: str) -> int:
    """Answer what is asked and write it."""
    import numpy as np
    from llama_cpp import Llama

    asked = json.loads(Path(asked_path).read_text())
    longest = max(map(len, (*asked["windows"], *asked["prompts"])), default=1)
    model: Any = Llama(
        model_path,
        n_ctx=longest + asked["new_tokens"] + asked["seconds_of"] + 1,
        n_threads=asked["threads"],
        n_threads_batch=asked["threads"],
        logits_all=True,
        verbose=False,
    )
    answers: dict[str, Any] = {}
    for number, text in enumerate(asked["texts"]):
        ids = model.tokenize(text.encode(), add_bos=True, special=True)
        answers[f"texts_{number}"] = np.array(ids, dtype=np.int64)
    for number, window in enumerate(asked["windows"]):
        model.reset()
        model.eval(window)
        answers[f"logits_{number}"] = np.array(model.scores[: len(window)], dtype=np.float32)
    for number, prompt in enumerate(asked["prompts"]):
        answers[f"greedy_{number}"] = np.array(continued(model, prompt, asked["new_tokens"]))
    timed = []
    model.reset()
    model.eval(asked["windows"][0][:1] if asked["windows"] else [1])
    for _ in range(asked["seconds_of"]):
        start_s = time.perf_counter()
        model.eval([int(model.scores[model.n_tokens - 1].argmax())])
        timed.append(time.perf_counter() - start_s)
    answers["token_s"] = np.array(timed)
    answers["template"] = np.array(model.metadata.get("tokenizer.chat_template", ""))
    np.savez(out_path, **answers)
    return 0


def continued(model: Any, prompt: list[int], count: int) -> list[int]:
    """The ids that greedy choice appends; end marks are ids like others."""
    model.reset()
    model.eval(prompt)
    found = []
    for _ in range(count):
        best = int(model.scores[model.n_tokens - 1].argmax())
        found.append(best)
        model.eval([best])
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
