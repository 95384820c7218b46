"""What a letter is about and who wrote it: quoted, whatever stands or is missing there."""

import pytest

from tests.assistant.session.typed import Typed

WATER = (
    "Hollins Water Company",
    "2 Weir Road, Kendal LA9 4QT",
    "17 May 2027",
    "Mr Amir Sadiq",
    "5 Beck Terrace",
    "Kendal LA9 7DX",
    "Dear Mr Sadiq,",
    "Your new water meter",
    "We will fit a meter at your home in the first week of June. Nobody",
    "has to be at home for that, since it is fitted in the street.",
    "Yours sincerely,",
    "Paula Grice",
    "Metering Team",
)
LABELLED = (
    "Larch School",
    "Subject: Swimming lessons in Year 4",
    "Dear parents,",
    "From September on the children of Year 4 swim every Tuesday.",
    "Kind regards",
    "Owen Pryce",
)
GERMAN = (
    "Gemeinde Altdorf",
    "12.03.2027",
    "Betreff: Sperrung der Brunnenstraße",
    "Sehr geehrte Frau Holm,",
    "die Straße ist vom 3. bis zum 9. Mai gesperrt.",
    "Mit freundlichen Grüßen",
    "Jonas Beck",
)
NOTE = (
    "3 May 2027",
    "Dear Anna,",
    "thank you so much for the plum jam. It tasted of summer, and the",
    "jar is empty already. See you in June!",
    "Love,",
    "Ruth",
)
NOTICE = ("HALL CLOSED", "The village hall is closed for repairs until the fourth of June.")

ABOUT = (
    "what is this letter about",
    "what's it about?",
    "what is the letter about please",
    "why did they write to me",
    "what do they want from me",
    "what is the subject",
)


@pytest.mark.parametrize("question", ABOUT)
@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (WATER, "It is about: Your new water meter."),
        (LABELLED, "It is about: Swimming lessons in Year 4."),
        (GERMAN, "It is about: Sperrung der Brunnenstraße."),
        (NOTE, "I find no subject line. It begins: thank you so much for the plum jam."),
        (NOTICE, "At the top I read: HALL CLOSED."),
    ],
)
def test_what_it_is_about(question: str, rows: tuple[str, ...], told: str) -> None:
    with Typed(*rows) as typed:
        assert told in typed(question)


@pytest.mark.parametrize(
    "question",
    ["who wrote it", "who wrote this letter", "who has written to me", "who signed it"],
)
@pytest.mark.parametrize(
    ("rows", "name", "others"),
    [
        (WATER, "Paula Grice", "Sadiq"),
        (LABELLED, "Owen Pryce", "parents"),
        (GERMAN, "Jonas Beck", "Holm"),
        (NOTE, "Ruth", "Anna"),
    ],
)
def test_who_wrote_it(question: str, rows: tuple[str, ...], name: str, others: str) -> None:
    with Typed(*rows) as typed:
        told = typed(question)
        assert name in told and others not in told


def test_whom_it_is_from() -> None:
    with Typed(*WATER) as typed:
        assert "Hollins Water Company" in typed("who is it from")
        assert "Hollins Water Company" in typed("who is the letter from")
    with Typed(*NOTE) as typed:
        # A letter without a head names its writer at the end, and its reader first.
        told = typed("who is this from")
        assert "Ruth" in told and "Anna" not in told


def test_a_book_names_its_author_and_no_letter_writer() -> None:
    with Typed("The Salt Road", "A novel", "by Miriam Okoye") as typed:
        assert "Miriam Okoye" in typed("who wrote it")
    with Typed("The Salt Road", "A novel", "Best regards from the sea") as typed:
        assert "I can't tell" in typed("who wrote it")
