"""What a text contains: the sentence is told, and classes are found by their members."""

import pytest

from assistant.text.containment import kind_of, kinds, mentions
from tests.assistant.text.pages import page

BAR = page(
    "Choco Bar 40 g",
    "Ingredients: sugar, cocoa butter, PEANUTS,",
    "whole milk powder, hazelnuts, soya lecithin.",
    "May contain traces of almonds.",
)


def said(subject: str) -> list[str]:
    return [each.passage.text for each in mentions(BAR, subject)]


def test_a_class_is_found_by_its_members() -> None:
    found = mentions(BAR, "nuts")
    assert [each.words for each in found] == [("PEANUTS", "hazelnuts"), ("almonds",)]
    assert said("dairy") == [found[0].passage.text]


def test_the_whole_sentence_is_told() -> None:
    assert said("almonds") == ["May contain traces of almonds."]


@pytest.mark.parametrize(
    "subject", ["egg", "gluten", "fish", "sesame", "celery", "shellfish", "pork"]
)
def test_what_is_not_there_is_not_found(subject: str) -> None:
    assert said(subject) == []


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("Nutrition facts per serving", "nuts"), ("Nutmeg, coconut milk, butternut", "nuts"),
        ("Cocoa butter, coconut milk", "milk"), ("Net weight 500 g", "milk"),
        ("Code 123, no visible damage", "fish"), ("Eggplant purée", "egg"),
        ("Zum Verzehr eine Dose", "egg"), ("Buckwheat", "gluten"), ("Hamburger bun", "pork"),
    ],
)  # fmt: skip
def test_words_that_only_look_like_members_are_none(text: str, subject: str) -> None:
    assert mentions(page(text), subject) == []


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("Zutaten: Haselnüsse, Weizenmehl", "nuts"), ("Zutaten: Haselnüsse, Weizenmehl", "gluten"),
        ("Vollmilchpulver", "milk"), ("Contient: noisettes, lait", "nuts"),
        ("Bevat: melk, pinda's", "peanuts"), ("Contiene huevo", "egg"), ("Kan spår", "kan"),
    ],
)  # fmt: skip
def test_members_have_names_in_seven_languages(text: str, subject: str) -> None:
    assert len(mentions(page(text), subject)) == 1


def test_a_word_that_is_no_class_is_found_by_its_stem_or_in_a_compound() -> None:
    letter = page("Please bring your insurance card.", "NOPARKING")
    assert [each.passage.text for each in mentions(letter, "insurance cards")] == [
        "Please bring your insurance card."
    ]
    assert [each.passage.text for each in mentions(letter, "parking")] == ["NOPARKING"]


def test_every_member_of_a_class_is_found_by_it_and_no_exception_is() -> None:
    for kind in kinds():
        for member in kind.printed:
            assert mentions(page(f"Contains: {member}."), kind.asked[0]), (kind.name, member)
        for excepted in kind.excepted:
            assert not mentions(page(f"Made with {excepted} only"), kind.asked[0]), excepted


def test_classes_are_asked_for_by_name_only() -> None:
    assert kind_of("nuts") is not None and kind_of("nut") is not None
    assert kind_of("insurance") is None
