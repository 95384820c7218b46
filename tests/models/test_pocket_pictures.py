"""The pocket model's pictures: what is asked, what is drawn, and what the labels say of it."""

from __future__ import annotations

import collections
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from models.errors import FontsError, ModelsError
from models.pocket import questions as asking
from models.pocket.fonts import held_out_fonts, training_fonts
from models.pocket.pictures import (
    COLOURS,
    GRID,
    LETTERS,
    PATCH,
    SHAPES,
    SIZE,
    SKILLS,
    Example,
    QuestionAnswer,
    Split,
    render,
    render_crowded,
    write_dataset,
)


def training_fonts_installed() -> bool:
    try:
        training_fonts()
    except FontsError:
        return False
    return True


needs_training_fonts = pytest.mark.skipif(
    not training_fonts_installed(), reason="the training fonts are system packages"
)


def answers(example: Example, skill: str) -> list[QuestionAnswer]:
    return [item for item in example.questions if item.skill == skill]


def letters_by_column(example: Example) -> str:
    """Read the letter labels from left to right, one letter for a run of equal columns."""
    columns = example.labels.letter.max(axis=0)
    runs = [int(c) for i, c in enumerate(columns) if c and (i == 0 or columns[i - 1] != c)]
    return "".join(LETTERS[c - 1] for c in runs)


def without_repeats(word: str) -> str:
    return "".join(c for i, c in enumerate(word) if i == 0 or word[i - 1] != c)


@pytest.mark.parametrize("skill", [None, *SKILLS])
def test_the_same_arguments_give_the_same_picture(skill: str | None) -> None:
    for seed in range(5):
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
    for seed in range(20):
        example = render(seed, Split.HELD_OUT, skill, difficulty)
        assert example.rgb.shape == (SIZE, SIZE, 3)
        assert example.rgb.dtype == np.uint8
        assert len(example.questions) == 3
        assert len({item.question for item in example.questions}) == 3
        assert all(item.skill in SKILLS for item in example.questions)
        labels = example.labels
        for grid, most in (
            (labels.colour, len(COLOURS)),
            (labels.shape, len(SHAPES)),
            (labels.centre, 1),
            (labels.letter, len(LETTERS)),
        ):
            assert grid.shape == (GRID, GRID)
            assert grid.dtype == np.int64
            assert 0 <= grid.min() <= grid.max() <= most


def test_arguments_outside_the_promise_are_refused() -> None:
    with pytest.raises(ValueError, match="skill"):
        render(0, Split.HELD_OUT, "smell")
    with pytest.raises(ValueError, match="difficulty"):
        render(0, Split.HELD_OUT, "count", 1.5)


def test_the_skills_are_drawn_in_their_shares() -> None:
    drawn: collections.Counter[str] = collections.Counter()
    for seed in range(600):
        example = render(seed, Split.HELD_OUT)
        kinds = {item.skill for item in example.questions}
        drawn["count" if "count" in kinds else kinds.pop()] += 1
    for skill, share in zip(SKILLS, (0.20, 0.35, 0.30, 0.15), strict=True):
        assert drawn[skill] / 600 == pytest.approx(share, abs=0.06)


def test_counts_are_balanced_from_zero_to_five() -> None:
    counts: collections.Counter[str] = collections.Counter()
    for seed in range(900):
        counts.update(item.answer for item in answers(render(seed, Split.TRAIN, "count"), "count"))
    assert set(counts) == set("012345")
    total = sum(counts.values())
    for answer in "012345":
        assert counts[answer] / total == pytest.approx(1 / 6, abs=0.03)


def test_a_count_is_the_number_of_centres_with_that_shape() -> None:
    kinds_asked = set()
    for seed in range(300):
        example = render(seed, Split.TRAIN, "count")
        labels = example.labels
        at_centres = labels.shape[labels.centre == 1]
        for item in answers(example, "count"):
            words = item.question.lower().rstrip("?.").split()
            named = [s for s in SHAPES if asking.plural(s) in words]
            if named:
                expected = int((at_centres == SHAPES.index(named[0]) + 1).sum())
            else:
                assert {"objects", "shapes"} & set(words)
                expected = int(labels.centre.sum())
            kinds_asked.add(named[0] if named else "any")
            assert item.answer == str(expected), (seed, item)
    assert kinds_asked == {*SHAPES, "any"}


