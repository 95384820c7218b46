"""Training checkpoints: a folder a step, in parts that are small enough to copy or to commit.

A checkpoint counts once its folder has its final name, so that a run that is killed while it
saves goes on from the checkpoint before.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.errors import CheckpointError
from models.files.bounded import read_json

PART_BYTES = 15 * 2**20  # of tensors in one file, unless a single tensor is larger
_STATE = "state.json"
_UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a run needs to go on.

    tensors: the model's under ``model.NAME``, an optimizer's under ``optimizer.I.PARAMETER.KEY``.
    settings: of the run, as JSON values.
    """

    step: int
    seconds: float
    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def capture(model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Name every tensor of a model and of its optimizers' states."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer.{number}.{index}.{key}"] = torch.as_tensor(value)
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def restore(
    tensors: Mapping[str, Tensor], model: nn.Module, optimizers: list[torch.optim.Optimizer]
) -> None:
    """Undo ``capture``: put the tensors back where they came from."""
    model.load_state_dict(_under(tensors, "model."))
    for number, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under(tensors, f"optimizer.{number}.").items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``step-NNNNNN`` into a run folder and remove the older ones."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step-{checkpoint.step:06d}"
    if final.exists():
        return
    half = final.with_suffix(_UNFINISHED)
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    for number, part in enumerate(_parts(checkpoint.tensors), start=1):
        save_file(part, half / f"part-{number:02d}.safetensors")
    state = {
        "step": checkpoint.step,
        "seconds": checkpoint.seconds,
        "settings": dict(checkpoint.settings),
    }
    (half / _STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    os.replace(half, final)
    for other in _all(folder):
        if other != final:
            shutil.rmtree(other)


def latest(folder: Path) -> Path | None:
    """Find the newest whole checkpoint of a run folder."""
    return max(_all(folder), default=None)


def _all(folder: Path) -> list[Path]:
    return [path for path in folder.glob("step-*") if path.suffix != _UNFINISHED]


def read(path: Path) -> Checkpoint:
    """Read what ``write`` wrote.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    try:
        state = read_json(path / _STATE)
        tensors: dict[str, Tensor] = {}
        for part in sorted(path.glob("part-*.safetensors")):
            with safe_open(part, "pt") as file:
                tensors |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Checkpoint(state["step"], state["seconds"], state["settings"], tensors)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} is damaged and cannot be read; remove it to go on without it"
        ) from error


def _parts(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    parts: list[dict[str, Tensor]] = [{}]
    used = 0
    for name, tensor in tensors.items():
        size = tensor.nbytes
        if parts[-1] and used + size > PART_BYTES:
            parts.append({})
            used = 0
        parts[-1][name] = tensor
        used += size
    return parts
