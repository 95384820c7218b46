"""How long a picture model for a laptop takes: seconds to look, to the first word, words a second.

Measured at SmolVLM-256M's real shapes (a SigLIP-B/16 tower for 512 pixels, SmolLM2-135M's
decoder) with random weights, which take as long as trained ones; `--language FOLDER` puts the
weights of SmolLM2-135M itself into its decoder, from a folder of `quantizer import`. Each form of
the weights has a process of its own, so that memory is its own, too. Seconds depend on what a
processor can do with bf16 (with AMX several times as much), so transformers' own model answers the
same questions in turns with ours, in bf16, and the ratios are kept:

    .venv/bin/python scripts/bench_picture_model.py --json scripts/results/picture_model.json
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TEXT = {
    "model_type": "llama",
    "vocab_size": 49280,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "max_position_embeddings": 8192,
    "rope_theta": 100000.0,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}
VISION = {
    "model_type": "idefics3_vision",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 512,
    "patch_size": 16,
}
BF16 = ("avx512_bf16", "amx_bf16")  # as /proc/cpuinfo names them
GROUP_SIZE = 64
QUESTION = "What is on the table?"  # a token a byte here; SmolVLM's own has six
ANSWER_TOKENS = 32
LOOKS = ((1, False), (5, True))  # tiles, and whether a look takes them
MARKS = ("<|endoftext|>", "<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>")
MARKS += ("<image>", "<global-img>")
MARKS += tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="make the models here, and keep them")
    parser.add_argument("--language", type=Path, help="folder whose weights the decoder takes")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(measure(options.one, options.threads, options.repeats)))
        return 0
    if options.folder is not None:
        result = compare(options.folder, options.threads, options.repeats, options.language)
    else:
        with tempfile.TemporaryDirectory(prefix="picture-model-") as folder:
            result = compare(Path(folder), options.threads, options.repeats, options.language)
    print(json.dumps(result, indent=1))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def compare(folder: Path, threads: int, repeats: int, language: Path | None) -> dict[str, Any]:
    """Figures of both forms, and the ratio of their words a second; language: as `write_model`."""
    full, small = folder / "bf16", folder / "int4"
    if not full.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        write_model(full, language)
    if not small.is_dir():
        command = [sys.executable, "-m", "quantizer", "run", str(full), "--out", str(small)]
        command += ["--method", "rtn", "--group-size", str(GROUP_SIZE)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    forms = {}
    before = os.getloadavg()
    for name, path in (("bf16", full), ("int4", small)):
        command = [sys.executable, __file__, "--one", str(path)]
        command += ["--threads", str(threads), "--repeats", str(repeats)]
        # Threads that wait give way to others: on a busy machine they would only be in the way.
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
        forms[name] = json.loads(done.stdout.splitlines()[-1])
        forms[name]["weights_mb"] = round(sum(f.stat().st_size for f in path.iterdir()) / 1e6)
    ours = forms["bf16"]
    beside = {
        f"{name}, {which}": round(ours[name][which] / ours[f"transformers_{name}"][which], 3)
        for tiles, _ in LOOKS
        for name in (f"first_token_{tiles}_tiles_s", f"first_token_{tiles}_tiles_cpu_s")
        for which in ("median", "best")
    }
    weights = "random" if language is None else "SmolLM2's and random"
    speed = {name: form["tokens_per_s_1_tiles"]["best"] for name, form in forms.items()}
    return {
        "what": f"SmolVLM-256M's shapes, {weights} weights, group size 64 for int4",
        "machine": {
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "bf16_instructions": [name for name in BF16 if name in _processor_flags()],
        },
        "threads": threads,
        "load_average": {"before": before, "after": os.getloadavg()},
        "forms": forms,
        "times_transformers": beside,
        "int4_times_bf16": round(speed["int4"] / speed["bf16"], 3),
    }


def _processor_flags() -> set[str]:
    """What the processor can do, as Linux names it; nothing on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except FileNotFoundError:
        return set()
    return {flag for line in text.splitlines() if line.startswith("flags") for flag in line.split()}


def write_model(folder: Path, language: Path | None = None) -> None:
    """A folder of SmolVLM-256M's shapes with random bf16 weights and a token for every byte.

    language: a folder of SmolLM2-135M, whose weights the decoder takes; rows of words that it has
        not stay random.
    """
    import torch
    from safetensors.torch import save_file
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    from models.families import family_of

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    # No end: a random model must not stop early.
    text = TEXT | {"eos_token_id": None, "bos_token_id": tokenizer.token_to_id("<|im_start|>")}
    config = {
        "architectures": ["Idefics3ForConditionalGeneration"],
        "model_type": "idefics3",
        "text_config": text,
        "vision_config": VISION,
        "scale_factor": 4,
        "image_token_id": tokenizer.token_to_id("<image>"),
        "tie_word_embeddings": False,
    }
    folder.mkdir()
    family = family_of(config)
    generator = torch.Generator().manual_seed(0)
    tensors, known = {}, {} if language is None else decoder_of(language)
    for name, shape in ((n, t.shape) for n, t in family.build(config).state_dict().items()):
        values = torch.ones(shape)
        if len(shape) > 1:
            values = torch.randn(shape, generator=generator) * shape[-1] ** -0.5
        if name in known:
            rows = known.pop(name)
            values[: len(rows)] = rows
        tensors[name] = values.to(torch.bfloat16)
    if known:
        raise SystemExit(f"error: {language} holds {', '.join(known)}; give SmolLM2-135M")
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer.save(str(folder / "tokenizer.json"))


