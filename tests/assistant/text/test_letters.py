"""Whom a letter is for and whom it is from, on papers of several kinds."""

import pytest

from assistant.text.letters import recipient, sender, signature
from assistant.text.page import Page
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
