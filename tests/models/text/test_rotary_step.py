"""The step of rotary decoders against transformers: the same numbers, nothing held twice."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.copying import HeldText, likeliest
from models.families.family import ReadsStepByStep
from models.families.llama import LlamaFamily
from models.families.opt import OptFamily
from models.families.qwen2 import Qwen2Family
from models.families.qwen3 import Qwen3Family
from models.generate import PIECE_TOKENS, greedy_tokens
from models.int4 import Int4Linear, QuantizedWeight, replace_linear
from models.text.reading import STEP, TransformersReader, reader_of
from models.text.rooms import FIRST_ROOM, Rooms
from models.text.rotary_step import FEW, RotaryStep, rotary_step
from tests.models.gguf_made import tiny
from tests.models.test_copying import ANSWERS, END, PROMPT, STOP

FAMILIES = {"llama": LlamaFamily(), "qwen2": Qwen2Family(), "qwen3": Qwen3Family()}


def made(architecture: str, kind: str, *, stepping: bool) -> Any:
    """A random model whose layers are float32, bfloat16 or int4, with or without a step."""
    model = tiny(architecture).requires_grad_(False)
    if kind != "float32":
        model = model.bfloat16()
    generator = torch.Generator().manual_seed(3)
    layers = [name for name, part in model.named_modules() if name.endswith("proj")]
    for name in layers if kind == "int4" else ():
        old = model.get_submodule(name)
        shape = (old.out_features, old.in_features // 64)
        weight = QuantizedWeight(
            codes=torch.randint(0, 16, old.weight.shape, generator=generator).byte(),
            scale=(torch.rand(shape, generator=generator) * 0.05 + 0.005).half().float(),
            zero=torch.randint(5, 11, shape, generator=generator).int(),
            group_size=64,
        )
        replace_linear(model, name, Int4Linear.from_quantized(weight, old.bias))
    if stepping:
        step = FAMILIES[architecture].reading_step(model)
        assert isinstance(step, RotaryStep)
        setattr(model, STEP, step)
    return model


def logits_of(reader: Any, ids: Tensor, more: int) -> tuple[list[int], Tensor]:
    """Greedy tokens behind ids (1, T), read in portions, and the logits before each."""
    held, tokens, logits = reader.begin(), [], []
    pieces = list(ids.split(PIECE_TOKENS, dim=1))
    for _ in range(more):
        for piece in pieces:
            read = reader.read(piece, held)
        logits.append(read[-1].float())
        tokens.append(int(logits[-1].argmax()))
        pieces = [torch.tensor([[tokens[-1]]])]
    return tokens, torch.stack(logits)


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int4"])
@pytest.mark.parametrize("architecture", list(FAMILIES))
@pytest.mark.parametrize("length", [3, pytest.param(PIECE_TOKENS + 40, marks=pytest.mark.slow)])
def test_tokens_and_logits_are_those_of_transformers(
    architecture: str, kind: str, length: int
) -> None:
    """Bit for bit: the same products, rounded at the same places.

    Behind many tokens, float32 shows that the heads of a group are attended to at once.
    """
    ids = torch.randint(20, 300, (1, length), generator=torch.Generator().manual_seed(1))
    plain, own = (made(architecture, kind, stepping=each) for each in (False, True))
    expected, wanted = logits_of(TransformersReader(plain), ids, 12)
    tokens, found = logits_of(reader_of(own), ids, 12)
    assert tokens == expected and len(set(tokens)) > 3
    if kind == "float32" and length > FEW:
        assert torch.equal(found[0], wanted[0]) and torch.allclose(found, wanted, atol=1e-4)
    elif kind == "bfloat16" and length > FEW:
        # A processor without products of bfloat16 sums one row otherwise than many.
        assert torch.allclose(found, wanted, atol=2**-10, rtol=2**-7)
    else:
        assert torch.equal(found, wanted)
    if length < 20:
        with torch.inference_mode():
            whole = plain.generate(
                ids, max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0
            )
        assert list(greedy_tokens(own, ids, 12)) == whole[0, length:].tolist()


def test_a_longer_text_goes_on_as_with_transformers() -> None:
    ids = torch.randint(20, 300, (1, FEW + 9), generator=torch.Generator().manual_seed(1))
    plain, own = (made("llama", "int4", stepping=each) for each in (False, True))
    expected, wanted = logits_of(TransformersReader(plain), ids, 5)
    tokens, found = logits_of(reader_of(own), ids, 5)
    assert tokens == expected and torch.allclose(found, wanted, atol=0.1, rtol=0.02)


@pytest.mark.parametrize("architecture", list(FAMILIES))
def test_a_question_with_several_beginnings_finds_the_same(architecture: str) -> None:
    plain, own = (made(architecture, "float32", stepping=each) for each in (False, True))
    ends, held = {END, STOP}, HeldText()
    expected = likeliest(plain, HeldText(), PROMPT, ANSWERS, ends, most_tokens=9)
    for _ in range(2):  # the second time, the prompt is held
        found = likeliest(own, held, PROMPT, ANSWERS, ends, most_tokens=9)
        assert [each.written for each in found] == [each.written for each in expected]
        for one, other in zip(found, expected, strict=True):
            assert one.logarithm == pytest.approx(other.logarithm, abs=1e-4)
        assert isinstance(held.cache, Rooms) and held.cache.length == len(PROMPT)


def held_bytes(*parts: Any) -> int:
    """Memory behind all tensors of modules and joined layers, what two of them share once."""
    storages = {}
    for part in parts:
        own = vars(part).values() if not isinstance(part, nn.Module) else ()
        tensors = [each for each in own if isinstance(each, Tensor)]
        tensors += [t for each in own if hasattr(each, "packed") for t in
                    (each.packed, each.scales_and_zeros)]  # fmt: skip
        if isinstance(part, nn.Module):
            tensors += [*part.parameters(), *part.buffers()]
        storages |= {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def joined(step: RotaryStep) -> list[Any]:
    return [
        part for layer in step._layers
        for part in (layer.attention, layer.out, layer.gate_up, layer.down)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["bfloat16", "int4"])
def test_joined_layers_are_held_once_and_work_on_by_themselves(kind: str) -> None:
    plain, own = (made("qwen2", kind, stepping=each) for each in (False, True))
    ids = torch.arange(20, 25)[None]
    with torch.inference_mode():
        wanted = plain(input_ids=ids).logits  # the kernel's layouts are there from now on
    step = reader_of(own)
    assert isinstance(step, RotaryStep)
    step.read(ids, step.begin())
    biases = sum(each._bias.nbytes for each in joined(step) if each._bias is not None)
    assert held_bytes(own, *joined(step)) <= held_bytes(plain) + biases
    with torch.inference_mode():
        assert torch.equal(own(input_ids=ids).logits, wanted)
    assert all(
        torch.equal(value, plain.state_dict()[name]) for name, value in own.state_dict().items()
    )


def test_a_token_moves_nothing_that_is_held_and_rooms_double() -> None:
    own = made("llama", "float32", stepping=True)
    step = reader_of(own)
    held = step.begin()
    ids = torch.randint(20, 300, (1, FIRST_ROOM + 2), generator=torch.Generator().manual_seed(4))
    step.read(ids[:, : FIRST_ROOM - 4], held)
    place = held.layers[0].data_ptr()
    for number in range(FIRST_ROOM - 4, FIRST_ROOM):
        step.read(ids[:, number : number + 1], held)
    assert held.layers[0].data_ptr() == place and held.room == FIRST_ROOM
    for number in range(FIRST_ROOM, FIRST_ROOM + 2):
        logits = step.read(ids[:, number : number + 1], held)
    assert held.room == 2 * FIRST_ROOM and held.length == FIRST_ROOM + 2
    with torch.inference_mode():
        whole = own(input_ids=ids).logits[0, -1]
    assert torch.allclose(logits[-1], whole, atol=1e-3)


def test_a_cast_model_is_stepped_with_its_new_weights() -> None:
    own = made("llama", "float32", stepping=True)
    step, ids = reader_of(own), torch.arange(20, 25)[None]
    step.read(ids, step.begin())
    own.bfloat16()
    wanted = logits_of(TransformersReader(made("llama", "bfloat16", stepping=False)), ids, 4)
    found = logits_of(step, ids, 4)
    assert found[0] == wanted[0] and torch.equal(found[1], wanted[1])


@pytest.mark.parametrize(
    "changed",
    [
        {"hidden_act": "gelu"},
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
    ],
)
def test_what_a_step_does_not_compute_stays_with_transformers(changed: dict[str, Any]) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"vocab_size": 90, "hidden_size": 32, "intermediate_size": 32,
             "num_hidden_layers": 1, "num_attention_heads": 2}  # fmt: skip
    usual = LlamaForCausalLM(LlamaConfig(**sizes))
    assert isinstance(rotary_step(usual), RotaryStep)
    assert rotary_step(LlamaForCausalLM(LlamaConfig(**sizes, **changed))) is None
    assert not isinstance(OptFamily(), ReadsStepByStep)


def test_layers_that_forget_stay_with_transformers() -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=90, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, use_sliding_window=True, sliding_window=4,
        max_window_layers=1,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config)
    assert rotary_step(model) is None
    assert isinstance(reader_of(model), TransformersReader)
