"""Gradients block by block against autograd through whole models, and what they do to Hessians."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

import quantizer.importance.gradients
import quantizer.importance.loss
from models.blocks import Sample
from models.families import OpenedModel, open_blockwise
from models.files.checkpoint import CheckpointReader
from models.loading import load_model
from quantizer.calibration.streams import draw_calibration
from quantizer.cli import main
from quantizer.errors import SettingsError
from quantizer.importance.gradients import Gradients, Norms
from quantizer.run.outer import load_outer
from quantizer.run.passes import Passes
from quantizer.run.pipeline import Job, run
from quantizer.run.walk import Walk
from quantizer.run.walked import Progress
from quantizer.solvers.methods import Settings
from quantizer.solvers.target import LayerStatistics

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    """As a run has it."""
    with torch.no_grad():
        yield


def by_blocks(model: Path, samples: list[Sample]) -> tuple[list[Norms], OpenedModel]:
    opened, reader = open_blockwise(model), CheckpointReader(model)
    walk = Walk(opened, reader, Settings("gptq", group_size=16), device=CPU)
    load_outer(opened, reader, CPU)
    passes = Passes(opened.blockwise, CPU, torch.float32)
    return Gradients(opened, reader, passes, walk._loaded_copy).of(samples), opened


def whole_model(
    model: nn.Module, blocks: list[str], logits: Any, ids: Tensor, targets: Tensor
) -> Norms:
    """Autograd through all of a model: ‖∂L/∂y_t‖² behind each of its blocks."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            outputs[name] = output[0] if isinstance(output, tuple) else output
            outputs[name].retain_grad()

        return hook

    with torch.enable_grad():
        model.requires_grad_(True)
        handles = [model.get_submodule(b).register_forward_hook(keep(b)) for b in blocks]
        said = logits()
        loss = functional.cross_entropy(said[0, targets - 1].float(), ids[0, targets])
        loss.backward()
    for handle in handles:
        handle.remove()
    return {
        name: value.grad.square().sum(-1).flatten()
        for name, value in outputs.items()
        if value.grad is not None
    }


@pytest.mark.parametrize("tied", [False, True])
def test_gradients_are_those_of_transformers(
    tiny_llama: Path, text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tied: bool
) -> None:
    from transformers import LlamaForCausalLM

    folder = tmp_path / "model"
    shutil.copytree(tiny_llama, folder)
    if tied:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
        tensors = load_file(folder / "model.safetensors")
        del tensors["lm_head.weight"]
        save_file(tensors, folder / "model.safetensors")
    monkeypatch.setattr(quantizer.importance.loss, "LOGIT_ROWS", 7)
    monkeypatch.setattr(quantizer.importance.gradients, "ROUND_BYTES", 1.0)
    drawn = draw_calibration(open_blockwise(folder), text_file, samples=3, seq_len=20, seed=0)
    samples = [*drawn.fitting, *drawn.held_out]
    found, opened = by_blocks(folder, samples)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    blocks = [block.name for block in opened.blockwise.blocks()]
    for sample, norms in zip(samples, found, strict=True):
        ids = sample["input_ids"]
        wanted = whole_model(
            model, blocks, lambda ids=ids: model(ids).logits, ids, torch.arange(1, 20)
        )
        assert set(norms) == set(wanted) == set(blocks)
        for name in blocks:
            torch.testing.assert_close(norms[name], wanted[name], rtol=1e-4, atol=1e-12)
            assert float(wanted[name].max()) > 1.2 * float(wanted[name].median()) > 0
    # What the forward pass looks words up in is as it was stored.
    embedding = opened.module.get_submodule("model.embed_tokens")
    assert embedding.weight.dtype == torch.bfloat16


def test_gradients_of_pictures_reach_the_tower(
    tiny_cogvlm2: Path, picture_folder: Path, text_file: Path
) -> None:
    drawn = draw_calibration(
        open_blockwise(tiny_cogvlm2), picture_folder, text=text_file, samples=2, seq_len=30, seed=0
    )
    samples = [*drawn.fitting, *drawn.held_out]
    found, opened = by_blocks(tiny_cogvlm2, samples)
    model: Any = load_model(tiny_cogvlm2, dtype=torch.float32).model
    blocks = [block.name for block in opened.blockwise.blocks()]
    tower = [name for name in blocks if "vision" in name]
    seen = set()
    for sample, norms in zip(samples, found, strict=True):
        ids, pixels = sample["input_ids"], sample.get("pixels")
        answer = 30 - 1 if pixels is None else sample["answer"]
        targets = torch.arange(ids.shape[1] - answer, ids.shape[1])
        given = None if pixels is None else pixels.float()

        def logits(sample: Sample = sample, given: Tensor | None = given) -> Tensor:
            types = sample["token_type_ids"]
            said: Tensor = model(sample["input_ids"], types, pixels=given)
            return said

        wanted = whole_model(model, blocks, logits, ids, targets)
        assert set(norms) == set(wanted) == set(blocks if given is not None else blocks[3:])
        seen |= set(norms)
        for name in norms:
            torch.testing.assert_close(norms[name], wanted[name], rtol=1e-3, atol=1e-12)
    assert set(tower) <= seen


