"""What a run works on, as headers and the drawn calibration data tell it, before a weight is read.

Sizes are bytes; everything is computed in float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from models.blocks import Block, Sample
from models.families import OpenedModel
from models.files.checkpoint import CheckpointReader
from models.sequences import ALL, Parts, StartsWide
from quantizer.calibration.streams import CalibrationSet
from quantizer.recipes.recipe import Recipe, Stream, feeds, stream_of
from quantizer.run.following import JUDGING_TOKENS, followed_tokens, sequences_for
from quantizer.run.shares import Share, slots_of
from quantizer.solvers.methods import Settings


@dataclass(frozen=True, slots=True)
class LinearShape:
    """One linear layer: name as the checkpoint has it, outputs, inputs."""

    name: str
    out_features: int
    in_features: int

    @property
    def count(self) -> int:
        """How many weights it has."""
        return self.out_features * self.in_features


@dataclass(frozen=True, slots=True)
class BlockShape:
    """One block as its headers describe it.

    groups: quantized layers that share one input, in execution order.
    kept:   linear layers that stay as they are.
    others: bytes in the source of every tensor that is copied, by name.
    steps:  all layers that share one input, quantized or kept, in execution order.
    largest: bytes in the source of the largest tensor.
    joins:  layers whose output is added to something that is known, see `models.blocks.Block`.
    """

    name: str
    groups: tuple[tuple[LinearShape, ...], ...]
    kept: tuple[LinearShape, ...]
    others: Mapping[str, int]
    steps: "tuple[Step, ...]"
    largest: int
    joins: frozenset[str] = frozenset()

    @property
    def linears(self) -> tuple[LinearShape, ...]:
        """The linear layers that are quantized."""
        return tuple(linear for group in self.groups for linear in group)

    @property
    def loaded(self) -> tuple[LinearShape, ...]:
        """All its linear layers."""
        return (*self.linears, *self.kept)


@dataclass(frozen=True, slots=True)
class Heads:
    """How many heads of an attention ask, and how many keys and values they share.

    windowed: whether a mask of all positions says how far back each may look.
    plain:    whether the scores of few positions are all held at once on a CPU, as by our own
        attention; transformers leaves the choice to PyTorch.
    """

    query: int
    shared: int
    windowed: bool = False
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """Layers that share one input; ``attention`` where it reads their outputs.

    quantized: whether they are.
    branch:    the part of the block that they belong to, see `models.blocks.Branch`; empty without.
    end:       whether they are among its last layers.
    strand:    the part of the branch that they alone depend on, where its ends are apart.
    """

    layers: tuple[LinearShape, ...]
    attention: Heads | None
    quantized: bool = True
    branch: str = ""
    end: bool = False
    strand: str = ""


def block_shapes(
    blocks: Sequence[Block], reader: CheckpointReader, recipe: Recipe
) -> list[BlockShape]:
    """Describe every block by the checkpoint's headers."""
    shapes = []
    for block in blocks:
        groups = []
        kept: list[LinearShape] = []
        steps: list[Step] = []
        for group in block.groups:
            layers = tuple(_linear_shape(f"{block.name}.{name}", reader) for name in group)
            heads = _heads(block, group[0]) if _feeds(steps, layers) else None
            quantized = recipe.rule(layers[0].name).settings is not None
            steps.append(Step(layers, heads, quantized, *_place(block, group[0])))
            if not quantized:
                kept += layers
            else:
                groups.append(layers)
        taken = {f"{linear.name}.weight" for group in groups for linear in group}
        others = {
            name: reader.size(name)
            for name in reader.names()
            if name.startswith(f"{block.name}.") and name not in taken
        }
        largest = max(reader.size(n) for n in reader.names() if n.startswith(f"{block.name}."))
        joins = frozenset(f"{block.name}.{name}" for name, _ in block.joins)
        shapes.append(
            BlockShape(block.name, tuple(groups), tuple(kept), others, tuple(steps), largest, joins)
        )
    return shapes


def _place(block: Block, layer: str) -> tuple[str, bool, str]:
    """Where a layer stands in the branches of its block: see `Step`."""
    for branch in block.branches:
        own = layer.removeprefix(f"{branch.module}.")
        if own != layer:
            return branch.module, own in branch.ends, own.partition(".")[0] if branch.apart else ""
    return "", False, ""


def _feeds(before: Sequence[Step], layers: tuple[LinearShape, ...]) -> bool:
    """Whether layers of an attention stand before it: they are its first, or they widen.

    before: the steps of the block before them.
    """
    owner = layers[0].name.rpartition(".")[0]
    first = all(step.layers[0].name.rpartition(".")[0] != owner for step in before)
    return first or sum(layer.out_features for layer in layers) > layers[0].in_features


def _heads(block: Block, layer: str) -> Heads | None:
    """The heads of the attention that a layer is a part of, None where it is of none.

    Attention modules, our own and those of transformers, say ``num_heads``, or ``head_dim`` and
    the rest in their configuration.
    """
    owner = block.module.get_submodule(layer.rpartition(".")[0])
    query = getattr(owner, "num_heads", None)
    shared = getattr(owner, "num_kv_heads", None)
    config = getattr(owner, "config", None)
    if config is not None and hasattr(owner, "head_dim"):
        query = query or getattr(config, "num_attention_heads", None)
        shared = shared or getattr(config, "num_key_value_heads", None)
    windowed = getattr(owner, "sliding_window", None) is not None
    plain = getattr(config, "_attn_implementation", None) != "sdpa"
    return Heads(query, shared or query, windowed, plain) if query else None


