"""Calibration windows and picture samples."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer

from models.cogvlm2.config import CogVLM2Config, VisionConfig
from models.cogvlm2.sequences import CogVLM2Pictures
from models.errors import ModelFolderError, PromptError
from models.families import open_blockwise
from quantizer.calibration.streams import draw_calibration, hold_out, picture_samples, text_windows
from quantizer.errors import DataError, SettingsError

CONFIG = CogVLM2Config(
    vocab_size=99, bos_token_id=1, pad_token_id=0, vision=VisionConfig(image_size=56)
)
LAYOUT = CogVLM2Pictures(CONFIG)


def draw(path: Path, tokenizer: Tokenizer, **changes: int) -> list[list[int]]:
    options = {"bos_token_id": 1, "samples": 4, "seq_len": 10, "seed": 0} | changes
    return [window[0].tolist() for window in text_windows(path, tokenizer, **options)]


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.txt"
    letters = "".join(chr(33 + k) for k in range(90))
    path.write_text(f"{letters[:45]}<|endoftext|>{letters[45:]}")
    return path


def test_windows_are_cut_from_the_text_without_overlap(
    story: Path, letter_tokenizer: Tokenizer
) -> None:
    windows = draw(story, letter_tokenizer, samples=100)
    assert len(windows) == 9  # 92 tokens with two BOS
    whole = sorted(windows, key=lambda window: max(window))
    flat = [token for window in whole for token in window]
    assert flat == [1, *range(4, 49), 1, *range(49, 92)]


def test_the_seed_fixes_the_draw(story: Path, letter_tokenizer: Tokenizer) -> None:
    first = draw(story, letter_tokenizer)
    assert len(first) == 4
    assert first == draw(story, letter_tokenizer)
    assert first != draw(story, letter_tokenizer, seed=1)


def test_short_text_is_refused(story: Path, letter_tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match="has 92 tokens, fewer than one sequence of 93"):
        draw(story, letter_tokenizer, seq_len=93)


@pytest.mark.parametrize(("count", "kept_out"), [(1, 0), (2, 1), (5, 1), (20, 2), (128, 13)])
def test_the_last_tenth_is_held_out(count: int, kept_out: int) -> None:
    split = hold_out([{"index": index} for index in range(count)])
    assert len(split.held_out) == kept_out
    assert [s["index"] for s in (*split.fitting, *split.held_out)] == list(range(count))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    lines = []
    for n in range(3):
        Image.fromarray(np.full((20, 30, 3), 80 * n, np.uint8)).save(folder / f"{n}.png")
        lines.append(
            {"picture": f"{n}.png", "question": "How?", "answer": f"a{n}", "skill": "word"}
        )
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_pictures_become_samples(pictures: Path, letter_tokenizer: Tokenizer) -> None:
    drawn = picture_samples(pictures, letter_tokenizer, LAYOUT, samples=9, seed=0)
    assert (len(drawn.fitting), len(drawn.held_out)) == (2, 1)
    samples = (*drawn.fitting, *drawn.held_out)
    for sample in samples:
        types = sample["token_type_ids"]
        assert sample["input_ids"].shape == types.shape
        assert int(types.sum()) == CONFIG.num_picture_tokens == 6
        assert sample["pixels"].shape == (1, 3, 56, 56)
        assert sample["pixels"].dtype == torch.float32
    endings = {letter_tokenizer.decode(s["input_ids"][0, -2:].tolist()) for s in samples}
    assert endings == {"a 0", "a 1", "a 2"}  # the decoder joins letters with spaces


def test_the_answer_follows_the_prompt_without_a_space(
    pictures: Path, letter_tokenizer: Tokenizer
) -> None:
    drawn = picture_samples(pictures, letter_tokenizer, LAYOUT, samples=1, seed=0)
    ids = drawn.fitting[0]["input_ids"][0].tolist()
    prompt = "Question: How? Answer:"
    # Ids of the fixture's letters: their code - 32 + 3.
    said = [ord(letter) - 29 for letter in prompt]
    assert ids[:-2] == [1, *[0] * 6, *said]
    assert ids[-2] == ord("a") - 29
    assert ids[-1] - ord("0") + 29 in (0, 1, 2)
    assert drawn.fitting[0]["token_type_ids"][0].tolist() == [0, *[1] * 6, *[0] * (len(said) + 2)]


@pytest.mark.parametrize(
    ("samples", "fitting", "held_out"),
    [(1, 1, 0), (10, 9, 1), (12, 11, 1), (18, 17, 1), (99, 22, 2)],
)
def test_no_held_out_picture_is_in_the_fit(
    picture_folder: Path, letter_tokenizer: Tokenizer, samples: int, fitting: int, held_out: int
) -> None:
    for seed in range(3):
        drawn = picture_samples(
            picture_folder, letter_tokenizer, LAYOUT, samples=samples, seed=seed
        )
        assert (len(drawn.fitting), len(drawn.held_out)) == (fitting, held_out)
        fit, judged = (
            {sample["pixels"].numpy().tobytes() for sample in part}
            for part in (drawn.fitting, drawn.held_out)
        )
        assert not fit & judged
        assert len(fit | judged) == min(samples, 12), "every picture comes before one comes twice"
        asked = {tuple(s["input_ids"][0].tolist()) for s in (*drawn.fitting, *drawn.held_out)}
        assert len(asked) == fitting + held_out, "no question comes twice"


def test_an_answer_that_does_not_fit_is_refused(
    pictures: Path, letter_tokenizer: Tokenizer
) -> None:
    config = replace(CONFIG, max_position_embeddings=1 + 6 + len("Question: How? Answer:") + 1)
    with pytest.raises(PromptError, match="have 31 tokens but 30 fit"):
        picture_samples(pictures, letter_tokenizer, CogVLM2Pictures(config), samples=1, seed=0)


def test_damaged_pictures_are_skipped_and_counted(
    pictures: Path, letter_tokenizer: Tokenizer
) -> None:
    whole = (pictures / "1.png").read_bytes()
    (pictures / "1.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "2.png").unlink()
    drawn = picture_samples(pictures, letter_tokenizer, LAYOUT, samples=9, seed=0)
    assert len(drawn) == 1
    assert len(drawn.skipped) == 2
    assert "2 pictures cannot be read and were skipped" in drawn.notes[0]
    # Others take their places.
    drawn = picture_samples(pictures, letter_tokenizer, LAYOUT, samples=1, seed=0)
    assert len(drawn) == 1
    (pictures / "0.png").unlink()
    with pytest.raises(DataError, match="none of 3 pictures can be read; first .*png"):
        picture_samples(pictures, letter_tokenizer, LAYOUT, samples=9, seed=0)


def test_a_tokenizer_of_another_model_is_refused(
    tiny_llama: Path, text_file: Path, tmp_path: Path, letter_tokenizer: Tokenizer
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llama, folder)
    other = Tokenizer.from_str(letter_tokenizer.to_str())
    other.add_tokens(["sun"])
    other.save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelFolderError, match="ids up to 99 but .* vocab_size 99"):
        draw_calibration(open_blockwise(folder), text_file, samples=1, seq_len=None, seed=0)


def test_a_model_without_a_begin_mark_is_refused(
    tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llama, folder)
    raw = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(raw | {"bos_token_id": None}))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}))
    with pytest.raises(ModelFolderError, match="no bos_token_id"):
        draw_calibration(open_blockwise(folder), text_file, samples=1, seq_len=None, seed=0)


def test_text_beside_text_is_refused(tiny_cogvlm2: Path, text_file: Path) -> None:
    opened = open_blockwise(tiny_cogvlm2)
    with pytest.raises(SettingsError, match="adds to calibration with pictures and .* is text"):
        draw_calibration(opened, text_file, text=text_file, samples=1, seq_len=40, seed=0)
