"""What is said of text that was not read, is mirrored, stands upside down, or lies under glare."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from assistant.answers import Answer, Basis, Context
from assistant.frames import Frame
from assistant.seeing.quality import Cause, check_quality
from assistant.seeing.text import TextLine, TextPart, Unread, never
from assistant.session.events import answer_json
from assistant.skills.answerer import Answerer
from assistant.skills.conversation import Conversation
from assistant.skills.router import say
from assistant.skills.unread import other_way_up, page_basis, place_of, places_of
from assistant.stopwatch import Stopwatch
from tests.assistant.made_answers import said


def line(text: str, y: float = 0, x: float = 30, confidence: float = 0.98) -> TextLine:
    box = ((x, y), (x + 9 * len(text), y), (x + 9 * len(text), y + 20), (x, y + 20))
    return TextLine(text, box, confidence)


class FakeReader:
    """Gives its parts; counts how many were taken."""

    def __init__(self, *parts: TextPart) -> None:
        self.given, self.taken = parts, 0

    def load(self) -> None: ...

    def read(self, rgb: Any) -> tuple[TextLine, ...]:
        return tuple(line for part in self.given for line in part.lines)

    def parts(
        self, rgb: Any, *, limit_s: float, cancelled: Callable[[], bool] = never
    ) -> Iterator[TextPart]:
        for part in self.given:
            self.taken += 1
            yield part


def frame(*, glare: bool = False, dark: bool = False) -> Frame:
    rgb = np.random.default_rng(0).integers(90, 180, (30, 40, 3)).astype(np.uint8)
    picture = np.kron(rgb, np.ones((10, 10, 1), np.uint8)).astype(float)
    picture[100:140, 100:300] = (200, 20, 20)
    if glare:
        y, x = np.mgrid[:300, :400]
        spot = np.clip(1.8 * np.exp(-((x - 300) ** 2 + (y - 80) ** 2) / (2 * 50**2)), 0, 1)
        picture = picture * (1 - spot[..., None]) + 255 * spot[..., None]
    if dark:
        picture *= 0.2
    return Frame(picture.astype(np.uint8), time.monotonic())


def no_model() -> str:
    return "there is none."


def told(
    parts: Sequence[TextPart], question: str = "read this", shown: Frame | None = None
) -> list[str]:
    talk = Conversation(FakeReader(*parts), no_model)
    return said(talk.answer(shown or frame(), question, Context()))


def asked(parts: Sequence[TextPart], question: str, shown: Frame | None = None) -> Answer:
    answerer = Answerer(FakeReader(*parts), no_model, Stopwatch())
    return answerer.answer((shown or frame()).rgb, question)


RIGHT_BELOW = Unread((330.0, 250.0, 390.0, 280.0))


def test_text_that_was_not_read_is_said_once() -> None:
    first = TextPart((line("MENU OF THE DAY", 40),), 0, more=True)
    last = TextPart((line("Soup 4.50", 90),), 0, unread=(RIGHT_BELOW,))
    assert told([first, last]) == [
        "MENU OF THE DAY",
        "Soup 4.50",
        "read: MENU OF THE DAY\n\nSoup 4.50",
        "seen: There is more text at the bottom right that I cannot read.",
    ]


def test_the_first_lines_do_not_wait_for_the_second_look() -> None:
    reader = FakeReader(TextPart((line("STOP"),), 0, more=True), TextPart((), 0))
    pieces = Conversation(reader, no_model).answer(frame(), "read this", Context())
    assert next(pieces) == "STOP" and reader.taken == 1


def test_answers_that_depend_on_all_text_rest_on_less() -> None:
    lines = (line("Total", 40), line("5.50", 40, 200), line("Cash", 80))
    sure = asked([TextPart(lines, 0)], "what is the total")
    beside = dataclasses.replace(RIGHT_BELOW, box=(260, 38, 300, 62))
    doubted = asked([TextPart(lines, 0, unread=(beside,))], "what is the total")
    assert (sure.basis, doubted.basis) == (Basis.READ, Basis.GUESS)
    assert say(doubted).startswith("The total is 5.50.")
    assert "that I cannot read" in say(doubted)
    # Its own label confirms an amount; what is elsewhere does not change it.
    confirmed = asked([TextPart(lines, 0, unread=(RIGHT_BELOW,))], "what is the total")
    assert confirmed.basis is Basis.READ
    missing = asked([TextPart(lines, 0, unread=(RIGHT_BELOW,))], "does it contain nuts")
    assert missing.basis is Basis.UNKNOWN and "cannot read" in say(missing)
    # A telephone number that stands there is no less read for it.
    phone = asked([TextPart((line("Tel 07-355 2616"),), 0, unread=(RIGHT_BELOW,))], "phone number")
    assert phone.basis is Basis.READ and "cannot read" not in say(phone)


@pytest.mark.parametrize("script", [False, True])
def test_a_refusal_stays_short_where_text_was_not_read(script: bool) -> None:
    left = dataclasses.replace(RIGHT_BELOW, foreign=script)
    shop = TextPart((line("Total", 40), line("5.50", 40, 200)), 0, unread=(left,))
    refused = asked([shop], "what is the telephone number")
    told = say(refused)
    assert refused.basis is Basis.UNKNOWN
    assert "I cannot read some text at the bottom right." in told
    assert len(told.split()) <= LONGEST_REFUSAL


LONGEST_REFUSAL = 25
"""Words that can be kept in mind by ear."""


def test_unread_places_are_in_the_json() -> None:
    greek = Unread((10.0, 20.0, 90.04, 40.0), "Greek", True)
    answer = asked([TextPart((), 0, unread=(greek,))], "read this")
    assert answer_json(answer, say(answer))["unread"] == [
        {"box": [10.0, 20.0, 90.0, 40.0], "script": "Greek", "foreign": True}
    ]
    assert "unread" not in answer_json(asked([TextPart((line("STOP"),), 0)], "read this"), "")


@pytest.mark.parametrize(
    ("unread", "expected"),
    [
        (Unread((0, 0, 9, 9), "Cyrillic", True), "it looks like Cyrillic"),
        (Unread((0, 0, 9, 9), "", True), "perhaps in a script that I do not know"),
        (Unread((0, 0, 9, 9)), "I see text but cannot read it"),
    ],
)
def test_a_script_that_cannot_be_read_is_never_no_text(unread: Unread, expected: str) -> None:
    [spoken] = told([TextPart((), 0, unread=(unread,))])
    assert spoken.startswith("unknown: I can't tell: ") and expected in spoken
    assert "no text" not in spoken


def test_a_mirror_is_said_before_what_is_read_in_it() -> None:
    pieces = told([TextPart((line("Opening hours"),), 0, mirrored=True)])
    assert pieces == [
        "seen: This looks mirrored; I read it the right way round.",
        "read: Opening hours",
    ]
    assert "mirrored" in say(asked([TextPart((line("Total 5.50"),), 0, mirrored=True)], "total"))


@pytest.mark.parametrize(
    ("text", "other"),
    [("9", "6"), ("66", "99"), ("98", "86"), ("69", None), ("16", None), ("88", None),
     ("4", None), ("GATE 9", None), ("9 .", "6")],
)  # fmt: skip
def test_a_lone_number_may_hang_upside_down(text: str, other: str | None) -> None:
    assert other_way_up([line(text)]) == other
    assert other_way_up([line(text), line("Platform", 60)]) is None


def test_a_lone_nine_is_a_guess() -> None:
    assert told([TextPart((line("9"),), 0)]) == [
        "guess: 9",
        "seen: If it is upside down, it says 6.",
    ]


def test_what_is_not_sure_makes_a_page_a_guess() -> None:
    many = [line(f"a line of words {number}") for number in range(12)]
    assert page_basis(many) is Basis.READ
    assert page_basis([*many, line("5.50", confidence=0.6)]) is Basis.READ
    assert page_basis([line("Total"), line("5.50", confidence=0.6)]) is Basis.GUESS
    assert page_basis([line("sbin o sbnom", confidence=0.7), line("Exit")]) is Basis.GUESS


def test_places_are_named_by_thirds() -> None:
    assert place_of((0, 0, 10, 10), 300, 300) == "at the top left"
    assert place_of((140, 280, 160, 300), 300, 300) == "at the bottom"
    assert place_of((280, 140, 300, 160), 300, 300) == "at the right"
    assert place_of((140, 140, 160, 160), 300, 300) == "in the middle"
    corners = [(0, 0, 9, 9), (290, 0, 299, 9), (0, 290, 9, 299)]
    boxes = [tuple(map(float, each)) for each in corners]
    assert places_of([Unread(each) for each in boxes[:2]], 300, 300) == (  # type: ignore[arg-type]
        "at the top left and at the top right"
    )
    assert places_of([Unread(each) for each in boxes], 300, 300) == ""  # type: ignore[arg-type]


LEGIBLE = TextPart((line("Total", 240), line("5.50", 240, 120), line("THANK YOU", 270)), 0)


def test_a_reflection_beside_legible_text_is_no_reason_to_refuse() -> None:
    shown = frame(glare=True)
    assert check_quality(shown.rgb) is Cause.GLARE
    answer = asked([LEGIBLE], "what is the total", shown)
    assert answer.basis is Basis.READ
    assert say(answer).startswith("The total is 5.50. Light is reflected into the lens")
    nothing = asked([TextPart((line("ab", 240),), 0)], "what is the total", shown)
    assert nothing.basis is Basis.UNKNOWN and "reflection" in say(nothing)


def test_what_a_reflection_touches_is_a_guess() -> None:
    hidden = TextPart((line("Total", 70, 150), line("5.50", 70, 230), *LEGIBLE.lines[2:],
                       line("COME AGAIN", 200)), 0)  # fmt: skip
    answer = asked([hidden], "what is the total", frame(glare=True))
    assert answer.basis is Basis.GUESS and answer.unread


def test_a_refusal_of_text_can_be_overruled() -> None:
    shown = frame(dark=True)
    assert check_quality(shown.rgb) is Cause.DARK
    refused = told([LEGIBLE], "read this", shown)[0]
    assert refused.startswith("unknown: I can't tell: it is too dark")
    pieces = told([LEGIBLE], "read it anyway", shown)
    assert pieces[-1].startswith("guess: ") and "THANK YOU" in pieces[-1]
    assert pieces[-1].endswith("It is dark, so I may be wrong.")
    answer = asked([LEGIBLE], "what is the total anyway", shown)
    assert answer.basis is Basis.GUESS and "5.50" in say(answer)
    # Once: the next question is refused again. And nothing dark is ever described.
    assert asked([LEGIBLE], "what is the total", shown).basis is Basis.UNKNOWN
    assert "too dark" in say(asked([LEGIBLE], "what is this anyway", shown))


@pytest.mark.parametrize("cause", list(Cause))
def test_every_refusal_of_text_can_be_overruled(
    monkeypatch: pytest.MonkeyPatch, cause: Cause
) -> None:
    monkeypatch.setattr("assistant.skills.scene.check_quality", lambda rgb: cause)
    sign = TextPart((line("Gate 7"),), 0)
    assert asked([sign], "read this").basis is Basis.UNKNOWN
    answer = asked([sign], "read it anyway")
    assert answer.basis is Basis.GUESS and "Gate 7" in say(answer)


def test_try_anyway_repeats_the_question_that_was_refused() -> None:
    shown = frame(dark=True)
    talk = Conversation(FakeReader(LEGIBLE), no_model)
    context = Context(question="what is the total?", frame=shown)
    [spoken] = said(talk.answer(shown, "try anyway", context))
    assert spoken.startswith("guess: The total is 5.50.")
    assert talk.problem(shown, "read it anyway", Context()) is None


def test_live_text_does_not_wait_for_a_second_look() -> None:
    reader = FakeReader(TextPart((line("Platform 4"),), 0, more=True), TextPart((line("x"),), 0))
    talk = Conversation(reader, no_model)
    answer = talk.new_text(frame())
    assert answer is not None and answer.values == ("Platform 4",) and reader.taken == 1
