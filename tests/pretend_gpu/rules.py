"""Which operators a card refuses, starts no kernel for, or makes the processor wait for."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch._ops import OpOverload

_BOTH_SIDES = {"copy_", "_to_copy"}
"""Operators that may read one device and write the other."""

_INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}

_NO_NUMBERS = {
    *("mm", "addmm", "addmm_", "bmm", "baddbmm", "mv", "addmv", "dot", "embedding", "convolution"),
    *("native_layer_norm", "cat", "stack", "index_select", "gather", "scatter", "index_copy"),
    *("index_copy_", "index_add_", "linalg_solve_triangular", "cholesky_solve"),
}
"""Operators that do not take a lone number from the host in place of a tensor."""

_WAITING = {
    *("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2"),
    *("unique_dim", "unique_consecutive", "repeat_interleave"),
}
_NO_KERNEL = {
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach"),
    *("alias", "_unsafe_view", "_local_scalar_dense", "set_", "resize_", "lift_fresh"),
}
_PRODUCTS = {"mm", "addmm", "addmm_", "bmm", "baddbmm", "mv", "addmv"}


class MixedDevices(RuntimeError):
    """CUDA would refuse the operands of an operator because they lie on two devices."""


@functools.cache
def name_of(operator: OpOverload) -> str:
    """An operator's name without its namespace and overload."""
    return operator._schema.name.split("::")[1]


@functools.cache
def is_view(operator: OpOverload) -> bool:
    """Whether an operator only looks at memory that is there."""
    returns = operator._schema.returns
    alias = returns[0].alias_info if returns else None
    return alias is not None and not alias.is_write


@functools.cache
def starts_kernel(operator: OpOverload) -> bool:
    """Whether an operator does something on the card."""
    return not is_view(operator) and name_of(operator) not in _NO_KERNEL


def waits(operator: OpOverload, arguments: Sequence[object]) -> bool:
    """Whether the processor must know a result of the card before it can go on."""
    name = name_of(operator)
    if name in _INDEXING:  # how much a mask chooses is known on the card only
        indices = arguments[1]
        assert isinstance(indices, Sequence)
        return any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in indices)
    return name in _WAITING


def operations(operator: OpOverload, tensors: Sequence[Tensor]) -> int:
    """Multiplications and additions of a matrix product; 0 for anything else."""
    if name_of(operator) not in _PRODUCTS:
        return 0
    left, right = tensors[-2:]
    return 2 * left.numel() * (right.shape[-1] if right.dim() > 1 else 1)


def check_devices(
    operator: OpOverload,
    arguments: Sequence[object],
    here: Sequence[Tensor],
    elsewhere: Sequence[Tensor],
) -> None:
    """Refuse operands on two devices where CUDA does.

    here, elsewhere: the tensors among the arguments that lie on the card, and the others.

    Raises:
        MixedDevices: it would.
    """
    name = name_of(operator)
    if not here or not elsewhere or name in _BOTH_SIDES:
        return
    first = arguments[0] if arguments else None
    on_card = any(first is tensor for tensor in here)
    if name in _INDEXING:
        # Indices may lie on the host; what is indexed, and what is put there, may not.
        values = arguments[2] if name != "index" else None
        lone = not isinstance(values, Tensor) or values.dim() == 0
        if on_card and (lone or any(values is tensor for tensor in here)):
            return
    elif name not in _NO_NUMBERS and all(t.dim() == 0 and not t.is_meta for t in elsewhere):
        written = name.endswith("_") and isinstance(first, Tensor) and not on_card
        if not written:
            return
    shapes = [(str(t.device), tuple(t.shape), str(t.dtype)) for t in (*here, *elsewhere)]
    raise MixedDevices(
        f"{name}: Expected all tensors to be on the same device, but found at least two devices, "
        f"cuda:0 and {elsewhere[0].device}! {shapes}"
    )
