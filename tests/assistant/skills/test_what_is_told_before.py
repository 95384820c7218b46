"""What is told before a question belongs to it: whose age, which card, which oven."""

import pytest

from assistant.answers import Basis
from assistant.skills.ages import age_in
from assistant.skills.follow_ups import resolve
from assistant.skills.parting import parts
from assistant.skills.router import is_known, say, understand
from assistant.text.words import told_before, with_context, without_context
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

JUNIOR = page(
    "PYRELIN Junior",
    "Oral suspension 120 mg / 5 ml",
    "For pain and fever",
    "Age     How much     How often",
    "3 to 5 months     2.5 ml     up to 4 times a day",
    "6 to 23 months     5 ml     up to 4 times a day",
    "2 to 3 years     7.5 ml     up to 4 times a day",
    "Leave at least 5 hours between doses.",
    "EXP 04/2026",
)
SALBE = page(
    "MYALGOR Creme",
    "Bei Muskelschmerzen im Nacken.",
    "Erwachsene: 2-mal täglich dünn auftragen, aber ohne Rat nicht länger als höchstens 3",
    "Wochen lang. Nicht bei Kindern unter 12 Jahren anwenden.",
)
CARD = page(
    "Larkfield Credit Union",
    "New balance     $412.80",
    "Minimum payment due     $25.00",
    "Payment due date     Nov 21, 2027",
    "Available credit     $3,587.20",
    "Lost or stolen card, any time: 800-555-0141",
    "Customer service, 8 to 8: 800-555-0192",
)
PIE = page(
    "Root vegetable pie",
    "Oven, 190 °C     55 minutes",
    "Fan oven, 170 °C     48 minutes",
    "Microwave 800 W     13 minutes",
    "Microwave 900 W     11 minutes",
    "Contains milk and barley. May contain mustard.",
)
CLINIC = page(
    "Alder Hospital",
    "3 November 2027",
    "Dear Mrs Amsel,",
    "We are sorry that the appointment that we gave you for 1 December 2027 cannot take place.",
    "Your new appointment is on 17 December 2027 at 2.40 pm.",
    "Bring your glasses and your blue card.",
    "If you need hospital transport, ring 01632 960 455.",
)


def test_what_was_told_goes_with_the_question_and_is_no_part_of_its_words() -> None:
    (one,) = parts("I think I lost that card. Who do I call?", is_known)
    asked = understand(one)
    assert (asked.words, asked.context) == ("who do i call", "i think i lost that card")
    assert without_context(with_context("who is it", "my son.")) == ("who is it", "my son")
    assert "I lost that card" in one


def test_two_questions_share_what_was_told() -> None:
    told = parts("I'd rather use the oven, it has a fan. How hot and how long?", is_known)
    assert [understand(each).words for each in told] == ["how hot", "how long"]
    assert all("fan" in understand(each).context for each in told)


def test_a_tag_asks_nothing() -> None:
    (one,) = parts("They've moved my visit, haven't they? What's the new date?", is_known)
    assert understand(one).words == "what is the new date"


def test_courtesy_before_a_question_is_no_context() -> None:
    assert parts("I tried turning it. What is the total?", is_known) == ["What is the total?"]
    assert told_before("my bill, how much is it") == ""
    assert told_before("I bought this ages ago, is it good?") == "I bought this ages ago"


@pytest.mark.parametrize(
    ("question", "told", "not_told"),
    [
        ("My grandson is two and has a fever. How much can he have?", "7.5 ml", " 5 ml"),
        ("How much do I give a child of two?", "7.5 ml", "2.5 ml"),
        ("What if she is four months old, how much can she have?", "2.5 ml", "7.5 ml"),
        ("How long until I may give him some more?", "5 hours", "2.5 ml"),
        ("what is it for", "For pain and fever", "ml"),
        ("I bought this ages ago, is it still good?", "it has passed", "I can't tell"),
        ("I found this in the cupboard. Should I still take it?", "it has passed", "I can't tell"),
    ],
)
def test_a_medicine_is_asked_about_by_what_was_told(
    question: str, told: str, not_told: str
) -> None:
    said = say(Talk(JUNIOR).ask(question))
    assert told in said and not_told not in said


def test_another_age_takes_the_place_of_the_first() -> None:
    talk = Talk(JUNIOR)
    assert "7.5 ml" in say(talk.ask("how much do I give a child of two"))
    said = say(talk.ask("and for a baby of seven months?"))
    assert "6 to 23 months" in said and "7.5 ml" not in said


