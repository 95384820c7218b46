"""The library: the documented example, one layer, a folder, a module in memory."""

import doctest
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import quantizer
from models.errors import CheckpointError, ModelFolderError
from models.families import open_blockwise
from models.files.checkpoint import CheckpointReader
from models.int4 import Int4Linear, QuantizedWeight
from models.loading import load_model
from quantizer import LayerResult, Report, Settings, quantize_layer, quantize_model
from quantizer.calibration.streams import draw_calibration
from quantizer.errors import CalibrationError, SettingsError
from quantizer.recipes.recipe import Recipe, Rule
from quantizer.run.walked import Progress
from quantizer.solvers.gptq import LayerProblem, gptq
from quantizer.solvers.grid import minmax_grid, round_to_nearest
from quantizer.solvers.methods import Method
from quantizer.solvers.rpiq import rpiq


def draw(out_features: int = 24, in_features: int = 80, tokens: int = 300) -> tuple[Tensor, Tensor]:
    """A weight and correlated inputs, seeded."""
    generator = torch.Generator().manual_seed(out_features + in_features)
    weight = torch.randn(out_features, in_features, generator=generator)
    mixing = torch.randn(in_features, in_features, generator=generator)
    return weight, torch.randn(tokens, in_features, generator=generator) @ mixing


def change_of_outputs(weight: Tensor, inputs: Tensor, by: Tensor) -> float:
    """The squared change of the outputs per token, from the products themselves."""
    change = inputs.double() @ weight.double().T - inputs.double() @ by.double().T
    return float(change.square().sum() / len(inputs))


def test_the_documented_example_runs() -> None:
    found = doctest.testmod(quantizer)
    assert found.attempted == 10
    assert found.failed == 0


def test_every_public_name_is_there() -> None:
    for name in quantizer.__all__:
        assert getattr(quantizer, name) is not None
    assert set(quantizer.__all__) <= set(dir(quantizer))
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        quantizer.quantise  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import quantizer, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("method", ["rtn", "gptq", "rpiq", "rpiq-paper"])
@pytest.mark.parametrize("group_size", [16, 32])  # 80 inputs: the last of 32 is short
@pytest.mark.parametrize("act_order", [True, False])
@pytest.mark.parametrize("bits", [4, 8])
@torch.no_grad()
def test_a_layer_runs_by_its_result(
    method: Method, group_size: int, act_order: bool, bits: int
) -> None:
    weight, inputs = draw()
    settings = Settings(method, bits, group_size, act_order=act_order)
    result = quantize_layer(weight, inputs, settings)
    dense = result.weight.dequantize()
    rounded = round_to_nearest(
        weight, minmax_grid(weight, bits=bits, group_size=group_size, sym=False)
    )
    before = change_of_outputs(weight, inputs, rounded.dequantize())
    assert result.j_before == pytest.approx(before, rel=1e-3)
    assert result.j_after == pytest.approx(change_of_outputs(weight, inputs, dense), rel=1e-3)
    assert result.j_after <= result.j_before * (1 if method == "rtn" else 0.9)
    outputs = nn.functional.linear(inputs, dense)
    layer = result.module()
    assert isinstance(layer, nn.Module)
    torch.testing.assert_close(layer(inputs), outputs, rtol=1e-4, atol=1e-3)
    # In the form in which a model is used, one row at a time reaches the kernels.
    row = layer(inputs[:1].bfloat16()).float()
    torch.testing.assert_close(row, outputs[:1], rtol=0.05, atol=0.05 * float(outputs[0].std()))


def results_of_solvers(weight: Tensor, inputs: Tensor, group_size: int) -> list[QuantizedWeight]:
    problem = LayerProblem(weight, inputs.T @ inputs / len(inputs), len(inputs))
    grid = minmax_grid(weight, bits=4, group_size=group_size, sym=False)
    found = [round_to_nearest(weight, grid)]
    for act_order in (True, False):
        start = gptq(problem, grid, damp_percent=0.01, act_order=act_order).weight
        found += [start, rpiq(problem, start, damp_percent=0.01, rounds=2).weight]
    return found


