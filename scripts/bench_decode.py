"""Time a decoded token: ours in int4, ours in bfloat16 and llama.cpp, in turn within one run.

    .venv/bin/python scripts/bench_decode.py --threads 2 --json FILE [--folder INT4 --dense FOLDER]

Without folders, a LLaMA of 1.1 billion random weights is made (width 2048, 16 layers, groups of
128, zero-points in the middle, which llama.cpp reads as Q4_0); it takes 6 GB of disk in runs/, for
as long as the run. With folders, an int4 model and the one that it was made of; llama.cpp reads
what is exported of the int4 one. scripts/build_llama_server builds llama.cpp; without it, its
figures are left out.

Each round times all of them one after the other, each alone in a process of its own, so that a
change of the machine's load touches all; medians, and medians of the rounds' ratios, are what to
keep. ``roofline`` is the time that reading a token's weights takes at the speed at which as many
threads sum a large tensor. ``shares`` says what a token's time goes into: the int4 kernel, the head
(which is not quantized), attention, and all the rest. ``kernels`` times what else PyTorch has for
products of one row with a matrix of 2048 x 8192, in gigabytes of weights a second.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models.families.llama import LlamaFamily
from models.greedy import pick
from models.int4 import Int4Linear
from models.loading import load_model
from models.text.reading import STEP, reader_of
from quantizer.exporting.export import export_gguf
from scripts.bench_llama_cpp import PYTHON, asked_of_llama_cpp

GROUP_SIZE = 128
PROMPT = 32
WORDS = 32000
KERNELS = (
    ("int4 kernel", ("_weight_int4pack_mm_for_cpu",)),
    ("head and dense", ("mm", "addmm", "mv", "addmv", "mkldnn_linear")),
    ("attention", ("_scaled_dot_product_flash_attention_for_cpu",)),
)


def shape(layers: int, width: int) -> dict[str, Any]:
    """The config.json of a LLaMA with the proportions of Llama-3.2-1B."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": WORDS,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": width // 256,
        "head_dim": 64,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }


