"""The sentences that the small recognizer can hear, as a JSGF grammar.

A grammar is what makes the small acoustic model usable: it chooses between some thousand
sentences instead of all of English. Every word must stand in the recognizer's dictionary, or in
`PRONUNCIATIONS`.
JSGF: https://www.w3.org/TR/jsgf/
"""

import re
from collections.abc import Callable, Iterable

from assistant.errors import RecognizerError
from models.pocket.questions import (
    ANY_OBJECT,
    COLOURS,
    HELD_OUT_WORDINGS,
    SHAPES,
    TRAIN_WORDINGS,
    Ask,
    plural,
)

_SLOTS = {
    Ask.COLOUR_OF_MANY: "<shapes>",
    Ask.COUNT: f"[{' | '.join(COLOURS)}] (<shapes> | {' | '.join(ANY_OBJECT)})",
}
"""What {name} can be in the pocket model's wordings, where it is more than one shape."""

PRONUNCIATIONS: dict[str, str] = {
    "barcode": "B AA R K OW D",
    "ringgit": "R IH NG G IH T",
}
"""Words that the dictionary of PocketSphinx's English model lacks, in its phones (ARPAbet)."""

THINGS = (
    "bottle", "box", "book", "cup", "glass", "plate", "phone", "key", "chair", "table", "door",
    "window", "bag", "shirt", "coat", "shoe", "sock", "hat", "car", "bus", "dog", "cat", "bird",
    "person", "orange", "apple", "banana", "coin", "pill", "wallet", "light", "object", "shape",
)  # fmt: skip
IRREGULAR_PLURALS = {"person": "people", "box": "boxes", "glass": "glasses", "bus": "buses"}

IS = "(what is | what's)"
PICTURE = "(the | this) (picture | photo | image)"
THIS = "(this | it | the text | the label | the page | the letter | the sign | the package)"

QUESTIONS: tuple[str, ...] = (
    # Reading
    f"[please] read {THIS} [aloud] [to me] [please]",
    "[can you | could you] read (this | it) [for me]",
    f"what does {THIS} say",
    "what is written (here | there | on it | on this)",
    f"{IS} the first line",
    "is there any text [here | in the picture]",
    f"does {THIS} say (open | closed | exit | entrance | push | pull | stop | danger)",
    # Receipts, labels, letters
    f"{IS} the (total | sum | amount | price | cost) [of this | of the bill | on the receipt]",
    f"{IS} the total (amount | price | cost)",
    "how much (does (this | it) cost | is (this | it) | is the total | do i have to pay)",
    f"{IS} the [expiry | expiration | best before | use by] date [on this | of this | here]",
    "when does (this | it | the milk | the food | the medicine) expire",
    "(has | is) (this | it) expired",
    "is (this | it) still good",
    f"{IS} the (dose | dosage | strength) [of this]",
    "how (many | much) [of this] (should | do) i take",
    "how (many (pills | tablets) | often) (should | do) i take",
    f"{IS} the (phone | telephone) number",
    f"{IS} the (name | address | company | name of the (shop | store | company | medicine))",
    "who is (this | it | the letter) from",
    "scan the barcode",
    # Seeing
    f"describe ({PICTURE} | this | it | the room | the scene)",
    f"(what is | what's | what do you see) in ({PICTURE} | front of me)",
    "(what is | what's) this",
    "what do you see",
    f"is (this | it | {PICTURE} | (the | this) page) blank",
    "is (the light | a light) on",
    "is it (dark | bright | light) [in here]",
    "where (is | are) (my | the) (<thing> | <things>)",
    "(find | look for) (my | the) (<thing> | <things>)",
    "is there (a | an) (<thing> | <shape>) [here | in the picture]",
    "are there any (<things> | <shapes>) [here | in the picture]",
    "how many <things> (are there | are here | do you see | can you see | are in the picture)",
    "(which | what) colour is (the | my | this) (<thing> | <shape>)",
    "what colour is (this | it)",
    "what colour are (the | my | these) (<things> | <shapes>)",
    "what shape is (this | it)",
    "(summarize | sum up) (this | it | the text | the letter)",
)
"""Questions in JSGF notation; <thing>, <things>, <shape>, <shapes> are the slots."""

STOP = "stop [it | that | reading | talking] | be quiet | cancel | never mind"
"""What silences the assistant; with headphones it is heard also while the assistant speaks."""

COMMANDS: tuple[str, ...] = (
    STOP,
    "pause | resume | go on | continue [reading] | read on",
    "repeat [that] | say that again | say it again",
    "[speak] (slower | faster | louder | quieter)",
    "more detail | less detail | shorter answers | longer answers",
    "(next | previous) (line | sentence | word) | next heading",
    "spell (it | that | the word)",
    "keep reading | double check [that] | are you sure",
    "remember this [as (my | the) [<colour>] <thing>]",
    "what did i save | what have i saved",
    "where did i (see | put | leave) (my | the) [<colour>] <thing>",
    "where did i see this | have i (seen | saved) this [before]",
    "forget everything | delete everything",
    "help | what can you do | what can i say | quit | goodbye",
    "[turn | switch] headphones [mode] (on | off)",
)
"""What the assistant can be told besides questions, in the same notation."""


