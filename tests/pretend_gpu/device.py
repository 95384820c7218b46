"""The pretend card: tensors that say they lie on it, and the one place all operations pass."""

import contextlib
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from quantizer.solvers.fused import choice
from tests.pretend_gpu import int4_kernels, rules
from tests.pretend_gpu.attention_kernels import chosen_kernel
from tests.pretend_gpu.column_kernels import COLUMN_KERNELS
from tests.pretend_gpu.counts import AttentionCall, Counts, product_line
from tests.pretend_gpu.guard import load_guard

CARD = torch.device("cuda", 0)
HOST = torch.device("cpu")
RTX_4090_BYTES = 24 * 10**9
_RUBBISH = 0x5A  # in every byte

Emulation = Callable[..., Any]
"""What a kernel of the card does, on the host tensors that hold its operands' values."""

_attention = torch.nn.functional.scaled_dot_product_attention
_card: "Card | None" = None


class Card:
    """What all tensors on the pretend card share; one at a time is in use.

    total: bytes that it has. kernels: operators that only exist on a card, by what they do.
    """

    def __init__(self, total: int, kernels: Mapping[str, Emulation]) -> None:
        self.total, self.counts = total, Counts()
        self.kernels = {
            "_convert_weight_to_int4pack": int4_kernels.pack,
            "_weight_int4pack_mm": int4_kernels.multiply,
            **COLUMN_KERNELS,
            **kernels,
        }
        self._pending: list[tuple[Tensor, Tensor]] = []

    def copy_later(self, host: Tensor, values: Tensor) -> None:
        """Copy to pinned memory as a card does by itself: who reads it too early reads rubbish."""
        self._pending.append((host, values.clone()))
        host.view(torch.uint8).fill_(_RUBBISH)

    def settle(self, reads: Sequence[Tensor] | None = None) -> None:
        """End the copies that the processor waits for, or that the card itself goes on with.

        reads: what the card reads of the host; None where the processor waits for everything.
        """
        if not self._pending:
            return
        if reads is not None:
            touched = {tensor.untyped_storage().data_ptr() for tensor in reads}
            if not any(host.untyped_storage().data_ptr() in touched for host, _ in self._pending):
                return
        for host, values in self._pending:
            host.copy_(values)
        self._pending.clear()

    def hold(self, tensor: "OnCard") -> None:
        """Count the memory of a new tensor.

        Raises:
            OutOfMemoryError: the card has no more.
        """
        storage = tensor.values.untyped_storage()
        key = storage._cdata
        self.counts.hold(key, storage.nbytes())
        weakref.finalize(tensor, self.counts.release, key)
        if self.counts.living > self.total:
            raise torch.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {storage.nbytes()} bytes; "
                f"{self.counts.living - storage.nbytes()} of {self.total} are taken."
            )


