"""Lists by their layout: where one begins, what its entries are, and where it ends."""

import pytest

from assistant.answers import Basis, NoteKind
from assistant.skills.router import say
from assistant.text.listings import Listing, bare_entry, listing_under
from assistant.text.page import Page
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import line, page


def entries(sheet: Page, lead: int) -> list[str]:
    """The entries of the list that a row opens, in one line each; empty where it opens none."""
    found = listing_under(sheet, lead)
    return [] if found is None else [" ".join(each.text.split()) for each in found.entries]


def listing(sheet: Page, lead: int) -> Listing:
    """The list that a row opens."""
    found = listing_under(sheet, lead)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(
            ("Camp", "Pack:", "- a torch", "- two towels", "Come at nine."),
            ["- a torch", "- two towels"],
            id="bullets",
        ),
        pytest.param(
            ("Camp", "Pack:", "- a torch with new", "  batteries", "- two towels", "Ward 4"),
            ["- a torch with new batteries", "- two towels"],
            id="an entry that hangs under its text",
        ),
        pytest.param(
            ("Lamp", "Fitting", "1. Switch off.", "2. Turn left.", "1. Other way"),
            ["1. Switch off.", "2. Turn left."],
            id="numbers up to the next one",
        ),
        pytest.param(
            ("Lamp", "In the box:", "lamp", "two screws", "", "", "Made in Wales"),
            ["lamp", "two screws"],
            id="rows without marks up to a gap",
        ),
        pytest.param(
            ("Lamp", "In the box:", "lamp", "two screws", "Never use it in the rain."),
            ["lamp", "two screws"],
            id="up to a sentence",
        ),
        pytest.param(
            ("Vet", "Surgery", "Mon     9 - 12", "Tue     closed", "Fees", "Cat     30.00"),
            ["Mon 9 - 12", "Tue closed"],
            id="rows of pieces up to a heading",
        ),
        pytest.param(("Vet", "Owner:", "Mr J. Finch"), [], id="a single row is no list"),
        pytest.param(
            ("Fine", "Citation", "No. 55821", "Plate: 7KRD", "Meter: 1140"),
            [],
            id="the fields of a form are things of their own",
        ),
        pytest.param(
            ("A day out", "Come with us.", "Bring a friend."), [], id="sentences are no list"
        ),
    ],
)
def test_a_list_ends_where_its_layout_does(rows: tuple[str, ...], expected: list[str]) -> None:
    assert entries(page(*rows), 1) == expected


def test_within_a_list_no_other_begins() -> None:
    sheet = page("Lamp", "Fitting", "1. Switch off and wait for", "it to cool.", "2. Turn left.")
    assert entries(sheet, 1) == ["1. Switch off and wait for it to cool.", "2. Turn left."]
    assert entries(sheet, 3) == []


def test_rows_at_another_edge_are_not_of_the_list() -> None:
    sheet = page("Lamp", "In the box:", "lamp", "two screws", "                      Made in Wales")
    assert entries(sheet, 1) == ["lamp", "two screws"]


def test_larger_letters_end_a_list() -> None:
    rows = [
        line(text, 0, row) for row, text in enumerate(("Lamp", "In the box:", "lamp", "screws"))
    ]
    big = line("GUARANTEE", 0, 4)
    (left, top), (right, _), (_, bottom), _ = big.box
    tall = ((left, top), (right, top), (right, bottom + 20), (left, bottom + 20))
    sheet = Page([*rows, type(big)(big.text, tall, 0.99)])
    assert entries(sheet, 1) == ["lamp", "screws"]


@pytest.mark.parametrize(("last", "has_gap"), [("3. Turn left.", False), ("4. Turn left.", True)])
def test_a_number_that_is_missing_is_known(last: str, *, has_gap: bool) -> None:
    sheet = page("Lamp", "Fitting", "1. Switch off.", "2. Wait.", last)
    assert listing(sheet, 1).has_gap is has_gap


@pytest.mark.parametrize(("below", "is_last"), [((), True), (("Come at nine.",), False)])
def test_what_stands_lowest_is_known(below: tuple[str, ...], *, is_last: bool) -> None:
    sheet = page("Camp", "Pack:", "- a torch", "- two towels", *below)
    assert listing(sheet, 1).is_last is is_last


def test_an_entry_loses_its_bullet_and_keeps_its_number() -> None:
    assert bare_entry("• a torch with\nbatteries") == "a torch with batteries"
    assert bare_entry("2. Turn left.") == "2. Turn left."


def test_a_list_is_told_with_the_words_that_open_it() -> None:
    sheet = page("Camp", "Please pack:", "- a torch", "- two towels", "Come at nine.")
    answer = Talk(sheet).ask("what should I pack")
    assert answer.basis is Basis.READ
    assert say(answer) == "I read: Please pack: a torch; two towels"
    assert answer.found[0].label == "Please pack"


def test_an_entry_that_is_asked_for_is_told_alone() -> None:
    sheet = page(
        "Vet", "Surgery", "Monday     9.00 - 12.00", "Friday     14.00 - 17.00", "Ring us."
    )
    assert "14.00" not in say(Talk(sheet).ask("when is surgery on Monday"))


def test_a_list_with_a_missing_number_says_so_and_is_a_guess() -> None:
    sheet = page("Lamp", "Fitting the lamp", "1. Switch off.", "3. Turn left.", "Made in Wales.")
    answer = Talk(sheet).ask("what is the fitting of the lamp")
    assert answer.basis is Basis.GUESS
    assert "cannot read" in say(answer)


@pytest.mark.parametrize(("rows", "is_cut"), [(4, True), (3, False)])
def test_a_list_that_ends_at_the_edge_of_the_picture_says_so(rows: int, *, is_cut: bool) -> None:
    # The picture of a talk is 240 high: a list of four and more ends at its edge or beyond it.
    sheet = page("", "", "", "Camp", "Please pack:", *(f"- towel {n}" for n in range(1, rows)))
    answer = Talk(sheet).ask("what should I pack")
    assert (answer.note(NoteKind.CUT_OFF) is not None) is is_cut
    assert ("cut off at the bottom" in say(answer)) is is_cut
    assert answer.basis is (Basis.GUESS if is_cut else Basis.READ)
