"""The reports of a comparison: ``report.json``, ``report.md`` and plots, in one folder."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.files.checkpoint import write_json
from models.files.tensor_files import write_whole
from quantizer.compare.comparison import Comparison
from quantizer.compare.drawing import draw_plots
from quantizer.compare.figures import mean_ratios, shares_changed
from quantizer.compare.methods import GPTQ_HESSIAN, Variant
from quantizer.compare.plots import Plot
from quantizer.compare.text import markdown
from quantizer.report.report import REPORT_FILE, REPORT_TEXT, WRITTEN_BY


def write_report(comparison: Comparison, folder: Path) -> None:
    """Write plots, ``report.md`` and ``report.json`` into a folder."""
    drawn = draw_plots(comparison, folder)
    text = markdown(comparison, drawn)
    write_whole(folder / REPORT_TEXT, lambda file: file.write(text.encode()))
    files = sorted({*(path.name for path in folder.iterdir()), REPORT_FILE})
    write_json(folder / REPORT_FILE, to_dict(comparison, drawn) | {"files": files})


def to_dict(comparison: Comparison, drawn: Sequence[Plot]) -> dict[str, Any]:
    """The content of ``report.json``, its list of files left out."""
    job = comparison.job
    return {
        "written_by": WRITTEN_BY,
        "report": "comparison",
        "source": str(job.model),
        "settings": {
            "methods": list(job.methods),
            "bits": list(job.bits),
            "group_size": job.group_size,
            "paper_rounds": list(job.paper_rounds),
            "eval_seq_len": job.eval_seq_len,
            "bos": job.bos,
            "documents": job.documents,
            "device": str(job.device),
            "dtype": str(job.dtype).removeprefix("torch."),
        },
        "walks": [
            {
                "bits": list(widths),
                "driving": asdict(job.driving(widths[0])),
                "gammas": comparison.gammas[widths[0]],
            }
            for widths in job.walks()
        ],
        "calibration": dict(comparison.facts),
        "warnings": comparison.notes,
        "full_precision": dict(comparison.exact.result),
        "variants": [_variant(comparison, variant) for variant in comparison.variants()],
        "costs": {name: asdict(cost) for name, cost in comparison.costs.items()},
        "layers": [
            {"method": variant.label, "bits": variant.bits, **asdict(row)}
            for variant in comparison.variants()
            for row in comparison.layers[variant]
        ],
        "plots": [asdict(plot) for plot in drawn],
    }


def _variant(comparison: Comparison, variant: Variant) -> dict[str, Any]:
    measured = comparison.measured[variant]
    against = comparison.against_reference(variant)
    return {
        "method": variant.method,
        "label": variant.label,
        "bits": variant.bits,
        "rounds": variant.rounds or None,
        "on_grid": variant.on_grid,
        "perplexity": dict(measured.result),
        "same_weights_as": measured.same_as,
        "against_gptq": against,
        "gap_share_of_gptq": comparison.gap_share(variant),
        "against_gptq_hessian": comparison.against_reference(variant, GPTQ_HESSIAN),
        "gap_share_of_gptq_hessian": comparison.gap_share(variant, GPTQ_HESSIAN),
        "statistics": comparison.statistics_of(variant),
        "j_ratio_to_gptq": mean_ratios(comparison, variant, "j"),
        "j_val_ratio_to_gptq": mean_ratios(comparison, variant, "j_val"),
        "codes_changed": shares_changed(comparison.layers[variant]),
        "cost": asdict(comparison.cost_of(variant)),
    }
