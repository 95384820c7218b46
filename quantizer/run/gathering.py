"""Second moments of the input of one group of layers, over all calibration sequences."""

from models.blocks import Block
from quantizer.recipes.recipe import Rule, feeds
from quantizer.run.passes import Passes, Paths, linear_of
from quantizer.solvers.few_tokens import too_few
from quantizer.solvers.hessian import CrossAccumulator, HessianAccumulator
from quantizer.solvers.methods import Settings
from quantizer.solvers.target import LayerStatistics, multiplies_early


def gather(
    passes: Passes,
    block: Block,
    exact: Block | None,
    name: str,
    paths: Paths,
    rule: Rule,
    settings: Settings,
    *,
    keep_last: bool,
) -> LayerStatistics:
    """Gather what calibration says about the input of the group that a layer stands first in.

    exact: the full-precision block, None where the group's target is not corrected. At the
        block's last group its states in ``paths`` move on behind the block.
    keep_last: keep the inputs on the last fitting sequence.

    Raises:
        CalibrationError: the inputs hold NaN or infinity.
    """
    columns = linear_of(block, name).in_features
    fit = HessianAccumulator(columns, passes.device)
    judge = HessianAccumulator(columns, passes.device)
    group = next(group for group in block.groups if name in group)
    early = multiplies_early([linear_of(block, n).out_features for n in group], columns)
    # The group's own layers are quantized only after this.
    weight = linear_of(block, name).weight.detach() if early else None
    cross = CrossAccumulator(columns, passes.device, weight) if exact else None
    paired = last = None
    judged_tokens = 0
    for index, state in enumerate(paths.fitting):
        fed = feeds(paths.fitting_streams[index], rule.stream)
        inputs = passes.inputs(block, name, state) if fed else None
        wanted = None
        # The last group carries the full-precision path on, whoever reads the sequence.
        if exact and index < len(paths.exact_fitting) and (fed or name in exact.groups[-1]):
            wanted = passes.exact_inputs(exact, name, paths.exact_fitting, index)
        if inputs is None:
            continue
        if cross and cross.tokens == fit.tokens > 0 and wanted is None:
            paired = fit.mean()  # before the first tokens that only one path sees
        fit.add(inputs)
        if cross and wanted is not None:
            cross.add(wanted, inputs)
        last = inputs
    for index, state in enumerate(paths.held_out):
        fed = feeds(paths.held_out_streams[index], rule.stream)
        inputs = passes.inputs(block, name, state) if fed else None
        if inputs is not None:
            judge.add(inputs)
        if index < len(paths.exact_held_out):
            judged_tokens = judge.tokens
    hessian = fit.mean()
    if paired is None and cross and cross.tokens:  # every sequence was followed
        paired = hessian
    # What is rounded for want of tokens is rounded as it is: they do not say how to correct it.
    if cross and too_few(cross.tokens, columns):
        cross = paired = None
    return LayerStatistics(
        hessian=hessian,
        tokens=fit.tokens,
        held_out=judge.mean() if judge.tokens else None,
        held_out_tokens=judge.tokens,
        judged_tokens=judged_tokens,
        shift=cross.mean() if cross else None,
        paired=paired,
        damp_percent=settings.damp_percent,
        last_inputs=last if keep_last else None,
        multiplied=cross is not None and early,
    )
