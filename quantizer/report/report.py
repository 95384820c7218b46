"""What a run did, module by module: the content of ``report.json``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.files.bounded import read_json
from models.sequences import WHOLE
from quantizer.solvers.solver import Solution, Stage

REPORT_FILE = "report.json"
REPORT_TEXT = "report.md"
WRITTEN_BY = "sightline quantizer"


@dataclass(frozen=True, slots=True)
class StageReport:
    """One candidate of a module; see ``quantizer.solvers.solver.Stage``."""

    name: str
    j: float | None
    j_val: float | None
    codes_changed: int
    damp_percent: float | None
    rounds: int | None

    @classmethod
    def of(cls, stage: Stage) -> "StageReport":
        """Report a stage without its weights."""
        return cls(
            stage.name,
            stage.error,
            stage.held_out_error,
            stage.codes_changed,
            stage.damp_percent,
            stage.rounds,
        )


@dataclass(frozen=True, slots=True)
class ModuleReport:
    """One quantized linear layer.

    tokens, held_out_tokens: how many positions fed H and H_val.
    method: the stage that was kept.
    gamma: share of the asymmetric correction in the target; None where there was no choice.
    dead_columns: inputs that were zero on every calibration token.
    j_rtn, j, j_val: output error per token of plain rounding, and of what was kept; measured
        against the target that gamma gives.
    bytes_before, bytes: of the weight in the source and of the packed tensors.
    paper: what ``rpiq-paper`` measured off and on the grid; None for other methods.
    part: the part of the model that it belongs to, as reports call it.
    """

    name: str
    shape: tuple[int, int]
    tokens: int
    held_out_tokens: int
    method: str
    grid: str
    gamma: float | None
    dead_columns: int
    damp_percent: float | None
    j_rtn: float | None
    j: float | None
    j_val: float | None
    stages: tuple[StageReport, ...]
    seconds: float
    bytes_before: int
    bytes: int
    warnings: tuple[str, ...]
    paper: dict[str, Any] | None = None
    part: str = WHOLE.title


def report_module(
    name: str,
    solution: Solution,
    *,
    part: str,
    tokens: tuple[int, int],
    grid: str,
    gamma: float | None,
    dead_columns: int,
    seconds: float,
    size_bytes: tuple[int, int],
) -> ModuleReport:
    """Report one solved layer.

    part: of the model, as reports call it. tokens: fitting and held-out.
    grid: the choice for stages beyond plain rounding.
    size_bytes: in the source and packed.
    """
    chosen = solution.chosen
    out_features, in_features = chosen.weight.codes.shape
    return ModuleReport(
        name=name,
        shape=(out_features, in_features),
        tokens=tokens[0],
        held_out_tokens=tokens[1],
        method=chosen.name,
        grid="minmax" if chosen.name == "rtn" else grid,
        gamma=gamma,
        dead_columns=dead_columns,
        damp_percent=chosen.damp_percent,
        j_rtn=solution.stages[0].error,
        j=chosen.error,
        j_val=chosen.held_out_error,
        stages=tuple(StageReport.of(stage) for stage in solution.stages),
        seconds=round(seconds, 4),
        bytes_before=size_bytes[0],
        bytes=size_bytes[1],
        warnings=solution.warnings,
        paper=None if solution.paper is None else solution.paper.to_dict(),
        part=part,
    )


@dataclass(slots=True)
class Report:
    """A whole run; modules are added as they are finished.

    calibration: facts about the sequences, empty without calibration.
    notes: warnings that concern no single module.
    loaders: which programs load the output, see `quantizer.inspect.loaders.LoaderVerdict`.
    statements: what whoever gets the output must be told, such as what it is built on.
    files: names of everything in the output folder, so that a later run knows what is ours.
    """

    source: str
    settings: Mapping[str, Any]
    calibration: Mapping[str, Any]
    modules: list[ModuleReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    loaders: list[Mapping[str, Any]] = field(default_factory=list)
    files: tuple[str, ...] = ()
    seconds: float = 0.0
    bytes_before: int = 0
    bytes: int = 0

    def mean_ratio(self) -> float | None:
        """Mean over modules of J kept / J of plain rounding; None without calibration."""
        ratios = [m.j / m.j_rtn for m in self.modules if m.j is not None and m.j_rtn]
        return sum(ratios) / len(ratios) if ratios else None

    def parts(self) -> dict[str, dict[str, int]]:
        """Layers and calibration tokens by the part of the model, fewest where they differ.

        A model may send each token to a part of its own kind, so parts see very different numbers.
        """
        found: dict[str, dict[str, int]] = {}
        for module in self.modules:
            seen = {"tokens": module.tokens, "held_out_tokens": module.held_out_tokens}
            part = found.setdefault(module.part, {"layers": 0, **seen})
            part["layers"] += 1
            for name, count in seen.items():
                part[name] = min(part[name], count)
        return found

    def warnings(self) -> list[str]:
        """The run's own warnings, then every module's, each with the module's name."""
        named = [f"{module.name}: {text}" for module in self.modules for text in module.warnings]
        return [*self.notes, *named]

    def totals(self) -> dict[str, Any]:
        """The figures of the whole run; sizes are those of the weight files."""
        methods = [module.method for module in self.modules]
        return {
            "modules": len(self.modules),
            "kept": {name: methods.count(name) for name in dict.fromkeys(methods)},
            "mean_j_ratio": self.mean_ratio(),
            "parts": self.parts(),
            "seconds": round(self.seconds, 3),
            "bytes_before": self.bytes_before,
            "bytes": self.bytes,
            "warnings": len(self.warnings()),
        }

    def to_dict(self) -> dict[str, Any]:
        """The content of ``report.json``."""
        return {
            "written_by": WRITTEN_BY,
            "source": self.source,
            "settings": dict(self.settings),
            "calibration": dict(self.calibration),
            "totals": self.totals(),
            "notes": list(self.notes),
            "statements": list(self.statements),
            "loaders": [dict(one) for one in self.loaders],
            "warnings": self.warnings(),
            "modules": [asdict(module) for module in self.modules],
            "files": sorted({*self.files, REPORT_FILE, REPORT_TEXT}),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Report":
        """Read what ``to_dict`` returned."""
        totals = raw["totals"]
        return cls(
            source=raw["source"],
            settings=raw["settings"],
            calibration=raw["calibration"],
            modules=[module_from_dict(module) for module in raw["modules"]],
            notes=list(raw["notes"]),
            statements=list(raw.get("statements", [])),
            loaders=list(raw.get("loaders", [])),
            files=tuple(raw["files"]),
            seconds=totals["seconds"],
            bytes_before=totals["bytes_before"],
            bytes=totals["bytes"],
        )


def module_from_dict(raw: Mapping[str, Any]) -> ModuleReport:
    """Read what ``asdict`` made of a module's report."""
    stages = tuple(StageReport(**stage) for stage in raw["stages"])
    shape = (raw["shape"][0], raw["shape"][1])
    warnings = tuple(raw["warnings"])
    return ModuleReport(**{**raw, "stages": stages, "shape": shape, "warnings": warnings})


def files_of_report(folder: Path) -> Sequence[str] | None:
    """Names of the files that a run of ours left in a folder; None if none did."""
    try:
        raw = read_json(folder / REPORT_FILE)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    if not isinstance(raw, dict) or raw.get("written_by") != WRITTEN_BY:
        return None
    files = raw.get("files")
    if not isinstance(files, list) or not all(isinstance(name, str) for name in files):
        return None
    return files
