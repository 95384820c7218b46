"""The forms in which a quantized layer can be written, behind one interface."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from models.files import compressed_tensors
from models.files.checkpoint import QUANTIZE_CONFIG_FILE, QuantizationConfig
from models.int4 import packing
from models.int4.packing import require_stored_bits, require_word_multiple
from models.int4.weight import QuantizedWeight


class OutputFormat(Protocol):
    """One form of a quantized checkpoint."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    @property
    def config_files(self) -> tuple[str, ...]:
        """Files that hold the configuration alone, besides ``quantization_config`` of
        config.json."""
        ...

    @property
    def stores_head(self) -> bool:
        """Whether a loader documents to read a quantized head in this form."""
        ...

    def check_shape(self, in_features: int, out_features: int, bits: int, group_size: int) -> None:
        """Refuse a layer that the format cannot hold, before any work is done.

        Raises:
            CheckpointError: with the reason and the way out.
        """
        ...

    def tensor_names(self, *, sym: bool) -> tuple[str, ...]:
        """Name the tensors of a layer; each follows the layer's name and a dot."""
        ...

    def pack(self, weight: QuantizedWeight, *, sym: bool) -> dict[str, Tensor]:
        """Return the tensors of a layer by those names.

        Raises:
            CheckpointError: the weight cannot be stored.
        """
        ...

    def unpack(
        self, tensors: Mapping[str, Tensor], *, bits: int, group_size: int
    ) -> QuantizedWeight:
        """Read the tensors of a layer back.

        Raises:
            CheckpointError: they are no valid quantized layer.
        """
        ...

    def config(
        self, settings: QuantizationConfig, *, unquantized: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Return ``quantization_config``; it goes into config.json and the `config_files`.

        unquantized: full names of the model's linear layers that stay as they are; see
            `unquantized_linears`.
        """
        ...


@dataclass(frozen=True, slots=True)
class GptqFormat:
    """GPTQ v1, see `models.int4.packing`."""

    name: str = "gptq"
    config_files: tuple[str, ...] = (QUANTIZE_CONFIG_FILE,)
    stores_head: bool = True

    def check_shape(self, in_features: int, out_features: int, bits: int, group_size: int) -> None:
        """Refuse what does not fill whole words; a short last group is allowed."""
        require_stored_bits(bits)
        require_word_multiple(in_features, out_features, bits)

    def tensor_names(self, *, sym: bool) -> tuple[str, ...]:
        """The same four names in both cases."""
        return packing.TENSOR_NAMES

    def pack(self, weight: QuantizedWeight, *, sym: bool) -> dict[str, Tensor]:
        """Zero-points are stored in both cases."""
        return packing.pack(weight)

    def unpack(
        self, tensors: Mapping[str, Tensor], *, bits: int, group_size: int
    ) -> QuantizedWeight:
        """See `models.int4.packing.unpack`."""
        return packing.unpack(tensors, bits=bits, group_size=group_size)

    def config(
        self, settings: QuantizationConfig, *, unquantized: Iterable[str] = ()
    ) -> dict[str, Any]:
        """The fields name the quantized layers, so the others are not listed."""
        return settings.to_dict()


@dataclass(frozen=True, slots=True)
class CompressedTensorsFormat:
    """compressed-tensors ``pack-quantized``, see `models.files.compressed_tensors`."""

    name: str = "compressed-tensors"
    config_files: tuple[str, ...] = ()
    stores_head: bool = False

    def check_shape(self, in_features: int, out_features: int, bits: int, group_size: int) -> None:
        """Refuse what does not fill whole words and whole groups."""
        compressed_tensors.require_bits(bits)
        require_word_multiple(in_features, out_features, bits)
        compressed_tensors.require_whole_groups(in_features, group_size)

    def tensor_names(self, *, sym: bool) -> tuple[str, ...]:
        """Symmetric layers have no zero-points."""
        names = compressed_tensors.TENSOR_NAMES
        return tuple(name for name in names if not (sym and name == "weight_zero_point"))

    def pack(self, weight: QuantizedWeight, *, sym: bool) -> dict[str, Tensor]:
        """See `models.files.compressed_tensors.pack_compressed`."""
        return compressed_tensors.pack_compressed(weight, sym=sym)

    def unpack(
        self, tensors: Mapping[str, Tensor], *, bits: int, group_size: int
    ) -> QuantizedWeight:
        """See `models.files.compressed_tensors.unpack_compressed`."""
        return compressed_tensors.unpack_compressed(tensors, bits=bits, group_size=group_size)

    def config(
        self, settings: QuantizationConfig, *, unquantized: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Every linear layer is a target, so those left alone are listed under ``ignore``."""
        return compressed_tensors.compressed_config(
            bits=settings.bits,
            group_size=settings.group_size,
            sym=settings.sym,
            ignore=unquantized,
        )


FORMATS: Mapping[str, OutputFormat] = {
    form.name: form for form in (GptqFormat(), CompressedTensorsFormat())
}


def unquantized_linears(module: nn.Module, quantized: Iterable[str]) -> tuple[str, ...]:
    """Name the linear layers of a whole model that are not among the quantized ones."""
    taken = set(quantized)
    return tuple(
        name
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear) and name not in taken
    )


def read_quantization(values: Mapping[str, Any]) -> QuantizationConfig:
    """Read ``quantization_config`` of config.json in any form that can be loaded.

    Raises:
        CheckpointError: a field is missing or says what cannot be read.
    """
    if values.get("quant_method") == compressed_tensors.METHOD:
        return compressed_tensors.read_compressed_config(values)
    return QuantizationConfig.from_dict(values)
