"""How long a run will take: its large products, walks and elementwise steps at known speeds.

Counted from the code of ``quantizer.run.walk`` and ``quantizer.solvers.solver``; for a card also
the kernels that are started and what is copied to it. Reading, writing and hashing are not
counted.
"""

from collections.abc import Hashable, Mapping, Sequence

from quantizer.plan.buffers import FLOAT
from quantizer.plan.dealing import Dealt, deal_group, usual_seconds
from quantizer.plan.memory import block_bytes, state_dtype, twin_bytes
from quantizer.plan.passing import attention_operations
from quantizer.plan.runs import Runs, classes, kept_bytes, kept_shares, once, runs_of
from quantizer.plan.solving import LayerBytes
from quantizer.plan.work import Work, proposal_work, solver_work
from quantizer.plan.workload import (
    BlockShape,
    CalibrationShape,
    LinearShape,
    SequenceShape,
    chooses_gamma,
    is_asymmetric,
)
from quantizer.recipes.recipe import Recipe, Rule, feeds
from quantizer.run.resuming import PIECE_BYTES
from quantizer.run.shares import carried_sums
from quantizer.solvers.hessian import hessian_products, hessian_strips
from quantizer.solvers.methods import Settings
from quantizer.solvers.target import GAMMAS, multiplies_early, tries_shares

_FACTOR = 4.0 / 3.0  # of columns³, to factorize and invert
_PASSING, _ENTERING = 11.0, 18.0
"""Kernels that a card starts for each step of a pass, and for each pass; both were counted on the
pretend one."""


