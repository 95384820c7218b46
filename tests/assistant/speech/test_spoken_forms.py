"""What is spoken of printed text, heard through the speech engine itself.

The oracle is a sentence spelled out by hand, such as "seven one four": eSpeak must make the same
phonemes of it as of what `spoken` returns, pauses included.
"""

import functools
import random
import re
import shutil
import subprocess
import time

import pytest

from assistant.speech.spoken_forms import digits, spoken

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"
)


@functools.cache
def heard(text: str, language: str = "en") -> list[str]:
    """The phonemes of a text, one string a breath; without stress, which says nothing here."""
    done = subprocess.run(
        ["espeak-ng", "-q", "--ipa", "-v", language, "--", text],
        check=True,
        capture_output=True,
        text=True,
    )
    breaths = [re.sub(r"[\sˈˌ\u200d]", "", line) for line in done.stdout.splitlines()]
    # The engine swallows the "and" of a number, but not that of a sentence; an r joins words.
    breaths = [re.sub("and", "ən", each).replace("ɔːɹ", "ɔː") for each in breaths]
    return [each for each in breaths if each]


PHONES = [
    ("(714) 879-3574", "seven one four, eight seven nine, three five seven four"),
    ("call 555-1234", "call five five five, one two three four"),
    ("020 7946 0958", "zero two zero, seven nine four six, zero nine five eight"),
    (
        "+44 20 7946 0958",
        "plus four four, two zero, seven nine four six, zero nine five eight",
    ),
    ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
    ("Tel. 020 7946 0958", "telephone zero two zero, seven nine four six, zero nine five eight"),
    ("(714) 879-3574 ext. 12", "seven one four, eight seven nine, three five seven four, "
     "extension one two"),
]  # fmt: skip

CODES = [
    ("4471 2209 8830", "four four seven one, two two zero nine, eight eight three zero"),
    (
        "GB29 NWBK 6016 1331 9268 19",
        "gee bee two nine, en double you bee kay, six zero one six, one three three one, "
        "nine two six eight, one nine",
    ),
    ("Order #12345", "order number one two three four five"),
    ("ZIP 90210", "zip nine zero two one zero"),
    ("007", "zero zero seven"),
    ("Vitamin B12", "vitamin bee twelve"),
    ("978-3-16-148410-0", "nine seven eight, three, one six, one four eight four one zero, zero"),
    ("20-46-05", "two zero, four six, zero five"),
    ("5012345", "five zero one, two three four five"),
    ("COVID19", "covid nineteen"),
    ("21ST", "twenty first"),
    ("TAX1", "tax one"),
    ("2621ORANGEAVE", "two thousand six hundred and twenty one ORANGEAVE"),
]

MONEY = [
    ("$60.44", "sixty dollars forty four"),
    ("£0.73", "seventy three pence"),
    ("$0.01", "one cent"),
    ("£0.01", "one penny"),
    ("$1.00", "one dollar"),
    ("£1.50", "one pound fifty"),
    ("1.234,56 EUR", "one thousand two hundred and thirty four euros fifty six"),
    ("1 234,56 €", "one thousand two hundred and thirty four euros fifty six"),
    ("-264.27", "minus two hundred and sixty four point two seven"),
    ("264.27-", "minus two hundred and sixty four point two seven"),
    ("-$5.00", "minus five dollars"),
    ("€-12.50", "minus twelve euros fifty"),
    ("CHF 1'234.50", "one thousand two hundred and thirty four Swiss francs fifty"),
    ("¥1,980", "nineteen hundred and eighty yen"),
    ("12.-", "twelve"),
    ("5,- €", "five euros"),
    ("EUR 1.234", "one thousand two hundred and thirty four euros"),
    ("1,204.50", "one thousand two hundred and four point five zero"),
    ("$5/month", "five dollars per month"),
    ("2.99/kg", "two point nine nine per kilogram"),
    ("£1.20/100g", "one pound twenty per one hundred grams"),
    ("$5 - $10", "five dollars to ten dollars"),
    ("$1.5m", "one point five million dollars"),
    ("$3.459/gal", "three point four five nine dollars per gallon"),
    ("RM12.90", "twelve ringgit ninety"),
]

FRACTIONS = [
    ("½", "a half"),
    ("1½ tablets", "one and a half tablets"),
    ("11⁄2 tablets", "one and a half tablets"),
    ("11/2 tablets", "one and a half tablets"),
    ("1 1⁄2 tablets", "one and a half tablets"),
    ("21⁄4 tsp", "two and a quarter teaspoons"),
    ("2 1/2 cups", "two and a half cups"),
    ("1/2 tablet", "a half tablet"),
    ("⅜ tsp", "three eighths teaspoon"),
    ("1/2 onion, chopped", "a half onion, chopped"),
    ("page 1/2", "page one of two"),
]

