"""Values with their labels, and whole sentences, from where they stand on the sheet."""

from tests.assistant.text.pages import page


def labels(*rows: str) -> dict[str, str]:
    return {place.token.text: place.label for place in page(*rows).places}


def test_a_label_stands_to_the_left_of_its_value() -> None:
    assert labels("Balance due 310.55 by 20 Dec 2026", "Minimum payment:  35.00") == {
        "310.55": "Balance due",
        "20 Dec 2026": "by",
        "35.00": "Minimum payment",
    }


def test_a_label_may_stand_over_its_value_or_behind_it() -> None:
    assert labels("Best before end", "14.06.2027")["14.06.2027"] == "Best before end"
    assert labels("14.06.2027 EXP")["14.06.2027"] == "EXP"


def test_a_cell_has_the_name_of_its_row_and_the_head_of_its_column() -> None:
    places = page(
        "Nutrition  per 100 g  per bar",
        "Fat          12.5 g     5.0 g",
        "Salt          0.3 g     0.1 g",
    ).places
    found = {place.token.text: (place.left, place.head) for place in places if place.row}
    assert found["5.0 g"][0] == "Fat"
    assert found["0.1 g"][0] == "Salt"


def test_both_ends_of_a_span_have_the_same_label() -> None:
    assert labels("Sat 9:15 - 12:00") == {"9:15": "Sat", "12:00": "Sat"}


def test_two_pieces_never_make_one_number() -> None:
    assert [place.token.text for place in page("Bread  12", "Milk  34").places] == ["12", "34"]
    assert [place.token.text for place in page("1  234.50").places] == ["1", "234.50"]


def test_a_sentence_goes_on_over_the_ends_of_rows() -> None:
    sentences = [
        each.text for each in page("Aspirin 75 mg", "Do not", "take on an empty stomach.").sentences
    ]
    assert sentences == ["Aspirin 75 mg", "Do not take on an empty stomach."]


def test_each_row_of_a_label_says_something_of_its_own() -> None:
    rows = ("Fresh Milk 2 litres", "Use by 14 NOV 2025", "Keep refrigerated")
    assert [each.text for each in page(*rows).sentences] == list(rows)


def test_evidence_is_the_line_of_the_value_and_that_of_its_label() -> None:
    (place,) = page("Best before end", "14.06.2027").places
    assert [line.text for line in place.lines] == ["Best before end", "14.06.2027"]


def test_an_empty_page_has_nothing() -> None:
    assert page().places == () and page().sentences == ()