def write_int4(folder: Path, config: dict[str, Any]) -> None:
    """Write a folder of random codes whose zero-points are 8."""
    module = LlamaFamily().build(config)
    generator = torch.Generator().manual_seed(0)
    tensors: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        if name == "lm_head.weight":
            continue  # tied
        if not name.endswith("proj.weight"):
            made = torch.ones(tensor.shape)
            if tensor.dim() == 2:
                made = torch.randn(tensor.shape, generator=generator) * 0.02
            tensors[name] = made.to(torch.bfloat16)
            continue
        outputs, inputs = tensor.shape
        prefix = name.removesuffix("weight")
        words = torch.randint(
            -(2**31), 2**31, (inputs // 8, outputs), generator=generator, dtype=torch.int64
        )
        groups = inputs // GROUP_SIZE
        tensors[f"{prefix}qweight"] = words.to(torch.int32)
        tensors[f"{prefix}qzeros"] = torch.full((groups, outputs // 8), 0x77777777).to(torch.int32)
        tensors[f"{prefix}scales"] = torch.full((groups, outputs), 2.0**-8, dtype=torch.float16)
        tensors[f"{prefix}g_idx"] = (torch.arange(inputs) // GROUP_SIZE).to(torch.int32)
    save_file(tensors, folder / "model.safetensors")
    quantization = {"quant_method": "gptq", "bits": 4, "group_size": GROUP_SIZE, "desc_act": False}
    quantization["sym"] = True
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": quantization}))
    write_tokenizer(folder / "tokenizer.json")


def write_tokenizer(path: Path) -> None:
    """A byte-level tokenizer with as many pieces as the model has words."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    marks = ["<unk>", "<s>", "</s>"]
    pieces = [*marks, *letters, "ab", *(f"[PAD{number}]" for number in range(WORDS))][:WORDS]
    tokenizer = Tokenizer(BPE({piece: number for number, piece in enumerate(pieces)}, [("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(marks)
    tokenizer.save(str(path))


def dense_model(folder: Path | None, config: dict[str, Any]) -> nn.Module:
    """The bfloat16 model of a folder, or a random one."""
    if folder is not None:
        return load_model(folder).model
    family = LlamaFamily()
    module: Any = family.build({name: value for name, value in config.items()})
    module.to_empty(device="cpu").to(torch.bfloat16)
    for parameter in module.parameters():
        parameter.data.normal_(std=0.02) if parameter.dim() == 2 else parameter.data.fill_(1)
    family.complete(module, torch.device("cpu"))
    setattr(module, STEP, family.reading_step(module))
    ready: nn.Module = module
    return ready


def tokens(model: nn.Module, count: int) -> Iterator[float]:
    """Read a prompt, then yield the seconds of each of some tokens behind it."""
    reader = reader_of(model)
    held = reader.begin()
    # Prompt and tokens are none that end an answer, or that a vocabulary might lack.
    logits = reader.read(torch.arange(3, 3 + PROMPT)[None], held)
    fed = pick(logits[-1]).fed
    for _ in range(count):
        start_s = time.perf_counter()
        with torch.inference_mode():
            fed = pick(reader.read(fed, held)[-1]).fed
        yield time.perf_counter() - start_s


def token_bytes(model: Any) -> int:
    """Bytes of weights that a token reads: all products', also the head's."""
    read = 0
    for part in model.modules():
        if isinstance(part, Int4Linear):
            # Codes, and the kernel's bfloat16 pairs of scale and zero.
            read += part.in_features * part.out_features // 2 + 2 * part.scales.nbytes
        elif isinstance(part, nn.Linear):
            read += part.weight.nbytes
    return int(read)


def stream_bytes_s(size: int = 1 << 29) -> float:
    """Bytes a second that all threads read of a tensor of so many bytes, at best."""
    large = torch.ones(size // 4)
    best = min(seconds(large.sum) for _ in range(7))
    return size / best


def seconds(action: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start_s = time.perf_counter()
    action()
    return time.perf_counter() - start_s


def shares(model: nn.Module) -> dict[str, float]:
    """What a token's time goes into, as shares of 1 by PyTorch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    counted = tokens(model, 24)
    for _ in range(4):
        next(counted)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        whole_s = sum(counted)
    events = {event.key: event.self_cpu_time_total / 1e6 for event in profiled.key_averages()}
    found = {
        title: sum(events.get(f"aten::{name}", 0.0) for name in names) / whole_s
        for title, names in KERNELS
    }
    return found | {"rest": 1 - sum(found.values())}


def ours(what: str, folder: Path | None, config: dict[str, Any], options: Any) -> dict[str, Any]:
    """Time our tokens in this process."""
    torch.set_num_threads(options.threads)
    if what == "kernels":
        return {"kernels": kernels(), "stream_bytes_s": stream_bytes_s()}
    model = dense_model(folder, config) if what == "dense" else load_model(folder or Path()).model
    list(tokens(model, 3))
    found: dict[str, Any] = {"token_s": statistics.median(tokens(model, options.tokens))}
    found |= {"bytes": token_bytes(model), "stream_bytes_s": stream_bytes_s()}
    return found | {"shares": shares(model)}


@torch.inference_mode()
def kernels(inputs: int = 2048, outputs: int = 8192) -> dict[str, Any]:
    """Gigabytes of weights a second that each of PyTorch's products of one row reads."""
    aten: Any = torch.ops.aten
    x = torch.randn(1, inputs)
    half, codes = x.bfloat16(), torch.randint(0, 16, (outputs, inputs), dtype=torch.int32)
    packed = aten._convert_weight_to_int4pack_for_cpu(codes, 1)
    scales = torch.full((inputs // GROUP_SIZE, outputs, 2), 2.0**-8, dtype=torch.bfloat16)
    dense = (torch.randn(outputs, inputs) * 0.02).bfloat16()
    eight = dense.mul(1000).to(torch.int8)
    ways: dict[str, tuple[float, Callable[[], object]]] = {
        "int4, bfloat16": (
            0.5, lambda: aten._weight_int4pack_mm_for_cpu(half, packed, GROUP_SIZE, scales)
        ),
        "int4, float32": (
            0.5,
            lambda: aten._weight_int4pack_mm_for_cpu(x, packed, GROUP_SIZE, scales.float()),
        ),
        "int8, bfloat16": (1, lambda: aten._weight_int8pack_mm(half, eight, scales[0, :, 0])),
        "int8 times int8": (1, lambda: torch._int_mm(eight[:1], eight.T)),
        "bfloat16": (2, lambda: nn.functional.linear(half, dense)),
    }  # fmt: skip
    words = torch.randint(0, 256, (outputs, inputs // 2), dtype=torch.uint8)
    blocks = torch.full((outputs, inputs // 32), 2.0**-8, dtype=torch.bfloat16)
    dynamic = aten._dyn_quant_pack_4bit_weight(words, blocks, None, 32, inputs, outputs)
    ways["int4 times int8 (inputs rounded as read)"] = (
        0.5, lambda: aten._dyn_quant_matmul_4bit(x, dynamic, 32, inputs, outputs)
    )  # fmt: skip
    found: dict[str, Any] = {}
    for name, (width, action) in ways.items():
        try:
            action()
            best = min(seconds(action) for _ in range(9))
            found[name] = round(width * inputs * outputs / best / 1e9, 2)
        except RuntimeError as error:  # not in every build
            found[name] = str(error).splitlines()[0]
    return found


def apart(what: str, folder: Path | None, options: argparse.Namespace) -> dict[str, Any]:
    """Time our tokens in a process of their own."""
    command = [sys.executable, "-m", "scripts.bench_decode", "--child", what]
    command += ["--threads", str(options.threads), "--tokens", str(options.tokens)]
    command += ["--layers", str(options.layers), "--width", str(options.width)]
    command += ["--folder", str(folder)] if folder is not None else []
    env = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run(command, check=True, env=env, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def theirs(path: Path, options: argparse.Namespace, room: Path) -> dict[str, Any]:
    """Time llama.cpp's tokens behind the same prompt."""
    window = list(range(3, 3 + PROMPT))
    asked = {"prompts": [window], "seconds_of": options.tokens, "threads": options.threads}
    asked["windows"] = [window]
    times = asked_of_llama_cpp(path, asked, room)["token_s"]
    return {"token_s": statistics.median(times.tolist())}


def summed(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians of all rounds, and of the ratios within each."""
    names = [name for name in rounds[0] if "token_s" in rounds[0][name]]
    found: dict[str, Any] = {}
    for name in names:
        each = [one[name] for one in rounds]
        found[name] = {"token_s": statistics.median(one["token_s"] for one in each)}
        found[name]["tokens_a_second"] = 1 / found[name]["token_s"]
        if "bytes" in each[0]:
            reached = [o["bytes"] / o["stream_bytes_s"] / o["token_s"] for o in each]
            found[name]["of_roofline"] = statistics.median(reached)
            found[name]["shares"] = {
                part: statistics.median(one["shares"][part] for one in each)
                for part in each[0]["shares"]
            }
    for name in ("dense", "llama_cpp"):
        if name in found:
            ratios = [one[name]["token_s"] / one["int4"]["token_s"] for one in rounds]
            found[f"int4_speed_to_{name}"] = statistics.median(ratios)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="an int4 folder; default: a random one")
    parser.add_argument("--dense", type=Path, help="the folder that it was made of")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=24, help="that are timed in each round")
    parser.add_argument("--layers", type=int, default=16, help="of the random model")
    parser.add_argument("--width", type=int, default=2048, help="of the random model")
    parser.add_argument("--child", choices=("int4", "dense", "kernels"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    config = shape(options.layers, options.width)
    if options.child:
        print(json.dumps(ours(options.child, options.folder, config, options)))
        return 0
    Path("runs").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-decode-", dir="runs") as scratch:
        room = Path(scratch)
        folder = options.folder
        if folder is None:
            folder = room / "int4"
            folder.mkdir()
            write_int4(folder, config)
        path = room / "model.gguf"
        kinds = export_gguf(folder, path).kinds
        rounds = []
        for _ in range(options.rounds):
            one = {"int4": apart("int4", folder, options)}
            if options.folder is None or options.dense is not None:
                one["dense"] = apart("dense", options.dense, options)
            if PYTHON.is_file():
                one["llama_cpp"] = theirs(path, options, room)
            rounds.append(one)
            print(json.dumps(one), file=sys.stderr)
    report = {
        "threads": options.threads,
        "torch": torch.__version__,
        "load": os.getloadavg()[0],
        "llama_cpp_kinds": kinds,
        **summed(rounds),
        **apart("kernels", None, options),
    }
    text = json.dumps(report, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
