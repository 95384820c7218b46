"""From question to answer with fakes for eyes and model: what is said, and on what basis."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from assistant.answers import Basis
from assistant.errors import UsageError
from assistant.seeing.text import TextLine, TextPart, never
from assistant.skills.answerer import Answerer
from assistant.skills.router import say
from assistant.skills.router import skills as every_skill
from assistant.skills.way_on import OFFERS, PIXELS
from assistant.stopwatch import Stopwatch
from models.pocket.training.pictures import SIZE


def line(text: str, y: float = 0, x: float = 0) -> TextLine:
    box = ((x, y), (x + 9 * len(text), y), (x + 9 * len(text), y + 20), (x, y + 20))
    return TextLine(text, box, 0.99)


RECEIPT = (
    line("CORNER SHOP", 0),
    line("Date: 03/04/2025", 30),
    line("Total", 60),
    line("RM 30.90", 60, 200),
    line("Tel: 07-355 2616", 90),
)


@dataclass
class FakeToken:
    text: str
    probability: float


class FakeReader:
    """Finds the lines it was given, and counts how often it looked."""

    def __init__(self, lines: Sequence[TextLine]) -> None:
        self.lines, self.looks = tuple(lines), 0

    def load(self) -> None:
        pass

    def read(self, rgb: Any) -> tuple[TextLine, ...]:
        self.looks += 1
        return self.lines

    def parts(
        self, rgb: Any, *, limit_s: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[TextPart]:
        yield TextPart(self.read(rgb), 0)


class FakeModel:
    """Gives one answer to every question and keeps what it was asked."""

    name = "fake/int4"

    def __init__(
        self, says: str, probability: float = 0.9, skills: Mapping[str, float | None] | None = None
    ) -> None:
        self.says, self.probability, self.skills = says, probability, skills
        # Measured in everything: what it says is judged by how sure it is.
        self.photographs = {each.name: 0.95 for each in every_skill()}
        self.asked: list[str] = []

    def look(self, rgb: Any) -> tuple[int, ...]:
        return tuple(rgb.shape)

    def answer(self, scene: Any, question: str) -> Iterator[FakeToken]:
        self.asked.append(question)
        yield from (FakeToken(word + " ", self.probability) for word in self.says.split())


def scene(side: int = 128) -> Any:
    picture = np.full((side, side, 3), 230, np.uint8)
    picture[side // 4 : side // 2, side // 4 : side // 2] = (200, 20, 20)
    return picture


def answerer(reader: FakeReader, model: FakeModel | str = "there is none.") -> Answerer:
    return Answerer(reader, lambda: model, Stopwatch())


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What is the total?", "The total is RM 30.90."),
        ("how much does it cost", "The total is RM 30.90."),
        ("what is the phone number", "The phone number is 07-355 2616."),
        (
            "does it say corner shop",
            "I read: CORNER SHOP",
        ),
        ("what is the first line", "CORNER SHOP"),
        (
            "what is the date",
            "The date is 03/04/2025. I read it as it stands: day and month are ambiguous.",
        ),
    ],
)
def test_text_questions_are_answered_from_lines_without_a_model(question: str, said: str) -> None:
    model = FakeModel("nonsense")
    answer = answerer(FakeReader(RECEIPT), model).answer(scene(), question)
    assert (say(answer), answer.basis) == (said, Basis.READ)
    assert answer.evidence and set(answer.evidence) <= set(RECEIPT)
    assert model.asked == []


@pytest.mark.parametrize("question", ["when does it expire", "what is the dose"])
def test_what_is_not_in_the_text_is_not_told(question: str) -> None:
    answer = answerer(FakeReader(RECEIPT)).answer(scene(), question)
    assert answer.basis is Basis.UNKNOWN
    assert say(answer).startswith("I can't tell: I ")


def test_reading_gives_all_lines_in_order() -> None:
    answer = answerer(FakeReader(RECEIPT[::-1])).read(scene())
    assert say(answer).split("\n\n")[0].startswith("CORNER SHOP")
    assert "Total RM 30.90" in say(answer)
    assert set(answer.evidence) == set(RECEIPT)


@pytest.mark.parametrize("question", ["how many circles are there", "what does it say", "describe"])
@pytest.mark.parametrize("picture", [np.zeros((64, 64, 3)), np.full((64, 64, 3), 240)])
def test_nothing_is_told_about_pictures_that_show_nothing(question: str, picture: Any) -> None:
    model, reader = FakeModel("a beautiful view"), FakeReader(RECEIPT)
    answer = answerer(reader, model).answer(picture.astype(np.uint8), question)
    assert answer.basis is Basis.UNKNOWN
    assert say(answer).startswith("I can't tell: the picture is bla")
    assert model.asked == [] and reader.looks == 0


@pytest.mark.parametrize(
    ("text", "question"),
    [
        (["Does not contain nuts"], "does it contain nuts"),
        (["Milk free"], "Does this contain any milk?"),
        (["Contains no milk."], "does it mention the word milk"),
        (["NOT OPEN"], "does the sign say open"),
        (["Now open daily"], "does it say open daily"),
    ],
)
def test_a_word_that_is_found_is_quoted_and_never_affirmed(text: list[str], question: str) -> None:
    answer = answerer(FakeReader([line(row) for row in text])).answer(scene(), question)
    assert (say(answer), answer.basis) == (f"I read: {text[0]}", Basis.READ)


@pytest.mark.parametrize(
    ("rows", "quoted"),
    [
        (
            ["This bar does not", "contain nuts", "or milk"],
            "This bar does not contain nuts or milk",
        ),
        (["Oats.", "Nuts", "free", "2 kg"], "Nuts free"),
        (["May hold nuts", "No nuts", "inside.", "Oats"], "May hold nuts; No nuts inside."),
    ],
)
def test_a_word_is_quoted_with_the_rows_that_may_negate_it(rows: list[str], quoted: str) -> None:
    reader = FakeReader([line(row, 25 * number) for number, row in enumerate(rows)])
    answer = answerer(reader).answer(scene(), "does it contain nuts")
    assert say(answer) == f"I read: {quoted}"
    assert " ".join(piece.text for piece in answer.evidence) == quoted.replace(";", "")


@pytest.mark.parametrize("question", ["does it contain nuts", "does it mention any nuts"])
def test_a_word_that_is_not_found_is_not_denied(question: str) -> None:
    answer = answerer(FakeReader([line("Nutshell 5")])).answer(scene(), question)
    assert say(answer) == "I do not find nuts in the one line that I could read."
    assert (answer.basis, answer.evidence) == (Basis.UNKNOWN, ())


BLANK_PICTURE = np.full((64, 64, 3), 240, np.uint8)


@pytest.mark.parametrize("question", ["Is it blank?", "is this page blank", "Is the picture blank"])
def test_blank_or_not(question: str) -> None:
    model = FakeModel("yes")
    answer = answerer(FakeReader(()), model).answer(BLANK_PICTURE, question)
    assert say(answer).startswith("The picture looks blank; I can't tell more.")
    assert answer.basis is Basis.UNKNOWN
    answer = answerer(FakeReader(RECEIPT), model).answer(scene(), question)
    assert (say(answer), answer.basis) == ("It is not blank. It says: CORNER SHOP", Basis.READ)
    assert answer.evidence == RECEIPT[:1]
    answer = answerer(FakeReader(()), model).answer(scene(), question)
    assert answer.basis is Basis.UNKNOWN and "I find no text" in say(answer)
    assert model.asked == []


@pytest.mark.parametrize(
    "question", ["Is there any text here?", "are there any words", "is anything written on it"]
)
def test_any_text_or_none(question: str) -> None:
    model = FakeModel("no")
    answer = answerer(FakeReader(RECEIPT[:2]), model).answer(scene(), question)
    assert say(answer) == "Yes. It says: CORNER SHOP; Date: 03/04/2025"
    assert (answer.basis, answer.evidence) == (Basis.READ, RECEIPT[:2])
    answer = answerer(FakeReader(()), model).answer(scene(), question)
    assert answer.basis is Basis.UNKNOWN and "I find no text" in say(answer)
    answer = answerer(FakeReader(RECEIPT), model).answer(BLANK_PICTURE, question)
    assert answer.basis is Basis.UNKNOWN and "is blank" in say(answer)
    assert model.asked == []


def test_a_small_model_is_asked_in_its_own_words_and_only_what_it_knows() -> None:
    skills = {"colour": 0.97, "count": 0.6, "word": None}
    model = FakeModel("red", skills=skills)
    eyes = answerer(FakeReader(()), model)
    seen = eyes.answer(scene(), "What color is the square?")
    assert (say(seen), seen.basis, seen.model) == ("red", Basis.SEEN, "fake/int4")
    assert model.asked == ["what colour is the square"]
    assert eyes.answer(scene(), "how many squares are there").basis is Basis.GUESS
    asked = len(model.asked)
    for beyond in ("describe the picture", "where is my cup", "how many chairs are there"):
        answer = eyes.answer(scene(), beyond)
        assert answer.basis is Basis.UNKNOWN
        assert say(answer).startswith("I can't tell: the small model")
    assert len(model.asked) == asked


@pytest.mark.parametrize(
    ("accuracy", "side", "probability", "basis"),
    [
        (0.7, SIZE, 0.6, Basis.SEEN),
        (0.97, 64, 0.9, Basis.SEEN),
        (0.97, SIZE + 1, 0.9, Basis.GUESS),
        (0.97, 1000, 0.9, Basis.GUESS),
        (0.69, SIZE, 0.9, Basis.GUESS),
        (None, 128, 0.9, Basis.GUESS),
        (float("nan"), 128, 0.9, Basis.GUESS),
        (0.97, 128, 0.59, Basis.GUESS),
        (0.97, 128, float("nan"), Basis.GUESS),
    ],
)
def test_a_small_model_sees_only_what_it_was_measured_on(
    accuracy: float | None, side: int, probability: float, basis: Basis
) -> None:
    model = FakeModel("dark red", probability, skills={"colour": accuracy})
    answer = answerer(FakeReader(()), model).answer(scene(side), "what colour is the square")
    assert (say(answer), answer.basis) == ("dark red", basis)


@pytest.mark.parametrize(
    "question",
    [
        "how many circles are not red",
        "how many circles touch",
        "how many circles were there yesterday",
        "how many dark red circles are there",
        "what colour is the square beside the star",
        "what colour is the square not",
        "count the circles and the stars",
    ],
)
def test_a_small_model_is_not_asked_what_its_wordings_do_not_say(question: str) -> None:
    model = FakeModel("3", skills={"colour": 0.97, "count": 0.97})
    answer = answerer(FakeReader(()), model).answer(scene(), question)
    assert answer.basis is Basis.UNKNOWN
    assert say(answer).startswith("I can't tell: the small model")
    assert model.asked == []


@pytest.mark.parametrize(
    ("question", "is_english"),
    [
        ("Wie viele Kreise siehst du hier?", False),
        ("¿Cuántos círculos hay en la imagen?", False),
        ("Combien de cercles voyez-vous ?", False),
        ("有多少个圆 在 这里", False),
        ("describe everything please", True),
        ("who painted this", True),
        ("Lies vor", True),  # too short to tell
    ],
)
def test_a_small_model_says_that_it_knows_english_only(question: str, is_english: bool) -> None:
    model = FakeModel("3", skills={"colour": 0.97, "count": 0.97})
    answer = answerer(FakeReader(()), model).answer(scene(), question)
    assert answer.basis is Basis.UNKNOWN and model.asked == []
    assert ("English only" not in say(answer)) == is_english


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Please count the circles!", "count the circles"),
        ("Count circles, please", "count the circles"),
        ("What's the color of this star?", "what is the colour of the star"),
        ("how many of these circles", None),
    ],
)
def test_politeness_and_articles_change_no_question(question: str, asked: str | None) -> None:
    model = FakeModel("red", skills={"colour": 0.97, "count": 0.97})
    answer = answerer(FakeReader(()), model).answer(scene(), question)
    assert model.asked == ([asked] if asked else [])
    assert answer.basis is (Basis.SEEN if asked else Basis.UNKNOWN)


def test_what_only_the_model_reads_is_a_guess() -> None:
    model = FakeModel("EXIT", skills={"word": 0.9})
    answer = answerer(FakeReader(()), model).answer(scene(), "what does it say")
    assert (say(answer), answer.basis) == ("EXIT", Basis.GUESS)


@pytest.mark.parametrize("question", ["what does it say", "what is the title", "who is the author"])
@pytest.mark.parametrize("says", ["MN", "02", "EXIT"])
def test_print_that_a_small_model_alone_sees_is_not_told_where_it_was_not_measured_well(
    question: str, says: str
) -> None:
    poor = {"word": 0.9, "lines": 0.38, "title": 0.42, "author": 0.18, "field": 0.74}
    on_a_photograph = answerer(FakeReader(()), FakeModel(says, skills=poor))
    answer = on_a_photograph.answer(scene(1000), question)
    assert answer.basis is Basis.UNKNOWN and says not in say(answer)
    if question != "what does it say":
        on_a_drawing = answerer(FakeReader(()), FakeModel(says, skills=poor))
        answer = on_a_drawing.answer(scene(), question)
        assert answer.basis is Basis.UNKNOWN and says not in say(answer)


def test_a_general_model_is_asked_as_the_user_asked() -> None:
    model = FakeModel("a red square")
    answer = answerer(FakeReader(()), model).answer(scene(1000), "What's in front of me?")
    assert answer.basis is Basis.SEEN and model.asked == ["What's in front of me?"]
    liar = answerer(FakeReader(RECEIPT), FakeModel("12 roses"))
    assert liar.answer(scene(), "What is in front of me?").basis is Basis.GUESS


def test_a_model_that_declines_and_no_model() -> None:
    declining = answerer(FakeReader(()), FakeModel("I can't tell."))
    answer = declining.answer(scene(), "describe the picture")
    assert answer.basis is Basis.UNKNOWN and "the model finds no answer" in say(answer)
    none = answerer(FakeReader(())).answer(scene(), "describe the picture")
    told = f"I can't tell: there is none. {OFFERS[PIXELS]}"
    assert (say(none), none.basis) == (told, Basis.UNKNOWN)


def test_an_empty_question_is_refused() -> None:
    with pytest.raises(UsageError, match="the question is empty"):
        answerer(FakeReader(())).answer(scene(), "  ")
