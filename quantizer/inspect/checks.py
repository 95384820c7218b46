"""What one stored quantized layer looks like, and what about it is suspicious, whatever its form.

Every check is made on its own: a layer with a broken tensor still tells what its others hold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.files.checkpoint import QuantizationConfig
from models.files.quantized_source import find_input_order
from models.int4.packing import STORED_BITS
from models.int4.weight import group_count, group_index

OUTLIER = 100
"""A scale this many times the layer's median is named."""

SATURATED = 0.25
"""Share of codes at the two ends of the grid from which on a layer is named. A grid from the
smallest to the largest weight of each group has about 2 / group_size there, plus what rounds."""

OUTPUT_MULTIPLE = 16  # GPTQModel's CPU kernels and PyTorch's int4 kernel

WIDTHS = (2, 3, 4, 8)
_CHUNK = 1 << 22  # codes looked at together


@dataclass(slots=True)
class LayerFacts:
    """One quantized layer; what could not be found out is None.

    shape:       (out, in).
    groups:      "static" (``k // group_size``), "act-order" or "irregular".
    zeros:       smallest and largest zero-point.
    scales:      smallest, median and largest of the finite scales.
    at_ends:     share of the codes that are 0 or 2**bits - 1.
    offset:      mean of code - zero-point, in steps of the grid.
    size_bytes:  of all its packed tensors.
    suspicious:  one short text for everything that looks wrong.
    """

    name: str
    shape: tuple[int, int] | None = None
    bits: int | None = None
    group_size: int | None = None
    groups: str | None = None
    zeros: tuple[int, int] | None = None
    scales: tuple[float, float, float] | None = None
    at_ends: float | None = None
    offset: float | None = None
    size_bytes: int = 0
    suspicious: list[str] = field(default_factory=list)


Read = Callable[[str], Tensor]


class CannotGoOnError(Exception):
    """What is left of a layer cannot be understood any further."""


