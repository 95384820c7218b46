"""What the pocket model can be asked, in which words, and what it answers.

Wordings are stored bare ("how many circles are there") because that is what a speech recognizer
returns; `phrase` gives them the capital letter and the mark that a typed question has.
"""

from __future__ import annotations

import enum
import functools
import importlib.resources
import itertools
import random
import string
import zlib
from collections.abc import Iterator

from models.files.bounded import parse_toml

SIZE = 192
"""Pixels, both ways, of the pictures that the model was trained on."""

SKILLS = (
    "colour",
    "count",
    "compare",
    "word",
    "lines",
    "title",
    "author",
    "category",
    "field",
    "decline",
)
SHAPES = (
    "circle",
    "square",
    "triangle",
    "star",
    "heart",
    "cross",
    "ring",
    "moon",
    "arrow",
    "flower",
    "drop",
    "bolt",
    "fish",
    "tree",
    "house",
    "cup",
)
HELD_OUT_SHAPES = ("key", "mushroom", "leaf")  # drawn for the evaluation only, asked as objects
COLOURS = (
    "red",
    "green",
    "blue",
    "yellow",
    "orange",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "grey",
)
LETTERS = string.ascii_uppercase
CHARACTERS = LETTERS + string.digits  # what a patch can show; case is not told apart
MAX_COUNT = 9
MAX_LETTERS = 8
DECLINE = "I can't tell."
ANY_OBJECT = ("objects", "shapes", "things")
HELD_OUT_WORDING_SHARE = 0.2  # of the questions of the evaluation split


class Split(enum.Enum):
    """Training pictures, or those that no training run has seen: other fonts, other words."""

    TRAIN = "train"
    HELD_OUT = "held_out"


class Ask(enum.Enum):
    """The forms a question can take; the value names its table in wordings/.

    A wording may hold {name}, a shape (in the plural and perhaps with a colour where shapes are
    counted), and {other}, the shape that it is compared with.
    """

    COLOUR_OF_ONE = "colour_of_one"
    COLOUR_OF_MANY = "colour_of_many"
    COUNT = "count"
    LARGER = "larger"
    SMALLER = "smaller"
    LEFTMOST = "leftmost"
    RIGHTMOST = "rightmost"
    WORD = "word"
    LINES = "lines"
    TITLE = "title"
    AUTHOR = "author"
    CATEGORY = "category"
    YEAR = "year"
    TOTAL = "total"
    PRICE = "price"
    DATE = "date"
    DOSE = "dose"

    @property
    def skill(self) -> str:
        """Which of SKILLS it needs."""
        if self in COLOUR_ASKS:
            return "colour"
        if self in COMPARE_ASKS:
            return "compare"
        return "field" if self in FIELD_ASKS else self.value


COLOUR_ASKS = (Ask.COLOUR_OF_ONE, Ask.COLOUR_OF_MANY)
COMPARE_ASKS = (Ask.LARGER, Ask.SMALLER, Ask.LEFTMOST, Ask.RIGHTMOST)
FIELD_ASKS = (Ask.YEAR, Ask.TOTAL, Ask.PRICE, Ask.DATE, Ask.DOSE)


def _read_wordings(part: str) -> dict[Ask, tuple[str, ...]]:
    """Read what the files in wordings/ hold for every form: "train" or "held_out"."""
    folder = importlib.resources.files(__package__) / "wordings"
    tables: dict[str, dict[str, list[str]]] = {}
    for name in ("objects.toml", "text.toml"):
        tables |= parse_toml((folder / name).read_text(encoding="utf-8"))
    return {ask: tuple(tables[ask.value][part]) for ask in Ask}


TRAIN_WORDINGS = _read_wordings("train")
HELD_OUT_WORDINGS = _read_wordings("held_out")  # close variants, of words that the others use

_COMMANDS = ("read", "count", "tell", "name", "please", "find", "i")

