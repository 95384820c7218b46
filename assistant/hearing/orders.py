"""What the assistant can be told besides questions, in words: one table for all who hear.

The grammar and Vosk's small grammar hear `heard`; the session follows both.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from assistant.skills.wording import Wording
from assistant.text.words import bare_words

NUMBERS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    "twenty",
)  # fmt: skip
ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
)  # fmt: skip
"""Words for the numbers of pages, from 1."""

_NOTES = r"(?:my notes|the notes|my memory|memory|what i saved|what i have saved)"

_SPEAK = r"(?:speak|talk|read|go)"
_A_BIT = r"(?:a (?:bit|little)|much|even|still)"
_THE_SAME = (
    r"(?:(?:say|read|repeat|tell me) (that|it|this)(?: (?:again|once more))?|(again)|(once more))"
    r"(?: but)?(?: a bit| a little| much)?"
)
"""What was said last is to be said again, in another way."""

_ASKED_POLITELY = re.compile(r"(?:(?:sorry|ok|okay|now|just|(?:can|could|would|will) you) )+(?=\w)")

_NTH = rf"(?:next|previous|last|{'|'.join(ORDINALS)}|\d{{1,4}}(?:st|nd|rd|th))"
_NUMBER = rf"(?:\d{{1,4}}|{'|'.join(NUMBERS)})"

ORDERS: Mapping[str, tuple[Wording, ...]] = MappingProxyType(
    {
        "stop": (
            Wording(
                "stop [it | that | reading | talking] | be quiet | cancel | never mind",
                typed=r"silence|cancel (?:it|that)",
            ),
        ),
        "pause": (Wording("pause", typed="wait"),),
        "resume": (Wording("resume | go on"),),
        "continue": (Wording("continue [reading] | read on"),),
        "repeat": (
            Wording(
                "repeat [that] | say that again | say it again",
                typed=(
                    r"(?:(?:sorry|please|pardon|excuse me|can you|could you|would you|will you) )*"
                    r"(?:repeat (?:it|that|the answer)|say (?:that|it) (?:again|once more))"
                    r"(?: please)?|(?:sorry )?(?:what|again|pardon(?: me)?) please"
                    r"|again|once more|one more time|pardon|come again"
                    r"|(?:what (?:was|did you say)|tell me|read|say) (?:that|it)(?: to me)?"
                    r"(?: again| once more)|what did you say|what was that"
                ),
            ),
        ),
        "voice": (
            Wording(
                "[read (it | this | that)] in [a | an | the] {english | german | french | spanish"
                " | italian | dutch | portuguese} voice",
                typed=(
                    r"(?:(?:read|say|speak) (?:it|this|that|the text)(?: again)? )?"
                    r"(?:in|with) (?:an? |the )?(\w+) voice|use (?:an? |the )?(\w+) voice"
                ),
            ),
            Wording(
                "read (it | this | that) in {its own language}",
                typed=r"(?:read (?:it|this|that) )?in (?:its|their) (own) (?:language|voice)",
            ),
        ),
        "slower": (
            Wording(
                "[speak] slower",
                typed=(
                    rf"(?:{_SPEAK} )?(?:{_A_BIT} )?(?:slower|more slowly|slow down)|slow down"
                    r"|not so fast|(?:you (?:are|speak|talk|read) )?too fast"
                ),
            ),
            Wording(typed=rf"{_THE_SAME} (?:slower|slowly|more slowly|at a slower speed)"),
        ),
        "faster": (
            Wording(
                "[speak] faster",
                typed=(
                    rf"(?:{_SPEAK} )?(?:{_A_BIT} )?(?:faster|quicker|more quickly)|speed up"
                    r"|(?:you (?:are|speak|talk|read) )?too slow(?:ly)?"
                ),
            ),
            Wording(typed=rf"{_THE_SAME} (?:faster|quicker|more quickly)"),
        ),
        "louder": (
            Wording(
                "[speak] louder",
                typed=rf"(?:{_SPEAK} )?(?:{_A_BIT} )?(?:louder|more loudly)|(?:speak |talk )?up",
            ),
            Wording(typed=rf"{_THE_SAME} (?:louder|more loudly)"),
        ),
        "quieter": (
            Wording(
                "[speak] quieter",
                typed=rf"(?:{_SPEAK} )?(?:{_A_BIT} )?(?:quieter|softer|more quietly)|too loud",
            ),
            Wording(typed=rf"{_THE_SAME} (?:quieter|softer|more quietly)"),
        ),
        "more": (Wording("more detail | longer answers", typed="more details|tell me more"),),
        "less": (Wording("less detail | shorter answers", typed="shorter|be brief"),),
        "page": (
            Wording(
                "[go to | turn to] [the] {next | previous | first | last} page",
                typed=(
                    rf"(?:go to |turn to |open |show me )?(?:the )?({_NTH}) page"
                    rf"|(read (?:me )?(?:the )?{_NTH} page)"
                ),
            ),
            Wording(
                f"[go to | turn to] page {{{' | '.join(NUMBERS)}}}",
                typed=(
                    rf"(?:go to |turn to |open |show me )?page (?:number )?({_NUMBER})"
                    rf"|(read (?:me )?page (?:number )?{_NUMBER})"
                ),
            ),
            Wording(
                "how many {pages} [are there | does it have]",
                typed=r"how many (pages) (?:are (?:in )?(?:it|this|here)|does this have|has it)",
            ),
            Wording("(which | what) {page} is (this | it)", typed=r"(?:which|what) (page) am i on"),
        ),
        "next": (
            Wording(
                "next {line | sentence | word}",
                typed=(
                    r"next|(?:read )?(?:me )?(?:the )?next (?P<unit>line|sentence|word)"
                    r"|(?:read )?(?:me )?the (line|sentence|word) after (?:that|it|this)(?: one)?"
                ),
            ),
        ),
        "previous": (
            Wording(
                "previous {line | sentence | word}",
                typed=(
                    r"previous|(?:back|last)(?: (line|sentence|word))?"
                    r"|(?:read )?(?:me )?the (line|sentence|word) before (?:that|it|this)(?: one)?"
                ),
            ),
        ),
        "heading": (Wording("next heading", typed=r"(?:go|jump) to the next heading"),),
        "spell": (Wording("spell (it | that | the word)", typed="spell(?: this)?"),),
        "live": (Wording("keep reading", typed="live text|read as i go"),),
        "check": (
            Wording(
                "double check [that] | are you sure",
                typed=r"double check it|check (?:it|that) again",
            ),
        ),
        "remember": (
            Wording(
                "remember this [as (my | the) {[<colour>] <thing>}]",
                typed=r"remember (?:this|it|that)(?: as (?:my |the )?(.+))?",
            ),
        ),
        "saved": (
            Wording("what did i save | what have i saved", typed="what do you remember"),
        ),
        "where": (
            Wording(
                "where did i (see | put | leave) (my | the) {[<colour>] <thing>}",
                typed=r"where did i (?:see|put|leave) (?:my |the )?(.+)",
            ),
            Wording("where did i see {this}"),
            Wording(
                "have i (seen | saved) {this [before]}",
                typed=r"(?:have|did) i (?:seen?|saved?) ((?:this|that|it)(?: before)?)",
            ),
            Wording(
                typed=(
                    rf"(?:find|search for|look for|where is) (.+) in {_NOTES}"
                    rf"|(?:search|look in) {_NOTES} for (.+)"
                    rf"|what do {_NOTES} say about (.+)"
                ),
            ),
        ),
        "recall": (
            Wording(typed=rf"(?:read|read me|open) (.+) (?:in|from) {_NOTES}"),
        ),
        "yes": (
            Wording(
                "yes [please]",
                typed=(
                    r"(?:yeah|yep|sure|ok|okay|of course|yes do|do it|do that|go ahead)"
                    r"(?: thanks| thank you)?|yes (?:thanks|thank you|do it|read it|delete it)"
                ),
            ),
        ),
        "no": (
            Wording("no [thank you]", typed=r"nope|no thanks|not now|no need|no (?:do not|don't)"),
        ),
        "forget": (
            Wording(
                "(forget | delete) {everything}",
                typed=(
                    r"(?:delete|forget) (all(?: of (?:it|them))?|everything|number \w+"
                    r"|(?:my|the) (?!question\b).+|(?:that|this) one)|delete (it|that)"
                ),
            ),
        ),
        "help": (
            Wording(
                "help | what can you do | what can i say",
                typed=(
                    r"what (?:can|could|should|may) i (?:ask|say)(?: you| here)?"
                    r"|what (?:can|could|may) i do(?: here)?"
                    r"|what (?:else )?can you (?:do|tell me|help me with|answer)(?: for me)?"
                    r"|what are you able to do|what do you do|how can you help(?: me)?|help me"
                ),
            ),
        ),
        "quit": (Wording("quit | goodbye", typed="exit|good bye"),),
        "headphones": (
            Wording(
                "[turn | switch] headphones [mode] {on | off}",
                typed=r"(?:turn|switch) (on|off) headphones(?: mode)?",
            ),
        ),
        # Heard as questions: they are answered in the same way.
        "read": (
            Wording(
                typed=r"read(?: (?:it|this|all|everything|the text))?(?: aloud)?(?: to me)?"
            ),
        ),
        "find": (
            Wording(typed=r"(?:go|jump) to (?:the word )?(\w+)"),
            Wording(typed=r"find (?:the words? )(\w+(?: \w+)?)"),
            Wording(typed=r"find (?!(?:it|this|that|me|my|the|all|out|more|and)\b)(\w+)"),
        ),
    }
)  # fmt: skip
"""By the name of the command that does the same; a braced part is what the order is about."""

STOP = ORDERS["stop"][0].heard
"""What silences the assistant; with headphones it is heard also while the assistant speaks."""


def heard_orders() -> Iterator[str]:
    """What can be heard for all orders, in the notation of `skills.wording`."""
    for wordings in ORDERS.values():
        for wording in wordings:
            if wording.heard:
                yield wording.heard


def in_words(text: str) -> str:
    """A text with its numbers up to twenty as words, as the grammar says them."""
    return re.sub(r"\b\d{1,2}\b", lambda number: _NAMED.get(number[0], number[0]), text)


_NAMED = {str(number): word for number, word in enumerate(NUMBERS, start=1)}


def order_in(text: str) -> tuple[str, str] | None:
    """The command that a whole sentence is, and what it is about; None for a question."""
    words = " ".join(word for word in bare_words(text).split() if word != "please")
    return _order_of(words) or _order_of(_ASKED_POLITELY.sub("", words, count=1))


def _order_of(words: str) -> tuple[str, str] | None:
    for command, wordings in ORDERS.items():
        for wording in wordings:
            for argument in (wording.is_whole(words), wording.typed_whole(words)):
                if argument is not None:
                    return command, argument
    return None
