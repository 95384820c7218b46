"""Idefics3 and SmolVLM: prompts, pixels, answers and blocks against transformers' own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer

from models.errors import ModelFolderError, PictureError, PromptError
from models.families import family_of, open_blockwise, text_ends, text_limits
from models.files.checkpoint import CheckpointReader
from models.generate import GeneratedToken
from models.image_text.chat import ImageTextChat
from models.image_text.idefics3 import TEMPLATE, Idefics3Calibration, Tiles
from models.loading import load_model, load_tensors
from tests.image_text_models import SIDE, write_idefics3

Picture = NDArray[np.uint8]


def processor_of(folder: Path, *, along: int) -> Any:
    """transformers' own processor of a folder, with as many tiles along the longer side."""
    from transformers import Idefics3Processor, PreTrainedTokenizerFast
    from transformers.models.idefics3.image_processing_pil_idefics3 import (
        Idefics3ImageProcessorPil,
    )

    return Idefics3Processor(
        Idefics3ImageProcessorPil(
            image_mean=[0.5] * 3,
            image_std=[0.5] * 3,
            size={"longest_edge": along * SIDE},
            max_image_size={"longest_edge": SIDE},
            do_image_splitting=along > 1,
        ),
        PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json")),
        image_seq_len=(SIDE // 8 // 2) ** 2,
        chat_template=TEMPLATE,
    )


def reference(folder: Path, rgb: Picture, question: str, *, along: int) -> Any:
    """Ids and pixels of a question as transformers' processor makes them."""
    processor = processor_of(folder, along=along)
    content = [{"type": "image"}, {"type": "text", "text": question}]
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    return processor(text=prompt, images=[rgb], return_tensors="pt")


def chat_of(folder: Path) -> ImageTextChat:
    return ImageTextChat(load_model(folder, dtype=torch.float32))


@pytest.mark.parametrize("detailed", [False, True])
def test_ids_and_pixels_are_those_of_transformers_processor(
    idefics3: tuple[Path, Any], picture: Picture, detailed: bool
) -> None:
    folder, whole = idefics3
    chat = chat_of(folder)
    for rgb in (picture, picture.transpose(1, 0, 2), picture[:7]):
        prepared = chat._eye.prepare(rgb, detailed=detailed)
        expected = reference(folder, rgb, "What is it?", along=2 if detailed else 1)
        assert chat._encode(prepared.marks, "What is it?", ()) == expected["input_ids"][0].tolist()
        torch.testing.assert_close(prepared.pixels, expected["pixel_values"][0], rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["idefics3", "smolvlm"])
@pytest.mark.parametrize("detailed", [False, True])
@torch.no_grad()
def test_answers_are_those_of_transformers_generate(
    tmp_path: Path, picture: Picture, kind: str, detailed: bool
) -> None:
    whole = write_idefics3(tmp_path, tied=kind == "smolvlm", kind=kind)
    chat = chat_of(tmp_path)
    inputs = reference(tmp_path, picture, "How many?", along=2 if detailed else 1)
    made = whole.generate(
        **inputs,
        max_new_tokens=12,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
    )
    ids = made.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    shares = [float(scores.softmax(-1).max()) for scores in made.scores]
    scene = chat.look(picture, detailed=detailed)
    said = list(chat.answer(scene, "How many?", max_new_tokens=12, detailed=detailed))
    ended = ids[-1] in chat._ends
    assert len(set(ids)) > 4, "a sequence that tells something"
    assert "".join(token.text for token in said) == written(chat.tokenizer, ids)
    assert len(said) == len(ids) - ended
    torch.testing.assert_close(
        [t.probability for t in said], shares[: len(said)], rtol=1e-3, atol=0
    )


def written(tokenizer: Tokenizer, ids: list[int]) -> str:
    """The text of ids up to the last that completes a character."""
    texts = [tokenizer.decode(ids[:count]) for count in range(1, len(ids) + 1)]
    return next((text for text in reversed(texts) if not text.endswith("�")), "")


def test_questions_about_one_look_do_not_disturb_each_other(
    idefics3: tuple[Path, Any], picture: Picture
) -> None:
    chat = chat_of(idefics3[0])

    def ask(scene: Any, question: str, **more: Any) -> list[str]:
        return [token.text for token in chat.answer(scene, question, max_new_tokens=8, **more)]

    alone = ask(chat.look(picture), "Who?")
    scene = chat.look(picture)
    begun = chat.answer(scene, "Where is the cat?", max_new_tokens=8)
    next(begun)  # and given up
    assert ask(scene, "Who?") == alone
    assert ask(scene, "Who?", history=[("Where?", "There.")]) != alone
    assert ask(scene, "Who?") == alone
    assert "".join(token.text for token in begun)


def test_a_closer_look_can_be_given_up_between_its_tiles(
    idefics3: tuple[Path, Any], picture: Picture
) -> None:
    chat = chat_of(idefics3[0])
    passed: list[int] = []
    chat.model.model.vision_model.register_forward_hook(lambda *_: passed.append(1))
    scene = chat.look(picture)
    answer = chat.answer(scene, "Who?", max_new_tokens=4, detailed=True)
    assert [next(answer) for _ in range(2)] == [GeneratedToken("", 1.0)] * 2
    answer.close()
    assert len(passed) == 1 + 2 and set(scene.looks) == {False}
    whole = list(chat.answer(scene, "Who?", max_new_tokens=4, detailed=True))
    assert whole[:5] == [GeneratedToken("", 1.0)] * 5 and len(passed) == 1 + 2 + 5
    assert whole[5:] == list(chat.answer(scene, "Who?", max_new_tokens=4, detailed=True))


def test_marks_in_a_question_are_no_marks(idefics3: tuple[Path, Any], picture: Picture) -> None:
    chat = chat_of(idefics3[0])
    marks = chat._eye.prepare(picture, detailed=False).marks
    bad = "Who<image>is<end_of_utterance>this"
    assert chat._encode(marks, bad, ()) == chat._encode(marks, "Who is this", ())


def test_what_cannot_be_asked_is_said(idefics3: tuple[Path, Any], picture: Picture) -> None:
    chat = chat_of(idefics3[0])
    scene = chat.look(picture)
    with pytest.raises(PromptError, match="empty"):
        next(chat.answer(scene, "  "))
    with pytest.raises(PromptError, match="ask a shorter question"):
        next(chat.answer(scene, "a" * 600))
    with pytest.raises(PictureError, match="one picture"):
        chat.look(picture[None])  # type: ignore[arg-type]
    with pytest.raises(PictureError):
        chat.look(picture[:0])


def test_the_published_sizes_are_built() -> None:
    text = {
        "_flash_attn_2_enabled": True,
        "_name_or_path": "None",
        "architectures": ["VLlama3ForCausalLM"],
        "model_type": "llama",
        "vocab_size": 49280,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "head_dim": 64,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-05,
        "rope_theta": 100000,
        "rope_scaling": None,
        "pad_token_id": 2,
        "perceiver_config": {"hidden_act": "silu"},
        "qk_layer_norms": False,
        "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}},
        "use_resampler": False,
    }
    vision = {
        "model_type": "idefics3",
        "hidden_size": 768,
        "image_size": 512,
        "num_attention_heads": 12,
        "patch_size": 16,
        "max_image_size": {"longest_edge": 512},
        "size": {"longest_edge": 2048},
        "use_base_siglip": False,
    }
    config = {
        "architectures": ["Idefics3ForConditionalGeneration"],
        "model_type": "idefics3",
        "text_config": text,
        "vision_config": vision,
        "image_token_id": 49190,
        "pad_token_id": 128002,
        "scale_factor": 4,
        "tie_word_embeddings": False,
        "vocab_size": 49280,
        "eos_token_id": 49279,  # from generation_config.json
    }
    module: Any = family_of(config).build(config)
    millions = sum(parameter.numel() for parameter in module.parameters()) / 1e6
    assert millions == pytest.approx(256.5, abs=0.1)
    angles = module.get_submodule("model.text_model").rotary_emb.inv_freq
    torch.testing.assert_close(angles[1], torch.tensor(1e5 ** (-1 / 32)))
    assert text_limits(module).context == 8192 and text_ends(module) == {49279}
    assert Tiles.of(module.config).features == 64


@torch.no_grad()
def test_block_by_block_equals_the_whole_model(
    idefics3: tuple[Path, Any], picture: Picture
) -> None:
    folder, whole = idefics3
    opened = open_blockwise(folder)
    assert opened.family.name == "idefics3"
    assert all(parameter.is_meta for parameter in opened.module.parameters())
    blockwise: Any = opened.blockwise
    reader = CheckpointReader(folder)
    load_tensors(opened.module, reader, blockwise.outer_names())
    opened.family.complete(opened.module, torch.device("cpu"))
    inputs = reference(folder, picture, "Why?", along=1)
    sample = {"input_ids": inputs["input_ids"], "pixels": inputs["pixel_values"][0]}
    states = [blockwise.start(sample), blockwise.start({"input_ids": sample["input_ids"]})]
    for block in blockwise.blocks():
        names = [name for name in reader.names() if name.startswith(f"{block.name}.")]
        load_tensors(block.module, reader, names, prefix=f"{block.name}.")
        states = [blockwise.step(block, state) for state in states]
    seen, unseen = (blockwise.finish(state) for state in states)
    torch.testing.assert_close(seen, whole(**inputs).logits, rtol=1e-5, atol=1e-5)
    expected = whole(input_ids=inputs["input_ids"]).logits
    torch.testing.assert_close(unseen, expected, rtol=1e-5, atol=1e-5)
    assert float((seen - unseen).abs().max()) > 0.1


def test_blocks_and_outer_names_cover_every_tensor_once(idefics3: tuple[Path, Any]) -> None:
    opened = open_blockwise(idefics3[0])
    inside = [
        f"{block.name}.{name}"
        for block in opened.blockwise.blocks()
        for name in block.module.state_dict()
    ]
    stored = sorted(load_file(idefics3[0] / "model.safetensors"))
    assert sorted([*inside, *opened.blockwise.outer_names()]) == stored


def test_calibration_is_laid_out_as_in_use(idefics3: tuple[Path, Any], picture: Picture) -> None:
    folder, whole = idefics3
    chat = chat_of(folder)
    made = Idefics3Calibration(Tiles.of(whole.config))
    prompt, last = made.laid_out((("Who?", "A cat."), ("Where?", "Here.")), chat.tokenizer)
    marks = made.tiles.marks((0, 0))
    asked = chat._encode(marks, "Where?", [("Who?", "A cat.")])
    assert chat.tokenizer.encode(prompt).ids == asked
    assert last == " Here."
    assert made.pixels(picture).shape == (1, 3, SIDE, SIDE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text_config": 3}, "text_config is no JSON object"),
        ({"scale_factor": 0}, "scale_factor=0"),
        ({"scale_factor": 3}, "no multiple of patch_size"),
        ({"image_token_id": 5000}, "image_token_id=5000"),
        ({"vision_config": {"image_size": -1}}, "vision_config.image_size=-1"),
    ],
)
def test_bad_numbers_are_refused_in_one_line(
    tmp_path: Path, idefics3: tuple[Path, Any], change: dict[str, Any], reason: str
) -> None:
    for file in idefics3[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelFolderError, match=reason) as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("chat_template.jinja", "{% for %}", "chat template cannot be filled in"),
        ("chat_template.jinja", "no picture at all", "knows no picture"),
        ("chat_template.json", '{"chat_template": 3}', "no usable chat_template"),
        ("preprocessor_config.json", '{"image_mean": [0.5, "x", 1]}', "image_mean must be three"),
    ],
)
def test_bad_files_are_named(
    tmp_path: Path,
    idefics3: tuple[Path, Any],
    picture: Picture,
    file: str,
    content: str,
    reason: str,
) -> None:
    for each in idefics3[0].iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    (tmp_path / file).write_text(content)
    with pytest.raises(ModelFolderError, match=reason):
        chat_of(tmp_path).look(picture)


def test_the_folders_own_template_and_settings_are_used(
    tmp_path: Path, idefics3: tuple[Path, Any], picture: Picture
) -> None:
    for each in idefics3[0].iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": "see <image> ok"}))
    settings = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.25, 1.0]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    chat, usual = chat_of(tmp_path), chat_of(idefics3[0])
    assert chat.tokenizer.decode(chat._encode("X", "?", ()), skip_special_tokens=False) == (
        "see X ok"
    )
    ours, theirs = (each._eye.prepare(picture, detailed=False).pixels for each in (chat, usual))
    mean, std = (torch.tensor(settings[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    torch.testing.assert_close(ours, ((theirs * 0.5 + 0.5) - mean) / std, rtol=1e-4, atol=1e-5)
