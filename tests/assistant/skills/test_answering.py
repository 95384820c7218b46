"""From question to answer with fakes for eyes and model: what is said, and on what basis."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.errors import UsageError, VisionError
from assistant.inference.pocket import own_wording
from assistant.inference.vision_model import read_skills
from assistant.seeing.text import TextLine, TextPart, never
from assistant.skills.answerer import Answerer
from assistant.skills.grounding import (
    Basis,
    digits_are_read,
    ground_model,
    ground_read,
    is_decline,
)
from assistant.skills.intents import Intent, bare_words, understand
from assistant.stopwatch import Stopwatch
from models.pocket.questions import HELD_OUT_WORDINGS, TRAIN_WORDINGS, Ask, all_questions
from models.pocket.training.pictures import SIZE


def line(text: str, y: float = 0, x: float = 0) -> TextLine:
    box = ((x, y), (x + 9 * len(text), y), (x + 9 * len(text), y + 20), (x, y + 20))
    return TextLine(text, box, 0.9)


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
    ("question", "intent", "subject"),
    [
        ("Read this, please.", Intent.READ_TEXT, ""),
        ("What does it say?", Intent.READ_TEXT, ""),
        ("what is the first line", Intent.READ_TEXT, ""),
        ("does the sign say open", Intent.FIND_WORD, "open"),
        ("What is the total?", Intent.TOTAL, ""),
        ("how much do i have to pay", Intent.TOTAL, ""),
        ("How much does it cost?", Intent.PRICE, ""),
        ("What's the date?", Intent.DATE, ""),
        ("what is the expiry date", Intent.EXPIRY, ""),
        ("Has it expired?", Intent.EXPIRY, ""),
        ("how many pills should i take", Intent.DOSE, ""),
        ("what is the phone number", Intent.PHONE, ""),
        ("is this page blank", Intent.BLANK, ""),
        ("Is there any text here?", Intent.ANY_TEXT, ""),
        ("is there text in the picture", Intent.ANY_TEXT, ""),
        ("Are there any words on it?", Intent.ANY_TEXT, ""),
        ("does it contain any writing", Intent.ANY_TEXT, ""),
        ("do you see some text", Intent.ANY_TEXT, ""),
        ("Is anything written on this?", Intent.ANY_TEXT, ""),
        ("does this page have text", Intent.ANY_TEXT, ""),
        ("read any text you find", Intent.READ_TEXT, ""),
        ("does it say text", Intent.FIND_WORD, "text"),
        ("How many circles are there?", Intent.COUNT, "circles"),
        ("Count the red stars", Intent.COUNT, "red"),
        ("What color is the triangle?", Intent.COLOUR, "triangle"),
        ("what is the number of hearts", Intent.COUNT, "hearts"),
        ("where are my keys", Intent.FIND_THING, "keys"),
        ("Describe the picture", Intent.DESCRIBE, ""),
        ("what is in front of me", Intent.DESCRIBE, ""),
        ("sing a song", Intent.OTHER, ""),
    ],
)
def test_intents(question: str, intent: Intent, subject: str) -> None:
    request = understand(question)
    assert (request.intent, request.subject) == (intent, subject)


INTENTS_OF_ASKS = {
    Ask.COLOUR_OF_ONE: Intent.COLOUR,
    Ask.COLOUR_OF_MANY: Intent.COLOUR,
    Ask.COUNT: Intent.COUNT,
    Ask.LARGER: Intent.COMPARE,
    Ask.SMALLER: Intent.COMPARE,
    Ask.LEFTMOST: Intent.COMPARE,
    Ask.RIGHTMOST: Intent.COMPARE,
    Ask.WORD: Intent.READ_TEXT,
    Ask.LINES: Intent.READ_TEXT,
    Ask.TITLE: Intent.TITLE,
    Ask.AUTHOR: Intent.AUTHOR,
    Ask.CATEGORY: Intent.CATEGORY,
    Ask.YEAR: Intent.YEAR,
    Ask.TOTAL: Intent.TOTAL,
    Ask.PRICE: Intent.PRICE,
    Ask.DOSE: Intent.DOSE,
}


@pytest.mark.parametrize("ask", list(Ask))
def test_every_pocket_question_is_understood(ask: Ask) -> None:
    for wording in (*TRAIN_WORDINGS[ask], *HELD_OUT_WORDINGS[ask]):
        for name, other in (("stars", "cups"), ("fish", "houses"), ("star", "cup")):
            request = understand(wording.format(name=name, other=other))
            if ask is Ask.DATE:
                assert request.intent in (Intent.DATE, Intent.EXPIRY), wording
            else:
                assert request.intent is INTENTS_OF_ASKS[ask], wording
            if ask.skill in ("colour", "count"):
                assert request.subject == name, wording


def test_every_pocket_question_finds_its_own_wording() -> None:
    for number, question in enumerate(all_questions()):
        if number % 7 == 0:  # all of them take seconds
            asked = own_wording(bare_words(question))
            assert asked is not None, question
            assert own_wording(asked.wording) == asked


@pytest.mark.parametrize(
    ("question", "wording", "skill"),
    [
        ("How many red circles are there?", "how many red circles are there", "count"),
        (
            "Please, which is larger: the cup or the fish?",
            "which is larger the cup or the fish",
            "compare",
        ),
        ("Which is larger, the cup or the cup?", None, ""),
        ("What is the title of the book?", "what is the title of the book", "title"),
        ("how strong is it", "how strong is it", "field"),
        ("what colour are the chairs", None, ""),
        ("how many red are there", None, ""),
    ],
)
def test_names_are_found_in_questions(question: str, wording: str | None, skill: str) -> None:
    asked = own_wording(bare_words(question))
    assert (None if asked is None else asked.wording) == wording
    assert asked is None or asked.skill == skill


def test_digits_must_be_whole_groups_of_the_evidence() -> None:
    lines = [line("TOTAL RM 30.90"), line("4123")]
    assert digits_are_read("The total is RM 30.90.", lines)
    assert not digits_are_read("The total is RM 31.90.", lines)
    assert not digits_are_read("12", lines)
    assert digits_are_read("no figures at all", [])


@pytest.mark.parametrize(
    ("stated", "quotation", "source", "basis"),
    [
        ("The total is RM 30.90.", "RM 30.90", "TOTAL RM30.90", Basis.READ),
        ("The total is RM 5.00.", "RM 5.00", "TOTAL RM5:00", Basis.READ),
        ("The date is 9/3/2018.", "9/3/2018", "Date:9/3/201820:54:50", Basis.READ),
        ("The total is RM 31.90.", "RM 30.90", "TOTAL RM30.90", Basis.GUESS),
        ("The total is RM 30.90.", "RM 30.90", "TOTAL RM36.90", Basis.GUESS),
        ("The total is 9.", "RM 30.90", "TOTAL RM30.90", Basis.GUESS),
    ],
)
def test_read_answers_say_only_the_digits_they_quote(
    stated: str, quotation: str, source: str, basis: Basis
) -> None:
    assert ground_read(stated, [(quotation, source)]) is basis


@pytest.mark.parametrize(
    ("says", "probabilities", "intent", "accuracy", "basis"),
    [
        ("red", [0.9, 0.95], Intent.COLOUR, 0.97, Basis.SEEN),
        ("red", [0.9, 0.59], Intent.COLOUR, 0.97, Basis.GUESS),
        ("red", [0.9], Intent.COLOUR, 0.69, Basis.GUESS),
        ("red", [], Intent.COLOUR, None, Basis.GUESS),
        ("3", [0.9], Intent.COUNT, None, Basis.SEEN),
        ("it costs 12", [0.9], Intent.OTHER, None, Basis.GUESS),
        ("bus 42", [0.9], Intent.OTHER, None, Basis.SEEN),
        ("EXIT", [0.9], Intent.READ_TEXT, None, Basis.GUESS),
        ("bus", [0.9], Intent.READ_TEXT, None, Basis.SEEN),
        ("I can't tell.", [0.9], Intent.COUNT, None, Basis.UNKNOWN),
        ("I cannot see any", [0.9], Intent.COUNT, None, Basis.UNKNOWN),
        ("", [0.9], Intent.COUNT, None, Basis.UNKNOWN),
    ],
)
def test_basis_of_model_answers(
    says: str, probabilities: list[float], intent: Intent, accuracy: float | None, basis: Basis
) -> None:
    assert ground_model(says, probabilities, intent, [line("Bus 42")], accuracy) is basis


def test_declines() -> None:
    assert is_decline("I can\u2019t tell") and is_decline(" ")
    assert not is_decline("I can see a cat")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What is the total?", "The total is RM 30.90."),
        ("how much does it cost", "The total is RM 30.90."),
        ("what is the phone number", "The phone number is 07-355 2616."),
        (
            "does it say corner shop",
            "The words corner shop stand here: CORNER SHOP Date: 03/04/2025",
        ),
        ("what is the first line", "CORNER SHOP"),
        (
            "what is the date",
            "The date is 03/04/2025. I read it as it stands: "
            "which part is the day and which the month is ambiguous.",
        ),
    ],
)
def test_text_questions_are_answered_from_lines_without_a_model(question: str, said: str) -> None:
    model = FakeModel("nonsense")
    answer = answerer(FakeReader(RECEIPT), model).answer(scene(), question)
    assert (answer.text, answer.basis) == (said, Basis.READ)
    assert answer.evidence and set(answer.evidence) <= set(RECEIPT)
    assert model.asked == []


@pytest.mark.parametrize("question", ["when does it expire", "what is the dose"])
def test_what_is_not_in_the_text_is_not_told(question: str) -> None:
    answer = answerer(FakeReader(RECEIPT)).answer(scene(), question)
    assert answer.basis is Basis.UNKNOWN
    assert answer.text.startswith("I can't tell: I ")


def test_reading_gives_all_lines_in_order() -> None:
    answer = answerer(FakeReader(RECEIPT[::-1])).read(scene())
    assert answer.text.split("\n\n")[0].startswith("CORNER SHOP")
    assert "Total RM 30.90" in answer.text
    assert set(answer.evidence) == set(RECEIPT)


@pytest.mark.parametrize("question", ["how many circles are there", "what does it say", "describe"])
@pytest.mark.parametrize("picture", [np.zeros((64, 64, 3)), np.full((64, 64, 3), 240)])
def test_nothing_is_told_about_pictures_that_show_nothing(question: str, picture: Any) -> None:
    model, reader = FakeModel("a beautiful view"), FakeReader(RECEIPT)
    answer = answerer(reader, model).answer(picture.astype(np.uint8), question)
    assert answer.basis is Basis.UNKNOWN
    assert answer.text.startswith("I can't tell: the picture is bla")
    assert model.asked == [] and reader.looks == 0


@pytest.mark.parametrize(
    ("text", "question", "said"),
    [
        (["Does not contain nuts"], "does it contain nuts", "word nuts stands"),
        (["Milk free"], "Does this contain any milk?", "word milk stands"),
        (["Contains no milk."], "does it mention the word milk", "word milk stands"),
        (["NOT OPEN"], "does the sign say open", "word open stands"),
        (["Now open daily"], "does it say open daily", "words open daily stand"),
    ],
)
def test_a_word_that_is_found_is_quoted_and_never_affirmed(
    text: list[str], question: str, said: str
) -> None:
    answer = answerer(FakeReader([line(row) for row in text])).answer(scene(), question)
    assert (answer.text, answer.basis) == (f"The {said} here: {text[0]}", Basis.READ)


@pytest.mark.parametrize(
    ("rows", "quoted"),
    [
        (
            ["This bar does not", "contain nuts", "or milk"],
            "This bar does not contain nuts or milk",
        ),
        (["Oats.", "Nuts", "free", "2 kg"], "Nuts free"),
        (["May hold nuts", "No nuts", "inside.", "Oats"], "May hold nuts No nuts inside."),
    ],
)
def test_a_word_is_quoted_with_the_rows_that_may_negate_it(rows: list[str], quoted: str) -> None:
    reader = FakeReader([line(row, 25 * number) for number, row in enumerate(rows)])
    answer = answerer(reader).answer(scene(), "does it contain nuts")
    assert answer.text == f"The word nuts stands here: {quoted}"
    assert " ".join(piece.text for piece in answer.evidence) == quoted


@pytest.mark.parametrize("question", ["does it contain nuts", "does it mention any nuts"])
def test_a_word_that_is_not_found_is_not_denied(question: str) -> None:
    answer = answerer(FakeReader([line("Nutshell 5")])).answer(scene(), question)
    assert answer.text == "I do not find the word nuts in the text I can read."
    assert (answer.basis, answer.evidence) == (Basis.UNKNOWN, ())


BLANK_PICTURE = np.full((64, 64, 3), 240, np.uint8)


@pytest.mark.parametrize("question", ["Is it blank?", "is this page blank", "Is the picture blank"])
def test_blank_or_not(question: str) -> None:
    model = FakeModel("yes")
    answer = answerer(FakeReader(()), model).answer(BLANK_PICTURE, question)
    assert answer.text.startswith("The picture looks blank; I can't tell more.")
    assert answer.basis is Basis.UNKNOWN
    answer = answerer(FakeReader(RECEIPT), model).answer(scene(), question)
    assert (answer.text, answer.basis) == ("It is not blank. It says: CORNER SHOP", Basis.READ)
    assert answer.evidence == RECEIPT[:1]
    answer = answerer(FakeReader(()), model).answer(scene(), question)
    assert answer.basis is Basis.UNKNOWN and "I find no text" in answer.text
    assert model.asked == []


@pytest.mark.parametrize(
    "question", ["Is there any text here?", "are there any words", "is anything written on it"]
)
def test_any_text_or_none(question: str) -> None:
    model = FakeModel("no")
    answer = answerer(FakeReader(RECEIPT[:2]), model).answer(scene(), question)
    assert answer.text == "Yes. It says: CORNER SHOP; Date: 03/04/2025"
    assert (answer.basis, answer.evidence) == (Basis.READ, RECEIPT[:2])
    answer = answerer(FakeReader(()), model).answer(scene(), question)
    assert answer.basis is Basis.UNKNOWN and "I find no text" in answer.text
    answer = answerer(FakeReader(RECEIPT), model).answer(BLANK_PICTURE, question)
    assert answer.basis is Basis.UNKNOWN and "is blank" in answer.text
    assert model.asked == []


def test_a_small_model_is_asked_in_its_own_words_and_only_what_it_knows() -> None:
    skills = {"colour": 0.97, "count": 0.6, "word": None}
    model = FakeModel("red", skills=skills)
    eyes = answerer(FakeReader(()), model)
    seen = eyes.answer(scene(), "What color is the square?")
    assert (seen.text, seen.basis, seen.model) == ("red", Basis.SEEN, "fake/int4")
    assert model.asked == ["what colour is the square"]
    assert eyes.answer(scene(), "how many squares are there").basis is Basis.GUESS
    asked = len(model.asked)
    for beyond in ("describe the picture", "where is my cup", "how many chairs are there"):
        answer = eyes.answer(scene(), beyond)
        assert answer.basis is Basis.UNKNOWN
        assert answer.text.startswith("I can't tell: the small model")
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
    assert (answer.text, answer.basis) == ("dark red", basis)


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
    assert answer.text.startswith("I can't tell: the small model")
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
    assert ("English only" not in answer.text) == is_english


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Please count the circles!", "please count the circles"),
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
    assert (answer.text, answer.basis) == ("EXIT", Basis.GUESS)


def test_a_general_model_is_asked_as_the_user_asked() -> None:
    model = FakeModel("a red square")
    answer = answerer(FakeReader(()), model).answer(scene(1000), "What's in front of me?")
    assert answer.basis is Basis.SEEN and model.asked == ["What's in front of me?"]
    liar = answerer(FakeReader(RECEIPT), FakeModel("12 roses"))
    assert liar.answer(scene(), "What is in front of me?").basis is Basis.GUESS


def test_a_model_that_declines_and_no_model() -> None:
    declining = answerer(FakeReader(()), FakeModel("I can't tell."))
    answer = declining.answer(scene(), "describe the picture")
    assert answer.basis is Basis.UNKNOWN and "another view" in answer.text
    none = answerer(FakeReader(())).answer(scene(), "describe the picture")
    assert (none.text, none.basis) == ("I can't tell: there is none.", Basis.UNKNOWN)


def test_an_empty_question_is_refused() -> None:
    with pytest.raises(UsageError, match="the question is empty"):
        answerer(FakeReader(())).answer(scene(), "  ")


def test_skills_of_a_folder(tmp_path: Path) -> None:
    config, skills = tmp_path / "config.json", tmp_path / "skills.json"
    config.write_text(json.dumps({"hidden_size": 4096}))
    assert read_skills(tmp_path) is None
    config.write_text(json.dumps({"hidden_size": 256}))
    assert read_skills(tmp_path) == {"colour": None, "count": None, "word": None}
    skills.write_text(json.dumps({"skills": {"colour": {"accuracy": 0.97}}}))
    assert read_skills(tmp_path) == {"colour": 0.97}
    skills.write_text(json.dumps({"skills": {"colour": {"accuracy": None}}}))
    assert read_skills(tmp_path) == {"colour": None}
    for damaged in ("[1]", *(f'{{"colour": {{"accuracy": {x}}}}}' for x in ("97", "NaN", "true"))):
        skills.write_text(f'{{"skills": {damaged}}}')
        with pytest.raises(VisionError, match=r"skills.json: is damaged"):
            read_skills(tmp_path)