def test_a_colour_asked_for_is_the_only_colour_of_that_shape() -> None:
    seen = set()
    for seed in range(300):
        example = render(seed, Split.TRAIN, "colour" if seed % 2 else "count")
        labels = example.labels
        for item in answers(example, "colour"):
            words = item.question.lower().rstrip("?.").split()
            (shape,) = (s for s in SHAPES if s in words or asking.plural(s) in words)
            mine = (labels.centre == 1) & (labels.shape == SHAPES.index(shape) + 1)
            assert (asking.plural(shape) in words) == (mine.sum() > 1)
            assert {COLOURS[c - 1] for c in labels.colour[mine]} == {item.answer}
            seen.add(item.answer)
    assert seen == set(COLOURS)


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


def test_objects_stand_out_from_the_background() -> None:
    for seed in range(100):
        example = render(seed, Split.TRAIN, "count", 0.0)
        patches = example.rgb.reshape(GRID, PATCH, GRID, PATCH, 3).astype(float).mean((1, 3))
        empty = example.labels.shape == 0
        for row, column in np.argwhere(example.labels.centre == 1):
            nearest = np.abs(patches[empty] - patches[row, column]).max(-1)
            assert np.median(nearest) > 20, seed


def test_every_centre_lies_on_a_labelled_object() -> None:
    for seed in range(200):
        labels = render(seed, Split.HELD_OUT, "count").labels
        assert (labels.shape[labels.centre == 1] > 0).all()
        np.testing.assert_array_equal(labels.shape > 0, labels.colour > 0)
        assert labels.letter.max() == 0


def test_letter_labels_spell_an_upright_word() -> None:
    for seed in range(150):
        example = render(seed, Split.HELD_OUT, "word", 0.0)
        (word,) = {item.answer for item in example.questions}
        assert without_repeats(letters_by_column(example)) == without_repeats(word)
        assert example.labels.shape.max() == example.labels.centre.max() == 0


@needs_training_fonts
def test_every_letter_of_a_long_word_has_a_label() -> None:
    spelt = 0
    for seed in range(200):
        example = render(seed, Split.TRAIN, "word", 1.0)
        (word,) = {item.answer for item in example.questions}
        # A tilted box of one patch can miss every centre, so not each single word must be whole.
        spelt += without_repeats(letters_by_column(example)) == without_repeats(word)
    assert spelt > 185


@needs_training_fonts
def test_letter_labels_lie_on_ink() -> None:
    """Inside labelled patches the picture varies; the empty rest of a plain picture does not."""
    for seed in range(60):
        example = render(seed, Split.TRAIN, "word", 0.0)
        grey = example.rgb.astype(float).mean(-1)
        patches = grey.reshape(GRID, PATCH, GRID, PATCH).transpose(0, 2, 1, 3)
        spread = patches.reshape(GRID, GRID, -1).std(-1)
        labelled = example.labels.letter > 0
        assert spread[labelled].mean() > 5 * spread[~labelled].mean()


def test_easy_words_are_short_and_hard_ones_reach_eight_letters() -> None:
    def lengths(difficulty: float) -> set[int]:
        examples = (render(seed, Split.HELD_OUT, "word", difficulty) for seed in range(150))
        return {len(example.questions[0].answer) for example in examples}

    assert lengths(0.0) == {1, 2}
    assert lengths(1.0) == set(range(1, 9))


def test_words_stay_inside_the_picture() -> None:
    for seed in range(100):
        rgb = render(seed, Split.HELD_OUT, "word", 0.0).rgb.astype(int)
        for edge in (rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]):
            assert np.abs(np.diff(edge, axis=0)).max() < 16  # no stroke runs over the edge


@needs_training_fonts
def test_held_out_words_are_never_trained_on() -> None:
    def words(split: Split) -> set[str]:
        return {render(s, split, "word", 1.0).questions[0].answer for s in range(400)}

    train, held_out = words(Split.TRAIN), words(Split.HELD_OUT)
    assert not train & held_out
    assert all(word.isascii() and word.isupper() and 1 <= len(word) <= 8 for word in train)
    assert train & set(asking.LISTED_WORDS)
    assert held_out & set(asking.LISTED_WORDS)


def test_the_listed_words_fit_the_renderer() -> None:
    assert len(asking.LISTED_WORDS) >= 300
    assert all(1 <= len(word) <= asking.MAX_LETTERS for word in asking.LISTED_WORDS)
    assert set("".join(asking.LISTED_WORDS)) == set(LETTERS)


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


def test_a_picture_that_shows_nothing_is_declined_and_has_no_labels() -> None:
    for seed in range(60):
        example = render(seed, Split.HELD_OUT, "decline")
        assert {item.answer for item in example.questions} == {"I can't tell."}
        assert {item.skill for item in example.questions} == {"decline"}
        labels = example.labels
        for grid in (labels.colour, labels.shape, labels.centre, labels.letter):
            assert not grid.any()