def rules() -> dict[str, str]:
    """The grammar's rules, name to JSGF body; a rule uses only those before it."""
    return {
        "thing": alternatives(THINGS),
        "things": alternatives(_plural(thing) for thing in THINGS),
        "shape": alternatives(SHAPES),
        "shapes": alternatives([plural(shape) for shape in SHAPES]),
        "pocket": alternatives(pocket_questions()),
        "question": alternatives(QUESTIONS),
        "colour": alternatives(COLOURS),
        "command": alternatives(COMMANDS),
        "heard": "<question> | <pocket> | <command>",
    }


def build_grammar(is_known: Callable[[str], bool]) -> str:
    """Return the JSGF text of everything that can be heard; <heard> is its public rule.

    is_known: tells whether the recognizer can pronounce a word.

    Raises:
        RecognizerError: a word is in no dictionary; without it the recognizer would not start.
    """
    bodies = rules()
    missing = sorted(word for word in words_of(bodies.values()) if not is_known(word))
    if missing:
        raise RecognizerError(
            f"the recognizer's dictionary lacks: {', '.join(missing)}; reinstall pocketsphinx"
        )
    lines = ["#JSGF V1.0;", "grammar sightline;"]
    for name, body in bodies.items():
        lines.append(f"{'public ' if name == 'heard' else ''}<{name}> = {body};")
    return "\n".join(lines) + "\n"


PHONES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH",
    "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH",
    "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
"""The phones of PocketSphinx's English model (ARPAbet)."""

_OTHER_SPEECH = 1e-5
"""How likely other speech is against a stop. With flite's voices slt, rms, awb and kal16, 30 of 32
spoken stops are heard so (the word alone is missed with two of the voices), and none of 164 other
sounds is taken for one: words that sound alike, questions, 36 recordings of people. At 1e-9 it is
the same 30, and "be careful" and "council" are taken for stops."""


def phone_word(phone: str) -> str:
    """The word that stands for one phone, and is none of the dictionary's."""
    return f"zz{phone.lower()}"


def build_stop_grammar() -> str:
    """Return the JSGF text of `STOP`, and any other row of phones; <heard> is its public rule."""
    other = alternatives(map(phone_word, PHONES))
    return (
        "#JSGF V1.0;\ngrammar stop;\n"
        f"<stop> = {STOP};\n<phone> = {other};\n<other> = <phone>+;\n"
        f"public <heard> = /1.0/ <stop> | /{_OTHER_SPEECH:.0e}/ <other>;\n"
    )


def stop_sentences() -> list[str]:
    """Every way to say stop."""
    return expand(STOP)


def sentence_pattern() -> re.Pattern[str]:
    """A pattern that fully matches each whole sentence of the grammar, and nothing else.

    JSGF's groups, options and alternatives are those of regular expressions. A word becomes the
    word and one space, so match against the sentence with a space behind it.
    """
    known: dict[str, str] = {}
    for name, body in rules().items():
        pieces = re.findall(r"<\w+>|[a-z']+|[()\[\]|]", body)
        written = {"(": "(?:", "[": "(?:", "]": ")?", ")": ")", "|": "|"}
        known[f"<{name}>"] = "".join(
            known[piece] if piece in known else written.get(piece, piece + " ") for piece in pieces
        )
        known[f"<{name}>"] = f"(?:{known[f'<{name}>']})"
    return re.compile(known["<heard>"])


def pocket_questions() -> list[str]:
    """The pocket model's own questions, with grammar slots where a name stands."""
    asked: dict[str, None] = {}
    for wordings in (TRAIN_WORDINGS, HELD_OUT_WORDINGS):
        for ask, forms in wordings.items():
            slot = _SLOTS.get(ask, "<shape>")
            for form in forms:
                # Both spellings sound the same; one of them is enough to be heard.
                heard = form.replace("color", "colour").format(name=slot, other="<shape>")
                asked[heard] = None
    return list(asked)


def command_sentences() -> list[str]:
    """Every command without a slot, written out: the small grammar that Vosk is given."""
    return [sentence for body in COMMANDS for sentence in expand(body) if "<" not in sentence]


def expand(body: str) -> list[str]:
    """Every sentence of a rule body; slots stay as they are."""
    tokens = re.findall(r"<\w+>|[a-z']+|[()\[\]|]", body)
    found, end = _expand(tokens, 0)
    assert end == len(tokens), f"a bracket is closed that was not opened: {body}"
    return list(dict.fromkeys(" ".join(words) for words in found))


def _expand(tokens: list[str], at: int) -> tuple[list[list[str]], int]:
    """The sentences up to the bracket that closes here, and its place."""
    finished: list[list[str]] = []
    open_: list[list[str]] = [[]]
    while at < len(tokens) and tokens[at] not in ")]":
        token = tokens[at]
        if token == "|":
            finished, open_ = finished + open_, [[]]
        elif token in "([":
            inner, at = _expand(tokens, at + 1)
            inner += [[]] if token == "[" else []
            open_ = [before + after for before in open_ for after in inner]
        else:
            open_ = [[*before, token] for before in open_]
        at += 1
    return finished + open_, at


def alternatives(bodies: Iterable[str]) -> str:
    """Join bodies into one JSGF alternative."""
    return " | ".join(f"({body})" if " " in body else body for body in bodies)


def words_of(bodies: Iterable[str]) -> set[str]:
    """All words of JSGF rule bodies, without slots and notation."""
    found: set[str] = set()
    for body in bodies:
        found.update(re.findall(r"[a-z']+", re.sub(r"<\w+>", " ", body)))
    return found


def _plural(thing: str) -> str:
    return IRREGULAR_PLURALS.get(thing, thing + "s")
