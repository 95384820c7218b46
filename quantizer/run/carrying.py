"""States of calibration sequences on the way between a card and the host's memory.

Where a card has no room for them they lie on the host, in memory that is pinned, so that the card
fetches and returns them by itself while it computes: on a stream of copies beside that of the
computing, and the next state while the present one is used.
"""

import logging
from typing import Any

import torch
from torch import Tensor

from models.blocks import State

logger = logging.getLogger(__name__)

_cuda: Any = torch.cuda  # its classes have no types

AHEAD = 4
"""States that are on their way or have come: of two paths the present one and the next."""


class Carrier:
    """Brings states to a card and back.

    What is stored may be fetched at once; whoever else reads it ``settle``s before.

    state_dtype: of floating states on the host.
    """

    def __init__(self, device: torch.device, state_dtype: torch.dtype) -> None:
        self._device, self._dtype = device, state_dtype
        self._stream = _cuda.Stream(device)
        self._pins = True
        self._coming: dict[int, tuple[State, State, torch.cuda.Event]] = {}

    def expect(self, state: State) -> None:
        """Begin to fetch a state that will be needed soon."""
        if id(state) in self._coming or not self._pins:
            return
        while len(self._coming) >= AHEAD:
            del self._coming[next(iter(self._coming))]
        with torch.cuda.stream(self._stream):
            brought = {
                name: value.to(self._device, non_blocking=True) for name, value in state.items()
            }
            event = _cuda.Event()
            event.record(self._stream)
        # The state itself is held, or another one could be given its number.
        self._coming[id(state)] = state, brought, event

    def fetch(self, state: State) -> State:
        """A state on the card, as it was stored, for what is computed from now on."""
        self.expect(state)
        found = self._coming.pop(id(state), None)
        if found is None:  # pageable
            return {name: value.to(self._device) for name, value in state.items()}
        _, brought, event = found
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(event)
        for value in brought.values():
            value.record_stream(computing)
        return brought

    def store(self, state: State) -> State:
        """A state as it will lie on the host once the card has come to it."""
        return {name: self._stored(value) for name, value in state.items()}

    def settle(self) -> None:
        """Wait until everything that was stored lies on the host."""
        self._stream.synchronize()

    def _stored(self, value: Tensor) -> Tensor:
        if value.device.type != self._device.type:  # what never was on the card
            return value
        value = value.to(self._dtype if value.is_floating_point() else value.dtype)
        room = self._room(value)
        if not self._pins:
            return room.copy_(value)
        computing = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(computing)
        with torch.cuda.stream(self._stream):
            room.copy_(value, non_blocking=True)
        value.record_stream(self._stream)
        return room

    def _room(self, value: Tensor) -> Tensor:
        """Memory of the host for a tensor of the card, pinned as long as the system gives such."""
        if self._pins:
            try:
                return torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            except RuntimeError as error:  # too much of the memory is locked, or none may be
                # From now on the card's streams are not asked any more.
                self.settle()
                self._coming.clear()
                self._pins = False
                reason = str(error).splitlines()[0]
                logger.warning(
                    "memory for states cannot be pinned (%s): copies will wait for each other",
                    reason,
                )
        return torch.empty(value.shape, dtype=value.dtype)
