"""Conversations with fakes for eyes and models: what is said first, what follows, what is kept."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assistant.answers import Answer, Basis, Context, Detail, Found, Note, NoteKind
from assistant.errors import OcrError, UsageError
from assistant.frames import Frame
from assistant.inference.pocket import other_wording
from assistant.inference.text_opening import AtOnce
from assistant.seeing.text import TextLine, TextPart, never
from assistant.skills.answerer import careful
from assistant.skills.conversation import Conversation
from assistant.skills.double_check import agree, other_view
from assistant.skills.follow_ups import resolve
from assistant.skills.router import say
from assistant.skills.router import skills as every_skill
from assistant.skills.saying import OPENINGS, UNVERIFIED
from assistant.text.sentences import SentenceBuffer
from tests.assistant.made_answers import answered, said


def line(text: str, y: float = 0, x: float = 30, confidence: float = 0.993) -> TextLine:
    box = ((x, y), (x + 9 * len(text), y), (x + 9 * len(text), y + 20), (x, y + 20))
    return TextLine(text, box, confidence)


RECEIPT = (
    line("CORNER SHOP", 10),
    line("Date: 13/04/2025", 40),
    line("Total", 70),
    line("RM 30.90", 70, 200),
    line("Tel: 07-355 2616", 100),
)


@dataclass
class FakeToken:
    text: str
    probability: float = 0.9


class FakeReader:
    """Gives its lines in parts; counts the parts that were really read."""

    def __init__(self, *parts: Sequence[TextLine]) -> None:
        self.batches = parts
        self.read_parts = 0
        self.fails = False

    def load(self) -> None: ...

    def read(self, rgb: Any) -> tuple[TextLine, ...]:
        return tuple(line for part in self.parts(rgb, limit_s=9) for line in part.lines)

    def parts(
        self, rgb: Any, *, limit_s: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[TextPart]:
        left = sum(map(len, self.batches))
        for batch in self.batches:
            if self.fails:
                raise OcrError("text recognition failed; try another picture")
            self.read_parts += 1
            left -= len(batch)
            yield TextPart(tuple(batch), left)


class FakeModel:
    name = "fake/int4"
    skills = None
    photographs = {each.name: 0.95 for each in every_skill()}
    """Measured in everything: what it says is judged by how sure it is."""

    def __init__(self, *says: str) -> None:
        self.says, self.asked, self.looks = list(says), list[str](), 0

    def look(self, rgb: Any) -> int:
        self.looks += 1
        return 1

    def answer(self, scene: Any, question: str) -> Iterator[FakeToken]:
        self.asked.append(question)
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        yield from (FakeToken(word + " ") for word in said.split())


class FakeTextModel:
    name = "fake/text"

    def __init__(self, says: str) -> None:
        self.says = says
        self.asked: list[tuple[str, str]] = []

    def answer(
        self, text: str, question: str, cancelled: Callable[[], bool] = never
    ) -> Iterator[str]:
        self.asked.append((text, question))
        yield from self.says


def frame(age_s: float = 0.0, seed: int = 0) -> Frame:
    rgb = np.random.default_rng(seed).integers(150, 250, (12, 20, 3)).astype(np.uint8)
    picture = np.kron(rgb, np.ones((20, 20, 1), np.uint8))
    picture[100:140, 100:300] = (200, 20, 20)
    return Frame(picture, time.monotonic() - age_s)


def talk(
    reader: FakeReader | None = None, model: FakeModel | str = "there is none.", **more: Any
) -> Conversation:
    return Conversation(reader or FakeReader(RECEIPT), lambda: model, **more)


def words(answer: Answer | None) -> str:
    return "" if answer is None else say(answer)


def test_a_frame_is_read_once_for_all_its_questions() -> None:
    reader = FakeReader(RECEIPT)
    conversation, seen = talk(reader), frame()
    conversation.prepare(seen)
    assert said(conversation.answer(seen, "what is the total", Context())) == [
        "read: The total is RM 30.90."
    ]
    follow_up = Context(question="what is the total", frame=seen)
    assert said(conversation.answer(frame(seed=1), "and the date?", follow_up)) == [
        "read: The date is 13/04/2025."
    ]
    assert reader.read_parts == 1


def test_a_model_that_was_used_looks_ahead() -> None:
    model = FakeModel("a cup")
    conversation = talk(model=model)
    conversation.prepare(frame())
    assert model.looks == 0
    list(conversation.answer(frame(seed=1), "where is my cup", Context()))
    seen = frame(seed=2)
    conversation.prepare(seen)
    assert model.looks == 2
    list(conversation.answer(seen, "where is my cup", Context()))
    assert model.looks == 2


def test_a_follow_up_on_an_old_frame_says_so() -> None:
    old = frame(age_s=9)
    context = Context(question="what is the total", frame=old)
    (told,) = said(talk().answer(frame(seed=1), "what about the phone number", context))
    assert told == f"read: {OPENINGS[NoteKind.FROM_BEFORE]} The phone number is 07-355 2616."
    (told,) = said(talk().answer(frame(seed=1), "what is the phone number", context))
    assert told == "read: The phone number is 07-355 2616."


@pytest.mark.parametrize(
    ("question", "before", "words", "same"),
    [
        ("and the date?", "what is the total", "what is the date", True),
        ("What about the phone number?", "read this", "what is the phone number", True),
        ("and the squares", "how many circles are there", "how many squares are there", True),
        (
            "how many of them are red",
            "how many circles are there",
            "how many red circles are there",
            True,
        ),
        ("and where is the cup", "describe this", "where is the cup", True),
        ("what else does it say", "what is the total", "read this", True),
        ("what is the date", "what is the total", "what is the date", False),
        ("and the date", "", "and the date", False),
    ],
)
def test_follow_ups(question: str, before: str, words: str, same: bool) -> None:
    resolved = resolve(question, before)
    assert (resolved.asked.words, resolved.same_frame) == (words, same)


def test_what_is_quickly_known_comes_first_and_is_not_repeated() -> None:
    model = FakeModel("A receipt on a table. Corner shop. It is white paper.")
    pieces = said(talk(model=model).answer(frame(), "describe this", Context()))
    # One answer, the best, from the text; the colour of a page tells nobody what it is.
    assert pieces[0] == "read: It says: CORNER SHOP. And more."
    assert pieces[1:] == [
        "A receipt on a table.",
        "It is white paper.",
        "seen: A receipt on a table. Corner shop. It is white paper.",
    ]
    assert model.asked == ["describe this"]
    one = said(talk(model=FakeModel("A receipt")).answer(frame(), "describe this", Context()))
    assert one[-1] == "seen: A receipt"


def test_no_sentence_of_a_model_that_declines() -> None:
    model = FakeModel("I cannot see it. Try again. Please do.")
    pieces = said(talk(model=model).answer(frame(), "where is my cup", Context()))
    assert len(pieces) == 1 and pieces[0].startswith("unknown: I can't tell")


def test_light_colour_and_codes_need_no_model() -> None:
    conversation = talk(model="none at all.")
    dark = Frame(np.zeros((50, 60, 3), np.uint8), time.monotonic())
    assert "It is dark" in said(conversation.answer(dark, "is the light on", Context()))[0]
    shirt = Frame(np.full((80, 60, 3), (30, 40, 110), np.uint8), time.monotonic())
    (told,) = said(conversation.answer(shirt, "what colour is this", Context()))
    assert "The middle of the picture is dark blue." in told
    (told,) = said(conversation.answer(shirt, "what colour is my shirt", Context()))
    assert told.startswith("guess: ") and "I can't tell whether that is the shirt" in told
    (told,) = said(conversation.answer(shirt, "what colour is the star", Context()))
    assert told.startswith("unknown: I can't tell: the picture is blank")
    (told,) = said(conversation.answer(frame(), "scan the barcode", Context()))
    assert told.startswith("unknown: I can't tell: I find no barcode")


def test_a_large_model_adds_to_the_colour_of_pixels() -> None:
    shirt = frame()
    pieces = said(talk(model=FakeModel("dark blue")).answer(shirt, "what colour is it", Context()))
    assert pieces[0].startswith(("seen: The middle", "guess: The middle"))
    assert pieces[1:] == ["seen: dark blue"]


def test_left_and_right_of_a_camera_that_faces_the_user() -> None:
    room = np.full((100, 160, 3), 20, np.uint8)
    room[5:20, 5:25] = 255
    lit = Frame(room, time.monotonic())
    question = "is the light on"
    assert "at the top left" in said(talk().answer(lit, question, Context()))[0]
    mirrored = talk(mirrored=lambda: True)
    assert "at the top right" in said(mirrored.answer(lit, question, Context()))[0]


def test_a_long_page_is_read_as_it_comes() -> None:
    reader = FakeReader([line("First", 0), line("second", 30)], [line("third", 60)])
    conversation = talk(reader)
    pieces = conversation.read(frame())
    assert next(pieces) == "First\nsecond"
    assert reader.read_parts == 1
    assert said(pieces) == ["third", "read: First\nsecond\nthird"]
    assert conversation.navigate("next", "line") == ("First", "line 1 of 3")
    assert conversation.navigate("continue", "")[0].startswith("First")
    assert said(talk(FakeReader(RECEIPT)).read(frame()))[0].startswith("read: CORNER SHOP")
    with pytest.raises(UsageError, match="no such move"):
        conversation.navigate("fly", "")


def test_a_page_that_takes_too_long_goes_on_when_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now_s[0])
    monkeypatch.setattr("assistant.skills.scene.time", clock)

    class Slow(FakeReader):
        def parts(self, rgb: Any, **options: Any) -> Iterator[TextPart]:
            for part in super().parts(rgb, **options):
                now_s[0] += 12
                yield part

    page = [[line(f"line {number}", 30 * number)] for number in range(4)]
    conversation, seen = talk(Slow(*page)), frame()
    first = said(conversation.read(seen))
    assert first[-1].startswith("seen: That is not all: 2 more lines")
    assert first[:2] == ["line 0", "line 1"]
    again = said(conversation.answer(seen, "what does it say", Context()))
    assert again[:3] == ["line 2", "line 3", "read: line 2\nline 3"]
    assert said(conversation.read(seen))[-1] == "read: line 0\nline 1\nline 2\nline 3"


def test_a_reading_that_was_stopped_goes_on_where_it_was() -> None:
    reader = FakeReader([line("First", 0)], [line("second", 30)], [line("third", 60)])
    conversation, seen = talk(reader), frame()
    conversation.prepare(seen, cancelled=lambda: reader.read_parts >= 1)
    assert reader.read_parts == 1
    assert said(conversation.read(seen))[-1] == "read: First\nsecond\nthird"
    assert reader.read_parts == 3


def test_a_failure_does_not_spoil_the_next_question() -> None:
    reader = FakeReader(RECEIPT)
    reader.fails = True
    conversation, seen = talk(reader), frame()
    with pytest.raises(OcrError):
        list(conversation.answer(seen, "what is the total", Context()))
    reader.fails = False
    assert len(said(conversation.answer(seen, "what is the total", Context()))) == 1


def test_nothing_follows_a_cancelled_question() -> None:
    reader = FakeReader(RECEIPT)
    pieces = talk(reader).answer(frame(), "what is the total", Context(), cancelled=lambda: True)
    assert list(pieces) == [] and reader.read_parts == 0
    model = FakeModel("one two three")
    silent = talk(FakeReader(()), model).answer(
        frame(), "where is my cup", Context(), cancelled=lambda: bool(model.asked)
    )
    assert list(silent) == []


def test_reading_goes_on_where_speech_stopped() -> None:
    reader = FakeReader([line("First", 0), line("second", 30)], [line("third", 60)])
    conversation, seen = talk(reader), frame()
    pieces = conversation.read(seen)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    conversation.heard("First")
    conversation.heard("second")
    assert conversation.navigate("continue", "")[0] == "second"
    list(conversation.read(seen))
    for sentence in ("First", "second"):
        conversation.heard(sentence)
    list(conversation.answer(seen, "what is the total", Context()))
    conversation.heard("First")  # an answer's words, not the page's
    assert conversation.navigate("continue", "")[0] == "second\nthird"
    list(conversation.answer(frame(seed=1), "is the light on", Context()))
    assert conversation.navigate("previous", "line")[0] == "second"


def test_what_makes_a_frame_no_good_depends_on_the_question() -> None:
    conversation = talk()
    dark = Frame(np.zeros((50, 60, 3), np.uint8), time.monotonic())
    seen = frame()
    for question, told in (
        ("what is the total", "the picture is black"),
        ("is the light on", ""),
        ("scan the barcode", "the picture is black"),
    ):
        problem = words(conversation.problem(dark, question, Context()))
        assert told in problem and bool(problem) == bool(told)
    no_code = conversation.problem(seen, "scan the barcode", Context())
    assert "I find no barcode" in words(no_code)
    assert conversation.problem(seen, "what is the total", Context()) is None
    shirt = Frame(np.full((80, 60, 3), (30, 40, 110), np.uint8), time.monotonic())
    assert conversation.problem(shirt, "what colour is this", Context()) is None
    assert conversation.problem(shirt, "is it blank", Context()) is None
    before = Context(question="what is the total", frame=seen)
    assert conversation.problem(dark, "and the date?", before) is None, "about the frame before"


def test_moving_needs_a_text() -> None:
    with pytest.raises(UsageError, match="no text yet"):
        talk().navigate("next", "line")


def test_text_that_is_cut_off_names_the_way_to_move() -> None:
    cut = [
        line(text, y, x=400 - 9 * len(text)) for text, y in (("Best before", 5), ("Keep cold", 40))
    ]
    (told,) = said(talk(FakeReader(cut)).answer(frame(), "when does it expire", Context()))
    assert told.endswith("The text seems cut off at the right; move the page to the left.")


def test_a_summary_quotes_and_a_text_model_adds_what_stands_there() -> None:
    quoted = (
        "read: In its own words: CORNER SHOP; Date: 13/04/2025; Total RM 30.90. There is more; "
        "ask me to read the text."
    )
    assert said(talk().answer(frame(), "summarize this", Context())) == [quoted]
    model = FakeTextModel("A receipt of a shop. You paid 30.90. The Tel is 07-355 2616. Enjoy!")
    conversation = talk(text_models=AtOnce(lambda: model))
    pieces = said(conversation.answer(frame(), "summarize this", Context()))
    assert pieces == [quoted, "The Tel is 07-355 2616.", "guess: The Tel is 07-355 2616."]
    assert "Total RM 30.90" in model.asked[0][0]
    liar = talk(text_models=AtOnce(lambda: FakeTextModel("You paid 99. The total is RM 30.99.")))
    assert said(liar.answer(frame(), "give me the gist", Context())) == [quoted]
    (told,) = said(liar.answer(frame(), "what is it about", Context()))
    assert told == "read: At the top I read: CORNER SHOP. Ask me to read the text for more."
    parrot = talk(text_models=AtOnce(lambda: FakeTextModel("The total is RM 30.90.")))
    assert said(parrot.answer(frame(), "sum it up", Context())) == [quoted]
    (told,) = said(talk().answer(frame(), "what does it say about shop", Context()))
    assert told == "read: I read: CORNER SHOP"


LETTER = (
    line("Riverside Library", 10),
    line("Your reservation is waiting at the front desk.", 40),
    line("It is kept until Friday, then it goes back.", 70),
)


def test_a_free_question_reaches_a_text_model_where_nothing_close_is_found() -> None:
    def asked(question: str, model: FakeTextModel) -> list[str]:
        conversation = talk(FakeReader(LETTER), text_models=AtOnce(lambda: model))
        return said(conversation.answer(frame(), question, Context()))

    question = "by when should I fetch the novel"
    knows = FakeTextModel("It is kept until Friday. They will call you.")
    assert asked(question, knows) == [
        "It is kept until Friday.",
        "I read: It is kept until Friday, then it goes back.",
        "guess: It is kept until Friday. I read: It is kept until Friday, then it goes back.",
    ]
    assert knows.asked[0][1] == question
    # What is not in the text is not told, nor what answers another question; then all is as before.
    without = said(talk(FakeReader(LETTER)).answer(frame(), question, Context()))
    for says in ("They keep it until Monday.", "The text does not say.", "It is waiting.", ""):
        assert asked(question, FakeTextModel(says)) == without
    assert without[-1].startswith("unknown: ")
    # What is found is quoted, and no model is asked.
    unasked = FakeTextModel("It is kept until Friday.")
    assert asked("where is my reservation waiting", unasked)[0].startswith(("read:", "guess:"))
    assert unasked.asked == []


def test_double_checks_agree_or_differ() -> None:
    context = Context()
    (told,) = said(talk().double_check(frame(), "what is the total", context))
    assert told == "read: I checked again and both answers agree: The total is RM 30.90."
    (told,) = said(talk(model=FakeModel("3", "4")).double_check(frame(), "how many cups", context))
    assert told.startswith("guess: The answers differ. First: 3 Now: 4 Trust neither")
    (told,) = said(talk().double_check(frame(), "when does it expire", context))
    assert told.startswith("unknown: I checked again, with the same result.")
    (told,) = said(
        talk(model=FakeModel("three", "3")).double_check(frame(), "how many cups", context)
    )
    assert told.startswith("seen: I checked again and both answers agree")


def test_agreement_is_about_figures_and_words() -> None:
    assert agree("Three circles", "3 circles") and not agree("3", "4")
    assert not agree("red", "dark red")
    long = "a red cup stands on a brown table beside a plate"
    assert agree(long, long.replace("stands", "is")) and not agree(long, "a dog")
    assert other_view(np.zeros((192, 192, 3), np.uint8)).shape[0] <= 192
    assert other_view(np.zeros((1000, 800, 3), np.uint8)).shape[0] > 1000
    assert other_wording("how many circles are there") != "how many circles are there"
    assert other_wording("sing a song") == "sing a song"


def test_verbosity() -> None:
    found = Found("RM 30.90", "Total", (line("Total RM 30.90", confidence=0.93),))
    total = Answer("total", (found,), Basis.READ)
    assert say(total, Detail.SHORT) == "RM 30.90."
    assert say(total, Detail.USUAL) == "The total is RM 30.90."
    assert say(total, Detail.FULL) == (
        "The total is RM 30.90. I read it here: Total RM 30.90. Letters 93 percent sure."
    )
    ambiguous = Note(NoteKind.AMBIGUOUS, "day")
    doubt = Answer("date", (Found("3/4/25"),), Basis.READ, (ambiguous,))
    assert "ambiguous" in say(doubt, Detail.SHORT)
    model = answered("a cup", Basis.SEEN, model="pocket/int4")
    assert say(model, Detail.FULL) == "a cup. The model is pocket/int4."
    pieces = said(talk().answer(frame(), "what is the total", Context()), Detail.SHORT)
    assert pieces == ["read: RM 30.90."]


def test_guesses_about_medicine_and_money_are_called_unverified() -> None:
    guess = answered("500 mg", Basis.GUESS, model="pocket/int4", skill="dose")
    assert say(careful(guess)) == f"500 mg. {UNVERIFIED}"
    other = answered("500 mg", Basis.GUESS, skill="count")
    assert careful(other) is other
    read = answered("500 mg", Basis.READ, skill="dose")
    assert careful(read) is read


@pytest.mark.parametrize(
    ("question", "text", "careful"),
    [
        ("what is the total", "Total RM 30.90", True),
        ("what does it cost", "Price: 5.50", True),
        ("what is the expiry date", "EXP 12/2027", True),
        ("what is the dose", "Take 2 tablets of 500 mg", True),
        ("what is the phone number", "Tel: 07-355 2616", False),
    ],
)
def test_a_guess_about_money_or_medicine_comes_with_the_caution(
    question: str, text: str, careful: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the figures of every answer stood nowhere in the text.
    for module in [each for name, each in sys.modules.items() if name.startswith("assistant.")]:
        if hasattr(module, "ground_read"):
            monkeypatch.setattr(module, "ground_read", lambda *_: Basis.GUESS)
    conversation = talk(FakeReader([line(text, 10), line("Some other words", 60)]))
    *_, piece = said(conversation.answer(frame(), question, Context()))
    assert piece.startswith("guess: ")
    assert piece.lower().endswith("have somebody check it.") is careful
    # The figures do stand in the text.
    assert UNVERIFIED not in piece


def test_live_text_is_silent_about_spoilt_frames() -> None:
    conversation = talk(FakeReader([line("EXIT")]))
    assert conversation.new_text(Frame(np.zeros((40, 40, 3), np.uint8), 0.0)) is None
    assert conversation.new_text(frame(), lambda: True) is None
    new = conversation.new_text(frame())
    assert words(new) == "EXIT"
    assert new is not None and new.evidence == (line("EXIT"),)
    assert conversation.new_text(frame()) is None


def test_sentences_come_whole() -> None:
    buffer = SentenceBuffer()
    found = [
        sentence
        for letter in "It costs 2.50 now. Buy it! Yes"
        for sentence in buffer.accept(letter)
    ]
    assert found == ["It costs 2.50 now.", "Buy it!"]
    assert buffer.has_given and list(buffer.rest()) == ["Yes"]


def test_a_text_that_is_left_is_not_moved_in() -> None:
    conversation = talk()
    list(conversation.read(frame()))
    assert conversation.navigate("next", "line")[0] == "CORNER SHOP"
    conversation.leave_picture()
    with pytest.raises(UsageError, match="no text yet"):
        conversation.navigate("next", "line")