class Statistics(Walk):
    """A walk that keeps every group's statistics."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.kept: dict[str, LayerStatistics] = {}

    def _statistics(self, block: Any, exact: Any, name: str, paths: Any) -> LayerStatistics:
        found = super()._statistics(block, exact, name, paths)
        self.kept[f"{block.name}.{name}"] = found
        return found


def walked(model: Path, drawn: Any, rho: float) -> Statistics:
    settings = Settings("gptq", group_size=16, token_importance=rho)
    walk = Statistics(open_blockwise(model), CheckpointReader(model), settings, device=CPU)
    for _ in walk.run(drawn):
        pass
    return walk


def test_each_token_counts_as_much_as_the_loss_says(tiny_llama: Path, text_file: Path) -> None:
    """The first layers' inputs are the same in both networks, so that transformers knows them."""
    from transformers import LlamaForCausalLM

    rho, first = 0.75, "model.layers.0"
    drawn = draw_calibration(open_blockwise(tiny_llama), text_file, samples=10, seq_len=40, seed=0)
    samples, fitting = [*drawn.fitting, *drawn.held_out], len(drawn.fitting)
    model = LlamaForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    norms, inputs = [], []
    query = model.get_submodule(f"{first}.self_attn.q_proj")
    query.register_forward_pre_hook(lambda _, given: inputs.append(given[0][0].detach().double()))
    for sample in samples:
        ids = sample["input_ids"]
        targets = torch.arange(1, 40)
        logits = lambda ids=ids: model(ids).logits  # noqa: E731 - a name for what is called once
        norms.append(whole_model(model, [first], logits, ids, targets)[first].double())
    every = torch.cat(norms)
    clipped = (every / every.mean()).clamp(0.1, 10.0)
    weights = ((1 - rho) + rho * clipped / clipped.mean()).split(40)
    parts = [x.T @ torch.diag(w) @ x for w, x in zip(weights, inputs, strict=True)]
    found = walked(tiny_llama, drawn, rho).kept[f"{first}.self_attn.q_proj"]
    assert found.tokens == fitting * 40 and found.held_out is not None
    judged = len(samples) - fitting
    for own, wanted in (
        (found.hessian, sum(parts[:fitting]) / (fitting * 40)),
        (found.held_out, sum(parts[fitting:]) / (judged * 40)),
    ):
        torch.testing.assert_close(own.double(), wanted, rtol=1e-3, atol=1e-5)


def test_without_a_share_nothing_is_passed_back(
    tiny_llama: Path, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any) -> None:
        raise AssertionError("no gradient was asked for")

    monkeypatch.setattr(quantizer.importance.gradients.Gradients, "of", refuse)
    drawn = draw_calibration(open_blockwise(tiny_llama), text_file, samples=4, seq_len=20, seed=0)
    walk = walked(tiny_llama, drawn, 0.0)
    assert walk.importance is None and walk.kept


def test_pictures_and_words_weigh_the_inputs_of_their_own_experts(
    tiny_cogvlm2: Path, picture_folder: Path, text_file: Path
) -> None:
    def drawn() -> Any:
        return draw_calibration(
            open_blockwise(tiny_cogvlm2),
            picture_folder,
            text=text_file,
            samples=3,
            seq_len=30,
            seed=0,
        )

    plain, weighted = (walked(tiny_cogvlm2, drawn(), rho) for rho in (0.0, 1.0))
    assert set(plain.kept) == set(weighted.kept)
    for name, found in weighted.kept.items():
        assert found.tokens == plain.kept[name].tokens > 0
        assert not torch.equal(found.hessian, plain.kept[name].hessian), name


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


class Stop(BaseException):
    """Ends a run from inside."""


def test_a_run_goes_on_with_the_same_weights(
    tiny_llama: Path, text_file: Path, tmp_path: Path
) -> None:
    settings = Settings("gptq", group_size=16, token_importance=0.5)
    out = tmp_path / "out"
    job = Job(tiny_llama, out, settings, calibration=text_file, samples=6, seq_len=40)
    report = run(replace(job, out=tmp_path / "whole"))
    assert report.settings["token_importance"] == 0.5
    plain = replace(job, out=tmp_path / "plain", settings=replace(settings, token_importance=0.0))
    run(plain)

    def stop(progress: Progress) -> None:
        if progress.done == 8:
            raise Stop

    with pytest.raises(Stop):
        run(job, stop)
    with pytest.raises(Exception, match="--token-importance"):
        run(replace(job, settings=plain.settings))
    run(job)
    assert contents(out) == contents(tmp_path / "whole") != contents(tmp_path / "plain")


def test_a_family_without_a_head_is_refused(tiny_llama: Path) -> None:
    opened, reader = open_blockwise(tiny_llama), CheckpointReader(tiny_llama)

    class Headless:
        """Blocks that say nothing of a head."""

    headless = replace(opened, blockwise=Headless())  # type: ignore[arg-type]  # as an added family may be
    with pytest.raises(SettingsError, match="does not say how its last block becomes words"):
        Gradients(
            headless, reader, Passes(opened.blockwise, CPU, torch.float32), lambda block: block
        )


def test_a_quantized_model_has_no_gradients_to_pass_back(
    tiny_llama: Path, text_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_llama, tmp_path / "int4")
    config = json.loads((tiny_llama / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 32}
    (tmp_path / "int4" / "config.json").write_text(json.dumps(config))
    arguments = ["run", str(tmp_path / "int4"), "--out", str(tmp_path / "again")]
    arguments += ["--calibration", str(text_file), "--token-importance", "0.5"]
    assert main(arguments) != 0
    told = capsys.readouterr().err.strip()
    assert "is quantized already: give the full-precision model" in told and "\n" not in told
