"""Train the pocket model on rendered pictures.

The tower gets a dense target besides the answers: what every patch shows (colour, shape, letter,
an object's centre). Answers alone start neither counting nor reading within a CPU's budget. A run
has one of two stages: the tower learns from crowded pictures without questions, which show it
many shapes and letters each; then the whole model learns to answer. The dense head is dropped
when the model is saved.
"""

import logging
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from models.cogvlm2 import CogVLM2Config, CogVLM2ForCausalLM, VisionConfig
from models.cogvlm2.decoder import LANGUAGE, VISION, Routing, position_ids
from models.cogvlm2.processing import build_prompt, preprocess_picture
from models.errors import CheckpointError, DeviceError
from models.pocket.questions import CHARACTERS, COLOURS, SHAPES, Split
from models.pocket.training.checkpoints import Checkpoint, capture, latest, read, restore, write
from models.pocket.training.drawing.canvas import GRID, PATCH, SIZE, Example, PatchLabels
from models.pocket.training.drawing.crowded import render_crowded
from models.pocket.training.export import BOS, EOS, PAD, VOCAB_SIZE, build_tokenizer
from models.pocket.training.fonts import training_fonts
from models.pocket.training.initialization import initialize
from models.pocket.training.pictures import render

log = logging.getLogger(__name__)

IGNORED = -100  # cross entropy skips these targets
DENSE_CLASSES = (len(COLOURS) + 1, len(SHAPES) + 1, len(CHARACTERS) + 1)
SKILL_SHARES = {
    "colour": 0.04,
    "count": 0.52,
    "compare": 0.09,
    "word": 0.12,
    "lines": 0.08,
    "title": 0.04,
    "author": 0.02,
    "category": 0.02,
    "field": 0.04,
    "decline": 0.03,
}  # of the pictures: counting is learnt last, then reading
MUON_FACTOR = 2.0  # of the learning rate: a step then turns a matrix by about one percent
END_WEIGHT = 0.1  # of the end mark, where the rest of an answer weighs one
# Most patches are empty; at equal weight they would drown those with something on them.
EMPTY_WEIGHT = (0.1, 0.05, 0.02)
SUM_WEIGHT = 0.5  # of how many centres there are, where their places weigh one


def pocket_config() -> CogVLM2Config:
    """The pocket model's shape: 5.4 M parameters, every in_features a multiple of 128."""
    return CogVLM2Config(
        vocab_size=VOCAB_SIZE,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=8,
        num_multi_query_heads=4,
        max_position_embeddings=512,
        rope_theta=10000.0,
        bos_token_id=0,
        eos_token_ids=(1,),
        pad_token_id=2,
        vision=VisionConfig(
            image_size=SIZE,
            patch_size=PATCH,
            hidden_size=256,
            num_heads=4,
            num_hidden_layers=4,
            intermediate_size=512,
        ),
    )