MEASURES = [
    ("500 mg", "five hundred milligrams"),
    ("500MG TWICE", "five hundred milligrams twice"),
    ("20 mcg", "twenty micrograms"),
    ("20µg", "twenty micrograms"),
    ("528 kcal", "five hundred and twenty eight kilocalories"),
    ("180 °C", "one hundred and eighty degrees Celsius"),
    ("-18°C", "minus eighteen degrees Celsius"),
    ("12 kWh", "twelve kilowatt hours"),
    ("250ml", "two hundred and fifty millilitres"),
    ("2.5 g", "two point five grams"),
    ("2,5 g", "two point five grams"),
    (".5 ml", "point five millilitres"),
    ("1 g", "one gram"),
    ("100 g: 528 kcal", "one hundred grams: five hundred and twenty eight kilocalories"),
    ("1,000,000 IU", "one million international units"),
    ("60 km/h", "sixty kilometres per hour"),
    ("5 mg/kg", "five milligrams per kilogram"),
    ("120/80 mmHg", "one hundred and twenty over eighty millimetres of mercury"),
    ("per 100 g", "per one hundred grams"),
    ("Energy (kcal)", "energy (kilocalories)"),
    ("1-2 tablets", "one to two tablets"),
    ("10-20 mg", "ten to twenty milligrams"),
    ("4 °C - 8 °C", "four degrees Celsius to eight degrees Celsius"),
    ("3 - 5 days", "three to five days"),
    ("2 x 500 mg", "two times five hundred milligrams"),
    ("10 x 15 cm", "ten by fifteen centimetres"),
    ("10x15", "ten by fifteen"),
    ("50%", "fifty percent"),
    ("3,5 %", "three point five percent"),
    ("250mg/5ml", "two hundred and fifty milligrams per five millilitres"),
    (
        "2201kJ/528kcal",
        "two thousand two hundred and one kilojoules, five hundred and twenty eight kilocalories",
    ),
    ("Fat <0.5g", "fat less than zero point five grams"),
    ("2-3x daily", "two to three times daily"),
    ("12 oz., boxed", "twelve ounces, boxed"),
    ("5 ft 11 in", "five feet, eleven inches"),
    ("10-20%", "ten to twenty percent"),
]

TIMES_AND_DATES = [
    ("14:30", "fourteen thirty"),
    ("2:40 pm", "two forty pm"),
    ("8:30 - 17:45", "eight thirty to seventeen forty five"),
    ("8:30-17:45", "eight thirty to seventeen forty five"),
    ("9am-5pm", "nine AM to five PM"),
    ("9:00", "nine o'clock"),
    ("14.06.2027", "fourteen June two thousand and twenty seven"),
    ("2027-06-14", "fourteen June two thousand and twenty seven"),
    ("25/12/2025", "twenty five December two thousand and twenty five"),
    ("03/04/25", "three, four, twenty five"),
    ("31/02/2025", "thirty one, two, two thousand and twenty five"),
    ("05/2027", "May two thousand and twenty seven"),
    ("EXP 05/27", "expiry May two thousand and twenty seven"),
    ("14 NOV 2025", "fourteen November two thousand and twenty five"),
    ("14. Juni 2027", "fourteen June two thousand and twenty seven"),
    ("Nov 14, 2025", "November fourteen, two thousand and twenty five"),
    ("14.06.2027 14:30", "fourteen June two thousand and twenty seven, fourteen thirty"),
    ("Nov 14", "November fourteen"),
    ("April 1st", "April first"),
    ("12/30/2016FRI", "thirty December two thousand and sixteen Friday"),
    ("after 2 p.m. The door", "after two PM. The door"),
    ("5 out of 10", "five out of ten"),
    ("2019-2023", "two thousand and nineteen to two thousand and twenty three"),
]

WORDS = [
    ("info@example.co.uk", "info at example dot co dot uk"),
    ("www.example.com/shop", "double you double you double you dot example dot com slash shop"),
    ("Dr. Smith, St. Mary St.", "doctor Smith, saint Mary street"),
    ("12 High St., London", "twelve High street, London"),
    ("No. 5", "number five"),
    ("approx. 5 kg", "approximately five kilograms"),
    ("e.g. milk", "for example milk"),
    ("Mon-Fri", "Monday to Friday"),
    ("MON – FRI", "Monday to Friday"),
    ("Mon-Fri 9-5", "Monday to Friday nine to five"),
    ("Sat 9:00", "Saturday nine o'clock"),
    ("Sat", "Saturday"),
    ("Mon, Wed & Fri", "Monday, Wednesday and Friday"),
    ("Fish & Chips", "fish and chips"),
    ("Qty 2", "quantity two"),
    ("Mr. and Mrs. Hill", "mister and missus Hill"),
    ("milk, nuts, etc. Keep dry.", "milk, nuts, et cetera. Keep dry."),
]

