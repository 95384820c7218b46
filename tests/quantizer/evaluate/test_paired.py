"""Two models on the same items: differences, intervals, refusals, and the command line."""

import contextlib
import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from quantizer.cli import main
from quantizer.commands.eval import _print_result
from quantizer.errors import DataError, SettingsError
from quantizer.evaluate.intervals import bootstrap
from quantizer.evaluate.paired import check_same_items, in_words, paired, paired_perplexity
from quantizer.evaluate.results import read_result


def losses(model: str, values: list[float], **other: Any) -> dict[str, Any]:
    value = math.exp(sum(values) / len(values))
    fields = {"data_sha256": "d", "items_sha256": "i", "seq_len": 64, "limit": None, "data": "t"}
    return {
        "task": "perplexity", "protocol": "standard", "items": len(values), "value": value,
        "interval_95": [value, value], "seconds": 1.0, "model": model,
        "losses": values, **fields, **other,
    }  # fmt: skip


def answers(model: str, right: list[bool], **other: Any) -> dict[str, Any]:
    return {
        "task": "sentiment", "protocol": "standard", "items": len(right),
        "value": sum(right) / len(right), "interval_95": [0, 1], "seconds": 1.0, "model": model,
        "answers": [{"right": one} for one in right], "data_sha256": "d", "items_sha256": "i",
        "limit": None, "data": "t", **other,
    }  # fmt: skip


def resampled(gaps: torch.Tensor) -> tuple[float, float]:
    """A bootstrap of the mean by other means: how often each item is drawn is multinomial."""
    generator = torch.Generator().manual_seed(7)
    weights = torch.full((20_000, len(gaps)), 1 / len(gaps), dtype=torch.float64)
    drawn = torch.multinomial(weights, len(gaps), replacement=True, generator=generator)
    means = gaps[drawn].mean(1).sort().values
    return float(means[500]), float(means[-501])


def test_paired_perplexity_against_a_direct_computation() -> None:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(80, generator=generator, dtype=torch.float64) + 3
    gaps = 0.02 * torch.randn(80, generator=generator, dtype=torch.float64) + 0.01
    one, other = losses("A", (common + gaps).tolist()), losses("B", common.tolist())
    found = paired_perplexity(one, other)
    low, high = resampled(gaps)
    assert found["log_difference"] == pytest.approx(float(gaps.mean()))
    assert found["log_difference_95"] == pytest.approx([low, high], abs=4e-4)
    assert found["ratio"] == pytest.approx(one["value"] / other["value"])
    assert found["ratio_95"] == pytest.approx([math.exp(low), math.exp(high)], abs=4e-4)
    assert found["difference"] == pytest.approx(one["value"] - other["value"])
    below, above = found["difference_95"]
    assert below < found["difference"] < above
    assert found["excludes_zero"]
    assert "A has the worse perplexity" in in_words(found)
    # Unpaired, the spread of the items hides it.
    assert float(common.std()) / math.sqrt(80) > 5 * (high - low)
    turned = paired_perplexity(other, one)
    assert turned["log_difference_95"] == pytest.approx([-high, -low], abs=4e-4)
    assert "B has the better perplexity" in in_words(turned)


def test_paired_accuracy_against_a_direct_computation() -> None:
    both, first, second, none = 60, 14, 3, 23
    one = answers("A", [True] * (both + first) + [False] * (second + none))
    other = answers("B", [True] * both + [False] * first + [True] * second + [False] * none)
    found = paired(one, other)
    assert found["difference"] == pytest.approx(0.11)
    assert found["only_one_right"] == [14, 3]
    # The difference of paired shares: variance (a + b - (a - b)^2 / n) / n^2.
    spread = math.sqrt(17 - 11**2 / 100) / 100
    assert found["difference_95"] == pytest.approx(
        [0.11 - 1.96 * spread, 0.11 + 1.96 * spread], abs=0.011
    )
    assert found["excludes_zero"]
    assert "A has the better accuracy" in in_words(found)
    assert "B has the worse accuracy" in in_words(paired(other, one))


def test_equal_models_cannot_be_told_apart() -> None:
    values = [2.0, 3.0, 2.5, 1.0, 4.0, 2.2, 3.3]
    found = paired(losses("A", values), losses("B", values))
    assert (found["ratio"], found["ratio_95"], found["excludes_zero"]) == (1.0, [1.0, 1.0], False)
    assert "A and B cannot be told apart" in in_words(found)


