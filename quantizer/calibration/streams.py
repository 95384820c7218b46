"""Calibration sequences, and their split into those that fit and those that only judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from models.blocks import Sample
from models.errors import PictureError
from models.families import OpenedModel, text_limits
from models.pictures import load_picture
from models.sequences import PictureLayout
from models.text.tokenization import load_tokenizer
from quantizer.calibration.marking import DOCUMENT_CHOICES, Marks, Rows, windows_of
from quantizer.calibration.pictures import PictureRecord, is_picture_data, read_records
from quantizer.calibration.texts import read_for, sequence_length, tokenize_file
from quantizer.errors import CalibrationError, DataError, SettingsError

PICTURE_SAMPLES, TEXT_SAMPLES = 64, 128
"""Sequences unless another number is asked for."""

_HELD_OUT_SHARE = 0.1
_SEEDS = 2**63  # what torch's generator takes


@dataclass(slots=True)
class CalibrationSet:
    """Sequences that build every H, and sequences kept out of it that only build H_val.

    The lists are emptied by the run that uses them, because both may fill the memory.

    skipped: why each picture that was drawn could not be read.
    notes:   what to warn of.
    marks:   what stands between documents of text; empty without text.
    """

    fitting: list[Sample]
    held_out: list[Sample]
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    marks: str = ""

    def __len__(self) -> int:
        return len(self.fitting) + len(self.held_out)


def draw_calibration(
    opened: OpenedModel,
    path: Path,
    *,
    text: Path | None = None,
    samples: int | None,
    seq_len: int | None,
    seed: int,
    bos: str = "auto",
    documents: str = "auto",
) -> CalibrationSet:
    """Draw calibration sequences for a model: from a text file, or from pictures with questions.

    text:    a further text file, whose sequences follow those with pictures.
    samples: from each of them; None for 64 with pictures and 128 of text.
    seq_len: tokens of a text sequence; None for the model's context, at most 2048.
    bos:     where BOS stands in text, see `quantizer.calibration.marking`.
    documents: what a document of plain text is; auto: what blank lines part.

    Raises:
        DataError: the data cannot be used, or the model cannot read pictures.
        SettingsError: the sequences asked for do not fit the model's context, ``samples`` or
            ``seed`` is out of range, or there is ``text`` beside text.
        ModelsError: the tokenizer is missing.
    """
    if samples is not None and samples < 1:
        raise SettingsError(
            lambda name: f"{name('samples')} {samples} cannot calibrate; give 1 or more"
        )
    if not 0 <= seed < _SEEDS:
        raise SettingsError(
            lambda name: f"{name('seed')} {seed} is out of range; give 0 to {_SEEDS - 1}"
        )
    limits = text_limits(opened.module)
    tokenizer = load_tokenizer(opened.folder, limits.vocab_size, opened.family.byte_level)
    layout = opened.layout

    def of_text(file: Path) -> CalibrationSet:
        wanted = TEXT_SAMPLES if samples is None else samples
        length = sequence_length(opened.module, seq_len)
        read = read_for(
            file,
            opened.folder,
            tokenizer,
            limits.bos_token_id,
            bos=bos,
            documents="blank-lines" if documents == "auto" else documents,
        )
        rows = _drawn_rows(file, read.windows(length), length, wanted, seed)
        drawn = hold_out([layout.text(row[None]) for row in rows])
        drawn.marks = read.marks.in_words(tokenizer)
        return _with_note(drawn, file, wanted)

    if documents not in DOCUMENT_CHOICES:
        raise SettingsError(
            lambda name: (
                f"{name('documents')} {documents} is unknown; give one of "
                f"{', '.join(DOCUMENT_CHOICES)}"
            )
        )
    if not path.is_dir() and (layout.pictures is None or not is_picture_data(path)):
        if text is not None:
            raise SettingsError(
                lambda name: (
                    f"{name('text_calibration')} {text} adds to calibration with pictures and "
                    f"{path} is text; give all text in one file to {name('calibration')}"
                )
            )
        return of_text(path)
    if layout.pictures is None:
        raise DataError(f"{path}: is a folder, but the model reads text only; give a text file")
    wanted = PICTURE_SAMPLES if samples is None else samples
    drawn = picture_samples(path, tokenizer, layout.pictures, samples=wanted, seed=seed)
    drawn = _with_note(drawn, path, wanted)
    return drawn if text is None else _joined(drawn, of_text(text))


def uncalibrated(layer: str) -> CalibrationError:
    """What to say of a layer that no calibration token reaches."""
    return CalibrationError(
        lambda name: (
            f"{layer}: no calibration token reached it; give calibration data that does (pictures "
            f"for a vision expert), or {name('allow_uncalibrated')} to round it to nearest"
        )
    )


def _with_note(drawn: CalibrationSet, path: Path, wanted: int) -> CalibrationSet:
    if len(drawn) < wanted:
        drawn.notes.append(
            f"{path}: holds {len(drawn)} sequences, fewer than the {wanted} asked for"
        )
    return drawn


def _joined(one: CalibrationSet, other: CalibrationSet) -> CalibrationSet:
    return CalibrationSet(
        one.fitting + other.fitting,
        one.held_out + other.held_out,
        one.skipped + other.skipped,
        one.notes + other.notes,
        other.marks or one.marks,
    )


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
    rows = windows_of(ids, torch.zeros(len(ids), dtype=torch.bool), seq_len, Marks())
    return [row[None] for row in _drawn_rows(path, rows, seq_len, samples, seed)]


def _drawn_rows(path: Path, rows: Rows, seq_len: int, samples: int, seed: int) -> list[Tensor]:
    if len(rows.ids[0]) < seq_len:
        raise DataError(
            lambda name: (
                f"{path}: has {len(rows.ids[0])} tokens, fewer than one sequence of {seq_len}; "
                f"give more text or a smaller {name('seq_len')}"
            )
        )
    return [rows.ids[index] for index in _draw(len(rows.ids), samples, seed)]


def picture_samples(
    path: Path, tokenizer: Tokenizer, layout: PictureLayout, *, samples: int, seed: int
) -> CalibrationSet:
    """Draw samples with a picture, a question and its answer, as at run time.

    path:   any form of ``quantizer.calibration.pictures``.
    layout: how the model reads them.

    Pictures are drawn, each with one of its records; only where more samples are asked for than
    there are pictures do pictures come again with another record. Pictures that cannot be read
    are skipped and others drawn. The last tenth of the drawn pictures is held out with all its
    samples, so that none is in both sets.

    Raises:
        DataError: the data cannot be used, or none of its pictures can be read.
        PromptError: a question with its answer does not fit into the model's context.
    """
    by_picture: dict[Path, list[PictureRecord]] = {}
    records = read_records(path)
    for index in _draw(len(records), len(records), seed):
        by_picture.setdefault(records[index].picture, []).append(records[index])
    # By name, so that a picture's chance does not grow with the number of its records.
    names = sorted(by_picture)
    readable: dict[Path, Tensor] = {}
    skipped: list[str] = []
    for index in _draw(len(names), len(names), seed):
        if len(readable) == samples:
            break
        picture = names[index]
        try:
            readable[picture] = layout.pixels(load_picture(picture))
        except PictureError as error:
            skipped.append(str(error))
    if not readable:
        raise DataError(f"{path}: none of {len(skipped)} pictures can be read; first {skipped[0]}")
    counts = _share_out(samples, {picture: len(by_picture[picture]) for picture in readable})
    groups = [
        [
            layout.conversation(record.turns(), tokenizer, picture) | {"pixels": pixels}
            for record in by_picture[picture][: counts[picture]]
        ]
        for picture, pixels in readable.items()
    ]
    cut = len(groups) - _held_out_count(len(groups))
    fitting, held_out = ([s for group in part for s in group] for part in _split(groups, cut))
    return CalibrationSet(fitting, held_out, skipped, _skip_notes(path, skipped))


def _split(groups: list[list[Sample]], cut: int) -> tuple[list[list[Sample]], list[list[Sample]]]:
    return groups[:cut], groups[cut:]


def _skip_notes(path: Path, skipped: Sequence[str]) -> list[str]:
    if not skipped:
        return []
    return [f"{path}: {len(skipped)} pictures cannot be read and were skipped; first {skipped[0]}"]


def _share_out(samples: int, available: Mapping[Path, int]) -> dict[Path, int]:
    """How many samples each picture gives: one each, then another each, while there are more."""
    left, counts = samples, dict.fromkeys(available, 0)
    while left and any(counts[picture] < most for picture, most in available.items()):
        for picture, most in available.items():
            if left and counts[picture] < most:
                counts[picture] += 1
                left -= 1
    return counts


def _draw(count: int, samples: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order[:samples]