class OnCard(Tensor):
    """A tensor whose device is ``cuda:0``; ``values`` holds its numbers on the host."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "OnCard":
        made: OnCard = Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            layout=values.layout,
            device=CARD,
        )
        return made

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        assert _card is not None, "the pretend card is not in use"
        self.values = values
        _card.hold(self)

    def __repr__(self) -> str:
        return f"OnCard({self.values!r})"

    def tolist(self) -> Any:
        """As on a card: copied to the host first."""
        return self.cpu().tolist()

    def record_stream(self, stream: object) -> None:
        """Memory that another stream uses: here it is never given away too early."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            with torch.no_grad():
                copied: Tensor = self.detach().clone()
            if isinstance(self, torch.nn.Parameter):
                copied = torch.nn.Parameter(copied, self.requires_grad)
            memo[id(self)] = copied
        return memo[id(self)]

    @classmethod
    def __torch_dispatch__(
        cls, operator: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _execute(operator, args, kwargs or {})


def _leaves(*arguments: Any) -> Iterator[Any]:
    """Everything inside tuples, lists and dictionaries; several times as fast as pytree's own."""
    for value in arguments:
        if isinstance(value, tuple | list):
            yield from _leaves(*value)
        elif isinstance(value, dict):
            yield from _leaves(*value.values())
        else:
            yield value


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same with every leaf changed."""
    if isinstance(value, tuple | list):
        return type(value)([_mapped(part, change) for part in value])
    if isinstance(value, dict):
        return {name: _mapped(part, change) for name, part in value.items()}
    return change(value)


def _values(value: Any) -> Any:
    return value.values if isinstance(value, OnCard) else value


def _execute(operator: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do what an operator does on a card, and count it."""
    assert _card is not None
    name = rules.name_of(operator)
    tensors = [leaf for leaf in _leaves(args, kwargs) if isinstance(leaf, Tensor)]
    here = [tensor for tensor in tensors if isinstance(tensor, OnCard)]
    elsewhere = [tensor for tensor in tensors if not isinstance(tensor, OnCard)]
    rules.check_devices(operator, args, here, elsewhere)
    asked = kwargs.get("device")
    target = None if asked is None else torch.device(asked)
    lands = bool(here) if target is None else target.type == "cuda"
    if name == "copy_":
        lands = isinstance(args[0], OnCard)
    _count(operator, args, kwargs, tensors, here=bool(here), lands=lands)
    if here and name.endswith("_for_cpu"):
        raise NotImplementedError(f"Could not run 'aten::{name}' with the 'CUDA' backend.")

    _card.settle(elsewhere)
    inner_args, inner_kwargs = _mapped(args, _values), _mapped(kwargs, _values)
    if target is not None and target.type == "cuda":
        inner_kwargs["device"] = HOST
    pinned = bool(inner_kwargs.pop("pin_memory", False))
    emulation = _card.kernels.get(name) if here else None
    if name == "copy_" and not lands and _is_free(args, kwargs) and _is_pinned(args[0]):
        with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction():
            _card.copy_later(args[0], inner_args[1])
        return args[0]
    # What happens inside is the card's own affair.
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction():
        result = (emulation or operator)(*inner_args, **inner_kwargs)
    if not lands:
        if pinned:
            result.is_pinned_here = True
        return result
    # An operator that writes to its operand gives that operand back; one that changes its shape
    # gives a new tensor, because PyTorch's own steps go on with what is returned.
    known = {id(tensor.values): tensor for tensor in here if tensor.shape == tensor.values.shape}

    def on_card(value: Any) -> Any:
        if not isinstance(value, Tensor) or isinstance(value, OnCard):
            return value
        return known[id(value)] if id(value) in known else OnCard(value)

    return _mapped(result, on_card)


def _count(
    operator: OpOverload,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    tensors: list[Tensor],
    *,
    here: bool,
    lands: bool,
) -> None:
    assert _card is not None
    if not (here or lands):
        return
    counts, line, name = _card.counts, product_line(), rules.name_of(operator)
    if name in ("_to_copy", "copy_"):
        _count_copy(name, args, kwargs, lands=lands, line=line)
        return
    if rules.waits(operator, args):
        counts.waits[line] += 1
    if not rules.starts_kernel(operator):
        return
    counts.launches[line] += 1
    counts.by_name[name] += 1
    counts.moved[line] += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    counts.operations[line] += rules.operations(operator, tensors)


def _count_copy(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, lands: bool, line: str
) -> None:
    assert _card is not None
    counts = _card.counts
    if name == "copy_":
        source, dtype = args[1], args[0].dtype
        free = _is_free(args, kwargs)
        host = source if lands else args[0]
    else:
        source, dtype = args[0], kwargs.get("dtype") or args[0].dtype
        free = bool(kwargs.get("non_blocking"))
        host = source
    leaves = isinstance(source, OnCard)
    counts.launches[line] += 1
    counts.by_name["copy"] += 1
    if leaves and lands:
        counts.moved[line] += source.numel() * (source.element_size() + dtype.itemsize)
        return
    # Types are converted on the host, before a copy to the card and behind one from it.
    size = source.numel() * (source.element_size() if leaves else dtype.itemsize)
    (counts.copied_out if leaves else counts.copied_in)[line] += size
    smooth = free and (leaves or _is_pinned(host))
    if not smooth:
        counts.blocking[line] += size
    if leaves and not free:
        counts.waits[line] += 1


def _is_free(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether ``copy_`` need not wait."""
    return bool(args[2]) if len(args) > 2 else bool(kwargs.get("non_blocking"))


def _is_pinned(tensor: Tensor) -> bool:
    return bool(getattr(tensor, "is_pinned_here", False))


class _Operators(TorchDispatchMode):
    """Sends to the card what asks for it by its device alone, such as ``torch.zeros``."""

    def __torch_dispatch__(
        self, operator: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        asked = kwargs.get("device")
        if asked is not None and torch.device(asked).type == "cuda":
            return _execute(operator, args, kwargs)
        if any(isinstance(leaf, OnCard) for leaf in _leaves(args, kwargs)):
            return _execute(operator, args, kwargs)
        if kwargs.get("pin_memory"):
            made = operator(*args, **(kwargs | {"pin_memory": False}))
            made.is_pinned_here = True
            return made
        return operator(*args, **kwargs)


class _Functions(TorchFunctionMode):
    """What a build without CUDA cannot do before an operator is reached."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        args = tuple(map(_numbered, args))
        kwargs = {name: _numbered(value) for name, value in kwargs.items()}
        if function is _attention:
            return _attend(*args, **kwargs)
        if function in (Tensor.numpy, Tensor.__array__) and isinstance(args[0], OnCard):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")
        if function is Tensor.pin_memory:
            pinned = args[0].clone()
            pinned.is_pinned_here = True
            return pinned
        if function is Tensor.is_pinned:
            return _is_pinned(args[0])
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") == CARD:
            del kwargs["device"]
            return function(*args, **kwargs).to(CARD)
        return function(*args, **kwargs)


def _numbered(value: Any) -> Any:
    """The current device for ``cuda`` without a number, which this build cannot ask for."""
    if isinstance(value, torch.device):
        return CARD if value == torch.device("cuda") else value
    return CARD if isinstance(value, str) and value == "cuda" else value


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Attention by the kernel that CUDA would take."""
    parts = [part for part in (query, key, value, attn_mask) if part is not None]
    on_card = [isinstance(part, OnCard) for part in parts]
    options: dict[str, Any] = {"is_causal": is_causal, "scale": scale, "enable_gqa": enable_gqa}
    if not any(on_card):
        return _attention(query, key, value, attn_mask, dropout_p, **options)
    if not all(on_card):
        raise rules.MixedDevices(f"attention of {[str(part.device) for part in parts]}")
    assert _card is not None
    counts, line = _card.counts, product_line()
    kernel = chosen_kernel(query, key, value, masked=attn_mask is not None, causal=is_causal)
    counts.attention[
        AttentionCall(
            line,
            kernel,
            str(query.dtype).removeprefix("torch."),
            query.shape[-2],
            key.shape[-2],
            attn_mask is not None,
        )
    ] += 1
    if kernel == "math":  # step by step, so that its launches and its memory are counted
        plain = torch.ops.aten._scaled_dot_product_attention_math
        return plain(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )[0]
    counts.launches[line] += 1
    counts.by_name["attention"] += 1
    counts.operations[line] += 4 * query.numel() * key.shape[-2]
    counts.moved[line] += sum(part.numel() * part.element_size() for part in parts)
    inner = [_values(part) for part in (query, key, value, attn_mask)]
    with torch._C._DisableTorchDispatch():
        return OnCard(_attention(*inner, dropout_p, **options))


@contextlib.contextmanager
def _inference_as_no_grad() -> Iterator[None]:
    """Wrapped tensors cannot be inference tensors; that nothing is recorded is all we need."""

    def enter(self: Any) -> None:
        self.recording_before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)

    def leave(self: Any, *error: object) -> None:
        torch.set_grad_enabled(self.recording_before)

    kind = torch.inference_mode
    with mock.patch.object(kind, "__enter__", enter), mock.patch.object(kind, "__exit__", leave):
        yield


class _Event:
    """A mark in a stream; everything before it is done already, but for copies to the host."""

    def __init__(self, *about: object, **options: object) -> None: ...

    def record(self, stream: object = None) -> None: ...

    def wait(self, stream: object = None) -> None: ...

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        if _card is not None:
            _card.counts.waits[product_line()] += 1
            _card.settle()

    def elapsed_time(self, other: object) -> float:
        return 0.0


class _Stream(_Event):
    """A queue of work that is done at once."""

    def wait_stream(self, other: object) -> None: ...

    def wait_event(self, event: object) -> None: ...

    def record_event(self, event: _Event | None = None) -> _Event:
        return event or _Event()

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *error: object) -> None: ...


def _questions(card: Card) -> dict[str, Any]:
    """What ``torch.cuda`` answers about the card."""
    name, counts = "Pretend RTX 4090", card.counts

    def synchronize(device: object = None) -> None:
        counts.waits[product_line()] += 1
        card.settle()

    def free(device: object = None) -> tuple[int, int]:
        return card.total - counts.living, card.total

    about = SimpleNamespace(
        name=name, major=8, minor=9, total_memory=card.total, multi_processor_count=128
    )
    return {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "is_bf16_supported": lambda *a, **k: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "get_device_capability": lambda device=None: (8, 9),
        "get_device_name": lambda device=None: name,
        "get_device_properties": lambda device=None: about,
        "mem_get_info": free,
        "memory_allocated": lambda device=None: counts.living,
        "max_memory_allocated": lambda device=None: counts.peak,
        "reset_peak_memory_stats": lambda device=None: counts.reset_peak(),
        "empty_cache": lambda: None,
        "synchronize": synchronize,
        "Event": _Event,
        "Stream": _Stream,
        "current_stream": lambda device=None: _Stream(),
        "stream": lambda stream: stream or _Stream(),
    }


@contextlib.contextmanager
def pretend_card(
    total: int = RTX_4090_BYTES, kernels: Mapping[str, Emulation] | None = None
) -> Iterator[Counts]:
    """Let ``cuda:0`` be a pretend card in this block, and count what is asked of it.

    total:   bytes of its memory.
    kernels: operators that only exist on a card, by name without namespace: what they do, on the
        host tensors that hold their operands' values. Each call counts as one launch.

    Raises:
        RuntimeError: this machine cannot pretend; `load_guard` says why.
    """
    global _card
    problem = load_guard()
    if problem is not None:
        raise RuntimeError(problem)
    assert _card is None, "one pretend card is in use already"
    card = Card(total, kernels or {})
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    with contextlib.ExitStack() as stack:
        for name, answer in _questions(card).items():
            stack.enter_context(mock.patch.object(torch.cuda, name, answer))
        # A build of PyTorch for cards brings Triton.
        stack.enter_context(mock.patch.object(choice, "present", lambda: True))
        stack.enter_context(_inference_as_no_grad())
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwrite)
        stack.enter_context(_Functions())
        stack.enter_context(_Operators())
        _card = card
        try:
            yield card.counts
        finally:
            _card = None