TOWER, ANSWERS = "tower", "answers"  # the stages, in their order
TOWER_PREFIXES = (
    "pocket.model.vision.patch_embedding.",
    "pocket.model.vision.transformer.",
    "dense_head.",
)


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What a training run may vary. Changing any of it makes a checkpoint unusable."""

    stage: str = ANSWERS
    pictures: int = 120_000
    batch_size: int = 32
    learning_rate: float = 1.6e-3
    weight_decay: float = 0.05
    warmup_steps: int = 150
    easy_pictures: int = 12_000  # over which pictures grow from easy to hard
    resting_pictures: int = 0  # while a trained tower rests: a step takes half the time
    dense_weight: float = 1.0
    cell_weight: float = 0.5
    seed: int = 0

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.pictures // self.batch_size


class PictureQuestions(Dataset[dict[str, Tensor]]):
    """Rendered pictures with their questions, one packed sequence each; item i is seed i."""

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        self.config = pocket_config()
        self.tokenizer = build_tokenizer()
        if [self.tokenizer.token_to_id(t) for t in (BOS, EOS, PAD)] != [0, 1, 2]:
            raise AssertionError("special tokens must be 0, 1, 2 as in pocket_config")

    def __len__(self) -> int:
        return self.settings.steps * self.settings.batch_size

    def example(self, index: int) -> Example:
        """Draw picture ``index``; they grow harder over the first ones."""
        seed = self.settings.seed * 10**9 + index
        difficulty = min(1.0, index / max(1, self.settings.easy_pictures))
        if self.settings.stage == TOWER:
            return render_crowded(seed, difficulty)
        skill = random.Random(seed).choices(list(SKILL_SHARES), [*SKILL_SHARES.values()])[0]
        return render(seed, Split.TRAIN, skill, difficulty, thorough=True)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        example = self.example(index)
        ids: list[int] = []
        targets: list[int] = []
        weights: list[float] = []
        branch: list[int] = []  # 0 for the picture, 1.. for each question with its answer
        positions: list[int] = []
        for number, pair in enumerate(example.questions, start=1):
            prompt = self.tokenizer.encode(build_prompt(pair.question)).ids
            answer = [*self.tokenizer.encode(pair.answer).ids, self.config.eos_token_ids[0]]
            ids += prompt + answer[:-1]
            targets += [IGNORED] * (len(prompt) - 1) + answer
            weights += [0.0] * (len(prompt) - 1) + token_weights(len(answer))
            branch += [number] * (len(prompt) + len(answer) - 1)
            positions += range(4, 4 + len(prompt) + len(answer) - 1)
        return {
            "pixels": preprocess_picture(example.rgb, self.config),
            "ids": torch.tensor(ids, dtype=torch.long),
            "targets": torch.tensor(targets, dtype=torch.long),
            "weights": torch.tensor(weights),
            "branch": torch.tensor(branch, dtype=torch.long),
            "positions": torch.tensor(positions, dtype=torch.long),
            "dense": torch.from_numpy(stack_labels(example.labels)),
        }


def token_weights(length: int) -> list[float]:
    """Weigh an answer's tokens so that it counts by the root of its length, its end mark little.

    With equal tokens a long word would outweigh a count by its letters, which no model can
    spell before it has learnt them; with equal answers its letters would hardly be heard.
    """
    if length == 1:
        return [1.0]
    return [(length - 1) ** -0.5] * (length - 1) + [END_WEIGHT]


def stack_labels(labels: PatchLabels) -> NDArray[np.int64]:
    """Stack the patch labels as (4, patches): colour, shape, letter, centre."""
    stacked = np.stack((labels.colour, labels.shape, labels.letter, labels.centre))
    return stacked.reshape(4, GRID * GRID)


def collate(items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Pad the packed questions on the right and put the picture's places before them."""
    config = pocket_config()
    picture = 1 + config.num_picture_tokens
    longest = max(len(item["ids"]) for item in items)

    def pad(name: str, value: int) -> Tensor:
        return torch.stack(
            [F.pad(item[name], (0, longest - len(item[name])), value=value) for item in items]
        )

    prefix = torch.full((len(items), picture), config.pad_token_id)
    prefix[:, 0] = config.bos_token_id
    types = torch.full((1, picture), VISION)
    types[:, 0] = LANGUAGE
    return {
        "pixels": torch.stack([item["pixels"] for item in items]),
        "dense": torch.stack([item["dense"] for item in items]),
        "ids": torch.cat((prefix, pad("ids", config.pad_token_id)), dim=1),
        "targets": F.pad(pad("targets", IGNORED), (picture, 0), value=IGNORED),
        "weights": F.pad(pad("weights", 0), (picture, 0), value=0.0),
        "branch": F.pad(pad("branch", -1), (picture, 0), value=0),
        "positions": torch.cat(
            (position_ids(types).expand(len(items), -1), pad("positions", 0)), dim=1
        ),
    }


def branch_mask(branch: Tensor) -> Tensor:
    """Let every question see the picture and itself, but no other question: (B, 1, T, T)."""
    same = branch[:, :, None] == branch[:, None, :]
    picture = (branch == 0)[:, None, :]
    order = torch.ones(branch.shape[1], branch.shape[1], dtype=torch.bool, device=branch.device)
    return ((same | picture) & order.tril())[:, None]