ENGLISH = PHONES + CODES + MONEY + FRACTIONS + MEASURES + TIMES_AND_DATES + WORDS


@needs_espeak
@pytest.mark.parametrize(("printed", "meant"), ENGLISH, ids=[case[0] for case in ENGLISH])
def test_what_is_heard_is_what_a_person_would_read(printed: str, meant: str) -> None:
    assert heard(spoken(printed)) == heard(meant), spoken(printed)


OTHERS = [
    ("de", "12,56 EUR", "zwölf Euro sechsundfünfzig"),
    ("de", "0,70 €", "siebzig Cent"),
    ("de", "1,5 kg", "eins Komma fünf Kilogramm"),
    ("de", "12:30 Uhr", "zwölf Uhr dreißig"),
    ("de", "14.06.2027", "vierzehnter Juni zwei tausend siebenundzwanzig"),
    ("de", "Mo-Fr 9-18 Uhr", "Montag bis Freitag neun bis achtzehn Uhr"),
    ("de", "z. B. Milch", "zum Beispiel Milch"),
    ("de", "Dr. Maier, Hauptstr. 5", "Doktor Maier, Hauptstraße fünf"),
    ("de", "1½ Tabletten", "eineinhalb Tabletten"),
    ("fr", "2,4 ml", "deux virgule quatre millilitres"),
    ("fr", "12,50 €", "douze euros cinquante"),
    ("fr", "14.06.2027", "quatorze juin deux mille vingt-sept"),
    ("fr", "1½ kg", "un kilogramme et demi"),
    ("es", "12,50 €", "doce euros con cincuenta"),
    ("es", "20 mg", "veinte miligramos"),
    ("it", "12,50 €", "dodici euro e cinquanta"),
    ("it", "50 %", "cinquanta per cento"),
    ("nl", "12,50 €", "twaalf euro vijftig"),
    ("nl", "ma-vr", "maandag tot vrijdag"),
    ("pt", "20 mg", "vinte miligramas"),
]


@needs_espeak
@pytest.mark.parametrize(("language", "printed", "meant"), OTHERS)
def test_other_languages_have_words_of_their_own(language: str, printed: str, meant: str) -> None:
    assert heard(spoken(printed, language), language) == heard(meant, language)


@needs_espeak
def test_the_engine_alone_says_them_wrong() -> None:
    """What is compared can differ: as printed, most of the cases sound otherwise."""
    same = [printed for printed, meant in ENGLISH if heard(printed) == heard(meant)]
    assert len(same) < len(ENGLISH) / 5, same


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("(714) 879-3574", "7 1 4, 8 7 9, 3 5 7 4"),
        ("A12-B7", "A, 1 2, B 7"),
        ("$60.44", "6 0 point 4 4"),
        ("-264.27", "minus 2 6 4 point 2 7"),
        ("1,204.50", "1, 2 0 4 point 5 0"),
        ("+44 20", "plus 4 4, 2 0"),
        ("5012345678900", "5 0 1, 2 3 4, 5 6 7, 8 9 0 0"),
        ("no figures", "n o, f i g u r e s"),
        ("", ""),
    ],
)
def test_digits_spells_in_the_printed_groups(text: str, meant: str) -> None:
    assert digits(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "Main Street and the corner of the square",
        "He sat in the sun. Then he wed; may we march?",
        "No. I do not know.",
        "Sat on a chair",
        "AT&T, M&S and either/or",
        "well-known, half-baked",
        "Don't — stop… (really?)",
        "5 in stock",
        "3D TV, 1st floor, the 1980s",
        "Score 3-1",
        "We 5 people",
        "in his 50s",
        "1 in 5 children",
        "39982 people came",
        "flat 221B",
        "Set 5 plates",
        "  two   spaces\n\n and lines \r\n",
        "",
        "Übergröße naïve 日本語 テキスト",
    ],
)
def test_what_needs_no_other_words_stays_as_printed(text: str) -> None:
    assert spoken(text) == text


