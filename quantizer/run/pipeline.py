"""Quantize a model folder block by block, so that a kill at any moment costs one block at most."""

import errno
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from models.errors import CheckpointError
from models.files.checkpoint import (
    MAX_SHARD_BYTES,
    SINGLE_FILE,
    CheckpointReader,
    QuantizationConfig,
    read_json,
    write_json,
)
from models.files.formats import unquantized_linears
from models.files.gguf import SUFFIX
from models.files.tensor_files import (
    copy_tensors,
    join_headers,
    read_header,
    read_tensor,
    write_tensors,
    write_whole,
)
from models.int4.weight import QuantizedWeight
from quantizer.errors import OutputError, QuantizerError, RankError
from quantizer.exporting.export import GGUF, export_gguf
from quantizer.inspect.folder import Inspection, inspect_folder
from quantizer.inspect.loaders import loader_verdicts
from quantizer.plan.machine import exact_float32, trim_heap
from quantizer.plan.plan import SPARE_BYTES, Plan, megabytes
from quantizer.plan.workload import block_shapes, shard_size
from quantizer.report.report import REPORT_FILE, REPORT_TEXT, Report, module_from_dict
from quantizer.report.text import markdown
from quantizer.run.job import Job, Prepared, judge_weights, prepare
from quantizer.run.lm_head import LM_HEAD
from quantizer.run.notices import missing_texts, statements, write_notices
from quantizer.run.output import check_output, copy_small_files
from quantizer.run.progress import (
    FinishedRecord,
    ShardLayout,
    Work,
    unfinished_work,
    write_index,
)
from quantizer.run.ranks import ALONE, WRITER, Ranks, Relayed
from quantizer.run.readback import digest_of, verify
from quantizer.run.taking_part import assist, begin, plan_job, walk_of
from quantizer.run.walked import FinishedBlock, Progress
from quantizer.run.warnings import with_warnings
from quantizer.solvers.methods import Settings

__all__ = ["Job", "Prepared", "assist", "plan_job", "prepare", "run", "verify"]

logger = logging.getLogger(__name__)

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


def run(
    job: Job,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    ranks: Ranks = ALONE,
) -> Report:
    """Quantize a model, or continue where an interrupted run of the same job stopped.

    ranks: the processes that share the work; this one writes, and the others ``assist``.

    ``job.out`` appears whole, after it was read back, or stays as it was. Finished blocks stay
    beside it when the run is interrupted, the disk is full, or the machine fails; input that
    cannot be quantized leaves nothing behind.

    Raises:
        QuantizerError, ModelsError: see ``prepare``.
        CalibrationError: a layer saw no token, or its Hessian cannot be factorized.
        WeightError: a weight cannot be represented.
        SettingsError: the machine has too little memory or disk for it.
        OutputError: another run holds the output, unfinished work of other settings is there, the
            disk is full, or what was written does not read back.
        RankError: another rank has ended.
    """
    prepared, plan, decisive = begin(job, ranks)
    judge_weights(prepared)
    for note in prepared.notes:
        logger.warning("%s", note)
    with unfinished_work(job.out) as work:
        run_now = _Run(job, prepared, plan, work, decisive, ranks)
        try:
            return run_now.finish(on_progress)
        except OutputError:
            raise
        except RankError as error:
            if error.of_input:
                work.discard()
            raise
        except QuantizerError:
            work.discard()  # the same input would fail again
            raise
        except OSError as error:
            if error.errno not in _FULL_DISK:
                raise
            raise OutputError(run_now.full_disk()) from error


