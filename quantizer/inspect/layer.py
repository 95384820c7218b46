"""A stored layer in either form, GPTQ or compressed-tensors: where its parts are."""

from collections.abc import Mapping

import torch
from torch import Tensor

from models.errors import CheckpointError
from models.files.checkpoint import QuantizationConfig
from models.files.compressed_tensors import BITS as COMPRESSED_BITS
from models.files.compressed_tensors import TENSOR_NAMES as COMPRESSED_NAMES
from models.files.compressed_tensors import read_shape
from models.int4.packing import TENSOR_NAMES as GPTQ_NAMES
from models.int4.packing import stored_zeros, unpack_last
from models.int4.weight import group_count
from quantizer.inspect.checks import (
    WIDTHS,
    CannotGoOnError,
    LayerChecks,
    LayerFacts,
    Read,
    count_of,
)


def inspect_layer(
    name: str,
    shapes: Mapping[str, tuple[int, ...]],
    read: Read,
    config: QuantizationConfig | None,
) -> LayerFacts:
    """Describe one layer.

    shapes: of the layer's tensors that are in the files, by part: ``qweight``, ``weight_packed``.
    read:   reads one of them by part; may raise CheckpointError.
    config: of the folder, as far as it could be read.
    """
    facts = LayerFacts(name)
    layer = _Compressed if any(part in COMPRESSED_NAMES for part in shapes) else _Gptq
    try:
        layer(facts, shapes, read, config).describe()
    except (CannotGoOnError, CheckpointError) as error:
        facts.suspicious.append(str(error))
    return facts


class _Gptq(LayerChecks):
    parts = GPTQ_NAMES
    optional = ("g_idx",)
    scale_part = "scales"

    def layout(self) -> tuple[int, int, int, int]:
        qweight, qzeros, scales = (self.shapes.get(part) for part in GPTQ_NAMES[:3])
        if qweight is None or len(qweight) != 2 or 0 in qweight:
            raise CannotGoOnError("without a qweight matrix there is nothing more to tell")
        rows, out_features = qweight
        found = None
        if qzeros is not None and len(qzeros) == 2:
            found, rest = divmod(32 * qzeros[1], out_features)
            found = found if rest == 0 and found in WIDTHS else None
        bits_said = found or (self.config.layer(self.facts.name)[0] if self.config else None)
        in_features = rows * 32 // (bits_said or 4)
        table = scales if scales is not None else qzeros
        if table is None or len(table) != 2 or not 0 < table[0] <= in_features:
            raise CannotGoOnError("neither scales nor qzeros tell the groups")
        if scales is not None and scales != (table[0], out_features):
            raise CannotGoOnError(f"scales are {scales}, qweight has {out_features} outputs")
        if qzeros is not None and qzeros[:1] != table[:1]:
            raise CannotGoOnError(f"qzeros are {qzeros}, scales {scales}")
        bits, size = self.settled(found, in_features, table[0])
        return in_features, out_features, bits, size

    def read_scales(self) -> Tensor | None:
        scale = super().read_scales()
        return None if scale is None else scale.t()

    def zeros(self, bits: int, out_features: int) -> Tensor | None:
        words = self.load("qzeros")
        if words is None:
            return None
        wanted = out_features * bits // 32
        if words.dtype != torch.int32 or words.ndim != 2 or words.shape[1] != wanted:
            self.facts.suspicious.append(
                f"qzeros are {words.dtype} {tuple(words.shape)}, not int32 with {wanted} columns"
            )
            return None
        offset = 1 if self.config is None else self.config.zero_offset
        zero = stored_zeros(words, bits, offset)[:, :out_features].t()
        count = int((zero == 0).sum())
        if offset and count:
            self.facts.suspicious.append(
                f"{count_of(count, 'zero-point')} 0, stored as -1, which spills into its "
                "neighbours: loaders disagree on it"
            )
        return zero

    def codes(self, words: Tensor, bits: int, start: int, stop: int) -> Tensor:
        return unpack_last(words[start * bits // 32 : -(-stop * bits // 32)].t(), bits)


class _Compressed(LayerChecks):
    parts = COMPRESSED_NAMES
    optional = ("weight_zero_point",)
    scale_part = "weight_scale"

    def layout(self) -> tuple[int, int, int, int]:
        packed, scale = self.shapes.get("weight_packed"), self.shapes.get("weight_scale")
        if packed is None or len(packed) != 2 or 0 in packed:
            raise CannotGoOnError("without a weight_packed matrix there is nothing more to tell")
        said = self.config.layer(self.facts.name)[0] if self.config else 4
        shape = packed[0], packed[1] * 32 // said
        stored = self.load("weight_shape")
        if stored is not None:
            try:
                shape = read_shape(stored)
            except CheckpointError as error:
                self.facts.suspicious.append(str(error))
        out_features, in_features = shape
        fits = [
            bits for bits in COMPRESSED_BITS if group_count(in_features, 32 // bits) == packed[1]
        ]
        if packed[0] != out_features or not fits:
            raise CannotGoOnError(f"weight_packed is {packed}, weight_shape says {shape}")
        if scale is None or len(scale) != 2 or not 0 < scale[1] <= in_features:
            raise CannotGoOnError("without a weight_scale matrix there is nothing more to tell")
        if scale[0] != out_features:
            raise CannotGoOnError(f"weight_scale is {scale}, weight_shape says {shape}")
        bits, size = self.settled(said if said in fits else fits[0], in_features, scale[1])
        return in_features, out_features, bits, size

    def zeros(self, bits: int, out_features: int) -> Tensor | None:
        groups = self.shapes["weight_scale"][1]
        asymmetric = self.config is not None and not self.config.sym
        if "weight_zero_point" not in self.shapes:
            if asymmetric:
                self.facts.suspicious.append("lacks weight_zero_point, config says asymmetric")
            return torch.full((out_features, groups), 2 ** (bits - 1))
        words = self.load("weight_zero_point")
        if words is None:
            return None
        wanted = (group_count(out_features, 32 // bits), groups)
        if words.dtype != torch.int32 or tuple(words.shape) != wanted:
            self.facts.suspicious.append(
                f"weight_zero_point is {words.dtype} {tuple(words.shape)}, not int32 {wanted}"
            )
            return None
        return unpack_last(words.t(), bits)[:, :out_features].t()

    def codes(self, words: Tensor, bits: int, start: int, stop: int) -> Tensor:
        per_word = 32 // bits
        columns = words[:, start // per_word : -(-stop // per_word)]
        return unpack_last(columns, bits)[:, : stop - start]
