"""The pocket model's pictures: what is asked, what is drawn, and what the labels say of it."""

from __future__ import annotations

import collections
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from models.errors import FontsError, ModelsError
from models.pocket import questions as asking
from models.pocket.drawing import arranging, comparing, counting
from models.pocket.drawing.canvas import (
    GRID,
    PATCH,
    SIZE,
    Example,
    PatchLabels,
    QuestionAnswer,
    Scene,
    no_labels,
)
from models.pocket.drawing.crowded import render_crowded
from models.pocket.drawing.objects import Thing, kind_name
from models.pocket.fonts import held_out_fonts, training_fonts
from models.pocket.pictures import SHARES, render, write_dataset
from models.pocket.questions import (
    ANY_OBJECT,
    CHARACTERS,
    COLOURS,
    HELD_OUT_SHAPES,
    SHAPES,
    SKILLS,
    Ask,
    Split,
    plural,
)

CAPITALS_ONLY = ("BebasNeue-Regular.otf", "BebasNeue-Bold.otf")  # with capitals for small letters
OBJECT_SKILLS = ("colour", "count", "compare")


def training_fonts_installed() -> bool:
    try:
        training_fonts()
    except FontsError:
        return False
    return True


needs_training_fonts = pytest.mark.skipif(
    not training_fonts_installed(), reason="the training fonts are system packages"
)


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


def bare(item: QuestionAnswer) -> str:
    """The question as a wording; only "I" keeps a capital where it begins in one."""
    text = item.question.rstrip("?.")
    return text[0].lower() + text[1:]


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
    monkeypatch.setattr("models.pocket.pictures.photograph", lambda *_: None)
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
