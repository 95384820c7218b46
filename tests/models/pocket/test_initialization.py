"""The tower's starting weights: positions tell neighbours, heads look where they are told."""

import torch

from models.cogvlm2 import CogVLM2ForCausalLM
from models.cogvlm2.vision import VisionAttention
from models.pocket.training.initialization import (
    OFFSETS,
    initialize,
    look_at_neighbours,
    planar_positions,
)
from models.pocket.training.loop import pocket_config

GRID = 16


def test_positions_of_neighbours_are_similar_and_all_differ() -> None:
    table = planar_positions(GRID, 256)
    assert table.shape == (256, 256)
    likeness = table @ table.T
    assert torch.equal(likeness.argmax(1), torch.arange(256))
    centre = 8 * GRID + 8
    near, far = likeness[centre, centre + 1], likeness[centre, centre + 4]
    assert likeness[centre, centre] > near > far


def test_each_head_attends_most_to_its_neighbour() -> None:
    """Attention computed here from the weights alone, on positions without any picture."""
    torch.manual_seed(0)
    config = pocket_config().vision
    positions = planar_positions(GRID, config.hidden_size)
    for offsets in OFFSETS[:3]:
        attention = VisionAttention(config)
        torch.nn.init.normal_(attention.query_key_value.weight, std=config.hidden_size**-0.5)
        look_at_neighbours(attention, offsets)
        fused = attention.query_key_value.weight @ positions.T  # (3 C, patches)
        query, key, _ = fused.view(3, config.num_heads, -1, GRID * GRID)
        for head, (down, right) in enumerate(offsets):
            most = (query[head].T @ key[head]).argmax(1).view(GRID, GRID)
            inner = slice(3, GRID - 3)
            places = torch.arange(GRID * GRID).view(GRID, GRID)
            wanted = (places + down * GRID + right)[inner, inner]
            assert (most[inner, inner] == wanted).float().mean() > 0.95


def test_same_generator_gives_the_same_weights() -> None:
    models = []
    for _ in range(2):
        torch.manual_seed(5)
        model = CogVLM2ForCausalLM(pocket_config())
        initialize(model)
        models.append(model.state_dict())
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert all(torch.isfinite(tensor).all() for tensor in models[0].values())
