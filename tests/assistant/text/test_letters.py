"""Whom a letter is for and whom it is from, on papers of several kinds."""

import pytest

from assistant.skills.router import say
from assistant.text.letters import head, recipient, sender, signature
from assistant.text.page import Page
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

LETTER = page(
    "Brookside Water",
    "4 Weir Lane, Ludlow SY8 2PQ",
    "Mrs Nadia Rahman",
    "17 Orchard Way",
    "Ludlow",
    "Dear Mrs Rahman,",
    "We will read your meter on Monday.",
    "Yours sincerely,",
    "Colin Frost",
    "Head of Metering",
)
PARCEL = page("FASTPOST", "Deliver to:", "Olga Brandt", "8 Kiln Road", "From: Paper Moon, Oslo")


def text(found: object) -> str:
    return " ".join(getattr(found, "text", "").split())


@pytest.mark.parametrize(
    ("sheet", "name"),
    [
        (LETTER, "Mrs Nadia Rahman"),
        (PARCEL, "Olga Brandt"),
        (page("Garden club", "Dear Tomasz,", "see you on Friday.", "Love, Ann"), "Tomasz"),
        (page("Apotheke am Tor", "Patient: Jonas Weber", "3 x 1 täglich"), "Jonas Weber"),
        (page("Flight     Name", "ZK 118     ", "Passenger     AYLA DEMIR", "Gate"), "AYLA DEMIR"),
        (page("Facture", "Client : Lucie Morel", "Total 12,00"), "Lucie Morel"),
    ],
)
def test_whom_it_is_for(sheet: Page, name: str) -> None:
    found = recipient(sheet)
    assert found is not None and name in text(found)
    assert all(line.text for line in found.lines)


@pytest.mark.parametrize(
    "sheet",
    [
        page("PULL", "To open, press the lid"),
        page("Dear Sir or Madam,", "we write to all."),
        page("For external use only.", "Store below 25 °C"),
    ],
)
def test_a_sentence_is_no_name(sheet: Page) -> None:
    assert recipient(sheet) is None


def test_whom_it_is_from() -> None:
    assert text(sender(PARCEL)) == "Paper Moon, Oslo"
    assert sender(LETTER) is None
    assert text(signature(LETTER)).startswith("Colin Frost")
    assert signature(page("Milk 1.20", "Total 1.20")) is None


OFFICE = page(
    "Marlow Eye Clinic",
    "14 Tanner Lane, Bexford BX3 4QT",
    "",
    "Mrs Joan Petty",
    "7 Orchard Rise",
    "",
    "Dear Mrs Petty,",
    "You are welcome any day.",
)
SLIP = page("Rowan School", "Year 5 goes to the observatory", "Signed: P. Lomax, Head Teacher")


def test_who_signed_stands_behind_the_word_for_it() -> None:
    found = signature(SLIP)
    assert found is not None
    assert found.text == "P. Lomax, Head Teacher"


@pytest.mark.parametrize(("most", "rows"), [(8, 2), (1, 1)])
def test_the_head_of_a_letter_ends_before_whom_it_is_for(most: int, rows: int) -> None:
    assert head(OFFICE, most) == rows


@pytest.mark.parametrize(
    ("sheet", "question", "named", "unnamed"),
    [
        (OFFICE, "who is it from", "Marlow Eye Clinic", "Petty"),
        (SLIP, "who signed it", "Lomax", "Rowan"),
        (OFFICE, "von wem ist der Brief", "Marlow Eye Clinic", "Petty"),
        (OFFICE, "pour qui est la lettre", "Petty", "Marlow"),
        (SLIP, "wer hat das unterschrieben", "Lomax", "Rowan"),
    ],
)
def test_roles_are_asked_for_in_other_languages_too(
    sheet: Page, question: str, named: str, unnamed: str
) -> None:
    told = say(Talk(sheet).ask(question))
    assert named in told
    assert unnamed not in told


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (
            (
                "Brackenfield Primary School",
                "Dear Parents of Class 4,",
                "We are going to Hollin Farm Park.",
                "Mr J. Loxton, Class Teacher",
            ),
            "Parents of Class 4",
        ),
        (
            (
                "Marlowe General Hospital",
                "Patient     Mr Alan Prewitt",
                "NHS number     485 777 3456",
            ),
            "Mr Alan Prewitt",
        ),
    ],
    ids=["signed below the salutation", "beside a label over another"],
)
def test_who_stands_elsewhere_is_not_whom_it_is_for(rows: tuple[str, ...], name: str) -> None:
    assert text(recipient(page(*rows))) == name
    assert say(Talk(page(*rows)).ask("who is this letter for")) == f"It is for: {name}."