@pytest.mark.parametrize("group_size", [16, 32, 80])
@torch.no_grad()
def test_what_a_solver_returns_can_be_run_as_it_is(group_size: int) -> None:
    weight, inputs = draw()
    for found in results_of_solvers(weight, inputs, group_size):
        layer = Int4Linear.from_quantized(found, None)
        assert (layer.in_features, layer.out_features) == (80, 24)
        dense = torch.empty(24, 80)
        for k in range(80):  # value by value, as the format defines it
            group = k // group_size
            level = found.codes[:, k].double() - found.zero[:, group].double()
            dense[:, k] = (level * found.scale[:, group].double()).float()
        torch.testing.assert_close(layer(inputs), inputs @ dense.T, rtol=1e-4, atol=1e-3)


def test_a_linear_layer_keeps_its_bias_and_its_weight() -> None:
    weight, inputs = draw()
    linear = nn.Linear(80, 24)
    with torch.no_grad():
        linear.weight.copy_(weight)
    result = quantize_layer(linear, inputs.reshape(3, 100, 80), Settings("gptq", group_size=16))
    assert isinstance(result, LayerResult)
    expected = nn.functional.linear(inputs, result.weight.dequantize(), linear.bias)
    torch.testing.assert_close(result.module()(inputs), expected, rtol=1e-4, atol=1e-3)
    assert torch.equal(linear.weight, weight)
    assert quantize_layer(weight, inputs).weight.group_size == 128


def test_held_out_inputs_choose_the_stage() -> None:
    weight, inputs = draw()
    _, other = draw(24, 80, 200)
    alone = quantize_layer(weight, inputs, Settings("rpiq", group_size=16))
    assert "unjudged" in alone.solution.warnings[0]
    judged = quantize_layer(weight, inputs, Settings("rpiq", group_size=16), held_out=other)
    assert judged.solution.warnings == ()
    errors = [stage.held_out_error for stage in judged.solution.stages]
    assert judged.solution.chosen.held_out_error == min(errors)