def test_few_items_prove_nothing() -> None:
    """Five coins show one side all five times in one of sixteen trials."""
    for count, proof in ((5, False), (6, True)):
        found = paired(losses("A", [2.0] * count), losses("B", [1.0] * count))
        assert found["excludes_zero"] is proof
        assert ("too few to tell" in in_words(found)) is not proof


def test_resampling_in_parts_counts_every_item_alike() -> None:
    """More items than are drawn at once: the interval of a mean is the normal one."""
    values = torch.arange(3_000, dtype=torch.float64) / 3_000
    low, high = bootstrap(lambda draws: values[draws].mean(1), len(values))
    half = 1.96 * float(values.std()) / math.sqrt(len(values))
    middle = float(values.mean())
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=0.1 * half)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "sentiment"}, "another task .perplexity and sentiment"),
        ({"protocol": "autogptq"}, "another protocol .standard and autogptq"),
        ({"data_sha256": "e", "data": "u"}, "another text or other pictures .t and u"),
        ({"seq_len": 32}, "another seq_len .64 and 32"),
        ({"limit": 3}, "another limit .none and 3"),
        ({}, "another tokenizer"),
    ],
)
def test_other_items_are_refused(change: dict[str, Any], message: str) -> None:
    one = losses("A", [1.0, 2.0])
    with pytest.raises(SettingsError, match=f"A and B cannot be compared .*{message}"):
        check_same_items(one, losses("B", [1.0, 2.0]) | {"items_sha256": "j"} | change)
    # The same items by another way, such as a limit that nothing exceeds, are the same.
    check_same_items(one, losses("B", [1.0, 2.0], limit=2))


def test_results_without_their_items_are_refused() -> None:
    old = losses("B", [1.0])
    del old["items_sha256"]
    with pytest.raises(SettingsError, match="B does not say which items"):
        paired(losses("A", [1.0]), old)


@pytest.mark.parametrize("content", ["", "[]", '{"task": "perplexity"}', '{"interval_95": 1}'])
def test_what_is_no_result(content: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"result.json: (is no result|cannot be read)"):
        read_result(path)
    with pytest.raises(DataError, match="no such file"):
        read_result(tmp_path / "none.json")


SPOILT = ("x", None, [], {}, 1.5, True, -1)
"""What a field of a result may hold instead, each of a kind of its own."""


def shown(path: Path) -> str:
    """How a result file is shown, or "" where it is refused."""
    try:
        result = read_result(path)
    except DataError:
        return ""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        _print_result(result)
    return out.getvalue()


def test_what_a_damaged_result_holds_is_refused_or_can_be_shown(tmp_path: Path) -> None:
    part = {"value": 1.0, "items": 1, "interval_95": [0, 1]}
    labels = {"labels": {"good": part}, "given": {"good": 1}, "commonest": 0.5}
    others: list[dict[str, Any]] = [
        losses("A", [1.0]),
        answers("A", [True], **labels),
        answers("A", [True], task="pictures", skills={"count": part}),
        answers("A", [True], task="ocrvqa", categories={"Law": part}, missing_pictures=2),
    ]
    path = tmp_path / "result.json"
    refused = 0
    for whole in others:
        path.write_text(json.dumps(whole))
        assert shown(path), whole
        for name in whole:
            without = {key: value for key, value in whole.items() if key != name}
            for spoilt in (without, *(whole | {name: value} for value in SPOILT)):
                path.write_text(json.dumps(spoilt))
                refused += not shown(path)
        for name in ("skills", "categories", "labels"):
            for inner in whole.get(name, {}).values():
                for key in ("value", "items"):
                    (label,) = whole[name]
                    less = {name: {label: {k: v for k, v in inner.items() if k != key}}}
                    path.write_text(json.dumps(whole | less))
                    assert not shown(path), (name, key)
    assert refused > 100, "most of this must not be believed"


