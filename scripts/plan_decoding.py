"""What a token of an answer should take on a card, by counted kernels and bytes.

    python scripts/plan_decoding.py [--json FILE]

Kernels are counted on the pretend card of the tests, with tiny models in 4 bits of two depths; how
many a layer starts does not depend on its width. Bytes are those of the published shapes, whose
tensors are never made. As in the plan of the quantizer a kernel takes 5 µs to start, one after the
other, and the memory gives 85 % of what its maker says; that errs upwards, because within a token
the processor starts kernels ahead of the card, which is told beside it. Bars: 70 % of what the
bytes alone would take by the maker's figure, for LLaMA-3.1-8B; the first sentence of CogVLM2-19B
about a picture that it has looked at within 300 ms. No card has confirmed any of it.

A text model's token is also told as a captured one (`models.text.captured`): one launch for all
kernels and one for the copy of what was picked, and the bytes, which are more, because it attends
to its whole room. On the card the kernels of a graph still follow each other; that takes about 1 µs
each, which is told beside it.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

import torch  # noqa: E402
from bench_full_size import cogvlm2, llama_8b  # noqa: E402
from torch import nn  # noqa: E402

from models.families import family_of  # noqa: E402
from models.families.family import ReadsStepByStep  # noqa: E402
from models.files.checkpoint import write_json  # noqa: E402
from models.generate import PictureChat, greedy_tokens  # noqa: E402
from models.int4 import Int4Linear, QuantizedWeight, replace_linear  # noqa: E402
from models.loading import LoadedModel  # noqa: E402
from models.pocket import pocket_int4_folder  # noqa: E402
from models.text.captured import Recorder  # noqa: E402
from models.text.reading import STEP  # noqa: E402
from quantizer.plan.cards import CARDS  # noqa: E402
from tests.pretend_gpu.device import pretend_card  # noqa: E402
from tests.pretend_gpu.replaying import Replaying  # noqa: E402

GROUP, BF16 = 128, 2
TEXT = 1024  # tokens that are held
SENTENCE = 15  # tokens of a first sentence
QUESTION = "What is in this picture?"
BAR_SHARE, BAR_S = 0.7, 0.3
_FOLLOWING = 1e-6  # seconds from one kernel of a graph to the next, assumed
_MEMORY = 0.85  # of the maker's figure, see `quantizer.plan.cards`


@dataclass(frozen=True)
class Launches:
    """Kernels of one pass: of a layer, and of everything around the layers."""

    layer: float
    around: float

    @classmethod
    def between(cls, one: float, three: float) -> "Launches":
        """From the passes of a model of one layer and of one of three."""
        layer = (three - one) / 2
        return cls(layer, one - layer)

    def of(self, layers: int) -> float:
        """Of a model of so many layers."""
        return self.around + layers * self.layer


def tiny(config: dict[str, Any]) -> nn.Module:
    """A model of random weights on the card, all its layers in 4 bits but the head."""
    torch.manual_seed(0)
    family = family_of(config)
    module = family.build(config)
    tables = {name: table.clone() for name, table in module.named_buffers() if not table.is_meta}
    module = module.to_empty(device="cpu")
    for value in module.parameters():
        nn.init.normal_(value, std=0.05)
    for name, table in tables.items():
        module.get_buffer(name).copy_(table)
    family.complete(module, torch.device("cpu"))
    module = module.to(torch.bfloat16)
    linears = [name for name, part in module.named_modules() if type(part) is nn.Linear]
    for name in linears:
        if name == "lm_head":
            continue
        linear = module.get_submodule(name)
        rows, columns = linear.weight.shape
        grid = (rows, columns // GROUP)
        weight = QuantizedWeight(
            torch.randint(0, 16, (rows, columns)).byte(), torch.full(grid, 2.0**-7),
            torch.full(grid, 8, dtype=torch.int32), GROUP,
        )  # fmt: skip
        replace_linear(module, name, Int4Linear.from_quantized(weight, linear.bias))
    module = module.to("cuda:0").eval().requires_grad_(False)
    if isinstance(family, ReadsStepByStep):  # as it is loaded from a folder
        setattr(module, STEP, family.reading_step(module))
    return module


def counted(tokens: Iterator[Any], counts: Any, passes: int) -> float:
    """Kernels of one pass, on the mean of some."""
    counts.clear()
    assert len(list(islice(tokens, passes))) == passes
    return counts.launches.total() / passes


def text_launches(layers: int, recorder: Recorder | None = None) -> float:
    """Kernels that one further token of a tiny LLaMA starts, or that its captured step holds."""
    config = llama_8b() | {
        "vocab_size": 256, "hidden_size": 256, "intermediate_size": 256, "head_dim": 64,
        "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2,
        "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    with pretend_card() as counts:
        ids = torch.arange(3, 90)[None].to("cuda:0")
        tokens = greedy_tokens(tiny(config), ids, 8, recorder=recorder)
        next(tokens), next(tokens)
        return counted(tokens, counts, 3)


def picture_launches(layers: int) -> tuple[float, float]:
    """Kernels of a tiny CogVLM2: up to the first token of an answer, and of one further token."""
    from tokenizers import Tokenizer

    ids = {"vocab_size": 768, "bos_token_id": 1, "eos_token_ids": (), "pad_token_id": 0}
    widths = {
        "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": layers,
        "num_attention_heads": 4, "num_multi_query_heads": 2,
    }  # fmt: skip
    vision = {
        "image_size": 56, "hidden_size": 128, "num_heads": 2, "num_hidden_layers": 1,
        "intermediate_size": 128,
    }  # fmt: skip
    folder = pocket_int4_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    with pretend_card() as counts:
        model = tiny(cogvlm2(**ids, **widths, vision=vision))
        chat = PictureChat(LoadedModel(model, tokenizer, "cogvlm2", None, folder))
        scene = chat.look(torch.zeros(56, 56, 3, dtype=torch.uint8).numpy())
        tokens = chat.answer(scene, QUESTION, max_new_tokens=8)
        first = counted(tokens, counts, 1)
        next(tokens)
        return first, counted(tokens, counts, 3)


def read_bytes(config: dict[str, Any], left_out: tuple[str, ...] = ()) -> float:
    """Bytes of weights that one token reads: layers in 4 bits with their grids, the head in bf16.

    left_out: parts of names of layers that it does not reach.
    """
    total = 0.0
    for name, part in family_of(config).build(config).named_modules():
        if isinstance(part, nn.Linear) and not any(word in name for word in left_out):
            size = part.in_features * part.out_features
            stored = BF16 if name == "lm_head" else 0.5 + 2 * BF16 / GROUP
            total += size * stored
    return total


def kept_bytes(config: dict[str, Any], heads: int, tokens: int) -> float:
    """Bytes of the keys and values of so many tokens."""
    width = config["hidden_size"] // config["num_attention_heads"]
    return 2.0 * BF16 * config["num_hidden_layers"] * heads * width * tokens


def main() -> None:
    """Count, work out, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write it there")
    options = parser.parse_args()
    text = Launches.between(text_launches(1), text_launches(3))
    held = Launches.between(text_launches(1, Replaying()), text_launches(3, Replaying()))
    one, three = picture_launches(1), picture_launches(3)
    first, further = (Launches.between(a, b) for a, b in zip(one, three, strict=True))

    small, large = llama_8b(), cogvlm2()
    layers = small["num_hidden_layers"], large["num_hidden_layers"]
    weights, shared = read_bytes(small), small["num_key_value_heads"]
    of_text = weights + kept_bytes(small, shared, TEXT)
    of_room = weights + kept_bytes(small, shared, 2 * TEXT)  # a room that has just doubled
    seen = kept_bytes(large, large["num_multi_query_heads"], 2400)
    of_picture = read_bytes(large, ("vision",)) + seen
    launched = text.of(layers[0]), first.of(layers[1]), further.of(layers[1])
    found: dict[str, Any] = {
        "launches": dict(zip(("text token", "first token", "further token"), launched, strict=True))
    }
    found["launches"]["in a captured text token"] = held.of(layers[0])
    for card, speed in CARDS.items():
        bandwidth = speed.elementwise * 12.0  # bytes a second, as the plan counts them
        token = launched[0] * speed.launch + of_text / bandwidth
        alone = of_text * _MEMORY / bandwidth
        ahead = max(launched[0] * speed.launch, of_text / bandwidth)
        # The keys and values of the picture are copied first, for questions to come.
        begin = launched[1] * speed.launch + (of_picture + 2 * seen) / bandwidth
        each = launched[2] * speed.launch + of_picture / bandwidth
        sentence = begin + (SENTENCE - 1) * each
        captured = 2 * speed.launch + of_room / bandwidth
        following = captured + held.of(layers[0]) * _FOLLOWING
        # So many kernels would still pass the bar.
        room = (alone / BAR_SHARE - of_text / bandwidth) / speed.launch
        found[card] = {
            "text_token_ms": round(token * 1e3, 2),
            "share_of_roofline": round(alone / token, 3),
            "share_if_started_ahead": round(alone / ahead, 3),
            "captured_token_ms": round(captured * 1e3, 2),
            "captured_share_of_roofline": round(alone / captured, 3),
            "captured_share_if_kernels_follow": round(alone / following, 3),
            "launches_that_would_do": round(room),
            "first_sentence_ms": round(sentence * 1e3),
        }
        print(f"{card}: {found[card]}")
    told = {name: round(count) for name, count in found["launches"].items()}
    print(f"launches {told}; bars: {BAR_SHARE:.0%} of the roofline, {BAR_S * 1e3:.0f} ms")
    if options.json:
        write_json(options.json, found)


if __name__ == "__main__":
    main()
