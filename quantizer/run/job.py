"""What a run is asked to do, and the check of its input before a weight is read."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from models.errors import CheckpointError
from models.families import OpenedFolder, OpenedModel, check_folder, open_blockwise
from models.files.checkpoint import CheckpointReader
from models.files.formats import FORMATS, OutputFormat
from models.files.judging import judge_values, refuse
from models.loading import check_shapes
from quantizer.calibration.streams import CalibrationSet, draw_calibration, uncalibrated
from quantizer.errors import ExportError, SettingsError
from quantizer.exporting.blocks import check_groups
from quantizer.exporting.export import GGUF, check_exportable
from quantizer.plan.workload import CalibrationShape
from quantizer.recipes.recipe import Recipe, uniform
from quantizer.run.lm_head import LM_HEAD, Head, head_of
from quantizer.run.output import check_output
from quantizer.run.passes import linear_of
from quantizer.solvers.methods import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """One run of ``quantizer run``.

    settings: how every layer is quantized; with a recipe, its ``base``.
    form: name of the output format, see ``models.files.formats``; ``gguf`` for GPTQ's with a
        GGUF file of the same codes beside it.
    recipe: which layers are quantized how; None for all of them by ``settings``.
    calibration: a text file, or pictures with questions for a model that reads them, see
        ``quantizer.calibration.pictures``; None only for plain rounding.
    text_calibration: a further text file beside pictures.
    samples: sequences to draw from each; None for 64 of pictures and 128 of text.
    seq_len: tokens of a text sequence; None for the model's context, at most 2048.
    bos, documents: how calibration text is read, see ``quantizer.calibration.marking``.
    head_bits: of a head that is quantized, too, 8 or 4; None where it stays as it is.
    allow_uncalibrated: round layers that no token reaches, instead of refusing them.
    restart: throw away what an interrupted run left, instead of continuing it.
    """

    model: Path
    out: Path
    settings: Settings
    form: str = "gptq"
    recipe: Recipe | None = None
    calibration: Path | None = None
    text_calibration: Path | None = None
    samples: int | None = None
    seq_len: int | None = None
    seed: int = 0
    bos: str = "auto"
    documents: str = "auto"
    device: torch.device = torch.device("cpu")
    head_bits: int | None = None
    allow_uncalibrated: bool = False
    restart: bool = False

    @property
    def rules(self) -> Recipe:
        """How every layer is quantized."""
        return self.recipe or uniform(self.settings)

    @property
    def output_format(self) -> OutputFormat:
        """The form in which layers are written."""
        return FORMATS["gptq" if self.form == GGUF else self.form]

    def described(self) -> dict[str, Any]:
        """The settings for a report: of all layers, or of each rule of the recipe."""
        if self.recipe is None:
            return asdict(self.settings)
        base, rules = self.recipe.base, self.recipe.rules
        whole = {"bits": base.bits, "group_size": base.group_size, "sym": base.sym}
        words = {rule.modules: rule.in_words() for rule in rules}
        return {"recipe": self.recipe.name, **whole, "rules": words}


@dataclass(slots=True)
class Prepared:
    """A job whose input was read and found usable; no weight has been read.

    calibration: taken apart by the run that uses it.
    head:        where the job asks for it.
    facts:       what the report says about it.
    notes:       warnings that concern no single layer.
    """

    opened: OpenedModel
    reader: CheckpointReader
    calibration: CalibrationSet | None
    head: Head | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def prepare(job: Job) -> Prepared:
    """Open a model, check it against the settings, and draw the calibration data.

    Raises:
        SettingsError: a layer's shape cannot be stored, or the method needs calibration.
        QuantizerError, ModelsError: see ``check_output``, ``open_blockwise`` and
            ``draw_calibration``.
    """
    check_output(job.out)
    opened = open_blockwise(job.model)
    prepared = Prepared(opened, CheckpointReader(opened.folder), None, notes=[*opened.notes])
    # Before calibration data is read, because pictures and their tokens may take minutes.
    _check(prepared, job)
    if job.calibration is None:
        return prepared
    drawn = draw_calibration(
        opened,
        job.calibration,
        text=job.text_calibration,
        samples=job.samples,
        seq_len=job.seq_len,
        seed=job.seed,
        bos=job.bos,
        documents=job.documents,
    )
    _check_reach(prepared, job, drawn)
    tokens = [sample["input_ids"].numel() for sample in (*drawn.fitting, *drawn.held_out)]
    prepared.calibration = drawn
    prepared.facts = {
        "path": str(job.calibration),
        **({} if job.text_calibration is None else {"text": str(job.text_calibration)}),
        "seed": job.seed,
        "tokens": sum(tokens),
        "samples": len(drawn),
        "held_out": len(drawn.held_out),
        **({"bos": drawn.marks} if drawn.marks else {}),
        "asked": {"samples": job.samples, "seq_len": job.seq_len},
        "seq_len": max(tokens),
        "skipped_pictures": len(drawn.skipped),
    }
    prepared.notes += drawn.notes
    return prepared


def judge_weights(prepared: Prepared) -> None:
    """Read every weight once, piece by piece, and refuse what no run can make sound.

    Tensors that are only copied are judged, too: an output with NaN in a norm answers nothing.
    What is only suspicious is added to the notes.

    Raises:
        CheckpointError: a tensor holds NaN or infinity.
    """
    for finding in judge_values(prepared.reader.entries()):
        refuse([finding])
        prepared.notes.append(str(finding))


def _check_reach(prepared: Prepared, job: Job, drawn: CalibrationSet) -> None:
    """Refuse layers that no drawn sequence can reach, before a weight is read."""
    if job.allow_uncalibrated:
        return
    shape = CalibrationShape.of(prepared.opened, drawn)
    for block in job.rules.blocks(prepared.opened.blockwise):
        for group in block.groups:
            name = f"{block.name}.{group[0]}"
            rule = job.rules.rule(name)
            if job.rules.settings_of(name).method == "rtn" or shape.tokens(name, rule.stream)[0]:
                continue
            raise uncalibrated(name)


def _check(prepared: Prepared, job: Job) -> None:
    """Find what would stop a run, from settings and headers alone."""
    opened, reader, settings = prepared.opened, prepared.reader, job.settings
    if job.form == GGUF:
        _check_for_gguf(job)
    calibrated = job.calibration is not None
    job.rules.check(opened.blockwise)
    if job.text_calibration is not None and not (calibrated and opened.layout.pictures is not None):
        raise SettingsError(
            lambda name: (
                f"{name('text_calibration')} adds to calibration with pictures; "
                f"give text to {name('calibration')}"
            )
        )
    check_folder(OpenedFolder(opened.folder, opened.config, opened.family, opened.module, reader))
    check_shapes(opened.module, reader, sorted(opened.family.expected_names(opened.module)))
    for one in (rule.settings for rule in job.rules.rules if rule.settings is not None):
        if not calibrated:
            _check_uncalibrated(one)
    ragged = 0
    for block in job.rules.blocks(opened.blockwise):
        for group in block.groups:
            for name in group:
                linear = linear_of(block, name)
                ragged += linear.in_features % settings.group_size > 0
                try:
                    if job.form == GGUF:
                        check_groups(linear.in_features, settings.group_size)
                    job.output_format.check_shape(
                        linear.in_features,
                        linear.out_features,
                        settings.bits,
                        settings.group_size,
                    )
                except CheckpointError as error:
                    raise SettingsError(f"{block.name}.{name}: {error}") from error
                except ExportError as error:
                    raise error.at(f"{block.name}.{name}") from error
    if job.head_bits is not None:
        prepared.head = _head(prepared, job)
    if ragged:
        prepared.notes.append(
            f"{ragged} layers end in a group of fewer than {settings.group_size} inputs, which "
            "some loaders refuse; a group_size that divides the inputs avoids it"
        )


def _head(prepared: Prepared, job: Job) -> Head:
    """The head of a job that quantizes it."""
    assert job.head_bits is not None, "asked for by the caller"
    base = job.rules.base
    head = head_of(prepared.opened, prepared.reader, base, job.head_bits, job.output_format)
    if job.form == GGUF:
        try:
            check_groups(head.shape.in_features, base.group_size)
        except ExportError as error:
            raise error.at(LM_HEAD) from error
    return head


def _check_for_gguf(job: Job) -> None:
    """Refuse what could only be found to be no GGUF after hours."""
    if job.settings.bits == 8 and not job.settings.sym:
        raise SettingsError(
            lambda name: (
                f"GGUF has no type for 8 bits with zero-points of their own: give {name('sym')}, "
                f"or {name('bits')} 4"
            )
        )
    check_exportable(job.model)


def _check_uncalibrated(settings: Settings) -> None:
    """Refuse settings that ask for statistics where there are none."""
    if settings.method != "rtn":
        raise SettingsError(
            lambda name: (
                f"method {settings.method} needs {name('calibration')}; only rtn goes without"
            )
        )
    if settings.grid == "hessian":
        raise SettingsError(
            lambda name: (
                f"{name('grid')} hessian needs {name('calibration')}; "
                f"use {name('grid')} minmax without"
            )
        )