class _Run:
    """One attempt at a job, new or continued."""

    def __init__(
        self,
        job: Job,
        prepared: Prepared,
        plan: Plan,
        work: Work,
        decisive: Mapping[str, Any],
        ranks: Ranks,
    ) -> None:
        self.job, self.rules, self.form = job, job.rules, job.output_format
        self.settings = job.rules.base
        self.prepared, self.plan, self.work, self.ranks = prepared, plan, work, ranks
        self.opened, self.reader = prepared.opened, prepared.reader
        self.blocks = [block.name for block in self.opened.blockwise.blocks()]
        self.rest = _rest_shards(self.reader, self.blocks, head=prepared.head is not None)
        self.own: dict[str, Settings] = {}
        if prepared.head is not None:  # the last block of the walk
            self.blocks.append(LM_HEAD)
            self.own[LM_HEAD] = prepared.head.settings
        self.started = time.monotonic()
        total = sum(self.reader.size(name) for name in self.reader.names())
        layout = ShardLayout(len(self.blocks), len(self.rest), single=total <= MAX_SHARD_BYTES)
        records = work.begin(decisive, layout, restart=job.restart)
        self.seconds_before = records[-1].seconds if records else 0.0

    def finish(self, on_progress: Callable[[Progress], None]) -> Report:
        """Do what is missing, read it back, and put the result in its place."""
        if self.work.placed:
            self.ranks.share(False, WRITER)
            report = Report.from_dict(read_json(self.job.out / REPORT_FILE))
            self.work.discard()
            return report
        self._quantize(on_progress)
        self._write_rest()
        self._write_configs()
        copy_small_files(self.opened.folder, self.work.output)
        write_notices(self.opened, self.work.output, self.job.form)
        digests = {name: d for record in self.work.records for name, d in record.digests.items()}
        verify(self.reader, self.work.output, digests, self.settings, self.form, self.own)
        inspection = inspect_folder(self.work.output)
        if self.job.form == GGUF:
            self._write_gguf()
        report = self._report(inspection)
        write_json(self.work.output / REPORT_FILE, report.to_dict())
        text = markdown(report).encode()
        write_whole(self.work.output / REPORT_TEXT, lambda file: file.write(text))
        check_output(self.job.out)
        self.work.place()
        self.work.discard()
        return report

    def _quantize(self, on_progress: Callable[[Progress], None]) -> None:
        for record in self.work.records:
            _log_warnings(record)
        if self.work.records:
            logger.info(
                "continuing after %d of %d blocks", len(self.work.records), len(self.blocks)
            )
        # With all blocks finished and sound there are no states to compute again.
        if len(self.work.records) == len(self.blocks) and all(
            self.layers(name) is not None for name in self.blocks
        ):
            self.ranks.share(False, WRITER)
            return
        self.ranks.share(True, WRITER)  # whether the others must walk, too
        walk = walk_of(self.job, self.prepared, self.plan, self.ranks, on_progress)
        with torch.no_grad(), exact_float32():
            for block in walk.run(self.prepared.calibration, Relayed(self.ranks, self)):
                self._keep(block)
                del block  # or it would stay until the next one is finished
                trim_heap()
        self.ranks.gather(None)  # nobody leaves before all are done
        # Nothing of the model is needed any more; outer tensors can be larger than a block.
        self.opened.module.to_empty(device="meta")

    def _keep(self, block: FinishedBlock) -> None:
        """Write a block's shard, then the line that says so."""
        tensors = dict(block.others)
        for name, weight in block.layers.items():
            packed = self.form.pack(weight, sym=self._settings_of(name).sym)
            tensors |= {f"{name}.{part}": tensor for part, tensor in packed.items()}
        write_tensors(self.work.shard(len(self.work.records)), tensors)
        modules = [
            with_warnings(module, block.layers[module.name], self._settings_of(module.name))
            for module in block.modules
        ]
        record = FinishedRecord(
            block=block.name,
            digests={name: digest_of(weight) for name, weight in block.layers.items()},
            states=block.states,
            # As they read back, so that a continued run reports the same.
            modules=json.loads(json.dumps([asdict(module) for module in modules])),
            seconds=self._seconds(),
        )
        self.work.record(record)
        _log_warnings(record)

    def _settings_of(self, layer: str) -> Settings:
        return self.own[layer] if layer in self.own else self.rules.settings_of(layer)

    def layers(self, block: str) -> dict[str, QuantizedWeight] | None:
        """Read a finished block's layers; one that is damaged counts as not finished.

        See ``quantizer.run.walked.EarlierRun``.
        """
        index = self.blocks.index(block)
        if index >= len(self.work.records):
            return None
        record = self.work.records[index]
        path = self.work.shard(index)
        try:
            entries = read_header(path)
            layers = {}
            for name, digest in record.digests.items():
                settings = self._settings_of(name)
                parts = {
                    part: read_tensor(full, entries[full])
                    for part in self.form.tensor_names(sym=settings.sym)
                    if (full := f"{name}.{part}") in entries
                }
                layers[name] = self.form.unpack(
                    parts, bits=settings.bits, group_size=settings.group_size
                )
                if digest_of(layers[name]) != digest:
                    raise CheckpointError(f"{name} reads back differently from {path}")
        except CheckpointError as error:
            logger.warning("%s: quantizing %s and what follows again", error, block)
            self.work.forget_from(index)
            return None
        return layers

    def gammas(self, block: str) -> dict[str, float | None]:
        """See ``quantizer.run.walked.EarlierRun``."""
        record = self.work.records[self.blocks.index(block)]
        return {module["name"]: module["gamma"] for module in record.modules}

    def replayed(self, block: str, states: str) -> None:
        """Refuse to go on from states that differ from those of the first run.

        Going on would mix two slightly different runs into one result that nobody could repeat.

        Raises:
            OutputError: they differ.
        """
        if states != self.work.records[self.blocks.index(block)].states:
            raise OutputError(
                lambda name: (
                    f"{self.work.folder}: behind {block} this machine computes other values than "
                    "the run that is to be continued; continue it where it began, or give "
                    f"{name('restart')}"
                )
            )

    def _write_rest(self) -> None:
        """Copy what lies outside all blocks, and give the weight files their final form."""
        rest = [{name: self.reader.entry(name) for name in names} for names in self.rest]
        layout, output = self.work.layout, self.work.output
        if layout.single:
            entries = join_headers(self.work.shard(index) for index in range(layout.blocks))
            for part in rest:
                entries |= part
            copy_tensors(entries, output / SINGLE_FILE)
            return
        for index, part in enumerate(rest):
            copy_tensors(part, self.work.rest(index))
        weight_map: dict[str, str] = {}
        total = 0
        for file in layout.final_names():
            entries = read_header(output / file)
            weight_map |= dict.fromkeys(entries, file)
            total += sum(entry.size for entry in entries.values())
        write_index(output, weight_map, total)

    def _write_configs(self) -> None:
        blocks = list(self.rules.blocks(self.opened.blockwise))
        recipe = self.job.recipe
        quantized = [
            f"{block.name}.{name}" for block in blocks for group in block.groups for name in group
        ]
        quantization = self.form.config(
            QuantizationConfig(
                bits=self.settings.bits,
                group_size=self.settings.group_size,
                sym=self.settings.sym,
                damp_percent=self.settings.damp_percent,
                method=self.rules.name,
                modules=tuple(dict.fromkeys(group for block in blocks for group in block.groups)),
                meta={} if recipe is None else {"recipe": recipe.to_dict()},
                lm_head=bool(self.own),
                dynamic=self._exceptions(),
            ),
            unquantized=unquantized_linears(self.opened.module, quantized),
        )
        config = self.opened.config | {"quantization_config": quantization}
        if self.own:  # the head is a layer of its own now
            config["tie_word_embeddings"] = False
        write_json(self.work.output / "config.json", config)
        for file in self.form.config_files:
            write_json(self.work.output / file, quantization)

    def _exceptions(self) -> dict[str, Any]:
        """What layers differ in from the rest, as GPTQModel names it: by patterns of names."""
        base = self.settings
        return {
            name: {"bits": own.bits, "group_size": own.group_size, "sym": own.sym}
            for name, own in self.own.items()
            if (own.bits, own.group_size, own.sym) != (base.bits, base.group_size, base.sym)
        }

    def _write_gguf(self) -> None:
        """Write the same codes for llama.cpp."""
        folder = self.work.output
        exported = export_gguf(folder, folder / f"{self.job.out.name}{SUFFIX}")
        self.prepared.notes += exported.notes

    def _report(self, found: Inspection) -> Report:
        """Report the run and what was found in what it has written."""
        folder = self.work.output
        suspicious = [text for text in found.findings() if text not in self.prepared.notes]
        for text in suspicious:
            logger.warning("%s", text)
        config = read_json(folder / "config.json")
        return Report(
            source=str(self.opened.folder),
            settings=self.job.described()
            | {
                "format": self.job.form,
                **({} if self.job.head_bits is None else {"head_bits": self.job.head_bits}),
                "allow_uncalibrated": self.job.allow_uncalibrated,
                "device": str(self.job.device),
            },
            calibration=self.prepared.facts,
            modules=[
                module_from_dict(module)
                for record in self.work.records
                for module in record.modules
            ],
            notes=[*self.prepared.notes, *suspicious, *missing_texts(self.opened)],
            loaders=[verdict.to_dict() for verdict in loader_verdicts(found, config)],
            statements=statements(self.opened, self.job.form),
            files=tuple(path.name for path in folder.iterdir()),
            seconds=self._seconds(),
            bytes_before=sum(self.reader.size(name) for name in self.reader.names()),
            bytes=sum(path.stat().st_size for path in folder.glob("*.safetensors")),
        )

    def full_disk(self) -> str:
        """Say how much room is missing, and what was reached."""
        finished, layout = len(self.work.records), self.work.layout
        shards = [
            shard_size(block, self.settings)
            for block in block_shapes(list(self.opened.blockwise.blocks()), self.reader, self.rules)
        ]
        if self.prepared.head is not None:
            shards.append(self.prepared.head.packed_bytes)
        rest = sum(self.reader.size(name) for names in self.rest for name in names)
        needed = sum(shards[finished:]) + rest + (sum(shards) if layout.single else 0)
        free = shutil.disk_usage(self.work.folder).free
        return (
            f"{self.job.out}: the disk is full; {finished} of {layout.blocks} blocks are "
            f"finished, the rest needs {megabytes(needed + SPARE_BYTES)} MB and "
            f"{megabytes(free)} MB are free: free more and run the same command again"
        )

    def _seconds(self) -> float:
        """Of this run and of those that it continues, up to their last finished block."""
        return self.seconds_before + time.monotonic() - self.started


def _rest_shards(reader: CheckpointReader, blocks: Sequence[str], *, head: bool) -> list[list[str]]:
    """Name the tensors outside all blocks, cut into shards of bounded size.

    head: whether the head is quantized, so that no copy of it stays.
    """
    inside = tuple(f"{block}." for block in blocks)
    shards: list[list[str]] = []
    room = 0
    for name in reader.names():
        if name.startswith(inside) or (head and name == f"{LM_HEAD}.weight"):
            continue
        if not shards or reader.size(name) > room:
            shards.append([])
            room = MAX_SHARD_BYTES
        shards[-1].append(name)
        room -= reader.size(name)
    return shards


def _log_warnings(record: FinishedRecord) -> None:
    for module in record.modules:
        for warning in module["warnings"]:
            logger.warning("%s: %s", module["name"], warning)
