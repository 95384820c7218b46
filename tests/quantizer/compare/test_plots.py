"""Plots: both forms are whole, and both say in words what they show."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from quantizer.compare.plots import (
    Convergence,
    PerplexityPoint,
    Plot,
    plot_by_layer,
    plot_codes_changed,
    plot_convergence,
    plot_perplexity,
    styles_of,
)

LABELS = ["gptq", "rpiq", "rpiq-paper 5 rounds, on grid"]
SVG = "{http://www.w3.org/2000/svg}"


def convergence(folder: Path) -> Plot:
    curve = Convergence([1.0, 0.95, 0.91], [1.0, 1.0, 1.002])
    return plot_convergence(folder, "gamma", "Γ over rounds", {"q_proj": curve, "o_proj": curve})


def by_layer(folder: Path) -> Plot:
    kinds = {f"kind{n}": {"rpiq": [0.9, 0.8], LABELS[2]: [1.0, 1.0]} for n in range(6)}
    return plot_by_layer(
        folder, "j", "J < of layers", "J", kinds, styles_of(LABELS), "gptq", "So far."
    )


def codes_changed(folder: Path) -> Plot:
    shares = {"gptq": {"q_proj": 0.11, "o_proj": 0.25}, "rpiq": {"q_proj": 0.04, "o_proj": 0.05}}
    return plot_codes_changed(folder, "codes", "Codes changed", shares, styles_of(LABELS))


def perplexities(folder: Path, worst: float = 5.4) -> Plot:
    points = [
        PerplexityPoint("gptq", worst, worst - 0.2, worst + 0.2, None),
        PerplexityPoint("rpiq", 5.1, 4.9, 5.3, (-1.5, -2.0, -1.0)),
    ]
    exact = PerplexityPoint("full precision", 4.9, 4.7, 5.1, None)
    return plot_perplexity(folder, "ppl", "Perplexity", points, exact, "gptq", styles_of(LABELS))


@pytest.mark.parametrize(
    ("draw", "numbers"),
    [
        (convergence, ["0.9100", "1.0020", "2 rounds"]),
        (by_layer, ["rpiq 0.850 on average (0.800 to 0.900)", "kind5", "So far."]),
        (codes_changed, ["gptq: q_proj 11.00 %, o_proj 25.00 %"]),
        (perplexities, ["4.9000", "rpiq: 5.1000 (4.9000 to 5.3000)", "-1.50 per cent"]),
    ],
)
def test_png_and_svg_say_in_words_what_they_show(
    draw: object, numbers: list[str], tmp_path: Path
) -> None:
    assert callable(draw)
    plot = draw(tmp_path)
    for number in numbers:
        assert number in plot.description
    with Image.open(tmp_path / f"{plot.name}.png") as picture:
        picture.load()
        assert picture.info["Title"] == plot.title
        assert picture.info["Description"] == plot.description
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 50  # it is not blank
    root = ElementTree.parse(tmp_path / f"{plot.name}.svg").getroot()
    named = {element.get("id"): element for element in root if element.get("id")}
    assert root.get("role") == "img"
    assert [named[name].tag for name in str(root.get("aria-labelledby")).split()] == [
        f"{SVG}title",
        f"{SVG}desc",
    ]
    assert named["title"].text == plot.title
    assert named["description"].text == plot.description


def test_the_same_plot_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        convergence(tmp_path / name)
    for file in ("gamma.svg", "gamma.png"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_far_apart_perplexities_stand_on_a_logarithmic_axis(tmp_path: Path) -> None:
    perplexities(tmp_path, worst=300.0)
    text = (tmp_path / "ppl.svg").read_text()
    assert ">10<" in text and ">100<" in text


def test_without_a_reference_there_is_nothing_to_pair_with(tmp_path: Path) -> None:
    points = [PerplexityPoint("rpiq", 5.1, 4.9, 5.3, None)]
    exact = PerplexityPoint("full precision", 4.9, 4.7, 5.1, None)
    plot_perplexity(tmp_path, "ppl", "Perplexity", points, exact, None, styles_of(LABELS))
    text = (tmp_path / "ppl.svg").read_text()
    assert "None" not in text and "paired" not in text and "rpiq" in text


def test_methods_differ_by_more_than_colour() -> None:
    styles = styles_of([f"method {n}" for n in range(9)])
    assert len({style.colour for style in styles.values()}) == 9
    assert len({style.marker for style in styles.values()}) == 9
