"""What a card quantizes, compares and measures is what the processor does, to rounding."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models.blocks import State
from models.files.checkpoint import CheckpointReader
from models.loading import load_model
from quantizer.cli import main
from quantizer.evaluate.perplexity import perplexity
from quantizer.evaluate.pictures import pictures
from quantizer.plan.plan import Plan
from quantizer.recipes.recipe import read_recipe
from quantizer.run import taking_part
from quantizer.run.passes import Passes
from quantizer.run.pipeline import Job, run
from quantizer.run.progress import count_finished
from quantizer.run.walked import Progress
from quantizer.solvers.methods import Settings

CARD = torch.device("cuda")


class Stop(BaseException):
    """Ends a run as Ctrl-C does, from inside."""


@pytest.fixture
def of_texts(tiny_llama: Path, text_file: Path, tmp_path: Path) -> Job:
    """A run of six short sequences."""
    settings = Settings("gptq", group_size=16)
    return Job(tiny_llama, tmp_path / "out", settings, calibration=text_file, samples=6, seq_len=40)


def codes(folder: Path) -> torch.Tensor:
    """Every code of 4 bits in a folder, in the order of the layers' names."""
    reader = CheckpointReader(folder)
    names = sorted(name for name in reader.names() if name.endswith(".qweight"))
    words = torch.cat([reader.read(name).reshape(-1) for name in names])
    return torch.stack([(words >> shift) & 15 for shift in range(0, 32, 4)])


def share_of_other_codes(job: Job) -> float:
    """How many codes differ between a run on the card and one on the processor."""
    found = []
    for device in (CARD, torch.device("cpu")):
        one = replace(job, device=device, out=job.out.parent / device.type)
        assert run(one).settings["device"] == device.type
        found.append(codes(one.out))
    return float((found[0] != found[1]).double().mean())


@pytest.mark.gpu(twin="slow")
def test_the_published_method(of_texts: Job) -> None:
    job = replace(of_texts, settings=Settings("rpiq-paper", group_size=16))
    assert share_of_other_codes(job) < 0.01


@pytest.mark.gpu(twin="none")  # the pretend card has no way back
def test_tokens_that_weigh_by_the_loss(of_texts: Job) -> None:
    settings = Settings("rpiq", group_size=16, rounds=1, token_importance=0.5)
    assert share_of_other_codes(replace(of_texts, settings=settings)) < 0.01


@pytest.mark.gpu(twin="slow")
def test_what_outputs_are_added_to_is_made_up_for(of_texts: Job) -> None:
    settings = Settings("rpiq", group_size=16, rounds=1, residual_target=True)
    assert share_of_other_codes(replace(of_texts, settings=settings)) < 0.01


@pytest.mark.gpu(twin="slow")
@pytest.mark.parametrize("bits", [3, 4])
def test_a_quantized_head_and_three_bits(
    bits: int, of_texts: Job, make_llama: Callable[..., Path], tmp_path: Path
) -> None:
    model = make_llama(tmp_path / "model", 64, 96, 1, words=128, tied=True)
    settings = Settings("rpiq", bits=bits, group_size=32)
    job = replace(of_texts, model=model, settings=settings, head_bits=4)
    assert share_of_other_codes(job) < 0.01


@pytest.mark.gpu(twin="slow")
def test_a_model_that_sees_pictures(
    tiny_cogvlm2: Path, picture_folder: Path, tmp_path: Path
) -> None:
    recipe = read_recipe("cmdq")
    job = Job(
        tiny_cogvlm2, tmp_path / "out", recipe.base, recipe=recipe, calibration=picture_folder,
        samples=6,
    )  # fmt: skip
    assert share_of_other_codes(job) < 0.02


@pytest.mark.gpu(twin="slow")
def test_a_stopped_run_goes_on_to_the_same_bytes(of_texts: Job, tmp_path: Path) -> None:
    job = replace(of_texts, device=CARD)
    run(replace(job, out=tmp_path / "undisturbed"))

    def stop(progress: Progress) -> None:
        if progress.done == 9:  # the first block has seven layers
            raise Stop

    with pytest.raises(Stop):
        run(job, stop)
    assert count_finished(job.out) == 1
    run(job)
    one, other = (folder / "model.safetensors" for folder in (job.out, tmp_path / "undisturbed"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.gpu(twin="slow")
def test_methods_are_compared(tiny_llama: Path, text_file: Path, tmp_path: Path) -> None:
    found: dict[str, list[dict[str, Any]]] = {}
    for device in ("cuda", "cpu"):
        out = tmp_path / device
        argv = ["compare", str(tiny_llama), "--out", str(out), "--device", device]
        argv += ["--calibration", str(text_file), "--data", str(text_file), "--samples", "6"]
        argv += ["--seq-len", "40", "--group-size", "16", "--methods", "gptq,rpiq", "--bits", "4"]
        assert main(argv) == 0
        found[device] = json.loads((out / "report.json").read_text())["variants"]
    for on_card, on_processor in zip(found["cuda"], found["cpu"], strict=True):
        assert on_card["label"] == on_processor["label"]
        for name, ratio in on_processor["j_ratio_to_gptq"].items():
            assert on_card["j_ratio_to_gptq"][name] == pytest.approx(ratio, rel=0.05)
        value = on_processor["perplexity"]["value"]
        assert on_card["perplexity"]["value"] == pytest.approx(value, rel=0.02)


@pytest.mark.gpu(twin="slow")
def test_measuring(
    tiny_llama: Path, tiny_cogvlm2: Path, text_file: Path, picture_folder: Path
) -> None:
    values = []
    answers = []
    for device in ("cuda", "cpu"):
        text_model = load_model(tiny_llama, device=device, dtype=torch.bfloat16)
        values.append(perplexity(text_model, text_file, limit=4)["value"])
        picture_model = load_model(tiny_cogvlm2, device=device, dtype=torch.bfloat16)
        found = pictures(picture_model, picture_folder, limit=2)["answers"]
        answers.append([answer["given"][:3] for answer in found])
    assert values[0] == pytest.approx(values[1], rel=0.02)
    assert answers[0] == answers[1]


@pytest.mark.gpu
def test_states_that_stay_on_the_card_give_the_same_bytes(
    of_texts: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_job, stored = taking_part.plan_job, Passes._stored
    written = {}
    for stay in (True, False):
        homes = set()

        def told(*given: Any, stay: bool = stay, **more: Any) -> Plan:
            plan = plan_job(*given, **more)
            assert plan.states_on_card, "a card has room for so little"
            return replace(plan, states_on_card=stay)

        def watched(self: Passes, state: State, homes: set[str] = homes) -> State:
            kept = stored(self, state)
            homes |= {value.device.type for value in kept.values() if torch.is_tensor(value)}
            return kept

        monkeypatch.setattr(taking_part, "plan_job", told)
        monkeypatch.setattr(Passes, "_stored", watched)
        quick = Settings("rpiq", group_size=16, rounds=1, grid="minmax")
        job = replace(of_texts, settings=quick, device=CARD, out=tmp_path / str(stay))
        run(job)
        assert homes == {"cuda" if stay else "cpu"}
        written[stay] = (job.out / "model.safetensors").read_bytes()
    assert written[True] == written[False]
