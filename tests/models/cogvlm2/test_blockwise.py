"""Walking CogVLM2 block by block must compute what the whole model computes."""

import torch
from torch import Tensor, nn

from models.cogvlm2 import CogVLM2Config, CogVLM2ForCausalLM, VisionConfig
from models.cogvlm2.blockwise import CogVLM2Blocks
from models.cogvlm2.decoder import VISION

CONFIG = CogVLM2Config(
    vocab_size=50,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_multi_query_heads=2,
    max_position_embeddings=64,
    bos_token_id=0,
    eos_token_ids=(1,),
    pad_token_id=2,
    vision=VisionConfig(
        image_size=16,
        patch_size=4,
        hidden_size=24,
        num_heads=2,
        num_hidden_layers=2,
        intermediate_size=40,
    ),
)


def make_model() -> CogVLM2ForCausalLM:
    torch.manual_seed(0)
    model = CogVLM2ForCausalLM(CONFIG).eval().requires_grad_(False)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


def make_sample(with_picture: bool) -> dict[str, Tensor]:
    words = torch.arange(5, 12)[None]
    if not with_picture:
        return {"input_ids": words, "token_type_ids": torch.zeros_like(words)}
    picture = torch.full((1, CONFIG.num_picture_tokens), 2)
    ids = torch.cat((torch.tensor([[0]]), picture, words), dim=1)
    types = torch.zeros_like(ids)
    types[:, 1 : 1 + CONFIG.num_picture_tokens] = VISION
    pixels = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return {"input_ids": ids, "token_type_ids": types, "pixels": pixels}


def walk(walker: CogVLM2Blocks, sample: dict[str, Tensor]) -> Tensor:
    state = walker.start(sample)
    for block in walker.blocks():
        state = walker.step(block, state)
    return walker.finish(state)


def test_blocks_compute_what_the_model_computes() -> None:
    model = make_model()
    for with_picture in (True, False):
        sample = make_sample(with_picture)
        whole = model(sample["input_ids"], sample["token_type_ids"], pixels=sample.get("pixels"))
        torch.testing.assert_close(walk(CogVLM2Blocks(model), sample), whole)


def test_blocks_and_outer_tensors_cover_the_checkpoint_once() -> None:
    model = make_model()
    walker = CogVLM2Blocks(model)
    names = list(walker.outer_names())
    for block in walker.blocks():
        names += [f"{block.name}.{name}" for name in block.module.state_dict()]
    assert sorted(names) == sorted(model.state_dict())


def test_groups_name_every_linear_layer_of_a_block_once() -> None:
    for block in CogVLM2Blocks(make_model()).blocks():
        linears = [n for n, m in block.module.named_modules() if isinstance(m, nn.Linear)]
        grouped = [name for group in block.groups for name in group]
        assert sorted(grouped) == sorted(linears)


def test_layers_of_a_group_read_the_same_tokens_of_their_own_expert() -> None:
    model = make_model()
    seen: dict[str, list[Tensor]] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            module.register_forward_pre_hook(
                lambda _m, args, name=name: seen.setdefault(name, []).append(args[0])
            )
    sample = make_sample(with_picture=True)
    walk(CogVLM2Blocks(model), sample)
    for block in CogVLM2Blocks(model).blocks():
        for group in block.groups:
            first = seen[f"{block.name}.{group[0]}"][0]
            for name in group[1:]:
                assert torch.equal(seen[f"{block.name}.{name}"][0], first)
    layer = "model.layers.0.self_attn"
    picture = CONFIG.num_picture_tokens
    assert seen[f"{layer}.vision_expert_query_key_value"][0].shape[0] == picture - 1
    assert seen[f"{layer}.language_expert_query_key_value"][0].shape[0] == 1 + 1 + 7
