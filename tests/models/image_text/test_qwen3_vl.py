"""Qwen3-VL: prompts, pixels, positions, answers and blocks against transformers' own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from models.errors import ModelFolderError, PictureError
from models.families import family_of, open_blockwise, text_ends, text_limits
from models.files.checkpoint import CheckpointReader
from models.image_text.chat import ImageTextChat
from models.image_text.qwen3_vl import (
    TEMPLATE,
    Patches,
    Qwen3VLCalibration,
    picture_positions,
)
from models.loading import load_model, load_tensors
from tests.image_text_models import PATCH, write_qwen3_vl

Picture = NDArray[np.uint8]
FEATURE = (2 * PATCH) ** 2  # pixels


@pytest.fixture(scope="module")
def qwen3_vl(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with a tiny Qwen3-VL, and transformers' own module of it."""
    folder = tmp_path_factory.mktemp("qwen3_vl")
    return folder, write_qwen3_vl(folder)


def chat_of(folder: Path) -> ImageTextChat:
    return ImageTextChat(load_model(folder, dtype=torch.float32))


def reference(folder: Path, rgb: Picture, question: str, *, most: int) -> dict[str, Any]:
    """What transformers' own parts make of a question: image processor, template, tokenizer.

    Its Qwen3VLProcessor puts the same parts together, and one of videos, which needs torchvision.
    """
    from transformers import PreTrainedTokenizerFast
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
        Qwen2VLImageProcessorPil,
    )
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    images: Any = Qwen2VLImageProcessorPil(
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        patch_size=PATCH,
        size={"shortest_edge": 64 * FEATURE, "longest_edge": most * FEATURE},
    )
    made = images([rgb], return_tensors="pt")
    content = [{"type": "image"}, {"type": "text", "text": question}]
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=TEMPLATE,
        add_generation_prompt=True,
        tokenize=False,
    )
    processor = Qwen3VLProcessor.__new__(Qwen3VLProcessor)
    processor.image_processor, processor.image_token = images, "<|image_pad|>"
    marks = processor.replace_image_token(made, 0)
    ids = tokenizer(prompt.replace("<|image_pad|>", marks), return_tensors="pt")["input_ids"]
    token = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    return {"input_ids": ids, "mm_token_type_ids": (ids == token).int(), **made}


@pytest.mark.parametrize("detailed", [False, True])
def test_ids_pixels_and_positions_are_those_of_transformers(
    qwen3_vl: tuple[Path, Any], picture: Picture, detailed: bool
) -> None:
    folder, whole = qwen3_vl
    chat = chat_of(folder)
    large = np.kron(picture, np.ones((6, 9, 1), np.uint8))
    for rgb in (picture, picture.transpose(1, 0, 2), picture[:17], large):
        prepared = chat._eye.prepare(rgb, detailed=detailed)
        expected = reference(folder, rgb, "What is it?", most=1024 if detailed else 256)
        ids = expected["input_ids"]
        assert chat._encode(prepared.marks, "What is it?", ()) == ids[0].tolist()
        torch.testing.assert_close(prepared.pixels, expected["pixel_values"], rtol=0, atol=0)
        positions, following = chat._eye.positions(ids, prepared)
        theirs, delta = whole.model.get_rope_index(
            ids, expected["mm_token_type_ids"], image_grid_thw=expected["image_grid_thw"]
        )
        assert torch.equal(positions, theirs)
        assert following == int(theirs.max()) + 1 == ids.shape[1] + int(delta)


def test_positions_worked_by_hand() -> None:
    ids = torch.tensor([[5, 9, 9, 9, 9, 9, 9, 7, 8]])  # two rows of three features
    positions, following = picture_positions(ids, 9, (2, 3))
    assert positions[:, 0].tolist() == [
        [0, 1, 1, 1, 1, 1, 1, 4, 5],
        [0, 1, 1, 1, 2, 2, 2, 4, 5],
        [0, 1, 2, 3, 1, 2, 3, 4, 5],
    ]
    assert following == 6


@pytest.mark.parametrize("tied", [False, True])
@torch.no_grad()
def test_answers_are_those_of_transformers_generate(
    tmp_path: Path, picture: Picture, tied: bool
) -> None:
    whole = write_qwen3_vl(tmp_path, tied=tied)
    chat = chat_of(tmp_path)
    scene, all_ids = chat.look(picture), set[int]()
    for question in ("How many?", "Who is it?", "Where"):
        inputs = reference(tmp_path, picture, question, most=256)
        made = whole.generate(
            **inputs,
            max_new_tokens=10,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
        )
        ids = made.sequences[0, inputs["input_ids"].shape[1] :].tolist()
        shares = [float(scores.softmax(-1).max()) for scores in made.scores]
        said = list(chat.answer(scene, question, max_new_tokens=10))
        texts = [chat.tokenizer.decode(ids[:count]) for count in range(1, len(ids) + 1)]
        expected = next((text for text in reversed(texts) if not text.endswith("�")), "")
        assert "".join(token.text for token in said) == expected
        assert len(said) == len(ids) - (ids[-1] in chat._ends)
        given = [token.probability for token in said]
        torch.testing.assert_close(given, shares[: len(said)], rtol=1e-3, atol=0)
        all_ids |= set(ids)
    assert len(all_ids) > 4, "sequences that tell something"


