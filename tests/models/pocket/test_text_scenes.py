"""Printed scenes of the pocket model: what they say, what is asked, and where the letters lie."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.errors import FontsError, ListingError, ModelsError
from models.pocket.questions import (
    CHARACTERS,
    HELD_OUT_WORDINGS,
    TRAIN_WORDINGS,
    Ask,
    Split,
    in_split,
)
from models.pocket.training.drawing.canvas import GRID, PATCH, SIZE, Scene
from models.pocket.training.drawing.covers import COVER_ASKS, draw_cover
from models.pocket.training.drawing.papers import PAPER_ASKS, draw_paper
from models.pocket.training.drawing.placing import place
from models.pocket.training.drawing.sheet import RESOLUTION, Style, ink_sheet, write
from models.pocket.training.drawing.words import draw_lines_scene, draw_word_scene, fonts_of
from models.pocket.training.fonts import held_out_fonts, training_fonts
from models.pocket.training.listing import LINE, listing, listing_path, wrappings

ALLOWED = set(CHARACTERS + " &.,-':/!?%\n")
PICTURES = 40
Draw = Callable[[random.Random, np.random.Generator, Split, float], Scene]


def training_fonts_installed() -> bool:
    try:
        training_fonts()
    except FontsError:
        return False
    return True


needs_training_fonts = pytest.mark.skipif(
    not training_fonts_installed(), reason="the training fonts are system packages"
)
needs_listing = pytest.mark.skipif(
    not listing_path().is_file(), reason="the listing of books is not here"
)
SCENES = [
    draw_word_scene,
    draw_lines_scene,
    draw_paper,
    pytest.param(draw_cover, marks=needs_listing),
]
READ = [draw_word_scene, draw_lines_scene]


def drawn(draw: Draw, seed: int, split: Split = Split.HELD_OUT, difficulty: float = 1.0) -> Scene:
    return draw(random.Random(seed), np.random.default_rng(seed), split, difficulty)


@pytest.mark.parametrize("draw", SCENES)
def test_same_seed_same_scene(draw: Draw) -> None:
    for seed in range(4):
        first, second = drawn(draw, seed), drawn(draw, seed)
        np.testing.assert_array_equal(first.canvas, second.canvas)
        np.testing.assert_array_equal(first.labels.letter, second.labels.letter)
        assert first.questions == second.questions


@pytest.mark.parametrize("draw", SCENES)
@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_questions_are_few_and_different_and_answers_are_in_capitals(
    draw: Draw, difficulty: float
) -> None:
    for seed in range(PICTURES):
        scene = drawn(draw, seed, difficulty=difficulty)
        assert 2 <= len(scene.questions) <= 4
        assert len({item.question for item in scene.questions}) == len(scene.questions)
        for item in scene.questions:
            assert item.answer and set(item.answer) <= ALLOWED
            assert item.answer == item.answer.strip()
            assert all(len(line) <= 2 * LINE + 1 for line in item.answer.split("\n"))


@pytest.mark.parametrize("draw", SCENES)
def test_canvases_are_whole_and_finite(draw: Draw) -> None:
    for seed in range(PICTURES):
        canvas = drawn(draw, seed).canvas
        assert canvas.shape == (SIZE, SIZE, 3) and canvas.dtype == np.float32
        assert np.isfinite(canvas).all() and canvas.min() >= 0 and canvas.max() <= 1


@pytest.mark.parametrize(
    ("draw", "least"),
    [
        (draw_word_scene, 22.0),
        (draw_lines_scene, 21.0),
        (draw_paper, 17.5),
        pytest.param(draw_cover, 17.5, marks=needs_listing),
    ],
)
def test_nothing_asked_is_too_small_to_read(draw: Draw, least: float) -> None:
    sizes = [q.size for seed in range(3 * PICTURES) for q in drawn(draw, seed).questions]
    assert min(sizes) >= least
    assert max(sizes) <= 66


def test_half_of_the_words_are_large() -> None:
    sizes = [drawn(draw_word_scene, seed).questions[0].size for seed in range(200)]
    assert sum(size >= 39 for size in sizes) >= 100


def test_easy_signs_have_one_or_two_short_lines() -> None:
    for seed in range(PICTURES):
        lines = drawn(draw_lines_scene, seed, difficulty=0.2).questions[0].answer.split("\n")
        assert len(lines) <= 2 and max(map(len, lines)) <= 8


def test_lines_are_at_most_four_of_sixteen_characters() -> None:
    answers = [drawn(draw_lines_scene, seed).questions[0].answer for seed in range(200)]
    assert max(answer.count("\n") for answer in answers) in (2, 3)
    assert max(len(line) for answer in answers for line in answer.split("\n")) <= 16


@needs_listing
def test_easy_covers_show_a_title_only() -> None:
    for seed in range(PICTURES):
        scene = drawn(draw_cover, seed, difficulty=0.0)
        assert {item.skill for item in scene.questions} == {"title"}


@needs_listing
@pytest.mark.parametrize("ask", COVER_ASKS)
def test_a_cover_answers_what_is_wanted(ask: Ask) -> None:
    scene = draw_cover(random.Random(3), np.random.default_rng(3), Split.HELD_OUT, 1.0, ask)
    assert ask.skill in {item.skill for item in scene.questions}


@pytest.mark.parametrize(
    ("ask", "form"),
    [
        (Ask.TOTAL, r"\d+[.,]\d\d"),
        (Ask.PRICE, r"\d+[.,]\d\d"),
        (Ask.DATE, r"[\dA-Z /.-]{7,11}"),
        (Ask.DOSE, r"\d+ ?(MG|ML|MCG|G)"),
    ],
)
def test_a_paper_answers_what_is_wanted(ask: Ask, form: str) -> None:
    assert ask in PAPER_ASKS
    for seed in range(PICTURES):
        rng, noise = random.Random(seed), np.random.default_rng(seed)
        scene = draw_paper(rng, noise, Split.HELD_OUT, 1.0, ask)
        assert re.fullmatch(form, scene.questions[0].answer)
        assert scene.questions[0].skill == "field"


@needs_training_fonts
def test_fonts_of_the_splits_have_none_in_common() -> None:
    assert set(fonts_of(Split.TRAIN)) == set(training_fonts())
    assert not set(fonts_of(Split.TRAIN)) & set(held_out_fonts())


@needs_training_fonts
def test_held_out_words_are_never_drawn_for_training() -> None:
    for seed in range(150):
        assert in_split(drawn(draw_word_scene, seed, Split.TRAIN).questions[0].answer, Split.TRAIN)
        answer = drawn(draw_lines_scene, seed, Split.TRAIN).questions[0].answer
        for word in re.findall(r"(?<![A-Z])[A-Z]{3,}(?![A-Z])", answer):
            assert in_split(word, Split.TRAIN)


@needs_listing
def test_titles_and_authors_are_split_by_checksum() -> None:
    train, held_out = listing(Split.TRAIN), listing(Split.HELD_OUT)
    assert not {b.title.upper() for b in train.books} & {b.title.upper() for b in held_out.books}
    assert not {a.upper() for a in train.authors} & {a.upper() for a in held_out.authors}
    assert 5 * len(held_out.books) < len(train.books) < 9 * len(held_out.books)


@needs_listing
def test_listed_texts_fit_two_lines_of_allowed_characters() -> None:
    for split in Split:
        found = listing(split)
        for text in (*(b.title for b in found.books), *found.authors):
            assert set(text.upper()) <= ALLOWED
            assert max(max(map(len, lines)) for lines in wrappings(text)) <= LINE


def test_wrappings_break_between_words_only() -> None:
    assert wrappings("Lost Over Laos") == (
        ("Lost Over Laos",),
        ("Lost", "Over Laos"),
        ("Lost Over", "Laos"),
    )
    assert wrappings("Construction Scheduling") == (("Construction", "Scheduling"),)
    assert wrappings("Incomprehensibilities") == ()


def test_absent_listing_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_TEST_DATA", str(tmp_path))
    with pytest.raises(ListingError, match="SIGHTLINE_TEST_DATA") as caught:
        listing(Split.TRAIN)
    assert isinstance(caught.value, ModelsError)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_listing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_TEST_DATA", str(tmp_path))
    listing_path().parent.mkdir(parents=True)
    listing_path().write_bytes(b"\xff\x00 no table\n")
    with pytest.raises(ListingError, match="not the book listing"):
        listing(Split.TRAIN)


def read_labels(letters: np.ndarray) -> str:
    """Read the labels from left to right: each character once, at its first column."""
    order: list[int] = []
    for column in letters.T:
        for value in dict.fromkeys(int(v) for v in column if v):
            if value not in order:
                order.append(value)
    return "".join(CHARACTERS[value - 1] for value in order)


@pytest.mark.parametrize("word", ["PLANTS", "Bread", "7up", "EXIT 24"])
def test_labels_of_an_upright_word_spell_it_where_its_ink_is(word: str) -> None:
    for path in held_out_fonts():
        sheet = ink_sheet(190, 80, (0.0, 0.0, 0.0))
        style = Style(path, 40.0)
        write(sheet, word, style, (190 - style.width(word)) / 2, 55)
        canvas = np.ones((SIZE, SIZE, 3), np.float32)
        labels, scale = place(random.Random(1), sheet, canvas, 0.0)
        assert scale == pytest.approx(1.0)
        assert read_labels(labels.letter) == word.upper().replace(" ", "")
        dark = (canvas[:, :, 0] < 0.5).reshape(GRID, PATCH, GRID, PATCH).any((1, 3))
        near = np.zeros_like(dark)
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                near |= np.roll(dark, (down, across), (0, 1))
        labelled = labels.letter > 0
        assert near[labelled].all()
        assert labelled[dark].mean() > 0.6


def test_a_sheet_without_distortion_is_printed_as_it_is() -> None:
    sheet = ink_sheet(100, 60, (0.0, 0.0, 0.0))
    write(sheet, "HAND", Style(held_out_fonts()[1], 32.0), 8, 42)
    canvas = np.ones((SIZE, SIZE, 3), np.float32)
    place(random.Random(0), sheet, canvas, 0.0)
    flat = np.asarray(sheet.image.reduce(RESOLUTION), np.float32) / 255
    printed = 1 - canvas[:, :, 0]
    assert printed.sum() == pytest.approx(flat.sum(), rel=0.02)


@pytest.mark.parametrize("draw", READ)
def test_every_read_character_has_a_label_even_at_an_angle(draw: Draw) -> None:
    wanted = found = 0
    for seed in range(PICTURES):
        scene = drawn(draw, seed)
        needed = {c for c in scene.questions[0].answer if c in CHARACTERS}
        seen = {CHARACTERS[value - 1] for value in np.unique(scene.labels.letter) if value}
        assert seen <= needed
        wanted, found = wanted + len(needed), found + len(needed & seen)
    assert found >= 0.98 * wanted


TEXT_ASKS = (Ask.WORD, Ask.LINES, *COVER_ASKS, *PAPER_ASKS)


@pytest.mark.parametrize("ask", TEXT_ASKS)
def test_wordings_are_bare_and_belong_to_one_form(ask: Ask) -> None:
    train, held_out = TRAIN_WORDINGS[ask], HELD_OUT_WORDINGS[ask]
    assert len(train) >= 8 and len(held_out) >= 4
    others = {
        wording
        for table in (TRAIN_WORDINGS, HELD_OUT_WORDINGS)
        for other, wordings in table.items()
        if other is not ask
        for wording in wordings
    }
    assert not others & {*train, *held_out} and not set(train) & set(held_out)
    known = {word for wordings in TRAIN_WORDINGS.values() for w in wordings for word in w.split()}
    for wording in (*train, *held_out):
        assert re.fullmatch(r"[a-z' ]+", wording) and set(wording.split()) <= known