def _linear_shape(name: str, reader: CheckpointReader) -> LinearShape:
    out_features, in_features = reader.shape(f"{name}.weight")
    return LinearShape(name, out_features, in_features)


def packed_size(linear: LinearShape, settings: Settings) -> int:
    """Bytes of a layer in its file: packed codes and zero-points, fp16 scales, int32 g_idx."""
    groups = -(-linear.in_features // settings.group_size) * linear.out_features
    codes = settings.bits * (linear.count + groups) // 8
    return codes + 2 * groups + 4 * linear.in_features


def shard_size(block: BlockShape, settings: Settings) -> int:
    """Bytes of a finished block's tensors in its file."""
    packed = sum(packed_size(linear, settings) for linear in block.linears)
    return packed + sum(block.others.values())


@dataclass(frozen=True, slots=True)
class SequenceShape:
    """One calibration sequence.

    tokens: positions by the part of the model that they reach, and all of them; see `parts`.
    sample: bytes before the first block; state: the most behind any block.
    stream: which layers it calibrates.
    parts:  the parts of the model.
    start:  bytes that turning the sample into a state takes, where a picture passes a tower then.
    """

    tokens: Mapping[str, int]
    sample: int
    state: int
    stream: Stream = "text"
    parts: Parts = field(default_factory=Parts)
    start: int = 0

    def reaching(self, layer: str) -> int:
        """Positions that a layer computes, by its full name."""
        return self.tokens[self.parts.of(layer).name]

    def passing(self, layer: str) -> int:
        """Positions that pass through the block of a layer, whichever part each goes to."""
        part = self.parts.of(layer)
        return self.tokens[part.name if part.own_blocks else ALL]


def sequence_shape(opened: OpenedModel, sample: Sample) -> SequenceShape:
    """Count the tokens of a sequence as the model will see them."""
    layout = opened.layout
    held = sum(value.nbytes for value in sample.values() if isinstance(value, Tensor))
    start = 0
    if isinstance(layout, StartsWide) and sample.get("pixels") is not None:
        start = layout.start_bytes
    return SequenceShape(
        layout.tokens(sample),
        held,
        layout.state_bytes(sample),
        stream_of(sample),
        layout.parts,
        start,
    )


@dataclass(frozen=True, slots=True)
class CalibrationShape:
    """The sequences of a run, as `sequence_shape` describes them."""

    fitting: tuple[SequenceShape, ...] = ()
    held_out: tuple[SequenceShape, ...] = ()

    @classmethod
    def of(cls, opened: OpenedModel, calibration: CalibrationSet | None) -> "CalibrationShape":
        """Describe what was drawn."""
        if calibration is None:
            return cls()
        return cls(
            tuple(sequence_shape(opened, sample) for sample in calibration.fitting),
            tuple(sequence_shape(opened, sample) for sample in calibration.held_out),
        )

    @property
    def all(self) -> tuple[SequenceShape, ...]:
        """Both parts."""
        return (*self.fitting, *self.held_out)

    def followed(self, recipe: Recipe, widest: int) -> "CalibrationShape":
        """The sequences that the full-precision path follows too.

        widest: most inputs of any layer, which decides how many there are.
        """
        if not any(rule.settings and is_asymmetric(rule.settings) for rule in recipe.rules):
            return CalibrationShape()
        return CalibrationShape(
            _first(self.fitting, followed_tokens(widest)), _first(self.held_out, JUDGING_TOKENS)
        )

    def held(self, followed: "CalibrationShape", rank: int, size: int) -> "CalibrationShape":
        """The sequences that one of several ranks holds.

        followed: those of all that the full-precision path follows.
        """
        slots = slots_of(rank, size)
        fitting = Share.of(len(self.fitting), len(followed.fitting), slots)
        held_out = Share.of(len(self.held_out), 0, slots)
        return CalibrationShape(
            tuple(self.fitting[number] for number in fitting.numbers),
            tuple(self.held_out[number] for number in held_out.numbers),
        )

    def at_least_one_of(self, whole: "CalibrationShape") -> "CalibrationShape":
        """This share, with a sequence where it has none and ``whole`` has: a bound for memory.

        Sums over the sequences of others come to a rank that holds none itself.
        """
        return CalibrationShape(
            self.fitting or whole.fitting[:1], self.held_out or whole.held_out[:1]
        )

    def tokens(self, layer: str, stream: Stream = "all") -> tuple[int, int]:
        """Fitting and held-out tokens that reach a layer, of the sequences of a stream."""
        fitting, held_out = (
            sum(sequence.reaching(layer) for sequence in part if feeds(sequence.stream, stream))
            for part in (self.fitting, self.held_out)
        )
        return fitting, held_out


def _first(sequences: tuple[SequenceShape, ...], tokens: int) -> tuple[SequenceShape, ...]:
    """The first sequences that hold at least so many tokens together."""
    lengths = (sequence.tokens[ALL] for sequence in sequences)
    return sequences[: sequences_for(lengths, tokens)]


def is_asymmetric(settings: Settings) -> bool:
    """Whether the full-precision network is walked beside the quantized one."""
    return settings.method == "rpiq" and settings.asymmetric_target != "0"


def chooses_gamma(settings: Settings) -> bool:
    """Whether every group is solved by GPTQ for each share of the correction first."""
    return is_asymmetric(settings) and settings.asymmetric_target == "auto"


def stages(settings: Settings) -> int:
    """How many candidates a layer's solver keeps."""
    own = {"rtn": 0, "gptq": 1, "rpiq": 2, "rpiq-paper": 2}[settings.method]
    return 1 + (settings.grid == "hessian") + own
