"""How long a run will take: its large products, walks and elementwise steps at known speeds.

Counted from the code of ``quantizer.run.walk`` and ``quantizer.solvers.solver``; for a card also
the kernels that are started and what is copied to it. Reading, writing and hashing are not
counted.
"""

from collections.abc import Sequence

from quantizer.plan.buffers import FLOAT
from quantizer.plan.dealing import Dealt, deal_group, usual_seconds
from quantizer.plan.memory import state_dtype
from quantizer.plan.passing import attention_operations
from quantizer.plan.work import Work, proposal_work, solver_work
from quantizer.plan.workload import (
    BlockShape,
    CalibrationShape,
    LinearShape,
    SequenceShape,
    chooses_gamma,
    is_asymmetric,
)
from quantizer.recipes.recipe import Recipe
from quantizer.run.shares import carried_sums
from quantizer.solvers.hessian import hessian_products
from quantizer.solvers.methods import Settings
from quantizer.solvers.target import GAMMAS, multiplies_early, tries_shares

_FACTOR = 4.0 / 3.0  # of columns³, to factorize and invert
_PASSING = 25.0
"""Kernels that a card starts for each step of a pass, counted on the pretend one."""


def block_work(
    block: BlockShape,
    calibration: CalibrationShape,
    followed: CalibrationShape,
    recipe: Recipe,
    ranks: int = 1,
    *,
    place: int,
    on_card: bool = False,
) -> Work:
    """All work of one block; of several ranks, the one that each step waits for.

    calibration: the sequences that rank 0 holds, which never holds fewer than another.
    followed: those of them on the full-precision path, empty without it.
    place: how many blocks of its kind stand before it.
    on_card: whether states stay on the card between blocks.
    """
    passes = [2.0 * sum(layer.count for layer in group) for group in block.groups]
    total = Work(products=attention_operations(block, calibration) * len(block.groups))
    sequences, judged_sequences = len(calibration.all), len(followed.held_out)
    # Every group's statistics read all states anew; then the block carries them on.
    states = sum(float(sequence.state) for sequence in calibration.all)
    states += sum(float(sequence.state) for sequence in followed.all)
    states *= state_dtype(calibration, followed).itemsize / FLOAT
    total.copied += 0.0 if on_card else states * (len(block.groups) + 2)
    runs = sequences * (len(block.groups) + 1) + len(followed.all) * (len(block.groups) + 2)
    total.launches += runs * _PASSING * len(block.steps)
    for index, layers in enumerate(block.groups):
        name, columns = layers[0].name, layers[0].in_features
        settings, stream = recipe.settings_of(name), recipe.rule(name).stream
        corrected = bool(followed.all) and is_asymmetric(settings)
        judged = _tokens(followed.held_out, name)
        # Statistics run the block up to this group; that it is included stands for the pass
        # that carries the states on.
        tokens = sum(calibration.tokens(name, stream))
        total.products += (sum(passes[: index + 1]) + hessian_products(columns)) * tokens
        total.products += passes[index] * judged  # a share of the goal
        chooses = chooses_gamma(settings) and bool(followed.held_out) and tries_shares(place)
        if corrected:
            exact = _tokens(followed.fitting, name)
            # The pass to the last group runs on through it, and carries the states on.
            run = index + (index == len(passes) - 1)
            delta = 4.0 * layers[0].count if _early(layers) else 2.0 * columns**2
            total.products += (sum(passes[:run]) + delta) * exact
        if chooses:
            total.products += len(GAMMAS) * sum(passes) * judged
            total.launches += len(GAMMAS) * judged_sequences * _PASSING * len(block.steps)
        correcting = 0.0
        if corrected:
            everything = len(followed.fitting) == len(calibration.fitting)
            targets = len(GAMMAS) if chooses else 1
            correcting = _correction_products(layers, everything, targets)
        dealt = deal_group(layers, settings, ranks, chooses=chooses)
        total.add(_busiest(layers, settings, dealt, ranks, correcting))
        sums = 2 + corrected * (1 + (len(followed.fitting) < len(calibration.fitting)))
        carried = carried_sums(ranks, dealt.solvers) * sums * columns**2 * FLOAT
        codes = sum(layer.count for layer in layers) * (1 + len(dealt.proposals) // len(layers))
        total.carried += carried + (ranks - 1) * codes
    return total


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


def _correction_products(layers: tuple[LinearShape, ...], everything: bool, targets: int) -> float:
    """What turns Δ into the targets of a group; see ``quantizer.solvers.target``.

    everything: whether the full-precision path follows every sequence.
    """
    columns = layers[0].in_features
    weights = float(sum(layer.count for layer in layers))
    early = _early(layers)
    if everything and not early:
        return 4.0 * columns**3 + 2.0 * targets * weights * columns
    return columns**3 / 3.0 + (2.0 if early else 4.0) * weights * columns


def _early(layers: tuple[LinearShape, ...]) -> bool:
    return multiplies_early([layer.out_features for layer in layers], layers[0].in_features)
