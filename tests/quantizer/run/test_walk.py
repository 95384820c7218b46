"""The walk: each layer's statistics on both paths, and what is chosen from them."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import quantizer.solvers.solver
from models.blocks import Sample
from models.families import open_blockwise
from models.files.checkpoint import CheckpointReader
from quantizer.calibration.streams import CalibrationSet, draw_calibration
from quantizer.cli import main
from quantizer.errors import CalibrationError
from quantizer.report.report import ModuleReport
from quantizer.run.following import followed_tokens, sequences_for
from quantizer.run.judging import output_error
from quantizer.run.outer import load_outer
from quantizer.run.walk import Walk
from quantizer.run.walked import FinishedBlock, Observed
from quantizer.solvers.grid import nearest_code
from quantizer.solvers.methods import Settings
from quantizer.solvers.solver import solve
from quantizer.solvers.target import GAMMAS, LayerStatistics

LAST_LAYER = "model.layers.1.mlp.down_proj"


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


class Watched:
    """A walk and everything that it saw."""

    def __init__(self, model: Path, settings: Settings, drawn: CalibrationSet, **options: Any):
        self.statistics: dict[str, LayerStatistics] = {}
        self.observed: dict[str, Observed] = {}
        opened = open_blockwise(model)
        walk = Walk(
            opened,
            CheckpointReader(model),
            settings,
            device=torch.device("cpu"),
            observer=self._observe,
            **options,
        )
        original = walk._statistics

        def watched(block: Any, exact: Any, name: str, paths: Any) -> LayerStatistics:
            found = original(block, exact, name, paths)
            self.statistics[f"{block.name}.{name}"] = found
            return found

        walk._statistics = watched  # type: ignore[method-assign]
        self.blocks: list[FinishedBlock] = list(walk.run(drawn))
        self.modules: dict[str, ModuleReport] = {
            module.name: module for block in self.blocks for module in block.modules
        }

    def _observe(self, seen: Observed) -> None:
        self.observed[seen.name] = seen

    def weights(self) -> dict[str, Tensor]:
        return {
            name: weight.dequantize()
            for block in self.blocks
            for name, weight in block.layers.items()
        }


def settings(method: str = "rpiq", target: str = "auto") -> Settings:
    return Settings(
        method=method,  # type: ignore[arg-type]
        group_size=16,
        asymmetric_target=target,  # type: ignore[arg-type]
        rounds=1,
        grid="minmax",
    )


def draw(model: Path, data: Path, samples: int = 10) -> CalibrationSet:
    return draw_calibration(open_blockwise(model), data, samples=samples, seq_len=40, seed=0)


def following(*, fitting: int, judging: int = 4096, per_column: int = 0) -> dict[str, Any]:
    """Options of a walk whose full-precision path follows so many tokens."""
    return {
        "followed": lambda columns: max(per_column * columns, fitting),
        "judging_tokens": judging,
    }


def oracle(model: Path) -> nn.Module:
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(model, dtype=torch.float32)


def inputs_of(model: nn.Module, samples: list[Sample]) -> dict[str, list[Tensor]]:
    """Run transformers' own forward pass; inputs (tokens, in) of every layer by sequence."""
    captured: dict[str, list[Tensor]] = {}
    handles = [
        part.register_forward_pre_hook(
            lambda _, given, name=name: captured.setdefault(name, []).append(given[0][0])
        )
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear)
    ]
    for sample in samples:
        model(**sample)
    for handle in handles:
        handle.remove()
    return captured