def block_work(
    block: BlockShape,
    calibration: CalibrationShape,
    followed: CalibrationShape,
    recipe: Recipe,
    ranks: int = 1,
    *,
    place: int,
    on_card: bool = False,
    room: float = 0.0,
) -> Work:
    """All work of one block; of several ranks, the one that each step waits for.

    calibration: the sequences that rank 0 holds, which never holds fewer than another.
    followed: those of them on the full-precision path, empty without it.
    place: how many blocks of its kind stand before it.
    on_card: whether states stay on the card between blocks.
    room: bytes for the full-precision copy of the block, and for what passes keep for later ones,
        see ``quantizer.run.resuming``.
    """
    total = Work(copied=_moving(block, followed, recipe, room))
    left = room - twin_bytes(block, followed) if room else 0.0
    total.add(passing_work(block, calibration, followed, recipe, place, on_card=on_card, room=left))
    for layers in block.groups:
        name, columns = layers[0].name, layers[0].in_features
        settings, stream = recipe.settings_of(name), recipe.rule(name).stream
        corrected = bool(followed.all) and is_asymmetric(settings)
        early = _early(layers) or (settings.residual_target and name in block.joins)
        total.products += hessian_products(columns) * sum(calibration.tokens(name, stream))
        total.launches += (hessian_strips(columns) - 1) * len(calibration.all)
        if corrected:
            delta = 4.0 * layers[0].count if early else 2.0 * columns**2
            total.products += delta * _tokens(followed.fitting, name)
        chooses = _chooses(settings, followed, place)
        correcting = 0.0
        if corrected:
            everything = len(followed.fitting) == len(calibration.fitting)
            targets = len(GAMMAS) if chooses else 1
            correcting = _correction_products(layers, everything, targets, early=early)
        dealt = deal_group(layers, settings, ranks, chooses=chooses)
        total.add(_busiest(layers, settings, dealt, ranks, correcting))
        sums = 2 + corrected * (1 + (len(followed.fitting) < len(calibration.fitting)))
        carried = carried_sums(ranks, dealt.solvers) * sums * columns**2 * FLOAT
        codes = sum(layer.count for layer in layers) * (1 + len(dealt.proposals) // len(layers))
        total.carried += carried + (ranks - 1) * codes
    return total


def _moving(block: BlockShape, followed: CalibrationShape, recipe: Recipe, room: float) -> float:
    """Bytes of weights that go to the card, and of what comes back from it.

    The full-precision copy goes and comes for every group that it is asked about, without room.
    """
    twin = twin_bytes(block, followed)
    asked = [is_asymmetric(recipe.settings_of(layers[0].name)) for layers in block.groups]
    trips = 1 + 2 * sum(asked) + (not asked or not asked[-1])
    finished = sum(
        LayerBytes.of(layer, recipe.settings_of(layer.name)).stored for layer in block.linears
    )
    return block_bytes(block) + finished + (trips * twin if twin > room else 0.0)


def starting_work(calibration: CalibrationShape, *, on_card: bool) -> Work:
    """Samples that become states: ids and pixels go to the card, words come from their table.

    on_card: whether the states stay there.
    """
    ways = 1 if on_card else 2
    return Work(copied=float(sum(2 * s.sample + ways * s.state for s in calibration.all)))


def passing_work(
    block: BlockShape,
    calibration: CalibrationShape,
    followed: CalibrationShape,
    recipe: Recipe,
    place: int,
    *,
    on_card: bool,
    room: float,
) -> Work:
    """The passes of all sequences, on both paths, and those that judge a share of a correction."""
    rules = {
        index: recipe.rule(step.layers[0].name)
        for index, step in enumerate(block.steps)
        if step.quantized
    }
    held = (*calibration.all, *followed.fitting)
    kinds = tuple(classes(kept_shares(kept_bytes(block, held, PIECE_BYTES), room)))
    per_value = state_dtype(calibration, followed).itemsize / FLOAT
    total = Work()
    counted: dict[Hashable, tuple[Runs, int]] = {}

    def add(sequence: SequenceShape, path: str) -> None:
        key = sequence.stream, path
        if key not in counted:
            fed, trials = _fed(rules, sequence, path, followed, place)
            runs = once(block) if path == _GOAL else Runs()
            for kept, share in kinds if path != _GOAL else ():
                one = runs_of(block, fed, kept, exact=path == _EXACT, trials=trials)
                runs.add(one, share)
            counted[key] = runs, sum(trials.values())
        runs, tried = counted[key]
        state = 0.0 if on_card else per_value * sequence.state
        _add_runs(total, block, sequence, runs, state)
        total.copied += state * (tried + 1)  # in beside every trial, and out behind the block

    judged = len(followed.held_out)
    for path, sequences in (
        (_SOLVED, (*calibration.fitting, *calibration.held_out[judged:])),
        (_JUDGED, calibration.held_out[:judged]),
        (_EXACT, followed.fitting),
        (_GOAL, followed.held_out),
    ):
        for sequence in sequences:
            add(sequence, path)
    return total


_SOLVED, _JUDGED, _EXACT, _GOAL = "solved", "judged", "exact", "goal"


def _fed(
    rules: Mapping[int, Rule],
    sequence: SequenceShape,
    path: str,
    followed: CalibrationShape,
    place: int,
) -> tuple[set[int], dict[int, int]]:
    """Steps that a sequence calibrates, and how often the block is tried behind each of them."""
    fed, trials = set(), {}
    for index, rule in rules.items():
        assert rule.settings is not None
        asked = path != _EXACT or is_asymmetric(rule.settings)
        if asked and feeds(sequence.stream, rule.stream):
            fed.add(index)
        if path == _JUDGED and _chooses(rule.settings, followed, place):
            trials[index] = len(GAMMAS)
    return fed, trials


def _add_runs(
    total: Work, block: BlockShape, sequence: SequenceShape, runs: Runs, state: float
) -> None:
    """Add what one sequence computes.

    state: bytes that come to the card for every pass, while the one before it is computed.
    """
    products = []
    attended = set()
    for step in block.steps:
        weights = sum(layer.count for layer in step.layers)
        of_step = 2.0 * weights * sequence.reaching(step.layers[0].name)
        if step.attention is not None and step.branch not in attended:
            of_step += attention_operations(step, sequence)
            attended.add(step.branch)  # experts share one
        products.append(of_step)
    for steps, times in runs.each:
        computed = sum(a * b for a, b in zip(steps, products, strict=True))
        total.products += times * computed
        total.bring(state, computed, times)
    total.launches += _PASSING * runs.computed + _ENTERING * runs.passes


def _chooses(settings: Settings, followed: CalibrationShape, place: int) -> bool:
    return chooses_gamma(settings) and bool(followed.held_out) and tries_shares(place)


def _busiest(
    layers: Sequence[LinearShape], settings: Settings, dealt: Dealt, ranks: int, correcting: float
) -> Work:
    """The solving of the rank that has most of it in a group.

    correcting: operations that make the group's corrections.
    """
    shapes = {layer.name: layer for layer in layers}
    most = Work()
    for rank in range(ranks):
        work = Work()
        for (_, name), owner in dealt.proposals.items():
            if owner == rank:
                work.add(proposal_work(shapes[name], settings))
        for name, owner in dealt.layers.items():
            if owner == rank:
                work.add(solver_work(shapes[name], settings))
                if dealt.proposals:  # the share that is kept is not proposed again
                    work.add(proposal_work(shapes[name], settings), -1.0)
        if rank in dealt.solvers:
            work.products += correcting
            if settings.method != "rtn":
                work.products += _FACTOR * layers[0].in_features ** 3  # shared by its layers
        if usual_seconds(work) > usual_seconds(most):
            most = work
    return most


def _tokens(sequences: tuple[SequenceShape, ...], layer: str) -> int:
    return sum(sequence.reaching(layer) for sequence in sequences)


def _correction_products(
    layers: tuple[LinearShape, ...], everything: bool, targets: int, *, early: bool
) -> float:
    """What turns Δ into the targets of a group; see ``quantizer.solvers.target``.

    everything: whether the full-precision path follows every sequence.
    early:      whether WΔ is gathered in place of Δ.
    """
    columns = layers[0].in_features
    weights = float(sum(layer.count for layer in layers))
    if everything and not early:
        return 4.0 * columns**3 + 2.0 * targets * weights * columns
    return columns**3 / 3.0 + (2.0 if early else 4.0) * weights * columns


def _early(layers: tuple[LinearShape, ...]) -> bool:
    return multiplies_early([layer.out_features for layer in layers], layers[0].in_features)