# Words that stand on packages, doors, signs, switches and labels.
_SIGN_WORDS = """
NO UP ON GO IN OFF OUT YES ALL NEW HOT ICE TEA TIN JAM JUICE JAR EGG HAM PIE NUT OIL OAT RYE
FIG PEA SOY BAR BUS CAR TAXI TRAM GAS GYM INN LAB MAP MEN PUB SEA SKI SPA TAX TOP TOY VAN WAY
ZOO OPEN EXIT MILK SALT PUSH PULL STOP SLOW WAIT WALK TURN LEFT RIGHT DOWN HIGH LOW FAST FREE
SALE SOLD SHOP SHUT CLOSED CLOSE ENTER ENTRY DOOR GATE LIFT STAIRS FLOOR ROOM HALL DESK INFO
HELP HOTEL MOTEL CAFE BANK POST MAIL TOILET LADIES WOMEN GENTS STAFF ONLY QUIET SILENCE
PRIVATE PUBLIC DANGER WARNING CAUTION HAZARD POISON TOXIC ACID FIRE ALARM HOSE WATER GAS POWER
ELECTRIC VOLTAGE KEEP CLEAR AWAY TOUCH SMOKING PARKING PARK NOTICE NORTH SOUTH EAST WEST ROAD
STREET LANE AVENUE SQUARE BRIDGE TUNNEL STATION TRAIN PLATFORM TRACK TICKET TICKETS AIRPORT
FERRY HARBOUR BEACH POOL LIBRARY MUSEUM SCHOOL COLLEGE OFFICE CLINIC DOCTOR DENTIST PHARMACY
HOSPITAL POLICE CHURCH MARKET BAKERY BUTCHER FLORIST GARAGE BARBER CINEMA THEATRE STAGE
SUGAR FLOUR RICE PASTA BREAD BUTTER CHEESE CREAM YOGURT EGGS HONEY SYRUP CEREAL OATS MUESLI
COFFEE COCOA TEABAGS SODA COLA BEER WINE CIDER VODKA LEMON LIME ORANGE APPLE PEAR PEACH PLUM
CHERRY GRAPE BANANA MANGO MELON BERRY CARROT POTATO TOMATO ONION GARLIC PEPPER CHILLI CURRY
BASIL THYME MINT PARSLEY GINGER CINNAMON VANILLA MUSTARD KETCHUP VINEGAR SAUCE SOUP STOCK
BEANS PEAS CORN LENTILS TUNA SALMON COD BEEF PORK LAMB CHICKEN TURKEY SAUSAGE BACON PIZZA
BURGER CHIPS CRISPS BISCUIT COOKIE CAKE MUFFIN DONUT CANDY SWEETS TOFFEE NUTS RAISINS ALMONDS
ORGANIC VEGAN GLUTEN FRESH FROZEN CHILLED DRIED SMOKED SPICY MILD SWEET SOUR LIGHT DARK LARGE
MEDIUM SMALL GRAM LITRE DAILY TABLET TABLETS ASPIRIN VITAMIN COUGH PAIN RELIEF DROPS CREAMS
LOTION SOAP SHAMPOO TOWEL TISSUE PAPER BLEACH CLEANER POLISH SPONGE BRUSH COMB RAZOR TOOTH
PASTE BATTERY CHARGER CABLE SWITCH START RESET PAUSE PLAY RECORD VOLUME MUTE MENU HOME BACK
NEXT CANCEL DELETE SAVE PRINT SCAN COPY RECEIPT TOTAL CASH CARD COINS PRICE OFFER BARGAIN
GLASS PLASTIC METAL WASTE RECYCLE RUBBISH BIN LOCK KEY KEYS SAFE BOX BAG BOTTLE FRAGILE HANDLE
HEAVY THIS SIDE NAME DATE EXPIRES BEST BEFORE COLD WARM WASH COTTON WOOL SILK LINEN DRY IRON
MONDAY TUESDAY FRIDAY SUNDAY MARCH APRIL JUNE JULY AUGUST WINTER SPRING SUMMER AUTUMN TODAY
"""
LISTED_WORDS: tuple[str, ...] = tuple(dict.fromkeys(_SIGN_WORDS.split()))