PLAIN = re.findall(
    r"\w+",
    """the cat reads a long letter about weather and music because her friend wrote it yesterday
    in the garden under a tree with green leaves while rain fell softly over houses streets people
    walk slowly home again Paris London Anna Peter never always question answer bread water""",
)


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "it", "nl", "pt", "pl"])
def test_plain_words_are_unchanged_once_and_twice(language: str) -> None:
    choose = random.Random(3)
    for _ in range(200):
        text = " ".join(choose.choices(PLAIN, k=choose.randint(1, 30))) + choose.choice(".!?\n")
        once = spoken(text, language)
        assert once == text
        assert spoken(once, language) == once


def figures(text: str) -> str:
    return "".join(re.findall(r"\d", text))


def phone(choose: random.Random) -> str:
    parts = ["".join(choose.choices("0123456789", k=k)) for k in (3, 3, 4)]
    form = choose.choice(["({}) {}-{}", "{}-{}-{}", "+1 {} {} {}", "0{} {} {}"])
    return form.format(*parts)


def amount(choose: random.Random) -> str:
    whole, part = choose.randint(1, 9_999_999), choose.randint(1, 99)
    form = choose.choice(
        ["${:,}.{:02}", "£{:,}.{:02}", "{:,}.{:02} USD", "-{:,}.{:02}", "{:,}.{:02}-"]
    )
    return form.format(whole, part)  # fmt: skip


def quantity(choose: random.Random) -> str:
    number = choose.choice(
        [f"{choose.randint(1, 99_999):,}", f"{choose.randint(0, 99)}.{choose.randint(1, 999)}"]
    )
    return number + choose.choice(["", " "]) + choose.choice(["mg", "g", "kg", "ml", "kcal", "mm"])


@pytest.mark.parametrize("make", [phone, amount, quantity])
def test_every_digit_is_spoken_and_none_is_added(make: object) -> None:
    assert callable(make)
    choose = random.Random(5)
    for _ in range(400):
        printed = make(choose)
        said = spoken(printed)
        assert figures(said) == figures(printed), (printed, said)
        assert said != printed


def test_values_in_a_sentence_keep_their_digits_and_their_words() -> None:
    choose = random.Random(7)
    for _ in range(150):
        values = [make(choose) for make in choose.choices([phone, amount, quantity], k=3)]
        printed = "First {}, then we read {}; last comes {}.".format(*values)
        said = spoken(printed)
        assert figures(said) == figures(printed), (printed, said)
        for word in ("First", "then we read", "last comes"):
            assert word in said


def test_thousands_are_never_read_as_decimals() -> None:
    for printed in ("1,980 g", "1,234,567 IU", "$1,980", "1.234.567 IU", "€1.980", "1'234 g"):
        assert "point" not in spoken(printed) and not re.search(r"\d[.,]\d", spoken(printed))


def test_no_full_stop_is_left_inside_a_name() -> None:
    for printed in ("Dr. Smith", "Prof. Hall", "St. Mary", "Mr. and Mrs. Hill", "approx. 5"):
        assert "." not in spoken(printed)


def test_a_language_without_words_keeps_the_print_but_spells_numbers() -> None:
    assert spoken("12,50 zł, 500 mg", "pl") == "12,50 zł, 500 mg"
    assert spoken("Telefon (714) 879-3574", "xx") == "Telefon 7 1 4, 8 7 9, 3 5 7 4"


def test_a_region_is_read_like_its_language() -> None:
    assert spoken("$60.44", "en-US") == spoken("$60.44", "EN_gb") == "60 dollars 44"


LETTER = """Dear Ms. Hill, thank you for your order No. 4471 of 14.06.2027. Your total is $60.44,
to be paid by 28 June 2027. Please take 1½ tablets (500 mg) twice a day, e.g. at 8:30 and 20:30,
and store the box at 4 °C - 8 °C. We are open Mon-Fri 9:00-17:00. Call (714) 879-3574 or write to
info@example.co.uk. The weather was fine, and so we walked along the river until it was dark.
Everything else is written on the second page of this letter, which is in your file at home.
"""


def test_a_long_text_takes_less_than_a_second() -> None:
    spoken(LETTER)
    text = LETTER * (20_000 // len(LETTER))
    begun = time.process_time()
    said = spoken(text)
    assert time.process_time() - begun < 1.0
    assert said.count("60 dollars 44") == text.count("$60.44")


@pytest.mark.parametrize("piece", ["-", ".", "1", "a", "A1", "1 ", "$", "1/", "x", "½", "@", "1-"])
def test_text_without_any_sense_takes_no_time_either(piece: str) -> None:
    text = piece * (10_000 // len(piece))
    begun = time.process_time()
    spoken(text)
    assert time.process_time() - begun < 4.0
