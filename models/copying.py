"""The likeliest of some allowed answers: a text model is asked, but writes nothing of its own.

Several beginnings of answers are followed at once. All of them go through the model in one pass:
each token sees the prompt and its own beginning, and none of the others. So nothing that the model
holds of the prompt is copied, and the next question about the same text finds it as it was.
"""

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from models.greedy import no_numbers
from models.text.reading import TextReader, reader_of

PIECE_TOKENS = 64
"""Of a prompt that are read at once: between two pieces, a reader may give up. As many as the int4
kernel of a processor takes; with a few more, each piece would pay for unpacking every weight."""

BEAMS = 4
"""Beginnings that are followed at once."""

CHAIN = 5
"""Tokens of a beginning that are read in one pass where each must follow the one before."""

HOPELESS = 1.5
"""Natural logarithms below the best whole answer at which a beginning is given up."""

State = TypeVar("State")


class Allowed(Protocol[State]):
    """What may be written."""

    def begin(self) -> State:
        """Nothing is written yet."""
        ...

    def following(self, written: State) -> Mapping[int, State]:
        """What may be written next: the number of each token -> what is written then."""
        ...

    def is_whole(self, written: State) -> bool:
        """True if what is written may be all."""
        ...


@dataclass(frozen=True, slots=True)
class Scored(Generic[State]):
    """An answer.

    logarithm: of the probability that the model writes just this, and ends there; at most 0.
    """

    written: State
    logarithm: float


@dataclass(slots=True)
class HeldText:
    """What a model holds of the tokens that it has read last: their keys and values.

    It lies on the model's device, and is of use to that model alone.
    """

    ids: list[int] = field(default_factory=list)
    cache: Any = None


@dataclass(frozen=True, slots=True)
class _Beginning(Generic[State]):
    """A beginning of an answer.

    places: of its tokens among all that are held. sure: the natural logarithms of the
            probabilities of what follows it, (vocabulary,) float32.
    """

    written: State
    logarithm: float
    places: tuple[int, ...]
    sure: Tensor


@dataclass(frozen=True, slots=True)
class _Step(Generic[State]):
    """How a beginning goes on.

    logarithm: of the probability of the beginning with the first token of the chain.
    chain:     that token, and those that must follow it, each with what is written then.
    """

    begun: _Beginning[State]
    logarithm: float
    chain: tuple[tuple[int, State], ...]


def can_follow_several(model: torch.nn.Module) -> bool:
    """True if each layer of a text model keeps all that it has read."""
    return reader_of(model).can_follow_several()


def read_on(
    model: torch.nn.Module,
    held: HeldText,
    ids: Sequence[int],
    cancelled: Callable[[], bool] = lambda: False,
) -> Tensor | None:
    """Let a model read ids, at least one, of which it may hold a beginning.

    cancelled: asked before each piece; what was read until then is held.
    Returns the logits (vocabulary,) behind the last; None where it was cancelled.
    """
    reader = reader_of(model)
    if held.cache is None:
        held.cache, held.ids = reader.begin(), []
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(held.ids, ids, strict=False))
    # The last is always read: its logits are not kept.
    kept = min(sum(1 for _ in same), len(ids) - 1)
    _cut_back(reader, held, kept)
    device = model.get_input_embeddings().weight.device  # type: ignore[operator]
    logits = None
    for start in range(kept, len(ids), PIECE_TOKENS):
        if cancelled():
            return None
        piece = list(ids[start : start + PIECE_TOKENS])
        fed = torch.tensor([piece], device=device)
        logits = reader.read(fed, held.cache)[-1]
        held.ids += piece
    return logits


def likeliest(
    model: torch.nn.Module,
    held: HeldText,
    ids: Sequence[int],
    allowed: Allowed[State],
    ends: Collection[int],
    *,
    most_tokens: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Scored[State]]:
    """The likeliest answers to a prompt (ids, at least one), the likeliest first.

    held:        what the model holds of an earlier prompt; of this one afterwards.
    ends:        numbers of the tokens any of which ends an answer, at least one.
    most_tokens: of an answer.
    cancelled:   asked before each pass of the model; then there are no answers.

    Raises:
        CheckpointError: the model computes no numbers.
    """
    logits = read_on(model, held, ids, cancelled)
    if logits is None:
        return []
    try:
        return _searched(model, held, logits, allowed, ends, most_tokens, cancelled)
    finally:
        _cut_back(reader_of(model), held, len(ids))


