"""The pocket model's drawn objects: what is counted, named and compared is what was drawn."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from PIL import Image

from models.pocket import questions as asking
from models.pocket.questions import (
    ANY_OBJECT,
    COLOURS,
    HELD_OUT_SHAPES,
    SHAPES,
    Ask,
    Split,
    plural,
)
from models.pocket.training.drawing import arranging, comparing, counting
from models.pocket.training.drawing.canvas import (
    GRID,
    PATCH,
    SIZE,
    PatchLabels,
    QuestionAnswer,
    Scene,
    no_labels,
)
from models.pocket.training.drawing.objects import Thing, kind_name
from models.pocket.training.pictures import render
from tests.models.pocket_questions import bare

OBJECT_SKILLS = ("colour", "count", "compare")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Thing]:
    """The objects of the picture that was drawn last, in the order of painting."""
    last: list[Thing] = []
    paint = arranging.draw_things

    def spy(canvas: np.ndarray, things: Sequence[Thing]) -> PatchLabels:
        last[:] = things
        return paint(canvas, things)

    monkeypatch.setattr(arranging, "draw_things", spy)
    return last


def counted(question: str, things: Sequence[Thing]) -> int:
    """Count what a question of Ask.COUNT names."""
    words = question.split()
    colour = next((COLOURS.index(word) for word in words if word in COLOURS), None)
    shape = next((s for s in SHAPES if plural(s) in words), None)
    assert shape is not None or set(words) & set(ANY_OBJECT)
    return sum(
        (shape is None or kind_name(thing.shape) == shape)
        and (colour is None or thing.colour == colour)
        for thing in things
    )


def count_answers(
    monkeypatch: pytest.MonkeyPatch, difficulty: float, split: Split
) -> collections.Counter[str]:
    """Answers of many counting scenes, planned and not painted."""

    def unpainted(
        rng: object, noise: object, things: object, asked: Sequence[QuestionAnswer], level: float
    ) -> Scene:
        return Scene(np.zeros((SIZE, SIZE, 3), np.float32), tuple(asked), no_labels())

    monkeypatch.setattr(counting, "scene_of", unpainted)
    monkeypatch.setattr(counting, "place_things", lambda *_: [])
    monkeypatch.setattr("models.pocket.training.pictures.photograph", lambda *_: None)
    examples = (render(seed, split, "count", difficulty) for seed in range(5000))
    return collections.Counter(
        item.answer for example in examples for item in example.questions if item.skill == "count"
    )


@pytest.mark.parametrize("split", list(Split))
def test_counts_are_balanced_from_zero_to_nine(
    monkeypatch: pytest.MonkeyPatch, split: Split
) -> None:
    answers = count_answers(monkeypatch, 1.0, split)
    assert set(answers) == set("0123456789")
    for number in answers.values():
        assert number / answers.total() == pytest.approx(0.1, abs=0.012)


def test_easy_counts_are_small_and_balanced(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = count_answers(monkeypatch, 0.0, Split.TRAIN)
    assert set(answers) == set("01234")
    for number in answers.values():
        assert number / answers.total() == pytest.approx(0.2, abs=0.02)


def test_a_count_is_the_number_of_objects_so_named(drawn: list[Thing]) -> None:
    names: set[str] = set()
    for seed in range(300):
        example = render(seed, Split.TRAIN, "count")
        assert int(example.labels.centre.sum()) == len(drawn)
        for item in example.questions:
            if item.skill == "count":
                assert item.answer == str(counted(bare(item), drawn)), (seed, item)
                names.update(bare(item).split())
    assert names.issuperset({*map(plural, SHAPES), *COLOURS, *ANY_OBJECT})


def test_a_colour_asked_for_is_the_only_colour_of_that_kind(drawn: list[Thing]) -> None:
    seen = set()
    for seed in range(300):
        example = render(seed, Split.TRAIN, "colour" if seed % 2 else "count")
        for item in example.questions:
            if item.skill != "colour":
                continue
            words = bare(item).split()
            (shape,) = (s for s in SHAPES if s in words or plural(s) in words)
            mine = [thing for thing in drawn if kind_name(thing.shape) == shape]
            assert {COLOURS[thing.colour] for thing in mine} == {item.answer}
            if plural(shape) != shape:
                assert (plural(shape) in words) == (len(mine) > 1)
            seen.add(item.answer)
    assert seen == set(COLOURS)


def asked_forms(ask: Ask) -> Iterator[tuple[str, str, str]]:
    """Every question of a form that compares, with its two names, empty where it names none."""
    for wordings in (asking.TRAIN_WORDINGS, asking.HELD_OUT_WORDINGS):
        for form in wordings[ask]:
            if "{other}" not in form:
                yield form, "", ""
                continue
            for name in SHAPES:
                for other in SHAPES:
                    yield form.format(name=name, other=other), name, other


def test_a_comparison_names_the_extreme_of_what_is_compared(drawn: list[Thing]) -> None:
    forms = {form: (ask, a, b) for ask in asking.COMPARE_ASKS for form, a, b in asked_forms(ask)}
    measure = {
        Ask.LARGER: lambda thing: thing.radius,
        Ask.SMALLER: lambda thing: -thing.radius,
        Ask.LEFTMOST: lambda thing: -thing.x,
        Ask.RIGHTMOST: lambda thing: thing.x,
    }
    asked = set()
    for seed in range(200):
        for item in render(seed, Split.HELD_OUT, "compare").questions:
            ask, name, other = forms[bare(item)]
            meant = [t for t in drawn if not name or kind_name(t.shape) in (name, other)]
            assert len(meant) == (2 if name else len(drawn))
            best = max(meant, key=measure[ask])
            assert item.answer == kind_name(best.shape), (seed, item)
            asked.add((ask, bool(name)))
    assert len(asked) == 8


@pytest.mark.parametrize(("difficulty", "ratio"), [(0.0, 1.8), (1.0, 1.35)])
def test_what_is_compared_differs_clearly(
    drawn: list[Thing], difficulty: float, ratio: float
) -> None:
    for seed in range(150):
        render(seed, Split.TRAIN, "compare", difficulty)
        assert 2 <= len(drawn) <= 4
        assert len({thing.shape for thing in drawn}) == len(drawn)
        radii = sorted(thing.radius for thing in drawn)
        assert all(b >= a * ratio * 0.999 for a, b in zip(radii, radii[1:], strict=False))
        across = sorted(thing.x for thing in drawn)
        assert min(b - a for a, b in zip(across, across[1:], strict=False)) >= 20
        areas = [comparing._unit_area(t.shape) * t.radius**2 for t in drawn]
        assert np.argsort(areas).tolist() == np.argsort([t.radius for t in drawn]).tolist()


def test_first_named_is_as_often_right_as_second_named() -> None:
    first = total = 0
    for seed in range(300):
        for item in render(seed, Split.TRAIN, "compare").questions:
            named = [word for word in bare(item).split() if word in SHAPES]
            if named:
                total += 1
                first += named[0] == item.answer
    assert first / total == pytest.approx(0.5, abs=0.06)


def test_little_of_an_object_is_hidden_and_only_by_another_colour(drawn: list[Thing]) -> None:
    hidden = pictures = 0
    for seed in range(250):
        render(seed, Split.TRAIN, "count")
        pairs = [
            (behind, front)
            for index, behind in enumerate(drawn)
            for front in drawn[index + 1 :]
            if math.hypot(behind.x - front.x, behind.y - front.y) < behind.radius + front.radius
        ]
        pictures += bool(pairs)
        for behind, front in pairs:
            share = arranging.covered_share(behind, front)
            hidden += share > 0
            assert share <= arranging.MOST_COVERED
            assert arranging.contrast(behind.rgb, front.rgb) >= 0.2
        covered = [id(behind) for behind, _ in pairs]
        assert len(covered) == len(set(covered))
    assert hidden > 10
    assert pictures < 100


@pytest.mark.parametrize("skill", OBJECT_SKILLS)
def test_objects_lie_inside_the_picture_and_are_not_tiny(drawn: list[Thing], skill: str) -> None:
    for seed in range(80):
        render(seed, Split.TRAIN, skill)
        for thing in drawn:
            assert thing.radius >= 7
            assert thing.radius <= min(thing.x, thing.y)
            assert max(thing.x, thing.y) <= SIZE - thing.radius


def test_the_drawn_colour_is_the_labelled_one() -> None:
    """Patches inside an object show its colour, measured by hue and lightness alone."""
    rough = {
        "red": (200, 10, 10),
        "green": (30, 150, 50),
        "blue": (40, 90, 210),
        "yellow": (245, 225, 30),
        "orange": (245, 125, 10),
        "purple": (100, 40, 150),
        "pink": (250, 140, 190),
        "brown": (95, 50, 25),
        "black": (10, 10, 10),
        "white": (250, 250, 250),
        "grey": (130, 130, 130),
    }
    means = np.array([rough[name] for name in COLOURS], float)
    right = total = 0
    for seed in range(150):
        example = render(seed, Split.TRAIN, "colour", 0.3)
        patches = example.rgb.reshape(GRID, PATCH, GRID, PATCH, 3).astype(float)
        middle = patches[:, 2:6, :, 2:6]
        spread = middle.std((1, 3)).max(-1)
        inside = (example.labels.colour > 0) & (spread < 6)  # whole patches, no edge
        found = np.abs(middle.mean((1, 3))[inside][:, None] - means).sum(-1).argmin(1)
        right += int((found == example.labels.colour[inside] - 1).sum())
        total += int(inside.sum())
    assert total > 300
    assert right / total > 0.9


@pytest.mark.parametrize("skill", OBJECT_SKILLS)
def test_objects_stand_out_from_the_background(skill: str) -> None:
    """Whole patches of objects differ from the empty ones, clutter and all."""
    for seed in range(60):
        example = render(seed, Split.TRAIN, skill)
        patches = example.rgb.reshape(GRID, PATCH, GRID, PATCH, 3).astype(float).mean((1, 3))
        empty = example.labels.shape == 0
        for row, column in np.argwhere((example.labels.centre == 1) & ~empty):
            steps = np.abs(patches[empty] - patches[row, column]).max(-1)
            assert np.median(steps) > 12, seed


def test_labels_of_objects_agree_with_each_other() -> None:
    for seed in range(100):
        labels = render(seed, Split.TRAIN, "count").labels
        np.testing.assert_array_equal(labels.shape > 0, labels.colour > 0)
        assert labels.letter.max() == 0


def test_held_out_kinds_are_counted_in_the_evaluation_alone(drawn: list[Thing]) -> None:
    seen: collections.Counter[Split] = collections.Counter()
    for split in Split:
        for seed in range(200):
            example = render(seed, split, "count")
            if not {kind_name(thing.shape) for thing in drawn} & set(HELD_OUT_SHAPES):
                continue
            seen[split] += 1
            assert example.labels.shape.max() == 0
            for item in example.questions:
                assert item.skill == "count"
                words = set(bare(item).split())
                assert words & set(ANY_OBJECT) or item.answer == "0"
                assert item.answer == str(counted(bare(item), drawn))
    assert seen[Split.TRAIN] == 0
    assert 3 <= seen[Split.HELD_OUT] <= 25
    assert not any(shape in question for question in asking.all_questions() for shape in ("key",))


def test_a_picture_that_shows_nothing_is_declined_and_has_no_labels() -> None:
    skills = collections.Counter()
    for seed in range(80):
        example = render(seed, Split.HELD_OUT, "decline")
        assert {item.answer for item in example.questions} == {"I can't tell."}
        assert {item.skill for item in example.questions} == {"decline"}
        labels = example.labels
        for grid in (labels.colour, labels.shape, labels.centre, labels.letter):
            assert not grid.any()
        skills.update(bare(item).split()[0] for item in example.questions)
    assert {"how", "what", "which", "read", "who"} <= set(skills)


def test_a_declined_picture_holds_no_edge() -> None:
    for seed in range(120):
        grey = np.asarray(Image.fromarray(render(seed, Split.HELD_OUT, "decline").rgb).convert("L"))
        patches = grey.astype(float).reshape(GRID, PATCH, GRID, PATCH)
        if np.median(patches.std((1, 3))) > 12:
            continue  # noise from edge to edge
        smooth = patches.mean((1, 3))
        steps = max(np.abs(np.diff(smooth, axis=axis)).max() for axis in (0, 1))
        assert steps < 45, seed  # an object or a letter steps by more from patch to patch


def test_thorough_questions_tell_the_truth_about_the_same_picture(drawn: list[Thing]) -> None:
    answers: collections.Counter[str] = collections.Counter()
    for seed in range(40):
        example = render(seed, Split.TRAIN, "count", thorough=True)
        plain = render(seed, Split.TRAIN, "count")
        assert np.array_equal(example.rgb, plain.rgb)
        assert example.questions[: len(plain.questions)] == plain.questions
        for item in example.questions[len(plain.questions) :]:
            assert item.answer == str(counted(bare(item), drawn)), (seed, item)
            answers[item.answer] += 1
    assert len(answers) == 10
    assert sum(answers.values()) > 4 * 40