@pytest.fixture(scope="session")
def worse_llama(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with noise in its head."""
    folder = tmp_path_factory.mktemp("worse") / "llama"
    shutil.copytree(tiny_llama, folder)
    tensors = load_file(folder / "model.safetensors")
    noise = torch.randn(tensors["lm_head.weight"].shape, generator=torch.Generator().manual_seed(3))
    tensors["lm_head.weight"] += 0.1 * noise.to(torch.bfloat16)
    save_file(tensors, folder / "model.safetensors")
    return folder


def run(*argv: object) -> int:
    return main([str(part) for part in argv])


@pytest.mark.parametrize("protocol", ["standard", "autogptq"])
def test_a_folder_and_its_result_file_compare_alike(
    protocol: str,
    tiny_llama: Path,
    worse_llama: Path,
    text_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--task", "perplexity", "--data", text_file, "--protocol", protocol]
    earlier, first, second = (tmp_path / f"{name}.json" for name in ("earlier", "one", "two"))
    assert run("eval", worse_llama, *options, "--json", earlier) == 0
    assert run("eval", tiny_llama, *options, "--against", worse_llama, "--json", first) == 0
    capsys.readouterr()
    assert run("eval", tiny_llama, *options, "--against", earlier, "--json", second) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].endswith(str(tiny_llama)) and lines[1].endswith(str(worse_llama))
    # Forty short documents are two of AutoGPTQ's blocks.
    verdict = {"standard": f"{tiny_llama} has the", "autogptq": "2 items are too few to tell"}
    assert verdict[protocol] in lines[2]
    one, two = (json.loads(path.read_text()) for path in (first, second))
    assert one["comparison"] == two["comparison"]
    assert one["comparison"]["excludes_zero"] is (protocol == "standard")
    assert one["comparison"]["values"] == [one["value"], json.loads(earlier.read_text())["value"]]
    assert one["against"]["losses"] == json.loads(earlier.read_text())["losses"]
    # A file with a comparison in it is a result like any other.
    assert run("eval", tiny_llama, *options, "--against", first) == 0
    assert "perplexity ratio 1.0000 (95 % 1.0000 to 1.0000)" in capsys.readouterr().out


def test_sentiment_and_pictures_from_the_command_line(
    tiny_cogvlm2: Path, picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("text,label\n" + "".join(f"t{n},{n % 3}\n" for n in range(8)))
    for protocol in ("standard", "autogptq"):
        argv = ["eval", tiny_cogvlm2, "--task", "sentiment", "--data", texts, "--dtype", "float32"]
        argv += ["--protocol", protocol, "--batch-size", 3, "--against", tiny_cogvlm2]
        assert run(*argv) == 0
        out = capsys.readouterr().out
        assert "commonest label would reach 0.3750" in out
        assert "accuracy difference +0.0000 (95 % +0.0000 to +0.0000) over the same 8 items" in out
    result = tmp_path / "result.json"
    argv = ["eval", tiny_cogvlm2, "--task", "pictures", "--data", picture_folder, "--limit", 7]
    assert run(*argv, "--json", result) == 0
    capsys.readouterr()
    assert run(*argv, "--against", result) == 0
    assert "over the same 7 items" in capsys.readouterr().out
    assert run(*argv, "--dtype", "float32", "--against", result) == 0
    assert "was computed in bfloat16, not float32" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--task", "sentiment", "--seq-len", "5"], "--seq-len means nothing to sentiment"),
        (["--task", "pictures", "--batch-size", "2"], "--batch-size means nothing to pictures"),
        (["--task", "pictures", "--protocol", "autogptq"], "has no pictures"),
        (["--task", "perplexity", "--batch-size", "0"], "--batch-size 0"),
        (["--task", "perplexity", "--against", "{tmp}/no.json"], "no.json: no such file"),
        (["--task", "sentiment", "--against", "{result}"], "another task"),
        (["--task", "perplexity", "--limit", "2", "--against", "{result}"], "another --limit"),
        (["--task", "perplexity", "--against", "{result}", "--json", "{result}"], "would replace"),
    ],
)
def test_wrong_options_are_one_line(
    more: list[str],
    message: str,
    tiny_llama: Path,
    text_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = tmp_path / "result.json"
    argv = ["eval", tiny_llama, "--data", text_file]
    assert run(*argv, "--task", "perplexity", "--limit", 3, "--json", result) == 0
    before = result.read_text()
    capsys.readouterr()
    filled = [part.format(tmp=tmp_path, result=result) for part in more]
    assert run(*argv, *filled) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ") and message in lines[0]
    assert result.read_text() == before
