"""A value letter by letter: "spell her last name", "spell the e-mail address"."""

import re
from collections.abc import Sequence

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.seeing.accents import lost_marks
from assistant.seeing.text import TextLine
from assistant.skills import quote, router
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import READ_TEXT, lacks_a_cause, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.languages import page_language
from assistant.text.meaning import words
from assistant.text.page import Page
from assistant.text.reading import spelled
from assistant.text.tokens import Kind, tokens

LONGEST = 60
"""Characters that can be followed letter by letter."""

_OF_LAST = re.compile(
    r"(?:(?:it|that|this|answer|again)(?: all| out)?"
    r"|(?:that|this|last|same) (?:word|name|one|answer|number|code|thing|bit))?"
)
"""What is to be spelt is what was told last."""

NOTHING_TO_SPELL = (
    "I can't tell: there is nothing to spell in my last answer. Say what to spell, such as: spell "
    "the name."
)

_ADDRESSES = (Kind.EMAIL, Kind.WEB, Kind.CODE, Kind.PHONE)


class Spell:
    """What is named is looked for as if it had been asked for; "that" is the last answer."""

    name = "spell"
    wordings = (
        Wording(
            typed=(
                r"^(?:please |now |and |can you |could you |would you )*spell (?:out |me )?"
                r"(?:the |her |his |their |its |my )?(?P<subject>\w.*?)"
                r"(?: (?:for me|please|letter by letter|slowly|again|out))*$"
                r"|^how (?:is|do you|do they) (?:the |her |his "
                r"|their )?(?P<named>.+?)? ?spel(?:led|l|t)"
                r"(?: it| that| out)?$"
            ),
        ),
    )
    traits = Traits(rank=5)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The value that is spelt."""
        subject = asked.subject
        last = asked.last
        if _OF_LAST.fullmatch(subject):
            return _spelling(last, scene) if last is not None and last.found else Answer(self.name)
        printed = _printed(asked, scene.page(asked.cancelled))
        if printed is not None:
            return _spelling(Answer(self.name, (printed,), ground_read((printed,))), scene)
        question = f"what is the {subject}"
        inner = router.understand(question)
        skill = router.skill_named(inner.skill)
        answer = (
            skill.find(inner, scene) if skill.traits.text and inner.skill != self.name else None
        )
        if answer is None or not answer.found or inner.skill in ("read", "describe"):
            answer = quote.SKILL.find(inner, scene)
        if answer is None:
            return None
        return _spelling(answer, scene) if answer.found else not_found(self.name, subject)

    def say(self, answer: Answer, detail: Detail) -> str:
        """Letter by letter, capitals and signs named."""
        if answer.found:
            letters = "; ".join(spelled(each.value) for each in answer.found)
            return letters if detail is Detail.SHORT else f"{answer.values[0]}: {letters}"
        if lacks_a_cause(answer):
            return NOTHING_TO_SPELL
        missing = "".join(note.detail for note in answer.notes if note.kind.value == "not_found")
        return f"I can't tell: I find no {missing} in the text. {READ_TEXT}" if missing else ""


def spellable(answer: Answer) -> Found | None:
    """The value of an answer that can be spelt: whole, or the address or code in it; or None."""
    if not answer.found:
        return None
    first = answer.found[0]
    if len(first.value) <= LONGEST and "\n" not in first.value:
        named = [each for each in tokens(first.value) if each.kind in (Kind.EMAIL, Kind.WEB)]
        if named:
            return Found(named[0].text, first.label, first.lines)
        label, value = _apart(first.value)
        return Found(value, first.label or label, first.lines) if label else first
    found = [each for each in tokens(first.value) if each.kind in _ADDRESSES]
    return Found(found[0].text, first.label, first.lines) if found else None


def _printed(asked: Asked, page: Page) -> Found | None:
    """A word or a name that stands in the text as it was said, as printed; None if none does.

    "The name" and what has a value behind it, as "IBAN DE89", ask for what they are the label of.
    """
    said = words(re.sub(r"^words? ", "", asked.subject))
    as_it_is = rf"\bspell (?:out |me |the words? )*(?:words? )?{re.escape(' '.join(said))}\b"
    if not 0 < len(said) <= MOST_WORDS or re.search(as_it_is, asked.words) is None:
        return None
    wanted = r"\W+".join(map(re.escape, said))
    for row in page.rows:
        found = re.search(rf"(?<!\w){wanted}(?!\w)(?!\W*\d|\s*[:#])", row.text, re.IGNORECASE)
        if found is not None:
            return Found(found[0], None, row.pieces)
    return None


MOST_WORDS = 3
"""Words that are looked for as they were said."""


def _apart(row: str) -> tuple[str, str]:
    """A row as its label and its value, as "Account number: 88 21"; ("", row) if it has no label.

    The label is no part of what is copied down.
    """
    before, colon, behind = row.partition(": ")
    if colon and behind.strip() and not re.search(r"\d", before):
        return before, behind.strip()
    codes = [each for each in tokens(row) if each.kind in (*_ADDRESSES, Kind.NUMBER)]
    if len(codes) != 1 or codes[0].end != len(row.rstrip()):
        return "", row
    before = row[: codes[0].start].strip(" .:#")
    is_label = before and not re.search(r"\d", before) and len(before.split()) <= LONGEST_LABEL
    return (before, codes[0].text) if is_label else ("", row)


LONGEST_LABEL = 3
"""Words before a number that say what it is the number of."""


def marks_of(value: str, lines: Sequence[TextLine]) -> Note | None:
    """That letters of a value may have lost their marks; None where the built-in reader is good.

    lines: of its page, which show the language.
    """
    if not any(map(str.isalpha, value)):
        return None
    lost = lost_marks(value, page_language(line.text for line in lines))
    pairs = ", ".join(f"{read} {letter}" for read, letter in lost)
    return Note(NoteKind.MARKS, pairs) if pairs else None


def _spelling(answer: Answer, scene: Scene) -> Answer:
    value = spellable(answer)
    if value is None:
        return not_found(SKILL.name, "single word to spell")
    basis = answer.basis if answer.basis is not Basis.UNKNOWN else Basis.GUESS
    note = marks_of(value.value, scene.known_lines)
    return Answer(SKILL.name, (value,), basis, notes=(note,) if note is not None else ())


SKILL = Spell()