class TrainedModel(nn.Module):
    """The pocket model with the dense head that exists only during training."""

    def __init__(self) -> None:
        super().__init__()
        self.config = pocket_config()
        self.pocket = CogVLM2ForCausalLM(self.config)
        classes = sum(DENSE_CLASSES) + 1
        self.dense_head = nn.Linear(self.config.vision.hidden_size, classes)
        self.cell_head = nn.Linear(self.config.hidden_size, 4 * classes)
        initialize(self.pocket)
        for head in (self.dense_head, self.cell_head):
            nn.init.normal_(head.weight, std=0.02)
        # The token that names each colour, shape and character; 0 stands for "nothing here".
        names = build_tokenizer()
        self.names = tuple(
            torch.tensor([-1, *(names.token_to_id(word) for word in words)])
            for words in (COLOURS, SHAPES, CHARACTERS)
        )

    def forward(self, batch: dict[str, Tensor], *, resting: bool = False) -> "Losses":
        """Compute the losses of a batch; a resting tower gets no gradient and has no loss."""
        core, vision = self.pocket.model, self.pocket.model.vision
        with torch.set_grad_enabled(torch.is_grad_enabled() and not resting):
            tokens = vision.transformer(vision.patch_embedding(batch["pixels"]))
        nothing = tokens.new_zeros((), dtype=torch.float32)
        dense = nothing
        if not resting:
            dense = label_loss(self.dense_head(tokens[:, 1:]), batch["dense"])
        if not bool((batch["targets"] != IGNORED).any()):
            return Losses(nothing, dense, nothing, nothing)
        merged = vision.linear_proj(vision.merge(tokens))
        cells = self.cell_loss(merged, batch["dense"])
        features = vision.enclose(merged)
        types = torch.full_like(batch["ids"], LANGUAGE)
        types[:, 1 : 1 + self.config.num_picture_tokens] = VISION
        x = core.embed(batch["ids"], types, features)
        routing, mask = Routing.from_token_types(types), branch_mask(batch["branch"])
        for layer in core.layers:
            x = layer(x, routing, batch["positions"], mask)
        asked = batch["targets"] != IGNORED
        logits = self.pocket.lm_head(core.norm(x[asked])).float()
        wanted = batch["targets"][asked]
        right = (logits.argmax(-1) == wanted).float().mean()
        weights = batch["weights"][asked]
        losses = F.cross_entropy(logits, wanted, reduction="none")
        return Losses((losses * weights).sum() / weights.sum(), dense, cells, right)

    def cell_loss(self, merged: Tensor, labels: Tensor) -> Tensor:
        """Ask of each picture token what its four patches show, and to name it.

        Without this the adapter starts to pass on what the tower sees only when the decoder starts
        to look, and the decoder only when there is something to see. Naming puts a thing near its
        word in the decoder's own space, so that answering begins as copying.

        Args:
            merged: (B, cells, C), the adapter's output. labels: (B, 4, patches).
        """
        half = GRID // 2
        batch = labels.shape[0]
        split = labels.view(batch, 4, half, 2, half, 2).permute(0, 1, 2, 4, 3, 5)
        shown = split.reshape(batch, 4, half * half, 4)  # the patches of each cell
        scores = self.cell_head(merged).unflatten(-1, (4, -1)).flatten(1, 2)
        return label_loss(scores, shown.flatten(2)) + self.naming_loss(merged, shown)

    def naming_loss(self, merged: Tensor, shown: Tensor) -> Tensor:
        """Cross entropy of the words for what a cell shows, by the decoder's own output head.

        Args:
            merged: (B, cells, C). shown: (B, 4, cells, 4), the labels of each cell's patches.
        """
        logits = self.pocket.lm_head(self.pocket.model.norm(merged)).float().flatten(0, 1)
        words = torch.cat(
            [names.to(shown.device)[shown[:, kind]] for kind, names in enumerate(self.names)],
            dim=-1,
        ).flatten(0, 1)
        wanted = torch.zeros_like(logits).scatter_add_(
            1, words.clamp(min=0), (words >= 0).to(logits.dtype)
        )
        named = wanted.sum(1)
        empty = named == 0
        wanted[empty, self.config.pad_token_id] = 1.0
        losses = -(wanted * logits.log_softmax(-1)).sum(1) / wanted.sum(1)
        weight = torch.where(empty, EMPTY_WEIGHT[-1], 1.0)
        mean: Tensor = (losses * weight).sum() / weight.sum()
        return mean


class Losses(NamedTuple):
    """Of one batch: each () float32; ``right`` is the share of answer tokens that are right."""

    answer: Tensor
    dense: Tensor
    cells: Tensor
    right: Tensor


