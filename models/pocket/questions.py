"""What the pocket model can be asked, in which words, and what it answers.

Wordings are stored bare ("how many circles are there") because that is what a speech recognizer
returns; `phrase` gives them the capital letter and the mark that a typed question has.
"""

from __future__ import annotations

import enum
import functools
import random
import string
import zlib
from collections.abc import Iterator

SKILLS = ("colour", "count", "word", "decline")
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
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
MAX_COUNT = 5
MAX_LETTERS = 8
DECLINE = "I can't tell."
ANY_OBJECT = ("objects", "shapes")
HELD_OUT_WORDING_SHARE = 0.2  # of the questions of the evaluation split


class Split(enum.Enum):
    """Training pictures, or those that no training run has seen: other fonts, other words."""

    TRAIN = "train"
    HELD_OUT = "held_out"


class Ask(enum.Enum):
    """The forms a question can take; {name} stands for a shape, in the plural where needed."""

    COLOUR_OF_ONE = "colour_of_one"
    COLOUR_OF_MANY = "colour_of_many"
    COUNT = "count"
    WORD = "word"


TRAIN_WORDINGS: dict[Ask, tuple[str, ...]] = {
    Ask.COLOUR_OF_ONE: (
        "what colour is the {name}",
        "what color is the {name}",
        "which colour is the {name}",
        "which color is the {name}",
        "what is the colour of the {name}",
        "what is the color of the {name}",
        "tell me the colour of the {name}",
        "tell me the color of the {name}",
        "what colour is this {name}",
        "name the color of the {name}",
    ),
    Ask.COLOUR_OF_MANY: (
        "what colour are the {name}",
        "what color are the {name}",
        "which colour are the {name}",
        "which color are the {name}",
        "what is the colour of the {name}",
        "what is the color of the {name}",
        "tell me the colour of the {name}",
        "tell me the color of the {name}",
    ),
    Ask.COUNT: (
        "how many {name} are there",
        "how many {name} are in the picture",
        "how many {name} do you see",
        "how many {name} can you see",
        "how many {name} are here",
        "how many {name}",
        "count the {name}",
        "what is the number of {name}",
        "tell me how many {name} there are",
        "tell me the number of {name}",
    ),
    Ask.WORD: (
        "what does it say",
        "what does this say",
        "what does the sign say",
        "what does the label say",
        "what is the word",
        "what word is this",
        "what is written here",
        "read this",
        "read it",
        "read the word",
        "please read this",
        "can you read this",
    ),
}

# Close variants of the above, made of words that the training wordings use.
HELD_OUT_WORDINGS: dict[Ask, tuple[str, ...]] = {
    Ask.COLOUR_OF_ONE: (
        "what color is this {name}",
        "name the colour of the {name}",
        "can you tell me the colour of the {name}",
    ),
    Ask.COLOUR_OF_MANY: (
        "name the colour of the {name}",
        "what colour are the {name} in the picture",
        "can you tell me the color of the {name}",
    ),
    Ask.COUNT: (
        "how many {name} can you count",
        "how many {name} are there in the picture",
        "please count the {name}",
        "tell me how many {name} you see",
    ),
    Ask.WORD: (
        "what word is written here",
        "please read the word",
        "can you read it",
        "what does the word say",
    ),
}

_COMMANDS = ("read", "count", "tell", "name", "please")

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
    return name + ("es" if name.endswith("s") else "s")


def phrase(wording: str, mark: bool = True, capital: bool = True) -> str:
    """Write a bare wording as a sentence, with a capital letter and its mark if they are wanted."""
    text = wording[0].upper() + wording[1:] if capital else wording
    if not mark:
        return text
    return text + ("." if wording.split()[0] in _COMMANDS else "?")


def draw_questions(
    rng: random.Random, split: Split, ask: Ask, name: str = "", number: int = 1
) -> list[str]:
    """Draw `number` different questions of one form about `name`."""
    chosen: list[str] = []
    while len(chosen) < number:
        held_out = split is Split.HELD_OUT and rng.random() < HELD_OUT_WORDING_SHARE
        wording = rng.choice((HELD_OUT_WORDINGS if held_out else TRAIN_WORDINGS)[ask])
        if wording not in chosen:
            chosen.append(wording)
    return [_in_some_style(rng, wording.format(name=name)) for wording in chosen]


def _in_some_style(rng: random.Random, wording: str) -> str:
    style = rng.random()
    return phrase(wording, mark=style < 0.65, capital=style < 0.85)


def all_questions() -> Iterator[str]:
    """Yield every bare wording with every name: the closed set of questions, for a grammar."""
    for wordings in (TRAIN_WORDINGS, HELD_OUT_WORDINGS):
        for ask, forms in wordings.items():
            for wording in forms:
                for name in _names(ask):
                    yield wording.format(name=name)


def _names(ask: Ask) -> tuple[str, ...]:
    if ask is Ask.WORD:
        return ("",)
    if ask is Ask.COLOUR_OF_ONE:
        return SHAPES
    many = tuple(plural(shape) for shape in SHAPES)
    return many + ANY_OBJECT if ask is Ask.COUNT else many
