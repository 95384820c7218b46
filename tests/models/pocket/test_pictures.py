"""The pocket model's pictures: what is asked, what is drawn, and what the labels say of it."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from models.errors import FontsError, ModelsError
from models.pocket import questions as asking
from models.pocket.questions import (
    ANY_OBJECT,
    CHARACTERS,
    COLOURS,
    SHAPES,
    SKILLS,
    Ask,
    Split,
    plural,
)
from models.pocket.training.drawing.canvas import (
    GRID,
    SIZE,
    Example,
    QuestionAnswer,
)
from models.pocket.training.drawing.crowded import render_crowded
from models.pocket.training.fonts import held_out_fonts, training_fonts
from models.pocket.training.pictures import SHARES, render, write_dataset
from tests.models.pocket_questions import bare

CAPITALS_ONLY = ("BebasNeue-Regular.otf", "BebasNeue-Bold.otf")  # with capitals for small letters


def training_fonts_installed() -> bool:
    try:
        training_fonts()
    except FontsError:
        return False
    return True


needs_training_fonts = pytest.mark.skipif(
    not training_fonts_installed(), reason="the training fonts are system packages"
)


@pytest.mark.parametrize("skill", [None, *SKILLS])
def test_the_same_arguments_give_the_same_picture(skill: str | None) -> None:
    for seed in range(4):
        first = render(seed, Split.HELD_OUT, skill, 0.7)
        again = render(seed, Split.HELD_OUT, skill, 0.7)
        np.testing.assert_array_equal(first.rgb, again.rgb)
        assert first.questions == again.questions
        np.testing.assert_array_equal(first.labels.letter, again.labels.letter)
        np.testing.assert_array_equal(first.labels.shape, again.labels.shape)


def test_another_seed_gives_another_picture() -> None:
    pictures = {render(seed, Split.HELD_OUT).rgb.tobytes() for seed in range(20)}
    assert len(pictures) == 20


def test_the_splits_draw_different_scenes_from_one_seed() -> None:
    train, held_out = (render(3, split, "count") for split in Split)
    assert train.rgb.tobytes() != held_out.rgb.tobytes()


@pytest.mark.parametrize("skill", SKILLS)
@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_an_example_has_the_promised_form(skill: str, difficulty: float) -> None:
    for seed in range(15):
        example = render(seed, Split.HELD_OUT, skill, difficulty)
        assert example.rgb.shape == (SIZE, SIZE, 3)
        assert example.rgb.dtype == np.uint8
        assert 2 <= len(example.questions) <= 4
        assert len({item.question for item in example.questions}) == len(example.questions)
        assert all(item.skill in SKILLS for item in example.questions)
        labels = example.labels
        for grid, most in (
            (labels.colour, len(COLOURS)),
            (labels.shape, len(SHAPES)),
            (labels.centre, 1),
            (labels.letter, len(CHARACTERS)),
        ):
            assert grid.shape == (GRID, GRID)
            assert grid.dtype == np.int64
            assert 0 <= grid.min() <= grid.max() <= most


def test_arguments_outside_the_promise_are_refused() -> None:
    with pytest.raises(ValueError, match="skill"):
        render(0, Split.HELD_OUT, "smell")
    with pytest.raises(ValueError, match="difficulty"):
        render(0, Split.HELD_OUT, "count", 1.5)


def test_every_skill_has_its_share_of_the_pictures() -> None:
    assert tuple(SHARES) == SKILLS
    assert sum(SHARES.values()) == pytest.approx(1)
    pictures: collections.Counter[str] = collections.Counter()
    for seed in range(300):
        skills = {item.skill for item in render(seed, Split.HELD_OUT).questions}
        for skill in ("compare", "word", "lines", "decline"):
            pictures[skill] += skill in skills
        pictures["count"] += "count" in skills
    for skill, number in pictures.items():
        assert number / 300 == pytest.approx(SHARES[skill], abs=0.07)


def test_every_question_is_a_known_wording() -> None:
    known = set(asking.all_questions())
    for seed in range(200):
        for item in render(seed, Split.HELD_OUT).questions:
            assert bare(item) in known


def test_a_question_belongs_to_one_form_only() -> None:
    forms: dict[str, set[Ask]] = collections.defaultdict(set)
    for wordings in (asking.TRAIN_WORDINGS, asking.HELD_OUT_WORDINGS):
        for ask, texts in wordings.items():
            for text in texts:
                forms[text].add(ask)
    several = {text: asks for text, asks in forms.items() if len(asks) > 1}
    assert all(asks == set(asking.COLOUR_ASKS) for asks in several.values())


def test_training_pictures_never_use_held_out_wordings() -> None:
    held_out = {form for ask in asking.COMPARE_ASKS for form in asking.HELD_OUT_WORDINGS[ask]}
    bare_forms = {form for form in held_out if "{" not in form}
    for split in Split:
        asked = [bare(q) for s in range(150) for q in render(s, split, "compare").questions]
        share = sum(question in bare_forms for question in asked) / len(asked)
        assert share == 0 if split is Split.TRAIN else share > 0.02


def test_held_out_wordings_are_a_fifth_of_the_evaluation_and_none_of_the_training() -> None:
    names = {*map(plural, SHAPES), *ANY_OBJECT}

    def form(item: QuestionAnswer) -> str:
        words = [word for word in bare(item).split() if word not in COLOURS]
        return " ".join("{name}" if word in names else word for word in words)

    extra = set(asking.HELD_OUT_WORDINGS[Ask.COUNT])
    for split, share in ((Split.TRAIN, 0.0), (Split.HELD_OUT, asking.HELD_OUT_WORDING_SHARE)):
        asked = [item for s in range(200) for item in render(s, split, "count").questions]
        found = [form(item) in extra for item in asked if item.skill == "count"]
        assert sum(found) / len(found) == pytest.approx(share, abs=0.05 if share else 0)


@pytest.mark.parametrize("ask", list(Ask))
def test_held_out_wordings_are_new_orders_of_trained_words(ask: Ask) -> None:
    trained, held_out = asking.TRAIN_WORDINGS[ask], asking.HELD_OUT_WORDINGS[ask]
    assert len(set(trained)) == len(trained) >= 8
    assert len(set(held_out)) == len(held_out) >= 4
    assert not set(trained) & set(held_out)
    everything = {w for forms in asking.TRAIN_WORDINGS.values() for f in forms for w in f.split()}
    assert {w for form in held_out for w in form.split()} <= everything
    assert ask.skill in SKILLS


def test_questions_that_name_nothing_are_drawn_without_a_name() -> None:
    import random

    for seed in range(50):
        rng = random.Random(seed)
        (text,) = asking.draw_questions(rng, Split.HELD_OUT, Ask.LARGER)
        assert not set(text.lower().rstrip("?.").split()) & set(SHAPES)
        (text,) = asking.draw_questions(rng, Split.HELD_OUT, Ask.LARGER, "star", other="cup")
        assert {"star", "cup"} <= set(text.lower().rstrip("?.").split())


def test_a_wording_becomes_a_sentence() -> None:
    assert asking.phrase("how many stars are there") == "How many stars are there?"
    assert asking.phrase("read this") == "Read this."
    assert asking.phrase("what does it say", mark=False) == "What does it say"
    assert asking.phrase("read this", mark=False, capital=False) == "read this"


@needs_training_fonts
def test_held_out_words_are_never_trained_on() -> None:
    def words(split: Split) -> set[str]:
        return {render(s, split, "word", 1.0).questions[0].answer for s in range(200)}

    train, held_out = words(Split.TRAIN), words(Split.HELD_OUT)
    assert not train & held_out
    assert train & set(asking.LISTED_WORDS)
    assert held_out & set(asking.LISTED_WORDS)


def test_a_word_has_one_answer_in_capitals_and_the_size_of_its_print() -> None:
    for seed in range(60):
        example = render(seed, Split.HELD_OUT, "word")
        (word,) = {item.answer for item in example.questions}
        assert word == word.upper()
        assert all(item.size > 8 for item in example.questions)
        assert example.labels.shape.max() == example.labels.centre.max() == 0
        assert {CHARACTERS[c - 1] for c in np.unique(example.labels.letter) if c} <= set(word)


def test_the_listed_words_fit_the_renderer() -> None:
    assert len(asking.LISTED_WORDS) >= 300
    assert all(1 <= len(word) <= asking.MAX_LETTERS for word in asking.LISTED_WORDS)
    assert set("".join(asking.LISTED_WORDS)) == set(asking.LETTERS)


@needs_training_fonts
def test_the_splits_share_no_typeface() -> None:
    def families(paths: tuple[Path, ...]) -> set[str | None]:
        return {ImageFont.truetype(str(path), 20).getname()[0] for path in paths}

    assert len(training_fonts()) >= 30
    assert len(held_out_fonts()) == 9
    assert not families(training_fonts()) & families(held_out_fonts())


def test_missing_training_fonts_are_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(FontsError, match=r"apt-get install -y fonts-dejavu-core") as caught:
        training_fonts(tmp_path)
    assert isinstance(caught.value, ModelsError)
    assert "\n" not in str(caught.value)


@needs_training_fonts
def test_every_font_has_capitals_of_its_own() -> None:
    for path in (*training_fonts(), *held_out_fonts()):
        font = ImageFont.truetype(str(path), 40)
        same = [c for c in "ABDEGQR" if bytes(font.getmask(c)) == bytes(font.getmask(c.lower()))]
        assert same == [] or path.name in CAPITALS_ONLY, (
            f"{path.name} draws capitals as small letters"
        )


def expected_lines(name: str, example: Example) -> Iterator[dict[str, object]]:
    for item in example.questions:
        line: dict[str, object] = {
            "picture": name,
            "question": item.question,
            "answer": item.answer,
            "skill": item.skill,
        }
        yield line | ({"size": round(item.size, 2)} if item.size else {})


def test_a_data_set_is_pictures_and_lines(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "set"
    write_dataset(folder, range(40, 52), Split.HELD_OUT)
    names = [f"{number:06d}.png" for number in range(1, 13)]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "questions.jsonl"]
    lines = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    expected = []
    for name, seed in zip(names, range(40, 52), strict=True):
        example = render(seed, Split.HELD_OUT)
        with Image.open(folder / name) as image:
            np.testing.assert_array_equal(np.asarray(image), example.rgb)
        expected += expected_lines(name, example)
    assert lines == expected
    assert any("size" in line for line in lines)
    assert any("size" not in line for line in lines)


@needs_training_fonts
def test_crowded_pictures_are_full_of_labels_and_repeat_by_seed() -> None:
    first, again, other = render_crowded(3), render_crowded(3), render_crowded(4)
    assert np.array_equal(first.rgb, again.rgb)
    assert not np.array_equal(first.rgb, other.rgb)
    assert first.questions == ()
    examples = [render_crowded(seed) for seed in range(20)]
    assert np.mean([(example.labels.letter > 0).sum() for example in examples]) > 40
    assert np.mean([example.labels.centre.sum() for example in examples]) > 4