class LayerChecks:
    """The steps that both forms share; a form knows where its codes and zero-points are."""

    parts: tuple[str, ...]
    optional: tuple[str, ...]
    scale_part: str

    def __init__(
        self,
        facts: LayerFacts,
        shapes: Mapping[str, tuple[int, ...]],
        read: Read,
        config: QuantizationConfig | None,
    ) -> None:
        self.facts, self.shapes, self.config = facts, shapes, config
        self._read = read

    def describe(self) -> None:
        """Fill the facts in, from the cheap to the costly."""
        facts = self.facts
        missing = [part for part in self.parts if part not in self.shapes]
        missing = [part for part in missing if part not in self.optional]
        if missing:
            facts.suspicious.append(f"lacks {', '.join(missing)}")
        extra = [part for part in self.shapes if part not in (*self.parts, "bias")]
        if extra:
            facts.suspicious.append(f"also has {', '.join(sorted(extra))}")
        in_features, out_features, bits, size = self.layout()
        facts.shape, facts.bits, facts.group_size = (out_features, in_features), bits, size
        self._check_shape(in_features, out_features, size)
        scale = self.read_scales()
        zero = self._zeros(bits, out_features)
        group = self._groups(in_features, size)
        used = self._codes(bits, in_features, out_features, group, zero)
        if scale is not None:
            self._outliers(scale, used)

    def layout(self) -> tuple[int, int, int, int]:
        """Find in and out features, bits and group size from shapes and configuration."""
        raise NotImplementedError

    def zeros(self, bits: int, out_features: int) -> Tensor | None:
        """Return the zero-points, (out, groups), or None if there are none."""
        raise NotImplementedError

    def codes(self, words: Tensor, bits: int, start: int, stop: int) -> Tensor:
        """Return the codes of some inputs, (out, stop - start)."""
        raise NotImplementedError

    def load(self, part: str) -> Tensor | None:
        """Read a tensor, or note why not."""
        if part not in self.shapes:
            return None
        try:
            return self._read(part)
        except CheckpointError as error:
            self.facts.suspicious.append(f"{part} cannot be read: {error}")
            return None

    def settled(self, bits_found: int | None, in_features: int, groups: int) -> tuple[int, int]:
        """Bits and group size: what shapes say, where the configuration does not fit them."""
        said_bits, said_size = None, None
        if self.config is not None:
            try:
                said_bits, said_size = self.config.layer(self.facts.name)
            except CheckpointError as error:
                self.facts.suspicious.append(str(error))
        bits = bits_found or said_bits
        if bits is None:
            raise CannotGoOnError("shapes do not fit any width of 2, 3, 4 or 8 bits")
        if said_bits not in (None, bits):
            self.facts.suspicious.append(
                f"shapes are those of {bits} bits, config says {said_bits}"
            )
        if bits not in STORED_BITS:
            raise CannotGoOnError(f"{bits} bits, which can be neither loaded nor looked into here")
        size = in_features if said_size == -1 else said_size
        if size is None or group_count(in_features, size) != groups:
            found = -(-in_features // groups)
            if size is not None:
                self.facts.suspicious.append(
                    f"scales have {groups} groups, that is groups of {found}, "
                    f"config says groups of {said_size}"
                )
            size = found
        return bits, size

    def _check_shape(self, in_features: int, out_features: int, size: int) -> None:
        if out_features % OUTPUT_MULTIPLE:
            self.facts.suspicious.append(
                f"{out_features} outputs are no multiple of {OUTPUT_MULTIPLE}, "
                "which some loaders need"
            )
        if in_features % size:
            self.facts.suspicious.append(
                f"the last group is short ({in_features} inputs in groups of {size}), "
                "which some loaders refuse"
            )

    def read_scales(self) -> Tensor | None:
        """Read the scales, name unsound ones; returns (out, groups) float32."""
        raw = self.load(self.scale_part)
        if raw is None:
            return None
        if not raw.is_floating_point():
            self.facts.suspicious.append(f"{self.scale_part} are {raw.dtype}")
            return None
        scale = raw.to(torch.float32)
        finite = scale[torch.isfinite(scale)]
        kinds = {
            "NaN": torch.isnan(scale),
            "infinite": torch.isinf(scale),
            "zero": scale == 0,
            "negative": scale < 0,
            "denormal": (scale > 0) & (scale < torch.finfo(raw.dtype).smallest_normal),
        }
        for kind, found in kinds.items():
            count = int(found.sum())
            if count:
                self.facts.suspicious.append(f"{count_of(count, 'scale')} {kind}")
        if finite.numel():
            low, high = float(finite.min()), float(finite.max())
            self.facts.scales = (low, float(finite.median()), high)
        return scale

    def _zeros(self, bits: int, out_features: int) -> Tensor | None:
        zero = self.zeros(bits, out_features)
        if zero is None or not zero.numel():
            return None
        low, high = int(zero.min()), int(zero.max())
        self.facts.zeros = (low, high)
        middle = 2 ** (bits - 1)
        if self.config is not None and self.config.sym and (low, high) != (middle, middle):
            self.facts.suspicious.append(
                f"zero-points are {low} to {high}, config says symmetric, that is {middle}"
            )
        return zero

    def _groups(self, in_features: int, size: int) -> Tensor:
        """Return the group of every input."""
        self.facts.groups = "static"
        static = group_index(in_features, size)
        stored = self.load("g_idx") if "g_idx" in self.parts else None
        if stored is None:
            return static
        if stored.is_floating_point() or stored.dtype == torch.bool:
            self.facts.groups = "irregular"
            self.facts.suspicious.append(f"g_idx is {stored.dtype}, no whole numbers")
            return static
        if tuple(stored.shape) != (in_features,) or not bool(
            ((stored >= 0) & (stored < group_count(in_features, size))).all()
        ):
            self.facts.groups = "irregular"
            self.facts.suspicious.append("g_idx names groups that do not exist")
            return static
        try:
            if find_input_order(stored, size) is not None:
                self.facts.groups = "act-order"
        except CheckpointError:
            self.facts.groups = "irregular"
            self.facts.suspicious.append(f"g_idx does not put {size} inputs into each group")
        return stored.to(torch.int64)

    def _codes(
        self, bits: int, in_features: int, out_features: int, group: Tensor, zero: Tensor | None
    ) -> Tensor | None:
        """Count codes; returns (out, groups), how many weights of each group are not zero."""
        words = self.load(self.parts[0])
        if words is None:
            return None
        if words.dtype != torch.int32:
            raise CannotGoOnError(f"{self.parts[0]} is {words.dtype}, not int32")
        counts = torch.zeros(2**bits, dtype=torch.int64)
        used = None if zero is None else torch.zeros(zero.shape, dtype=torch.int32)
        step = max(1, _CHUNK // out_features // 32) * 32
        for start in range(0, in_features, step):
            stop = min(start + step, in_features)
            codes = self.codes(words, bits, start, stop)
            counts += torch.bincount(codes.flatten(), minlength=2**bits)
            if used is not None and zero is not None:
                part = group[start:stop]
                used.index_add_(1, part, (codes != zero[:, part]).to(torch.int32))
        self.facts.at_ends = float(counts[0] + counts[-1]) / float(counts.sum())
        if zero is not None:
            mean = float((counts * torch.arange(2**bits)).sum()) / float(counts.sum())
            members = torch.bincount(group, minlength=zero.shape[1]).double()
            self.facts.offset = mean - float((zero.double() * members).sum(1).mean()) / in_features
        self._judge_codes(counts, used)
        return used

    def _judge_codes(self, counts: Tensor, used: Tensor | None) -> None:
        facts = self.facts
        same = bool((counts > 0).sum() == 1)
        if same:
            facts.suspicious.append(f"all codes are {int(counts.argmax())}")
        if used is not None and not bool(used.any()):
            facts.suspicious.append("every weight is zero")
        limit = max(SATURATED, 4 / (facts.group_size or 1))
        if facts.at_ends is not None and facts.at_ends > limit and not same:
            facts.suspicious.append(
                f"{facts.at_ends:.0%} of the codes are at the ends of the grid (saturated)"
            )

    def _outliers(self, scale: Tensor, used: Tensor | None) -> None:
        # The scale of a group of zeros means nothing, and writers put anything there.
        counted = torch.isfinite(scale) & (scale > 0)
        if used is not None and used.shape == scale.shape:
            counted &= used > 0
        sound = scale[counted]
        if not sound.numel():
            return
        median = float(sound.median())
        count = int((sound > OUTLIER * median).sum())
        if count:
            self.facts.suspicious.append(
                f"{count_of(count, 'scale')} more than {OUTLIER} times the median "
                f"({float(sound.max()):.3g} against {median:.3g})"
            )


def count_of(count: int, what: str) -> str:
    """Say how many there are: ``1 scale is``, ``3 scales are``."""
    return f"{count} {what} is" if count == 1 else f"{count} {what}s are"
