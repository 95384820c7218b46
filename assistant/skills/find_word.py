"""Whether something is mentioned: where a word stands, never a plain yes or no."""

import re
from collections.abc import Sequence

from assistant.answers import Answer, Detail, Note, NoteKind
from assistant.seeing.layout import Paragraph, Row
from assistant.seeing.scene import Scene
from assistant.skills.quoting import as_read, different, listed, paragraphs, row_values
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.speech.sentences import ends_sentence


class FindWord:
    """ "Contains nuts" and "nut free" both hold the word; so it is quoted with its sentence."""

    name = "find_word"
    wordings = (
        Wording(
            heard="does <this> say {open | closed | exit | entrance | push | pull | stop | danger}",
            typed=(
                r"\b(?:does|do) (?:it|this|that|the \w+) (?:say|mention|contain) (?P<subject>.+)$"
                r"|\bis the word (?P<word>\w+)"
            ),
        ),
    )
    traits = Traits(rank=66, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Where the words stand."""
        read = paragraphs(asked, scene)
        return passages(self.name, asked.subject, read) if read else None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The passages, or that the words are not in what could be read."""
        return say_passages(answer, detail)


def passages(skill: str, subject: str, read: Sequence[Paragraph]) -> Answer:
    """The rows that hold some words, each with what may negate it."""
    wanted = re.sub(r"^(?:(?:the|any|a|an|words?) )+(?=\w)", "", subject)
    pattern = re.compile(rf"\b{re.escape(wanted)}\b", re.IGNORECASE)
    found = row_values(_rows_with(pattern, read))
    sought = Note(NoteKind.SOUGHT, wanted)
    if not found:
        return Answer(skill, notes=(sought,))
    return as_read(skill, different(found), sought, labelled=False)


def say_passages(answer: Answer, detail: Detail) -> str:
    """What `passages` found."""
    sought = answer.note(NoteKind.SOUGHT)
    if sought is None:
        return ""
    wanted = sought.detail
    several = " " in wanted
    named = f"the words {wanted}" if several else f"the word {wanted}"
    if not answer.found:
        return f"I do not find {named} in the text I can read."
    if detail is Detail.SHORT:
        return listed(answer)
    return f"T{named[1:]} {'stand' if several else 'stands'} here: {listed(answer)}"


def _rows_with(pattern: re.Pattern[str], read: Sequence[Paragraph]) -> list[Row]:
    """The rows that hold a word, each with those of its sentence directly before and behind it.

    A row is not enough: "does not" may stand at the end of the one before.
    """
    found: list[Row] = []
    for rows in (paragraph.rows for paragraph in read):
        kept: list[int] = []
        for index, row in enumerate(rows):
            if pattern.search(row.text):
                first = index - int(index > 0 and not ends_sentence(rows[index - 1].text))
                last = index + int(index + 1 < len(rows) and not ends_sentence(row.text))
                kept += range(first, last + 1)
        for index in sorted(set(kept)):
            if index - 1 in kept:
                found[-1] = Row(found[-1].pieces + rows[index].pieces)
            else:
                found.append(Row(rows[index].pieces))
    return found


SKILL = FindWord()
