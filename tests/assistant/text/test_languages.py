"""The language of a passage: alone, and beside the page that it stands on."""

import pytest

from assistant.text.languages import code_of, page_language, passage_language, quoted_lines

PAGES = {
    "de": ("Bitte überweisen Sie den Betrag", "bis zum Monatsende auf unser Konto.", "Summe 12,50"),
    "fr": ("Nous vous confirmons votre rendez-vous", "avec le docteur Perrin.", "Total 12,50"),
    "es": ("Su cita en el hospital es el lunes", "a las nueve de la mañana.", "Total 12,50"),
    "it": ("La informiamo che la visita è fissata", "per lunedì alle nove.", "Totale 12,50"),
    "nl": ("Uw afspraak in het ziekenhuis is", "op maandag om negen uur.", "Totaal 12,50"),
    "pt": ("A sua consulta no hospital está marcada", "para segunda-feira.", "Total 12,50"),
    "en": ("Your appointment at the hospital is", "on Monday at nine o'clock.", "Total 12.50"),
}


@pytest.mark.parametrize("language", PAGES)
def test_a_short_line_is_in_the_language_of_its_page(language: str) -> None:
    lines = PAGES[language]
    page = page_language(lines)
    assert page == language
    assert [passage_language(line, page) for line in lines] == [language] * 3
    assert passage_language(lines[2]) is None, "three words show nothing by themselves"


def test_a_label_in_five_languages_is_told_apart_line_by_line() -> None:
    printed = {
        "en": "Keep out of the reach and sight of children.",
        "de": "Arzneimittel für Kinder unzugänglich aufbewahren.",
        "fr": "Tenir hors de la vue et de la portée des enfants.",
        "es": "Mantener fuera de la vista y del alcance de los niños.",
        "it": "Tenere fuori dalla vista e dalla portata dei bambini.",
    }
    page = page_language(printed.values())
    assert {passage_language(line, page): line for line in printed.values()} == printed


@pytest.mark.parametrize(
    "line", ["", "12.50", "EXP 05/2027", "LOT A4471", "Model QX-2000", "V", "€", "***", "B"]
)
def test_what_shows_no_language_has_none_but_that_of_its_page(line: str) -> None:
    assert passage_language(line) is None
    assert passage_language(line, "nl") == "nl"
    assert page_language([line]) is None


@pytest.mark.parametrize(
    ("language", "line"),
    [("ru", "Закрыто до понедельника"), ("el", "Κλειστό την Κυριακή"), ("zh", "禁止停车"),
     ("ja", "ここに駐車しないでください"), ("ko", "주차 금지 구역"), ("he", "אסור לעשן")],
)  # fmt: skip
def test_other_scripts_show_themselves(language: str, line: str) -> None:
    assert passage_language(line, "en") == language


def test_sisters_are_told_apart_by_their_page() -> None:
    assert passage_language("объекта", "ru") == "ru"
    danish = (
        "Solsystemet består af Solen og de himmellegemer,",
        "som den binder til sig gennem sin gravitation.",
        "Husk at købe mælk og rugbrød",
        "Hilsen Mette",
    )
    assert page_language(danish) == "da"
    assert {passage_language(line, "da") for line in danish} == {"da"}


@pytest.mark.parametrize(
    "lines",
    [
        ("MEE GORENG 4.50", "TEH TARIK 1.80", "TOTAL RM 6.30", "CASH 10.00", "CHANGE 3.70"),
        ("Crème brûlée 6.50", "Wiener schnitzel 16.00", "Quesadilla with guacamole 9.80",
         "All prices include service and tax"),
        ("Jean-Pierre Dubois", "Managing Director", "14 Baker Street, London"),
    ],
)  # fmt: skip
def test_english_pages_with_foreign_names_are_not_read_by_a_foreign_voice(
    lines: tuple[str, ...],
) -> None:
    page = page_language(lines)
    assert {passage_language(line, page) or "en" for line in lines} == {"en"}


def test_the_lines_of_a_text_are_parts_that_make_it_up() -> None:
    text = "Vielen Dank für Ihren Einkauf\n\nThank you for shopping with us\nTotal"
    parts = quoted_lines(text)
    assert "".join(part.text for part in parts) == text
    assert all(part.quoted for part in parts)
    told = {part.text: part.language for part in parts if part.text.strip()}
    assert list(told.values()) == ["de", "en", None]


def test_a_page_without_an_end_is_judged_by_its_beginning() -> None:
    assert page_language(["Bitte nicht stören, wir schlafen noch. "] * 5000) == "de"


@pytest.mark.parametrize(
    ("name", "code"),
    [("German", "de"), ("english", "en"), ("dutch", "nl"), ("pt", "pt"), (" French ", "fr"),
     ("klingonese", None), ("funny", None), ("", None), ("own", None)],
)  # fmt: skip
def test_languages_are_called_by_name_or_code(name: str, code: str | None) -> None:
    assert code_of(name) == code
