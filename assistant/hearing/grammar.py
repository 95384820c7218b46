"""The sentences that the small recognizer can hear, as a JSGF grammar.

A grammar is what makes the small acoustic model usable: it chooses between some thousand
sentences instead of all of English. Every word must stand in the recognizer's dictionary, or in
`PRONUNCIATIONS`.
JSGF: https://www.w3.org/TR/jsgf/
"""

import functools
import re
from collections.abc import Callable

from assistant.errors import RecognizerError
from assistant.hearing.orders import STOP, heard_orders, order_in
from assistant.skills.router import heard
from assistant.skills.wording import RULES, alternatives, as_pattern, expand, jsgf, words_of
from models.pocket.questions import (
    ANY_OBJECT,
    COLOURS,
    HELD_OUT_WORDINGS,
    TRAIN_WORDINGS,
    Ask,
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


def rules() -> dict[str, str]:
    """The grammar's rules, name to JSGF body; a rule uses only those before it."""
    return {
        **RULES,
        "pocket": alternatives(pocket_questions()),
        "question": jsgf(alternatives(heard())),
        "command": jsgf(alternatives(heard_orders())),
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

_NO_ORDER = 1e-3
"""The same against any order, where what is heard is held against the sound once more. With the
voices slt and rms, 76 of 86 orders are heard so in a quiet room and none as another one; with
noise at 20 dB 19, the rest as other speech."""


def phone_word(phone: str) -> str:
    """The word that stands for one phone, and is none of the dictionary's."""
    return f"zz{phone.lower()}"


def build_stop_grammar() -> str:
    """Return the JSGF text of `STOP`, and any other row of phones; <heard> is its public rule."""
    return _among_other_speech(STOP, _OTHER_SPEECH)


def build_order_grammar() -> str:
    """Return the JSGF text of `command_sentences`, and any other row of phones."""
    return _among_other_speech(alternatives(command_sentences()), _NO_ORDER)


def _among_other_speech(wanted: str, other_speech: float) -> str:
    other = alternatives(map(phone_word, PHONES))
    return (
        "#JSGF V1.0;\ngrammar some;\n"
        f"<wanted> = {wanted};\n<phone> = {other};\n<other> = <phone>+;\n"
        f"public <heard> = /1.0/ <wanted> | /{other_speech:.0e}/ <other>;\n"
    )


def stop_sentences() -> list[str]:
    """Every way to say stop."""
    return expand(STOP)


def sentence_pattern() -> re.Pattern[str]:
    """A pattern that fully matches each whole sentence of the grammar, and nothing else.

    Match against the sentence with a space behind it, as with `skills.wording.pattern`.
    """
    known = rules()
    return re.compile(as_pattern(known["heard"], known))


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
    """Every order without a slot, written out: the small grammar that Vosk is given."""
    return [each for body in heard_orders() for each in expand(body) if "<" not in each]


@functools.cache
def closed_orders() -> frozenset[str]:
    """Orders after which nothing can follow that would make another order or question of them."""
    known = [each for body in (*heard(), *heard_orders()) for each in expand(body)]
    return frozenset(
        order
        for order in command_sentences()
        if not any(
            other.startswith(f"{order} ") and order_in(other) != order_in(order) for other in known
        )
    )