def test_the_published_sizes_are_built() -> None:
    text = {
        "model_type": "qwen3_vl_text",
        "vocab_size": 151936,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 262144,
        "rms_norm_eps": 1e-06,
        "rope_theta": 5000000,
        "rope_scaling": {
            "mrope_interleaved": True,
            "mrope_section": [24, 20, 20],
            "rope_type": "default",
        },
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "tie_word_embeddings": True,
    }
    vision = {
        "model_type": "qwen3_vl",
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "in_channels": 3,
        "out_hidden_size": 2048,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [5, 11, 17],
    }
    config = {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "text_config": text,
        "vision_config": vision,
        "image_token_id": 151655,
        "video_token_id": 151656,
        "tie_word_embeddings": True,
    }
    module: Any = family_of(config).build(config)
    billions = sum(parameter.numel() for parameter in module.parameters()) / 1e9
    assert 2.1 < billions < 2.2, "2B, its head tied"
    angles = module.get_submodule("model.language_model").rotary_emb.inv_freq
    torch.testing.assert_close(angles[1], torch.tensor(5e6 ** (-1 / 64)))
    assert text_limits(module).context == 262144 and text_ends(module) == {151645}


@torch.no_grad()
def test_block_by_block_equals_the_whole_model(
    qwen3_vl: tuple[Path, Any], picture: Picture
) -> None:
    folder, whole = qwen3_vl
    opened = open_blockwise(folder)
    assert opened.family.name == "qwen3_vl"
    assert all(parameter.is_meta for parameter in opened.module.parameters())
    blockwise: Any = opened.blockwise
    reader = CheckpointReader(folder)
    load_tensors(opened.module, reader, blockwise.outer_names())
    opened.family.complete(opened.module, torch.device("cpu"))
    pictures = opened.layout.pictures
    assert pictures is not None
    tokenizer = chat_of(folder).tokenizer
    sample = pictures.conversation((("Why?", "So."),), tokenizer, Path("x"))
    sample |= {"pixels": pictures.pixels(picture)}
    ids = sample["input_ids"]
    states = [blockwise.start(sample), blockwise.start({"input_ids": ids})]
    assert opened.layout.state_bytes(sample) >= sum(t.nbytes for t in states[0].values())
    for block in blockwise.blocks():
        names = [name for name in reader.names() if name.startswith(f"{block.name}.")]
        load_tensors(block.module, reader, names, prefix=f"{block.name}.")
        states = [blockwise.step(block, state) for state in states]
    seen, unseen = (blockwise.finish(state) for state in states)
    expected = whole(
        input_ids=ids,
        pixel_values=sample["pixels"][0],
        image_grid_thw=torch.tensor([[1, 28, 28]]),
        mm_token_type_ids=(ids == whole.config.image_token_id).int(),
    ).logits
    torch.testing.assert_close(seen, expected, rtol=1e-5, atol=1e-5)
    whole.model.rope_deltas = None  # of the picture before
    torch.testing.assert_close(unseen, whole(input_ids=ids).logits, rtol=1e-5, atol=1e-5)
    assert float((seen - unseen).abs().max()) > 0.1


def test_blocks_and_outer_names_cover_every_tensor_once(qwen3_vl: tuple[Path, Any]) -> None:
    opened = open_blockwise(qwen3_vl[0])
    inside = [
        f"{block.name}.{name}"
        for block in opened.blockwise.blocks()
        for name in block.module.state_dict()
    ]
    stored = sorted(load_file(qwen3_vl[0] / "model.safetensors"))
    assert sorted([*inside, *opened.blockwise.outer_names()]) == stored


def test_calibration_is_laid_out_as_in_use(qwen3_vl: tuple[Path, Any], picture: Picture) -> None:
    folder, whole = qwen3_vl
    chat = chat_of(folder)
    made = Qwen3VLCalibration(Patches.of(whole.config))
    prompt, last = made.laid_out((("Who?", "A cat."), ("Where?", "Here.")), chat.tokenizer)
    asked = chat._encode("<|image_pad|>" * 196, "Where?", [("Who?", "A cat.")])
    assert chat.tokenizer.encode(prompt).ids == asked
    assert last == "Here."
    assert made.pixels(picture).shape == (1, 784, 3 * 2 * PATCH**2)


def test_what_is_no_picture_is_refused(qwen3_vl: tuple[Path, Any], picture: Picture) -> None:
    chat = chat_of(qwen3_vl[0])
    with pytest.raises(PictureError, match="one picture"):
        chat.look(picture[None])  # type: ignore[arg-type]
    with pytest.raises(PictureError, match="too narrow"):
        chat.look(np.zeros((1, 900, 3), np.uint8))


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("vision_config", {"depth": 0}, "vision_config.depth=0"),
        ("vision_config", {"out_hidden_size": 32}, "the tower gives 32 numbers"),
        ("vision_config", {"spatial_merge_size": "2"}, "spatial_merge_size='2'"),
        ("text_config", {"vocab_size": 0}, "vocab_size=0"),
    ],
)
def test_bad_numbers_are_refused_in_one_line(
    tmp_path: Path, qwen3_vl: tuple[Path, Any], part: str, change: dict[str, Any], reason: str
) -> None:
    for file in qwen3_vl[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "config.json"
    raw = json.loads(path.read_text())
    raw[part] |= change
    path.write_text(json.dumps(raw))
    with pytest.raises(ModelFolderError, match=reason) as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)