def test_ages_are_known_in_other_languages_and_no_dose_is_cut_at_its_figure() -> None:
    said = say(Talk(SALBE).ask("My granddaughter is ten and pulled a muscle. May I use it on her?"))
    assert "Nicht bei Kindern unter 12 Jahren" in said
    assert "höchstens 3 Wochen lang" in say(Talk(SALBE).ask("how often do I take it"))


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("I think I lost that card. Who do I call?", "800-555-0141"),
        ("How much can I still spend on it?", "3,587.20"),
    ],
)
def test_a_statement_is_asked_about_by_what_was_told(question: str, told: str) -> None:
    assert told in say(Talk(CARD).ask(question))


def test_the_least_and_its_day_are_two_answers() -> None:
    asked = "What's the least I have to pay, and by what day?"
    first, second = parts(asked, is_known)
    assert say(Talk(CARD).ask(first)) == "I read: Minimum payment due: $25.00."
    assert resolve(second, first).asked.skill == "due"
    assert say(Talk(CARD).ask(asked)) == "It is due: Nov 21, 2027."


def test_an_oven_is_chosen_by_what_was_told_and_no_value_heads_another() -> None:
    nine = say(Talk(PIE).ask("My microwave is a nine hundred watt one, how many minutes?"))
    assert nine == "I read: Microwave 900 W 11 minutes"
    fan = Talk(PIE).ask("I'd rather use the oven, it has a fan. How long?")
    assert fan.values[0] == "Fan oven, 170 °C 48 minutes"


def test_who_must_not_eat_a_thing_hears_where_it_stands() -> None:
    said = say(Talk(PIE).ask("My wife can't have mustard. Is she safe with this?"))
    assert "May contain mustard" in said


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            "They've moved it, haven't they? What's the new day and time?",
            "17 December 2027 at 2.40",
        ),
        ("I need them to fetch me. What's the number for that?", "01632 960 455"),
        ("What have I got to take along?", "Bring your glasses"),
    ],
)
def test_a_letter_is_asked_about_by_what_was_told(question: str, told: str) -> None:
    assert told in say(Talk(CLINIC).ask(question))


def test_what_one_breath_asks_twice_is_told_once() -> None:
    talk = Talk(CLINIC)
    pieces = talk.conversation.answer(
        talk.frame,
        "when is the new appointment, and what time is the new appointment",
        talk.context,
    )
    told = [each.values for each in pieces if hasattr(each, "values")]
    assert len(told) == len(set(told)) == 1


def test_a_reduced_price_is_what_is_paid() -> None:
    fish = page(
        "Cod fillet",
        "Net weight     Price per kg     Price",
        "0.462 kg       $38.90           $17.97",
        "REDUCED TO CLEAR     NOW $12.50",
    )
    answer = Talk(fish).ask("what do I pay for it")
    assert answer.values == ("$12.50",) and answer.basis is Basis.READ


def test_what_a_thing_is_for_is_read_only_where_it_says_so() -> None:
    spray = page("KALKEX spray", "Removes limescale.", "For help call 0800 555 0123.", "For taps.")
    answer = Talk(spray).ask("what is this for")
    assert answer.basis is not Basis.READ and "0800" not in say(answer)
    cream = page("DERMALIN", "For the relief of itching.", "For adults and children.")
    relief = Talk(cream).ask("what do I use it for")
    assert relief.basis is Basis.READ and relief.values == ("For the relief of itching.",)


def test_the_date_and_the_time_of_a_receipt_are_two_answers() -> None:
    assert parts("what is the date and time", is_known) == ["what is the date", "what is time"]


def test_who_asks_for_themselves_is_not_told_what_is_for_the_child_they_speak_of() -> None:
    pills = page(
        "DOLOREX tablets",
        "Adults and children over 12: 2 tablets up to 3 times a day.",
        "Children 8 to 12: 1 tablet up to 3 times a day.",
        "Not for children under 8.",
    )
    said = say(Talk(pills).ask("I have a baby at home. How many can I take?"))
    assert "2 tablets" in said and "under 8" not in said
    assert "under 8" in say(Talk(pills).ask("I have a baby at home. How many can she have?"))


def test_weeks_of_a_pregnancy_are_no_age() -> None:
    assert age_in("she is 30 weeks pregnant can she take it") is None
    assert age_in("she is 30 weeks can she take it") is not None


@pytest.mark.parametrize(
    ("said", "years"),
    [
        ("my granddaughter has just turned eleven", 11),
        ("my teenager's fifteen", 15),
        ("my wife's niece is 6 months old", 0.5),
        ("my boy is nearly three", None),
        ("my bill is 12 euros", None),
        ("my daughter is 30 weeks pregnant", None),
    ],
)
def test_the_age_of_anybody_who_is_called_mine(said: str, years: float | None) -> None:
    assert age_in(said) == (None if years is None else 12 * years)