def decoder_of(folder: Path) -> dict[str, Any]:
    """The tensors of a LLaMA folder by their names in an Idefics3 model, its tied head too."""
    from safetensors.torch import load_file

    held: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")):
        held |= load_file(file)
    held.setdefault("lm_head.weight", held["model.embed_tokens.weight"])
    return {name.replace("model.", "model.text_model.", 1): held[name] for name in held}


def measure(folder: Path, threads: int, repeats: int) -> dict[str, Any]:
    """Figures of one folder, each a median and the best of some repeats."""
    import torch

    from models.image_text.chat import ImageTextChat
    from models.loading import load_model

    torch.set_num_threads(threads)
    started = time.perf_counter()
    chat = ImageTextChat(load_model(folder))
    load_s = time.perf_counter() - started
    rgb = np.random.default_rng(0).integers(0, 256, (768, 1024, 3), dtype=np.uint8)
    kept: dict[str, list[float]] = {}
    chat_answer(chat, chat.look(rgb[:64, :64]), detailed=False)  # everything was touched once
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    theirs = None if (folder / "quantize_config.json").is_file() else Transformers(folder)
    if theirs is not None:
        theirs.answer(chat, rgb[:64, :64], detailed=False)
    for _ in range(repeats):
        for tiles, detailed in LOOKS:
            begun = Moment.now()
            scene = chat.look(rgb, detailed=detailed)
            looked = Moment.now()
            first, last = chat_answer(chat, scene, detailed=detailed)
            found = {
                f"look_{tiles}_tiles_s": looked.wall - begun.wall,
                f"after_look_{tiles}_tiles_s": first.wall - looked.wall,
                **figures("", tiles, begun, first, last),
            }
            if theirs is None:
                peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            else:
                begun = Moment.now()
                first, last = theirs.answer(chat, rgb, detailed=detailed)
                found |= figures("transformers_", tiles, begun, first, last)
            for name, value in found.items():
                kept.setdefault(name, []).append(value)
    return {
        "load_s": round(load_s, 3),
        **{
            name: {
                "median": round(statistics.median(values), 3),
                "best": round(max(values) if "per_s" in name else min(values), 3),
            }
            for name, values in kept.items()
        },
        "peak_mb": peak_mb,
    }


@dataclass(frozen=True, slots=True)
class Moment:
    """Seconds of the clock, and of all processors in this process."""

    wall: float
    processors: float

    @classmethod
    def now(cls) -> "Moment":
        """This one."""
        return cls(time.perf_counter(), time.process_time())


def figures(whose: str, tiles: int, begun: Moment, first: Moment, last: Moment) -> dict[str, float]:
    """Of one answer: until its first token, and the speed of those behind it."""
    return {
        f"{whose}first_token_{tiles}_tiles_s": first.wall - begun.wall,
        f"{whose}first_token_{tiles}_tiles_cpu_s": first.processors - begun.processors,
        f"{whose}tokens_per_s_{tiles}_tiles": (ANSWER_TOKENS - 1) / (last.wall - first.wall),
    }


class Transformers:
    """The same folder as transformers runs it, bf16, with its own loop and cache."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import Idefics3ForConditionalGeneration

        self._model: Any = Idefics3ForConditionalGeneration.from_pretrained(
            folder, dtype=torch.bfloat16
        )

    def answer(self, chat: Any, rgb: Any, *, detailed: bool) -> tuple[Moment, Moment]:
        """When the first token of an answer was there, and when the last."""
        import torch

        prepared = chat._eye.prepare(rgb, detailed=detailed)
        ids = torch.tensor([chat._encode(prepared.marks, QUESTION, ())])
        clock = _Clock()
        with torch.inference_mode():
            self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                pixel_values=prepared.pixels[None].to(torch.bfloat16),
                max_new_tokens=ANSWER_TOKENS,
                do_sample=False,
                streamer=clock,
            )
        times = clock.times[1:]  # the first is the prompt's
        assert len(times) == ANSWER_TOKENS, "a random model that stops has no speed"
        return times[0], times[-1]


class _Clock:
    """When each token came, as a streamer of transformers."""

    def __init__(self) -> None:
        self.times: list[Moment] = []

    def put(self, value: Any) -> None:
        self.times.append(Moment.now())

    def end(self) -> None:
        """Nothing is left to write."""


def chat_answer(chat: Any, scene: Any, *, detailed: bool) -> tuple[Moment, Moment]:
    """When the first token of an answer was there, and when the last."""
    tokens = chat.answer(scene, QUESTION, max_new_tokens=ANSWER_TOKENS, detailed=detailed)
    next(tokens)
    first = Moment.now()
    count = 1 + sum(1 for _ in tokens)
    assert count == ANSWER_TOKENS, "a random model that stops has no speed"
    return first, Moment.now()


if __name__ == "__main__":
    sys.exit(main())
