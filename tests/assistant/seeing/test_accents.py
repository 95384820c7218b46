"""Letters that lose their marks: the table against what was measured, and who is told of it."""

import json
from pathlib import Path

from assistant.answers import Answer, Basis, Found, Note, NoteKind
from assistant.seeing.accents import ALPHABETS, LEAST_READ, WEAK, lost_marks
from assistant.skills.router import say
from assistant.skills.spell import marks_of
from tests.assistant.skills.talking import PageReader
from tests.assistant.text.pages import page

RESULTS = Path(__file__).parents[3] / "scripts/results/scripts.json"

POLISH = page(
    "BIBLIOTEKA MIEJSKA",
    "Godziny otwarcia: od poniedziałku do piątku od dziewiątej do siedemnastej",
    "Kierowniczka: ANNA DABROWSKA",
    "Prosimy czytelników o terminowy zwrot wypożyczonych książek i czasopism.",
)
ENGLISH = page(
    "TOWN LIBRARY",
    "Opening hours: Monday to Friday from nine to five",
    "Head librarian: ANNA DABROWSKA",
    "Please bring back the books that you have borrowed in time.",
)


def test_the_table_is_what_was_measured() -> None:
    measured = json.loads(RESULTS.read_text(encoding="utf-8"))["accents_choose"]
    weak = set()
    for letter in {letter for letters in ALPHABETS.values() for letter in letters}:
        row = measured.get(letter, {})
        for size, written in (("small", letter), ("capital", letter.upper())):
            if size in row and row[size]["read"] < LEAST_READ:
                weak.add(written)
                assert set(WEAK[written]) & set(row[size]["as"]), written
    assert weak == set(WEAK)


def test_only_weak_letters_of_the_language_may_be_others() -> None:
    assert lost_marks("LUDMILA", "sk") == (("D", "Ď"), ("L", "Ľ"))
    assert lost_marks("Horvath", "sk") == () and lost_marks("hodina", "sk") == (("d", "ď"),)
    assert lost_marks("LUDMILA", "en") == lost_marks("LUDMILA", None) == ()
    assert lost_marks("ÖT", "hu") == (("Ö", "Ő"),)


def test_who_spells_says_which_marks_may_be_lost() -> None:
    lines = PageReader(POLISH).lines
    note = marks_of("DABROWSKA", lines)
    assert note == Note(NoteKind.MARKS, "A Ą")
    spelt = Answer("spell", (Found("DABROWSKA", "", lines[:1]),), Basis.READ, notes=(note,))
    assert say(spelt).endswith("Marks get lost: A may be Ą.")
    assert marks_of("DABROWSKA", PageReader(ENGLISH).lines) is None
    assert marks_of("0779", lines) is None
