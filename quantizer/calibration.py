"""Calibration sequences, and their split into those that fit and those that only judge."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.blocks import Sample
from models.cogvlm2.blockwise import CogVLM2Blocks
from models.cogvlm2.config import CogVLM2Config
from models.cogvlm2.decoder import LANGUAGE
from models.cogvlm2.processing import build_prompt, encode_prompt, preprocess_picture
from models.errors import PromptError
from models.families import OpenedModel, text_limits
from models.pictures import load_picture
from models.tokenization import load_tokenizer
from quantizer.data import PictureQuestion, read_questions, tokenize_file
from quantizer.errors import DataError, SettingsError
from quantizer.sequences import sequence_length

_HELD_OUT_SHARE = 0.1
_SEEDS = 2**63  # what torch's generator takes


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """Sequences that build every H, and sequences kept out of it that only build H_val.

    The lists are emptied by the run that uses them, because both may fill the memory.
    """

    fitting: list[Sample]
    held_out: list[Sample]

    def __len__(self) -> int:
        return len(self.fitting) + len(self.held_out)


def draw_calibration(
    opened: OpenedModel, path: Path, *, samples: int, seq_len: int | None, seed: int
) -> CalibrationSet:
    """Draw calibration sequences for a model: from a text file, or from a picture folder.

    seq_len: tokens of a text sequence; None for the model's context, at most 2048.

    Raises:
        DataError: the data cannot be used, or the model cannot read pictures.
        SettingsError: the sequences asked for do not fit the model's context, or ``samples`` or
            ``seed`` is out of range.
        ModelsError: the tokenizer is missing, or a picture cannot be read.
    """
    if samples < 1:
        raise SettingsError(f"--samples {samples} cannot calibrate; give 1 or more")
    if not 0 <= seed < _SEEDS:
        raise SettingsError(f"--seed {seed} is out of range; give 0 to {_SEEDS - 1}")
    limits = text_limits(opened.module)
    tokenizer = load_tokenizer(opened.folder, limits.vocab_size, opened.family.byte_level)
    blocks = opened.blockwise
    if path.is_dir():
        if not isinstance(blocks, CogVLM2Blocks):
            raise DataError(f"{path}: is a folder, but the model reads text only; give a text file")
        return picture_samples(path, tokenizer, blocks.model.config, samples=samples, seed=seed)
    drawn = text_samples(
        path,
        tokenizer,
        bos_token_id=limits.bos_token_id,
        samples=samples,
        seq_len=sequence_length(opened.module, seq_len),
        seed=seed,
    )
    if isinstance(blocks, CogVLM2Blocks):
        drawn = [
            sample | {"token_type_ids": torch.zeros_like(sample["input_ids"])} for sample in drawn
        ]
    return hold_out(drawn)


def hold_out(samples: Sequence[Sample]) -> CalibrationSet:
    """Keep about the last tenth, at least one of two or more sequences, out of the fit."""
    cut = len(samples) - _held_out_count(len(samples))
    return CalibrationSet(list(samples[:cut]), list(samples[cut:]))


def _held_out_count(count: int) -> int:
    return max(round(_HELD_OUT_SHARE * count), 1) if count >= 2 else 0


def text_windows(
    path: Path,
    tokenizer: Tokenizer,
    *,
    bos_token_id: int | None,
    samples: int,
    seq_len: int,
    seed: int,
) -> list[Tensor]:
    """Draw token windows (1, seq_len) from a text file, none overlapping another.

    The documents are concatenated, each with BOS in front (see ``tokenize``), and cut into
    windows; ``seed`` draws ``samples`` of them, or all in a drawn order where there are fewer.

    Raises:
        DataError: the file cannot be used, or is too short for one window.
    """
    ids = tokenize_file(path, tokenizer, bos_token_id)
    count = len(ids) // seq_len
    if count == 0:
        raise DataError(
            f"{path}: has {len(ids)} tokens, fewer than one sequence of {seq_len}; "
            "give more text or a smaller --seq-len"
        )
    windows = ids[: count * seq_len].view(count, 1, seq_len)
    return [windows[index] for index in _draw(count, samples, seed)]


def text_samples(
    path: Path,
    tokenizer: Tokenizer,
    *,
    bos_token_id: int | None,
    samples: int,
    seq_len: int,
    seed: int,
) -> list[Sample]:
    """Calibration samples of a language model; see ``text_windows``."""
    windows = text_windows(
        path, tokenizer, bos_token_id=bos_token_id, samples=samples, seq_len=seq_len, seed=seed
    )
    return [{"input_ids": window} for window in windows]


def picture_samples(
    folder: Path, tokenizer: Tokenizer, config: CogVLM2Config, *, samples: int, seed: int
) -> CalibrationSet:
    """Draw questions of a picture folder as CogVLM2 samples: picture, question and answer.

    Pictures are drawn, each with one of its questions; only where more samples are asked for
    than there are pictures do pictures come again with another question. The last tenth of the
    drawn pictures is held out with all its samples, so that none is in both sets.

    Raises:
        DataError: the folder has no usable ``questions.jsonl``.
        PictureError: a drawn picture is missing, damaged or no picture.
        PromptError: a question with its answer does not fit into the model's context.
    """
    drawn = _draw_questions(read_questions(folder), samples, seed)
    by_picture = []
    for picture, items in drawn.items():
        pixels = preprocess_picture(load_picture(picture), config).unsqueeze(0)
        by_picture.append(
            [_answered(item, tokenizer, config) | {"pixels": pixels} for item in items]
        )
    cut = len(by_picture) - _held_out_count(len(by_picture))
    return CalibrationSet(
        [sample for group in by_picture[:cut] for sample in group],
        [sample for group in by_picture[cut:] for sample in group],
    )


def _draw_questions(
    questions: Sequence[PictureQuestion], samples: int, seed: int
) -> dict[Path, list[PictureQuestion]]:
    """Draw at most ``samples`` questions by picture, pictures in a drawn order."""
    by_picture: dict[Path, list[PictureQuestion]] = {}
    for index in _draw(len(questions), len(questions), seed):
        by_picture.setdefault(questions[index].picture, []).append(questions[index])
    # By name, so that a picture's chance does not grow with the number of its questions.
    names = sorted(by_picture)
    order = [names[index] for index in _draw(len(names), samples, seed)]
    left = samples
    counts = dict.fromkeys(order, 0)
    while left and any(counts[picture] < len(by_picture[picture]) for picture in order):
        for picture in order:
            if left and counts[picture] < len(by_picture[picture]):
                counts[picture] += 1
                left -= 1
    return {picture: by_picture[picture][: counts[picture]] for picture in order}


def _answered(item: PictureQuestion, tokenizer: Tokenizer, config: CogVLM2Config) -> Sample:
    """Lay out a question and its answer, which the model meets itself while decoding.

    The answer is encoded on its own, as decoding appends it: encoding the joined text would put
    a space between them that no answer has.
    """
    prompt = build_prompt(item.question, template=config.template_version)
    ids, types = encode_prompt(tokenizer, prompt, config, with_picture=True)
    answer = torch.tensor([tokenizer.encode(item.answer, add_special_tokens=False).ids]).long()
    total, context = ids.shape[1] + answer.shape[1], config.max_position_embeddings
    if total > context:
        raise PromptError(
            f"{item.picture}: picture, question and answer have {total} tokens but {context} fit; "
            "shorten the answer"
        )
    return {
        "input_ids": torch.cat((ids, answer), dim=1),
        "token_type_ids": torch.cat((types, torch.full_like(answer, LANGUAGE)), dim=1),
    }


def _draw(count: int, samples: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order[:samples]