def test_the_published_method_refines_on_the_last_sequence() -> None:
    weight, inputs = draw()
    result = quantize_layer(
        weight, inputs.reshape(3, 100, 80), Settings("rpiq-paper", group_size=16)
    )
    assert result.solution.paper is not None
    start = result.solution.stages[-2].weight.dequantize()
    expected = change_of_outputs(weight, inputs[200:], start)
    assert result.solution.paper.start.last == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("weight", "inputs", "message"),
    [
        (torch.ones(8), torch.ones(2, 8), "give a matrix"),
        (torch.ones(8, 8), torch.ones(2, 9), "at least one token"),
        (torch.ones(8, 8), torch.ones(0, 8), "at least one token"),
    ],
)
def test_what_does_not_fit_is_refused(weight: Tensor, inputs: Tensor, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        quantize_layer(weight, inputs)


def test_a_width_without_a_kernel_has_values_but_no_module() -> None:
    weight, inputs = draw()
    result = quantize_layer(weight, inputs, Settings("gptq", bits=2, group_size=16))
    assert result.j_after < result.j_before
    assert result.weight.dequantize().shape == (24, 80)
    with pytest.raises(CheckpointError, match="2-bit"):
        result.module()
    # The width has a form in files, and this shape none: it fills no whole words.
    result = quantize_layer(weight, inputs, Settings("gptq", bits=3, group_size=16))
    assert result.j_after < result.j_before
    with pytest.raises(CheckpointError, match="80 inputs do not fill .* a multiple of 32"):
        result.module()


def test_a_folder_becomes_another(tiny_llama: Path, text_file: Path, tmp_path: Path) -> None:
    report = quantize_model(
        str(tiny_llama),
        text_file,
        Settings("gptq", group_size=16),
        out=tmp_path / "out",
        samples=6,
        seq_len=40,
    )
    assert isinstance(report, Report)
    assert len(report.modules) == 14
    assert load_model(tmp_path / "out").quantization is not None


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
@torch.no_grad()
def test_a_module_in_memory_becomes_what_its_folder_does(
    tiny_llama: Path, text_file: Path, tmp_path: Path, method: Method
) -> None:
    settings = Settings(method, group_size=16, rounds=1)
    drawn = draw_calibration(open_blockwise(tiny_llama), text_file, samples=10, seq_len=40, seed=0)
    ids = [sample["input_ids"][0] for sample in (*drawn.fitting, *drawn.held_out)]
    module = load_model(tiny_llama, dtype=torch.float32).model
    report = quantize_model(module, ids, settings)
    out = tmp_path / "out"
    written = quantize_model(tiny_llama, text_file, settings, out=out, samples=10, seq_len=40)
    assert [m.name for m in report.modules] == [m.name for m in written.modules]
    assert [m.j for m in report.modules] == [m.j for m in written.modules]
    expected = load_model(out, dtype=torch.float32).model
    layers = 0
    for name, layer in module.named_modules():
        if isinstance(layer, Int4Linear):
            layers += 1
            other = expected.get_submodule(name)
            assert isinstance(other, Int4Linear)
            assert torch.equal(layer.quantized().codes, other.quantized().codes)
            assert torch.equal(layer.scales, other.scales)
    assert layers == 14
    question = ids[0].reshape(1, -1)
    assert torch.equal(module(question).logits, expected(question).logits)
    assert report.bytes < report.bytes_before


def test_a_recipe_leaves_layers_of_a_module_alone(tiny_llama: Path) -> None:
    module = load_model(tiny_llama, dtype=torch.float32).model
    kept = Rule("*.self_attn.*", None)
    recipe = Recipe("half", (kept, Rule("*", Settings("rtn", group_size=16))))
    quantize_model(module, [], recipe)
    kinds = {name: type(part) for name, part in module.named_modules() if "_proj" in name}
    assert {name for name, kind in kinds.items() if kind is Int4Linear} == {
        name for name in kinds if ".mlp." in name
    }


def test_a_module_that_cannot_be_quantized_is_refused_untouched(tiny_llama: Path) -> None:
    with pytest.raises(ModelFolderError, match="no config"):
        quantize_model(nn.Linear(8, 8), [], Settings("rtn"))
    module = load_model(tiny_llama, dtype=torch.float32).model
    with pytest.raises(CalibrationError, match="only rtn"):
        quantize_model(module, [])
    with pytest.raises(SettingsError, match="in place"):
        quantize_model(module, tiny_llama)  # type: ignore[call-overload]
    with pytest.raises(SettingsError, match="give out"):
        quantize_model(tiny_llama, tiny_llama)  # type: ignore[call-overload]
    assert not any(isinstance(part, Int4Linear) for part in module.modules())
    assert CheckpointReader(tiny_llama).names()


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
def test_a_module_is_untouched_until_all_is_computed(tiny_llama: Path, method: Method) -> None:
    module = load_model(tiny_llama, dtype=torch.float32).model
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    ids = [torch.arange(1, 30).roll(shift) % 20 for shift in range(6)]

    def stop(progress: Progress) -> None:
        if progress.done == progress.total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize_model(module, ids, Settings(method, group_size=16, rounds=1), on_progress=stop)
    after = module.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_the_importance_of_tokens_needs_a_whole_model(tiny_llama: Path) -> None:
    weight, inputs = draw()
    settings = Settings("gptq", group_size=16, token_importance=1.0)
    with pytest.raises(SettingsError, match="token_importance needs the loss of a whole model"):
        quantize_layer(weight, inputs, settings)
    generator = torch.Generator().manual_seed(0)
    ids = [torch.randint(3, 99, (24,), generator=generator) for _ in range(4)]
    codes = []
    for share in (0.0, 1.0):
        module = load_model(tiny_llama, dtype=torch.float32).model
        quantize_model(module, ids, Settings("gptq", group_size=16, token_importance=share))
        layer = module.get_submodule("model.layers.0.mlp.down_proj")
        assert isinstance(layer, Int4Linear)
        codes.append(layer.qweight.clone())
    assert not torch.equal(*codes)