@pytest.mark.parametrize(
    ("followed", "per_column", "early"),
    [(150, 0, False), (10**6, 0, False), (130, 5, True), (10**6, 0, True)],
)
def test_statistics_equal_two_runs_of_transformers(
    tiny_llama: Path,
    text_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    followed: int,
    per_column: int,
    early: bool,
) -> None:
    """Inputs depend only on layers before, so the finished weights show each layer's inputs."""
    options = following(fitting=followed, per_column=per_column)
    monkeypatch.setattr(
        "quantizer.run.gathering.multiplies_early", lambda rows, columns: early and columns == 48
    )
    drawn = draw(tiny_llama, text_file)
    fitting, held_out = list(drawn.fitting), list(drawn.held_out)
    seen = Watched(tiny_llama, settings(target="1"), drawn, keep_last_inputs=True, **options)
    model = oracle(tiny_llama)
    exact = inputs_of(model, fitting)
    weights = {name: model.get_submodule(name).weight.clone() for name in seen.modules}
    for name, weight in seen.weights().items():
        model.get_submodule(name).weight.copy_(weight)
    quantized, judging = inputs_of(model, fitting), inputs_of(model, held_out)
    for name, found in seen.statistics.items():
        # Sequences of 40 tokens; the widest layer has 48 columns.
        first = 9 if followed == 10**6 else 6 if per_column else 4
        assert (found.paired is found.hessian) is (first == 9)
        X, part = torch.cat(quantized[name]), torch.cat(quantized[name][:first])
        difference = torch.cat(exact[name][:first]) - part
        same = {"rtol": 1e-3, "atol": 1e-4}
        torch.testing.assert_close(found.hessian, X.T @ X / len(X), **same)
        torch.testing.assert_close(found.paired, part.T @ part / len(part), **same)
        delta = difference.T @ part / len(part)
        assert found.multiplied is (early and name.endswith("down_proj"))
        shift = weights[name] @ delta if found.multiplied else delta
        torch.testing.assert_close(found.shift, shift, **same)
        assert (found.tokens, found.held_out_tokens, found.judged_tokens) == (360, 40, 40)
        J = torch.cat(judging[name])
        torch.testing.assert_close(found.held_out, J.T @ J / len(J), **same)
        torch.testing.assert_close(found.last_inputs, quantized[name][-1], **same)
        if name.startswith("model.layers.1"):
            assert float(difference.abs().max()) > 0.01
            H = (part.T @ part / len(part)).double()
            damped = H + settings().damp_percent * H.diagonal().mean() * torch.eye(len(H)).double()
            shift = (difference.T @ part / len(part)).double()
            wanted = weights[name].double()
            wanted = wanted + wanted @ shift @ torch.linalg.inv(damped)
            target = seen.observed[name].problem.target
            assert float((target - weights[name]).abs().max()) > 1e-3
            torch.testing.assert_close(target.double(), wanted, rtol=1e-2, atol=1e-3)
    # Nothing before the first layers is quantized.
    assert not seen.statistics["model.layers.0.self_attn.q_proj"].shift.any()
    assert seen.statistics[LAST_LAYER].paired is not None


