"""The third of a list, the longest, which of two, how many: from how a page lists its entries."""

import pytest

from assistant.text.ranking import counted, ranked
from tests.assistant.text.pages import page

RECORD = page(
    "Northern Lights Trio",
    "1 Harbour Song      3:10",
    "2 Grey Geese        6:45",
    "3 The Mill Wheel    2:20",
    "4 Snow on Stone     5:05",
    "Recorded in Oslo",
)
CANTEEN = page(
    "Canteen", "Fish pie      8.40", "Bean stew      6.10", "Plum cake      3.20",
    "Soups today: leek, carrot, pea and tomato",
)  # fmt: skip
ACCOUNT = page(
    "2 May      DD Water      31.50", "9 May      SO Rent      525.00",
    "17 May      DD Telephone      14.54", "20 May      Cash      60.00",
)  # fmt: skip


def told(question: str, sheet: object = RECORD) -> list[str]:
    assert isinstance(sheet, type(RECORD))
    return [" ".join(each.text.split()) for each in ranked(sheet, question)]


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        ("what is the third track called", "3 The Mill Wheel 2:20"),
        ("name the 2nd song", "2 Grey Geese 6:45"),
        ("which song is the longest", "2 Grey Geese 6:45"),
        ("which is the shortest track", "3 The Mill Wheel 2:20"),
    ],
)
def test_an_entry_of_a_numbered_list_is_told_by_its_place_or_its_value(
    question: str, entry: str
) -> None:
    assert told(question) == [entry]


@pytest.mark.parametrize(
    "question",
    ["what is the ninth track", "what is the first name", "is the second floor open", "who sings"],
)
def test_what_the_list_does_not_hold_or_asks_for_no_entry_is_not_told(question: str) -> None:
    assert told(question) == []


def test_where_the_paper_says_which_is_the_second_its_words_decide() -> None:
    prizes = page("1 Rules", "2 Dates", "3 Winners", "2nd prize: a kite")
    assert told("what is the second prize", prizes) == []


def test_the_parts_behind_a_colon_are_a_list() -> None:
    assert told("what is the second soup", CANTEEN) == ["carrot"]
    assert told("which soup comes third", CANTEEN) == ["pea"]
    assert told("what is the sixth soup", CANTEEN) == []


def test_of_dates_below_each_other_the_second_one() -> None:
    sheet = page("Northgate, 1 March 2027", "Your visits", "Mon 8 March 2027", "Tue 16 March 2027")
    assert told("when is the second appointment", sheet) == ["Tue 16 March 2027"]


@pytest.mark.parametrize(
    ("question", "entries"),
    [
        ("is the stew cheaper than the fish pie", ["Bean stew 6.10", "Fish pie 8.40"]),
        ("which costs more the stew or the fish pie", ["Fish pie 8.40", "Bean stew 6.10"]),
        ("is the fish pie dearer than the soup of lentils", []),
        ("can I have the stew or the fish pie", []),
    ],
)
def test_two_things_that_are_compared_are_both_told_the_wanted_one_first(
    question: str, entries: list[str]
) -> None:
    assert told(question, CANTEEN) == entries


def test_entries_are_counted_by_their_numbers_or_by_the_letters_that_mark_them() -> None:
    assert len(counted(RECORD, "songs", is_held=False)) == 4
    assert counted(RECORD, "geese", is_held=True) == (), "it is one of other things"
    assert len(counted(ACCOUNT, "direct debits", is_held=False)) == 2
    assert counted(ACCOUNT, "standing orders", is_held=False) == (), "one alone is no list"
    assert counted(CANTEEN, "dishes", is_held=False) == ()


def test_a_list_of_sentences_counts_steps_and_no_things() -> None:
    sheet = page("Bread", "1. Mix the flour.", "2. Knead the dough.", "3. Bake it.")
    assert len(counted(sheet, "steps", is_held=False)) == 3
    assert counted(sheet, "eggs", is_held=False) == ()