def _searched(
    model: torch.nn.Module,
    held: HeldText,
    logits: Tensor,
    allowed: Allowed[State],
    ends: Collection[int],
    most_tokens: int,
    cancelled: Callable[[], bool],
) -> list[Scored[State]]:
    prompt = len(held.ids)
    begun = [_Beginning(allowed.begin(), 0.0, (), _logarithms(logits))]
    found: list[Scored[State]] = []
    end_ids = torch.tensor(sorted(ends), device=logits.device)
    while True:
        steps = [step for each in begun for step in _steps(each, allowed, most_tokens)]
        best = max((each.logarithm for each in found), default=-math.inf)
        steps.sort(key=lambda step: -step.logarithm)
        steps = [step for step in steps[:BEAMS] if step.logarithm > best - HOPELESS]
        if not steps:
            return sorted(found, key=lambda each: -each.logarithm)
        if cancelled():
            return []
        begun = []
        for passed in _passed(model, held, prompt, steps):
            for each in passed:
                if allowed.is_whole(each.written):
                    ended = float(each.sure[end_ids].logsumexp(0))
                    found.append(Scored(each.written, each.logarithm + ended))
            begun.append(passed[-1])


def _steps(
    begun: _Beginning[State], allowed: Allowed[State], most_tokens: int
) -> Iterator[_Step[State]]:
    """What may follow a beginning, each with what must follow it then."""
    length = len(begun.places)
    following = allowed.following(begun.written) if length < most_tokens else {}
    if not following:
        return
    values = begun.sure[torch.tensor(list(following), device=begun.sure.device)].tolist()
    for (token, state), value in zip(following.items(), values, strict=True):
        chain = [(token, state)]
        while len(chain) < min(CHAIN, most_tokens - length):
            after = allowed.following(chain[-1][1])
            if len(after) != 1:
                break
            chain += after.items()
        yield _Step(begun, begun.logarithm + value, tuple(chain))


def _passed(
    model: torch.nn.Module, held: HeldText, prompt: int, steps: Sequence[_Step[State]]
) -> Iterator[list[_Beginning[State]]]:
    """Let the model read the tokens of all steps in one pass.

    prompt: tokens before them all.
    Returns for each step the beginnings that it leads to, one for each of its tokens.
    """
    device, dtype = steps[0].begun.sure.device, next(model.parameters()).dtype
    reader = reader_of(model)
    before = reader.length(held.cache)
    starts = list(itertools.accumulate((len(each.chain) for each in steps), initial=before))
    count = starts[-1] - before
    mask = torch.full((count, starts[-1]), torch.finfo(dtype).min, dtype=dtype)
    mask[:, :prompt] = 0
    positions: list[int] = []
    for each, start in zip(steps, starts, strict=False):
        for number in range(len(each.chain)):
            seen = [*each.begun.places, *range(start, start + number + 1)]
            mask[start - before + number, seen] = 0
            positions.append(prompt + len(each.begun.places) + number)
    logits = reader.read(
        torch.tensor([[token for each in steps for token, _ in each.chain]], device=device),
        held.cache,
        positions=torch.tensor([positions], device=device),
        mask=mask[None, None].to(device),
        last_only=False,
    )
    for each, start in zip(steps, starts, strict=False):
        logarithm, places, passed = each.logarithm, each.begun.places, list[_Beginning[State]]()
        for number, (token, state) in enumerate(each.chain):
            if passed:
                logarithm += float(passed[-1].sure[token])
            places = (*places, start + number)
            sure = _logarithms(logits[start - before + number])
            passed.append(_Beginning(state, logarithm, places, sure))
        yield passed


def _logarithms(logits: Tensor) -> Tensor:
    """The natural logarithms of the probabilities of all tokens, (vocabulary,) float32.

    Raises:
        CheckpointError: a logit is NaN or infinite.
    """
    wide = logits.float()
    if not torch.isfinite(wide).all():
        raise no_numbers()
    return wide.log_softmax(-1)


def _cut_back(reader: TextReader, held: HeldText, length: int) -> None:
    """Forget all but the first tokens."""
    reader.cut_back(held.cache, length)
    del held.ids[length:]