def in_split(word: str, split: Split) -> bool:
    """Tell whether a word belongs to the split; one word in eight is held out, by its checksum."""
    held_out = zlib.crc32(word.encode("ascii")) % 8 == 0
    return held_out == (split is Split.HELD_OUT)


@functools.lru_cache(maxsize=128)
def listed_words(split: Split, shortest: int, longest: int) -> tuple[str, ...]:
    """Return the listed words of a split that have `shortest` to `longest` letters."""
    return tuple(
        word for word in LISTED_WORDS if shortest <= len(word) <= longest and in_split(word, split)
    )


def draw_word(rng: random.Random, split: Split, shortest: int, longest: int) -> str:
    """Draw a word of `shortest` to `longest` letters: half listed ones, half random letters.

    Random strings have a uniform length and uniform letters, so that rare letters are learnt too.
    """
    listed = listed_words(split, shortest, longest)
    if len(listed) >= 12 and rng.random() < 0.5:
        return rng.choice(listed)
    length = rng.randint(shortest, longest)
    while True:
        word = "".join(rng.choices(LETTERS, k=length))
        if in_split(word, split):
            return word


def plural(name: str) -> str:
    """Return the plural of a shape's name."""
    if name == "fish":
        return name
    return name + ("es" if name.endswith("s") else "s")


def phrase(wording: str, mark: bool = True, capital: bool = True) -> str:
    """Write a bare wording as a sentence, with a capital letter and its mark if they are wanted."""
    text = wording[0].upper() + wording[1:] if capital else wording
    if not mark:
        return text
    return text + ("." if wording.split()[0] in _COMMANDS else "?")


def draw_questions(
    rng: random.Random, split: Split, ask: Ask, name: str = "", number: int = 1, other: str = ""
) -> list[str]:
    """Draw `number` different questions of one form about `name`, compared with `other`.

    Without a name, only wordings that name nothing are drawn ("which one is larger").
    """
    chosen: list[str] = []
    while len(chosen) < number:
        held_out = split is Split.HELD_OUT and rng.random() < HELD_OUT_WORDING_SHARE
        wording = rng.choice(_fitting(ask, held_out, bool(name)))
        if wording not in chosen:
            chosen.append(wording)
    return [_in_some_style(rng, wording.format(name=name, other=other)) for wording in chosen]


@functools.lru_cache(maxsize=4 * len(Ask))
def _fitting(ask: Ask, held_out: bool, named: bool) -> tuple[str, ...]:
    forms = (HELD_OUT_WORDINGS if held_out else TRAIN_WORDINGS)[ask]
    return tuple(form for form in forms if ("{name}" in form) == named)


def _in_some_style(rng: random.Random, wording: str) -> str:
    style = rng.random()
    return phrase(wording, mark=style < 0.65, capital=style < 0.85)


def all_questions() -> Iterator[str]:
    """Yield every bare wording with every name: the closed set of questions, for a grammar."""
    for wordings in (TRAIN_WORDINGS, HELD_OUT_WORDINGS):
        for ask, forms in wordings.items():
            for wording in forms:
                if "{other}" in wording:
                    for name, other in itertools.permutations(SHAPES, 2):
                        yield wording.format(name=name, other=other)
                elif "{name}" in wording:
                    for name in names_asked(ask):
                        yield wording.format(name=name)
                else:
                    yield wording


@functools.lru_cache(maxsize=len(Ask))
def names_asked(ask: Ask) -> tuple[str, ...]:
    """Everything that {name} can stand for in a form's wordings."""
    if ask is Ask.COLOUR_OF_ONE or ask in COMPARE_ASKS:
        return SHAPES
    many = tuple(plural(shape) for shape in SHAPES)
    if ask is not Ask.COUNT:
        return many
    coloured = (f"{colour} {shape}" for colour in COLOURS for shape in (*many, *ANY_OBJECT))
    return (*many, *ANY_OBJECT, *coloured)
