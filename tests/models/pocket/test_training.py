"""Training of the pocket model: packing, resuming, tokenizer and export."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.cogvlm2 import CogVLM2Config
from models.cogvlm2.processing import build_prompt, encode_prompt
from models.errors import CheckpointError, DeviceError, FontsError
from models.loading import load_model
from models.pocket.training.checkpoints import latest
from models.pocket.training.drawing.canvas import SIZE
from models.pocket.training.export import build_tokenizer, export
from models.pocket.training.fonts import training_fonts
from models.pocket.training.loop import (
    IGNORED,
    TOWER,
    PictureQuestions,
    Run,
    TrainedModel,
    TrainingSettings,
    centre_loss,
    collate,
    learning_rate,
    pocket_config,
)


@pytest.fixture(autouse=True)
def fonts() -> None:
    try:
        training_fonts()
    except FontsError as error:
        pytest.skip(f"training draws with Debian's fonts: {error}")


SETTINGS = TrainingSettings(pictures=8, batch_size=2, warmup_steps=2)
TOWER_SETTINGS = replace(SETTINGS, stage=TOWER)


def weights(run: Run) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in run.model.state_dict().items()}


@pytest.mark.slow
def test_a_resumed_run_equals_an_undisturbed_one(tmp_path: Path) -> None:
    whole = Run(tmp_path / "whole", SETTINGS, device="cpu", workers=0)
    whole.train(lambda progress: None)

    first = Run(tmp_path / "parts", SETTINGS, device="cpu", workers=0)
    for batch in first._batches():
        first._train_step(batch)
        first.step += 1
        if first.step == 2:
            break
    first.save()
    second = Run(tmp_path / "parts", SETTINGS, device="cpu", workers=0)
    assert second.step == 2
    second.train(lambda progress: None)

    assert second.step == whole.step == 4
    for name, tensor in weights(whole).items():
        torch.testing.assert_close(weights(second)[name], tensor, atol=1e-6, rtol=0, msg=name)


def test_other_settings_refuse_the_checkpoint(tmp_path: Path) -> None:
    Run(tmp_path, SETTINGS, device="cpu", workers=0).save()
    other = TrainingSettings(pictures=8, batch_size=4, warmup_steps=2)
    with pytest.raises(CheckpointError, match="batch_size"):
        Run(tmp_path, other, device="cpu", workers=0)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    Run(tmp_path, SETTINGS, device="cpu", workers=0).save()
    part = next((tmp_path / "step-000000").glob("part-*.safetensors"))
    part.write_bytes(part.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="step-000000 is damaged"):
        Run(tmp_path, SETTINGS, device="cpu", workers=0)


@pytest.mark.slow
def test_a_checkpoint_lies_in_small_parts_and_half_of_one_does_not_count(tmp_path: Path) -> None:
    run = Run(tmp_path, SETTINGS, device="cpu", workers=0)
    run.train(lambda progress: None)
    (tmp_path / "step-000099.unfinished").mkdir()
    path = latest(tmp_path)
    assert path is not None
    assert path.name == "step-000004"
    parts = list(path.glob("part-*.safetensors"))
    assert len(parts) > 3
    assert all(part.stat().st_size < 16e6 for part in parts)


def test_answers_start_from_a_trained_tower(tmp_path: Path) -> None:
    before = Run(tmp_path / "tower", TOWER_SETTINGS, device="cpu", workers=0)
    before.train(lambda progress: None)
    after = Run(tmp_path / "run", SETTINGS, device="cpu", workers=0, tower=tmp_path / "tower")
    fresh = weights(Run(tmp_path / "fresh", SETTINGS, device="cpu", workers=0))
    trained, started = weights(before), weights(after)
    layer = "pocket.model.vision.transformer.layers.0.attention.query_key_value.weight"
    assert torch.equal(started[layer], trained[layer])
    assert not torch.equal(started[layer], fresh[layer])
    assert torch.equal(started["pocket.lm_head.weight"], fresh["pocket.lm_head.weight"])
    with pytest.raises(CheckpointError, match="run the tower stage"):
        Run(tmp_path / "other", SETTINGS, device="cpu", workers=0, tower=tmp_path / "none")


@pytest.mark.parametrize("device", ["abacus", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(tmp_path: Path, device: str) -> None:
    with pytest.raises(DeviceError, match=device):
        Run(tmp_path, SETTINGS, device=device, workers=0)


def test_packed_questions_are_scored_as_if_each_stood_alone() -> None:
    """The packed sequence, its mask and positions against one plain forward per question."""
    torch.manual_seed(0)
    model = TrainedModel().eval()
    drawn = PictureQuestions(SETTINGS)
    items = [drawn[index] for index in (4, 5)]
    with torch.no_grad():
        packed = model(collate(items)).answer
    losses, weights = [], []
    for index, item in zip((4, 5), items, strict=True):
        for pair in drawn.example(index).questions:
            alone = answer_losses(model, item["pixels"], pair.question, pair.answer)
            losses += alone
            weights += [(len(alone) - 1) ** -0.5] * (len(alone) - 1) + [0.1]
    expected = (torch.stack(losses) * torch.tensor(weights)).sum() / sum(weights)
    torch.testing.assert_close(packed, expected, atol=1e-4, rtol=1e-4)


def test_crowded_pictures_teach_the_tower_only() -> None:
    torch.manual_seed(0)
    model = TrainedModel()
    answer, dense, _, _ = model(
        collate([PictureQuestions(TOWER_SETTINGS)[index] for index in (0, 1)])
    )
    (answer + dense).backward()
    assert answer == 0
    assert dense > 1
    assert model.pocket.lm_head.weight.grad is None
    patch = model.pocket.model.vision.patch_embedding.proj.weight
    assert patch.grad is not None
    assert patch.grad.abs().sum() > 0


def answer_losses(model: TrainedModel, pixels: Tensor, question: str, answer: str) -> list[Tensor]:
    tokenizer, config = build_tokenizer(), pocket_config()
    ids, types = encode_prompt(tokenizer, build_prompt(question), config, with_picture=True)
    spelled = [*tokenizer.encode(answer).ids, config.eos_token_ids[0]]
    start = ids.shape[1]
    ids = torch.cat((ids, torch.tensor([spelled])), dim=1)
    types = torch.cat((types, torch.zeros(1, len(spelled), dtype=torch.long)), dim=1)
    with torch.no_grad():
        scores = model.pocket(ids, types, pixels=pixels[None])[0].log_softmax(-1)
    return [-scores[start - 1 + i, token] for i, token in enumerate(spelled)]


def test_targets_are_the_answers_and_nothing_else() -> None:
    batch = collate([PictureQuestions(SETTINGS)[3]])
    tokenizer = build_tokenizer()
    learnt = batch["targets"][0][batch["targets"][0] != IGNORED].tolist()
    text = tokenizer.decode(learnt, skip_special_tokens=False)
    questions = PictureQuestions(SETTINGS).example(3).questions
    expected = "".join(f"{pair.answer}<|end_of_text|>" for pair in questions)
    assert text == expected


def test_words_are_spelled_and_questions_are_short() -> None:
    tokenizer = build_tokenizer()
    assert len(tokenizer.encode("EXIT").ids) == 4
    assert tokenizer.decode(tokenizer.encode("EXIT").ids) == "EXIT"
    assert len(tokenizer.encode(build_prompt("How many circles are there?")).ids) <= 10
    assert len(tokenizer.encode("purple").ids) == 1
    strange = "Où est l'été? 你好"
    assert tokenizer.decode(tokenizer.encode(strange).ids) == strange


def test_a_centre_is_asked_for_once() -> None:
    centres = torch.zeros(2, 16)
    centres[0, 5] = centres[0, 9] = 1.0
    exact = (2 * centres - 1) * 8
    smeared = exact.clone()
    smeared[0, 6] = smeared[0, 10] = 8.0
    unsure = exact.clone()
    unsure[0, 5:7] = 0.0  # half a centre in each of two places: one object still
    losses = [float(centre_loss(scores, centres)) for scores in (exact, unsure, smeared)]
    assert losses == sorted(losses)
    assert losses[0] < 0.01 < losses[1] < losses[2] / 5


def test_learning_rate_rises_then_falls() -> None:
    settings = TrainingSettings(pictures=3200, warmup_steps=10)
    rates = [learning_rate(step, settings) for step in range(settings.steps)]
    assert max(rates) == settings.learning_rate
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.05 * settings.learning_rate
    tower = replace(settings, stage=TOWER)
    assert learning_rate(90, tower) == settings.learning_rate


def test_exported_folder_loads_and_computes_the_same(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = TrainedModel().pocket.eval()
    export(model, tmp_path / "out")
    loaded = load_model(tmp_path / "out")
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert CogVLM2Config.from_dict(written) == pocket_config()
    pixels = torch.randn(1, 3, SIZE, SIZE)
    length = model.config.num_picture_tokens + 4
    types = torch.zeros(1, length, dtype=torch.long)
    types[:, 1 : 1 + model.config.num_picture_tokens] = 1
    ids = torch.full((1, length), 5)
    with torch.no_grad():
        expected = model.to(torch.bfloat16)(ids, types, pixels=pixels.bfloat16())
        actual = loaded.model(ids, types, pixels=pixels.bfloat16())
    torch.testing.assert_close(actual, expected, atol=0.05, rtol=0.02)


def test_every_in_features_is_a_multiple_of_the_group_size() -> None:
    with torch.device("meta"):
        model = TrainedModel().pocket
    linears = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    assert linears
    assert all(linear.in_features % 128 == 0 for linear in linears)
    assert 3e6 < sum(p.numel() for p in model.parameters()) < 6e6