def test_a_declined_picture_holds_no_edge() -> None:
    for seed in range(100):
        image = Image.fromarray(render(seed, Split.HELD_OUT, "decline").rgb).convert("L")
        smooth = np.asarray(image.resize((32, 32), Image.Resampling.BOX), float)
        steps = max(np.abs(np.diff(smooth, axis=axis)).max() for axis in (0, 1))
        assert steps < 45, seed  # an object or a letter steps by more within four pixels


def test_every_question_is_a_known_wording() -> None:
    known = set(asking.all_questions())
    for seed in range(300):
        for item in render(seed, Split.HELD_OUT).questions:
            bare = item.question.rstrip("?.")
            assert bare[0].lower() + bare[1:] in known


def test_held_out_wordings_are_a_fifth_of_the_evaluation_and_none_of_the_training() -> None:
    def share(split: Split) -> float:
        extra = {w for forms in asking.HELD_OUT_WORDINGS.values() for w in forms}
        asked = [item for s in range(300) for item in render(s, split, "count").questions]
        bare = (item.question.rstrip("?.") for item in asked)
        names = {*map(asking.plural, SHAPES), *SHAPES, *asking.ANY_OBJECT}
        forms = (
            " ".join("{name}" if w in names else w for w in (q[0].lower() + q[1:]).split())
            for q in bare
        )
        return sum(form in extra for form in forms) / len(asked)

    assert share(Split.TRAIN) == 0
    assert share(Split.HELD_OUT) == pytest.approx(asking.HELD_OUT_WORDING_SHARE, abs=0.05)


@pytest.mark.parametrize("ask", list(asking.Ask))
def test_held_out_wordings_are_new_orders_of_trained_words(ask: asking.Ask) -> None:
    trained, held_out = asking.TRAIN_WORDINGS[ask], asking.HELD_OUT_WORDINGS[ask]
    assert len(set(trained)) >= 8
    assert len(set(held_out)) >= 3
    assert not set(trained) & set(held_out)
    everything = {w for forms in asking.TRAIN_WORDINGS.values() for f in forms for w in f.split()}
    assert {w for form in held_out for w in form.split()} <= everything


def test_a_wording_becomes_a_sentence() -> None:
    assert asking.phrase("how many stars are there") == "How many stars are there?"
    assert asking.phrase("read this") == "Read this."
    assert asking.phrase("what does it say", mark=False) == "What does it say"
    assert asking.phrase("read this", mark=False, capital=False) == "read this"


def test_a_data_set_is_pictures_and_lines(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "set"
    write_dataset(folder, range(40, 44), Split.HELD_OUT)
    names = [f"{number:06d}.png" for number in (1, 2, 3, 4)]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "questions.jsonl"]
    lines = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    assert [line["picture"] for line in lines] == [name for name in names for _ in range(3)]
    for number, seed in enumerate(range(40, 44)):
        example = render(seed, Split.HELD_OUT)
        with Image.open(folder / names[number]) as image:
            np.testing.assert_array_equal(np.asarray(image), example.rgb)
        for line, item in zip(lines[3 * number : 3 * number + 3], example.questions, strict=True):
            assert line == {
                "picture": names[number],
                "question": item.question,
                "answer": item.answer,
                "skill": item.skill,
            }


@needs_training_fonts
def test_crowded_pictures_are_full_of_labels_and_repeat_by_seed() -> None:
    first, again, other = render_crowded(3), render_crowded(3), render_crowded(4)
    assert np.array_equal(first.rgb, again.rgb)
    assert not np.array_equal(first.rgb, other.rgb)
    assert first.questions == ()
    drawn = [render_crowded(seed) for seed in range(20)]
    letters = np.mean([(example.labels.letter > 0).sum() for example in drawn])
    objects = np.mean([example.labels.centre.sum() for example in drawn])
    assert letters > 20
    assert objects > 4
    for example in drawn:
        assert not ((example.labels.centre > 0) & (example.labels.shape == 0)).any()


@needs_training_fonts
def test_every_font_has_capitals_of_its_own() -> None:
    for path in (*training_fonts(), *held_out_fonts()):
        font = ImageFont.truetype(str(path), 40)
        same = [c for c in "ABDEGQR" if bytes(font.getmask(c)) == bytes(font.getmask(c.lower()))]
        assert same == [], f"{path.name} draws capitals as small letters"