def label_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of what each patch shows; patches with something on them weigh more.

    Args:
        scores: (B, patches, classes). labels: (B, 4, patches), see `stack_labels`.
    """
    parts = torch.split(scores.float(), [*DENSE_CLASSES, 1], dim=-1)
    total = scores.new_zeros((), dtype=torch.float32)
    for index, classes in enumerate(DENSE_CLASSES):
        weight = torch.ones(classes, device=scores.device)
        weight[0] = EMPTY_WEIGHT[index]
        target = labels[:, index].flatten()
        total = total + F.cross_entropy(parts[index].flatten(0, 1), target, weight=weight)
    return total + centre_loss(parts[3].squeeze(-1), labels[:, 3].float())


def centre_loss(scores: Tensor, centres: Tensor) -> Tensor:
    """Ask for one centre an object: calibrated places, whose sum is the number of objects.

    Weighing centres more than the empty patches beside them would smear each over its neighbours,
    and a smeared picture cannot be counted.

    Args:
        scores: (B, patches), logits. centres: (B, patches), 1 where an object's centre is.
    """
    places = F.binary_cross_entropy_with_logits(scores, centres, reduction="sum")
    objects = centres.sum(1)
    missed = (scores.sigmoid().sum(1) - objects) / (objects + 1).sqrt()
    return places / (objects.sum() + 1) + SUM_WEIGHT * missed.square().mean()


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """Linear warm-up, then cosine to one fiftieth; constant while the tower learns alone.

    The constant rate lets the first stage end at any step.
    """
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    if settings.stage == TOWER:
        return settings.learning_rate
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return settings.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def optimizers(model: nn.Module, settings: TrainingSettings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for everything else."""
    inner: list[Tensor] = []
    other: list[Tensor] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.dim() == 2 and "layers." in name
        (inner if is_matrix else other).append(parameter)
    decay = settings.weight_decay
    return [
        torch.optim.Muon(inner, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(other, weight_decay=decay, betas=(0.9, 0.98), fused=True),
    ]


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of the learning curve; losses are means since the last line."""

    step: int
    pictures: int
    answer_loss: float
    dense_loss: float
    cell_loss: float
    token_accuracy: float
    seconds: float


def usable_device(name: str) -> torch.device:
    """Turn ``cpu``, ``cuda`` or ``cuda:1`` into a device that is there.

    Raises:
        DeviceError: there is no such device.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(f"device {name!r} cannot be used here; use cpu") from error
    return device


class Run:
    """A training run that can stop and go on at any step."""

    def __init__(
        self,
        folder: Path,
        settings: TrainingSettings,
        *,
        device: str,
        workers: int,
        tower: Path | None = None,
    ) -> None:
        training_fonts()  # a missing font must stop the run here, not inside a drawing process
        self.folder, self.settings, self.device = folder, settings, usable_device(device)
        self.workers = workers
        torch.manual_seed(settings.seed)
        self.model = TrainedModel().to(self.device)
        self.optimizers = optimizers(self.model, settings)
        self.step = 0
        self.seconds = 0.0
        path = latest(folder)
        if path is not None:
            self._resume(path)
        elif tower is not None:
            self._take_tower(tower)

    def train(self, report: Callable[[Progress], None], *, save_every_s: float = 120.0) -> None:
        """Train to the end of the run, reporting every 50 steps and saving every two minutes."""
        saved_at = started = time.monotonic()
        before = self.seconds
        sums: list[Tensor] = []
        for batch in self._batches():
            sums.append(self._train_step(batch))
            self.step += 1
            now = time.monotonic()
            self.seconds = before + now - started
            if self.step % 50 == 0 or self.step == self.settings.steps:
                answer, dense, cells, right = torch.stack(sums).mean(0).tolist()
                sums.clear()
                pictures = self.step * self.settings.batch_size
                report(Progress(self.step, pictures, answer, dense, cells, right, self.seconds))
            if now - saved_at > save_every_s:
                self.save()
                saved_at = now
        self.save()

    def save(self) -> None:
        """Write a checkpoint; the one before stays until this one is whole."""
        tensors = capture(self.model, self.optimizers)
        write(self.folder, Checkpoint(self.step, self.seconds, asdict(self.settings), tensors))

    def _resume(self, path: Path) -> None:
        saved = read(path)
        ours = asdict(self.settings)
        changed = [key for key in ours if saved.settings.get(key) != ours[key]]
        if changed:
            raise CheckpointError(
                f"{path} was trained with other settings ({', '.join(changed)}); "
                "use the same settings or another --out folder"
            )
        restore(saved.tensors, self.model, self.optimizers)
        self.step, self.seconds = saved.step, saved.seconds

    def _take_tower(self, folder: Path) -> None:
        """Start from the tower and the dense head of a run of the first stage."""
        path = latest(folder)
        if path is None:
            raise CheckpointError(
                f"{folder} holds no checkpoint; run the tower stage into that folder first"
            )
        saved = read(path).tensors
        state = self.model.state_dict()
        state |= {name: saved[f"model.{name}"] for name in state if name.startswith(TOWER_PREFIXES)}
        self.model.load_state_dict(state)

    def _batches(self) -> Iterator[dict[str, Tensor]]:
        size = self.settings.batch_size
        order = [
            list(range(step * size, (step + 1) * size))
            for step in range(self.step, self.settings.steps)
        ]
        loader = DataLoader(
            PictureQuestions(self.settings),
            batch_sampler=order,
            collate_fn=collate,
            num_workers=self.workers,
            prefetch_factor=8 if self.workers else None,
        )
        for batch in loader:
            yield {name: tensor.to(self.device) for name, tensor in batch.items()}

    def _train_step(self, batch: dict[str, Tensor]) -> Tensor:
        rate = learning_rate(self.step, self.settings)
        for optimizer, factor in zip(self.optimizers, (MUON_FACTOR, 1.0), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = factor * rate
        settings = self.settings
        resting = self.step * settings.batch_size < settings.resting_pictures
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            losses = self.model(batch, resting=resting)
        loss = losses.answer + settings.dense_weight * losses.dense
        (loss + settings.cell_weight * losses.cells).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return torch.stack([part.detach() for part in losses])