def test_what_an_output_is_added_to_is_made_up_for(tiny_llama: Path, text_file: Path) -> None:
    """Oracle: both sums behind a layer as transformers computes them, of all its tokens."""
    drawn = draw(tiny_llama, text_file)
    fitting = list(drawn.fitting)
    asked = replace(settings(target="1"), residual_target=True)
    seen = Watched(tiny_llama, asked, drawn, **following(fitting=10**6))
    plain = Watched(tiny_llama, settings(target="1"), draw(tiny_llama, text_file))
    joins = {"self_attn.o_proj": "input_layernorm", "mlp.down_proj": "post_attention_layernorm"}

    def sums(model: nn.Module, weights: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """Of each layer its inputs X, and r + XWᵀ."""
        entering: dict[str, list[Tensor]] = {}
        for block in ("model.layers.0", "model.layers.1"):
            for norm in joins.values():
                model.get_submodule(f"{block}.{norm}").register_forward_pre_hook(
                    lambda _, given, name=f"{block}.{norm}": entering.setdefault(name, []).append(
                        given[0][0]
                    )
                )
        inputs = inputs_of(model, fitting)
        found = {}
        for name, weight in weights.items():
            block, layer = name[: len("model.layers.0")], name[len("model.layers.0.") :]
            if layer in joins:
                X, r = torch.cat(inputs[name]), torch.cat(entering[f"{block}.{joins[layer]}"])
                found[name] = X, r + X @ weight.T
        return found

    model = oracle(tiny_llama)
    weights = {name: model.get_submodule(name).weight.clone() for name in seen.modules}
    wanted = sums(model, weights)
    model = oracle(tiny_llama)
    for name, weight in seen.weights().items():
        model.get_submodule(name).weight.copy_(weight)
    for name, (X, reached) in sums(model, weights).items():
        found = seen.statistics[name]
        lacking = wanted[name][1] - reached
        assert found.multiplied and found.shift is not None
        torch.testing.assert_close(found.shift, lacking.T @ X / len(X), rtol=1e-3, atol=1e-4)
        if name.startswith("model.layers.1"):
            assert not torch.allclose(found.shift, weights[name] @ _delta(plain, name), atol=1e-3)
    assert not seen.statistics["model.layers.1.self_attn.q_proj"].multiplied


def _delta(seen: Watched, name: str) -> Tensor:
    shift = seen.statistics[name].shift
    assert shift is not None
    return shift


def test_gamma_is_judged_by_the_held_out_output_of_the_block(
    tiny_llama: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: transformers' layers with every candidate in place; later layers are still exact."""
    judged: list[dict[float, float]] = []

    def choose(errors: dict[float, float]) -> float:
        judged.append(dict(errors))
        return 1.0

    monkeypatch.setattr("quantizer.run.walk.choose", choose)
    drawn = draw(tiny_llama, text_file, samples=30)
    held_out = list(drawn.held_out)
    assert len(held_out) == 3
    seen = Watched(tiny_llama, settings(), drawn, **following(fitting=150, judging=50))
    exact, model = oracle(tiny_llama), oracle(tiny_llama)

    def output(of: nn.Module, layer: int) -> Tensor:
        outputs: list[Tensor] = []
        handle = of.model.layers[layer].register_forward_hook(
            lambda _, __, result: outputs.append(result)
        )
        for sample in held_out[:2]:  # 40 tokens are too few, 80 suffice
            of(**sample)
        handle.remove()
        return torch.stack(outputs)

    written = seen.weights()
    groups = [(name, seen.statistics[name]) for name in seen.statistics]
    assert len(judged) == len(groups) == 8
    quick = replace(settings(), method="gptq")
    for (name, statistics), errors in zip(groups, judged, strict=True):
        members = [n for n in written if seen.observed[n].problem.hessian is statistics.hessian]
        layer = int(name.split(".")[2])
        goal = output(exact, layer)
        assert set(errors) == set(GAMMAS)
        for gamma in GAMMAS:
            for member in members:
                weight = exact.get_submodule(member).weight
                solution = solve(statistics.problem(weight, gamma), statistics.held_out, quick)
                model.get_submodule(member).weight.copy_(solution.chosen.weight.dequantize())
            direct = float((output(model, layer) - goal).square().sum())
            assert errors[gamma] == pytest.approx(direct, rel=2e-2), (name, gamma)
        for member in members:
            model.get_submodule(member).weight.copy_(written[member])
    # What was chosen is what the layers were solved for.
    assert {module.gamma for module in seen.modules.values()} == {1.0}


def test_the_candidate_that_is_chosen_is_not_computed_again(
    tiny_llama: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = {"gptq": 0, "hessian_grid": 0}
    for name in calls:
        original = getattr(quantizer.solvers.solver, name)

        def count(*args: Any, name: str = name, original: Any = original, **more: Any) -> Any:
            calls[name] += 1
            return original(*args, **more)

        monkeypatch.setattr(quantizer.solvers.solver, name, count)
    wanted = replace(settings(), grid="hessian")
    seen = Watched(tiny_llama, wanted, draw(tiny_llama, text_file))
    layers = len(seen.modules)
    assert calls == {"gptq": layers * len(GAMMAS), "hessian_grid": layers * len(GAMMAS)}
    for name, observed in seen.observed.items():
        alone = solve(observed.problem, observed.held_out, wanted).chosen.weight
        assert torch.equal(alone.codes, observed.solution.chosen.weight.codes), name


def test_halved_states_are_judged_before_they_are_rounded(
    tiny_llama: Path, text_file: Path
) -> None:
    opened, reader = open_blockwise(tiny_llama), CheckpointReader(tiny_llama)
    walk = Walk(opened, reader, settings(), device=torch.device("cpu"), state_dtype=torch.bfloat16)
    load_outer(opened, reader, walk.device)
    states = walk.passes.start_all(draw(tiny_llama, text_file).held_out)
    block = next(iter(opened.blockwise.blocks()))
    walk._load(f"{block.name}.", block.module)
    goal = [walk.passes.step(block, state) for state in states]
    assert goal[0]["hidden"].dtype == torch.bfloat16
    block.module.get_submodule("mlp.down_proj").weight.mul_(1.01)
    expected = 0.0
    for state, wanted in zip(states, goal, strict=True):
        found = opened.blockwise.step(block, walk.passes.loaded(state))["hidden"]
        expected += float((found.double() - wanted["hidden"].double()).square().sum())
    assert output_error(walk.passes, block, states, goal) == pytest.approx(expected, rel=1e-5)


def test_without_held_out_tokens_auto_corrects_nothing(tiny_llama: Path, text_file: Path) -> None:
    for target, gamma in (("auto", 0.0), ("0.5", 0.5)):
        drawn = draw(tiny_llama, text_file)
        drawn.held_out.clear()
        seen = Watched(tiny_llama, settings(target=target), drawn)
        assert {module.gamma for module in seen.modules.values()} == {gamma}
        for module in seen.modules.values():
            assert any("no held-out tokens" in warning for warning in module.warnings)


@pytest.mark.parametrize("method", ["gptq", "rpiq"])
def test_the_full_precision_path_is_walked_only_where_it_is_needed(
    tiny_llama: Path, text_file: Path, method: str
) -> None:
    seen = Watched(tiny_llama, settings(method, "0"), draw(tiny_llama, text_file))
    assert all(found.shift is None and found.paired is None for found in seen.statistics.values())
    assert {module.gamma for module in seen.modules.values()} == {None}
    assert all(seen.observed[name].problem.shifted is None for name in seen.observed)
    assert all(found.last_inputs is None for found in seen.statistics.values())


def test_a_layer_with_few_tokens_is_rounded_as_it_is(
    tiny_llama: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tokens are fewer than 48 / 16, and as many as 32 / 16."""
    drawn = draw(tiny_llama, text_file)
    few = [{"input_ids": drawn.fitting[0]["input_ids"][:, :2]}]
    seen = Watched(tiny_llama, settings(target="1"), CalibrationSet(few, drawn.held_out))
    source = load_file(tiny_llama / "model.safetensors")
    for name, module in seen.modules.items():
        rounded = name.endswith("down_proj")
        assert module.gamma == (0.0 if rounded else 1.0)
        assert ("only 2 calibration tokens for 48 columns" in module.warnings[0]) is rounded
        if rounded:
            weight = seen.observed[name].solution.chosen.weight
            scale, zero = (
                part.float().repeat_interleave(16, dim=1) for part in (weight.scale, weight.zero)
            )
            nearest = nearest_code(source[f"{name}.weight"].float(), scale, zero, 15)
            assert torch.equal(weight.codes.float(), nearest)
        else:
            assert "held-out error chose" in module.warnings[0]


def test_inputs_are_taken_without_running_what_lies_behind(
    tiny_llama: Path, text_file: Path
) -> None:
    drawn = draw(tiny_llama, text_file)
    opened = open_blockwise(tiny_llama)
    walk = Walk(opened, CheckpointReader(tiny_llama), settings("gptq"), device=torch.device("cpu"))
    sample = drawn.fitting[0]
    expected = inputs_of(oracle(tiny_llama), [sample])
    load_outer(opened, walk.reader, walk.device)
    state = walk.passes.start(sample)
    block = next(iter(opened.blockwise.blocks()))
    walk._load(f"{block.name}.", block.module)
    order = [name for group in block.groups for name in group]
    for last, name in enumerate(order):
        reached: list[str] = []
        handles = [
            block.module.get_submodule(other).register_forward_hook(
                lambda *_, reached=reached, other=other: reached.append(other)
            )
            for other in order
        ]
        got = walk.passes.inputs(block, name, state)
        for handle in handles:
            handle.remove()
        torch.testing.assert_close(got, expected[f"{block.name}.{name}"][0], rtol=1e-4, atol=1e-5)
        assert set(reached) == set(order[:last]), "layers before run, the layer itself does not"
    assert not any(part._forward_pre_hooks for part in block.module.modules())
    assert walk.passes.step(block, state)["hidden"].shape == state["hidden"].shape


def test_activations_that_are_not_finite_name_the_layer(
    tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_llama, broken)
    tensors = load_file(broken / "model.safetensors")
    tensors["model.layers.1.post_attention_layernorm.weight"][2] = float("nan")
    save_file(tensors, broken / "model.safetensors")
    for method in ("gptq", "rpiq", "rpiq-paper"):
        with pytest.raises(CalibrationError, match=r"model\.layers\.1\.mlp\.gate_proj: .*NaN"):
            Watched(broken, settings(method), draw(broken, text_file))


def test_how_many_sequences_are_followed() -> None:
    lengths = (10, 20, 30)
    counts = {tokens: sequences_for(lengths, tokens) for tokens in (0, 1, 10, 11, 30, 31, 60, 99)}
    assert counts == {0: 0, 1: 1, 10: 1, 11: 2, 30: 2, 31: 3, 60: 3, 99: 3}
    assert sequences_for([], 5) == 0
    assert followed_tokens(48) == followed_tokens(2048) == 16384
    assert followed_tokens(14336) == 8 * 14336


# CogVLM2: a sequence reaches only the experts of its own tokens.


@pytest.mark.parametrize(
    ("method", "target"),
    [("gptq", "auto"), ("rpiq", "auto"), ("rpiq", "1"), ("rpiq-paper", "auto")],
)
def test_text_alone_cannot_calibrate_what_sees(
    tiny_cogvlm2: Path, text_file: Path, method: str, target: str
) -> None:
    words = r"model\.vision\..*: no calibration token reached it; .*allow_uncalibrated"
    with pytest.raises(CalibrationError, match=words):
        Watched(tiny_cogvlm2, settings(method, target), draw(tiny_cogvlm2, text_file))
    seen = Watched(
        tiny_cogvlm2,
        settings(method, target),
        draw(tiny_cogvlm2, text_file),
        allow_uncalibrated=True,
    )
    for name, module in seen.modules.items():
        starved = "vision" in name
        assert (module.tokens == 0) is starved, name
        if starved:
            assert (module.method, module.j, module.gamma or 0.0) == ("rtn", None, 0.0)
            assert "only 0 calibration tokens" in module.warnings[0]
        elif method == "rpiq-paper":
            assert module.method == "paper"
        elif target == "1":
            assert module.gamma == 1.0


def test_the_command_line_refuses_a_starved_expert_and_can_be_told_otherwise(
    tiny_cogvlm2: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    argv = ["run", str(tiny_cogvlm2), "--out", str(out), "--group-size", "8"]
    argv += ["--calibration", str(text_file), "--samples", "8", "--seq-len", "40"]
    assert main(argv) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: model.vision") and "--allow-uncalibrated" in line
    assert not out.exists()
    assert main([*argv, "--allow-uncalibrated"]) == 0
    assert "rtn" in capsys.readouterr().out


@pytest.fixture
def mixed(
    tiny_cogvlm2: Path, text_file: Path, picture_folder: Path
) -> Callable[[bool], CalibrationSet]:
    """Draw text and picture sequences, in either order."""

    def call(text_first: bool) -> CalibrationSet:
        text = draw(tiny_cogvlm2, text_file, samples=4)
        pictures = draw(tiny_cogvlm2, picture_folder, samples=9)
        parts = [text, pictures] if text_first else [pictures, text]
        return CalibrationSet(
            [sample for part in parts for sample in part.fitting],
            [sample for part in parts for sample in part.held_out],
        )

    return call


def test_mixed_sequences_walk_in_either_order(
    tiny_cogvlm2: Path, mixed: Callable[[bool], CalibrationSet]
) -> None:
    one = Watched(tiny_cogvlm2, settings(), mixed(False))
    other = Watched(tiny_cogvlm2, settings("gptq"), mixed(True))
    assert list(one.modules) == list(other.modules)
    for name, module in one.modules.items():
        twin = other.modules[name]
        assert module.tokens > 0
        assert (module.tokens, module.held_out_tokens) == (twin.tokens, twin.held_out_tokens)
        assert module.gamma in GAMMAS
    assert {module.gamma for module in one.modules.values()} - {0.0}
    first = next(iter(one.statistics))
    found, twin_found = one.statistics[first], other.statistics[first]
    torch.testing.assert_close(found.hessian, twin_found.hessian, rtol=1e-4, atol=1e-5)
    # Words beside the pictures reach the language expert too.
    assert one.modules["model.layers.0.mlp.language_mlp.up_proj"].tokens > 3 * 40


@pytest.mark.parametrize("text_first", [True, False])
def test_an_expert_is_corrected_only_by_sequences_that_reach_it(
    tiny_cogvlm2: Path,
    mixed: Callable[[bool], CalibrationSet],
    text_first: bool,
) -> None:
    options = following(fitting=80)  # two text sequences, or two or three with a picture
    seen = Watched(tiny_cogvlm2, settings("rpiq", "1"), mixed(text_first), **options)
    for name, module in seen.modules.items():
        blind = text_first and "vision" in name
        assert module.gamma == (0.0 if blind else 1.0), name
        assert module.method in ("rpiq", "gptq", "grid", "rtn") and module.tokens > 0


def test_gamma_is_not_chosen_by_sequences_that_never_reach_the_expert(
    tiny_cogvlm2: Path, mixed: Callable[[bool], CalibrationSet]
) -> None:
    """One held-out text is judged; the held-out pictures come behind it."""
    options = following(fitting=10**6, judging=40)
    seen = Watched(tiny_cogvlm2, settings("rpiq", "auto"), mixed(True), **options)
    for name, module in seen.modules.items():
        assert module.held_out_tokens > 0
        if "vision" in name:
            assert module.gamma == 0.0, name
    assert {seen.modules[n].gamma for n in seen.modules if "language" in n} - {0.0}
