"""Whether something is mentioned: the sentence that holds it is told, never a plain yes or no."""

import re

from assistant.answers import Answer, Detail, Found, Note, NoteKind
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import listed
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.containment import mentions, names_of_kinds
from assistant.text.meaning import content_words
from assistant.text.page import Page

MOST_SENTENCES = 3

NO_WH = r"^(?!(?:\w+ ){0,2}(?:how|when|where|who|why|what|which)\b).*?"
"""A question for a place, a time or a person is none for a word."""


_KINDS = "|".join(map(re.escape, names_of_kinds()))
"""What somebody may be allergic to is looked for wherever they ask that it is."""


class FindWord:
    """ "Contains nuts" and "nut free" both hold the word; so it is quoted with its sentence."""

    name = "find_word"
    wordings = (
        Wording(
            heard="does <this> say {open | closed | exit | entrance | push | pull | stop | danger}",
            typed=(
                rf"{NO_WH}\b(?:does|do|did) (?:it|this|that|they|these|the \w+) (?:say|mention"
                rf"|contain|"
                r"have(?! to\b)|include) (?!anything(?: (?:now|on it"
                r"|here))?$)(?:anything (?:about|with) |about )?(?P<subject>.+)$"
                r"|\bis the word (?P<word>\w+)"
                r"|\bcontains? (?P<held>.+)$"
                r"|\b(?:is|are) there (?:any |some )?(?P<inside>.+) in (?:it|this|that|here|there)$"
                rf"|\b(?:is|are) there (?:any |some )?(?P<kind>{_KINDS})\b"
                r"|^(?:is there |are there )?any (?P<any>\w+(?: \w+)?)$"
                r"|\bfree (?:of|from) (?P<without>.+)$"
                r"|\ballergic to (?P<allergen>.+?)"
                r"(?: (?:can|may|is|are|should|could|do|does|so|and|what)\b.*)?$"
                r"|\b(?P<reaction>\w+) (?:allergy|allergies|intoleran(?:ce|t))\b"
                r"|\bis (?:it|this) (?P<free>[\w ]+) free\b"
            ),
        ),
    )
    traits = Traits(rank=66, text=True, careful=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """Where the words stand."""
        page = scene.page(asked.cancelled)
        return passages(self.name, asked.subject, page) if page.rows else None

    def say(self, answer: Answer, detail: Detail) -> str:
        """The passages, or that the words are not in what could be read."""
        return say_passages(answer, detail)


def passages(skill: str, subject: str, page: Page) -> Answer:
    """The sentences that hold a subject, or a member of the class that it names."""
    wanted = bare_subject(subject) or subject.strip()
    sought = Note(NoteKind.SOUGHT, wanted)
    found = mentions(page, wanted) if wanted else []
    if not found:
        return Answer(skill, notes=(sought, Note(NoteKind.LINES, str(len(page.rows)))))
    told = tuple(
        Found(" ".join(each.passage.text.split()), None, each.passage.lines)
        for each in found[:MOST_SENTENCES]
    )
    more = (Note(NoteKind.MORE),) if len(found) > MOST_SENTENCES else ()
    return Answer(skill, told, ground_read(told), (sought, *more))


def bare_subject(subject: str) -> str:
    """What is looked for, without articles, courtesy and where it is looked for."""
    text = re.sub(r"^(?:(?:the|any|a|an|some|words?|my) )+(?=\w)", "", subject.strip())
    where = r"(?: (?:in|on|at) (?:it|this|that|here|there|the \w+)| please| thank you| thanks)+$"
    text = re.sub(where, "", text)
    return text if content_words(text) or " " not in text else ""


def say_passages(answer: Answer, detail: Detail) -> str:
    """What `passages` found."""
    sought = answer.note(NoteKind.SOUGHT)
    if sought is None:
        return ""
    if not answer.found:
        lines = answer.note(NoteKind.LINES)
        count = "text" if lines is None else lines_in_words(int(lines.detail))
        return f"I do not find {sought.detail} in the {count} that I could read."
    if detail is Detail.SHORT:
        return listed(answer)
    return f"I read: {listed(answer)}"


def lines_in_words(count: int) -> str:
    """A number of lines as it is said."""
    return "one line" if count == 1 else f"{count} lines"


SKILL = FindWord()
