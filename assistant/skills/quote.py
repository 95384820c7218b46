"""Any other question about a text: the lines that hold its words, quoted."""

import dataclasses
import re
from collections.abc import Iterator

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.errors import VisionError
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import ended, listed
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.wording import Wording
from assistant.text.clauses import part_that_tells
from assistant.text.columns import ranked_value
from assistant.text.listings import Listing, bare_entry
from assistant.text.meaning import best_match, content_words, is_telling, words
from assistant.text.named_enough import names_enough
from assistant.text.page import Page
from assistant.text.quantities import named, quantities
from assistant.text.question import Form, is_everyday, wish
from assistant.text.ranking import counted, ranked
from assistant.text.retrieval import Hit, confirmed, places_for, places_near
from assistant.text.tokens import Kind
from assistant.text.whole_answers import can_be_all

SURE = 0.85
"""Part of the question that a single place must account for to be told as its answer, 0 to 1."""


LONGEST_SURE = 25
"""Words of a place that is called the answer; in a longer one the answer is still to be found."""

LONGEST_SURE_LIST = 60
"""Words of all entries of a list that is called the answer."""

LONGEST_UNCUT = 12
"""Words of a row that is told whole where what was cut out of it is only a guess; by dev3b."""

AT_THE_EDGE = 1.2
"""Heights of its last row, by which a list must end above the edge of the picture."""


class Quote:
    """No wording asks for it: it is tried where no other skill accounts for the question."""

    name = "quote"
    wordings: tuple[Wording, ...] = ()
    traits = Traits(rank=98, text=True)

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """The best places; or that nothing comes close, with what was asked about."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        counted = _counted(page, asked.words)
        if counted is not None:
            return Answer(self.name, (counted,), ground_read((counted,)))
        listed = _of_a_list(self.name, page, asked.words)
        if listed is not None:
            return listed
        hits = places_for(page, asked.words, context=asked.context)
        hits = _by_meaning(page, asked.words, hits, scene)
        if not hits:
            return nothing_about(asked, page)
        found = tuple(
            each
            for hit in hits
            for each in all_found(page, _without_foreign_head(hit, asked.words))
        )
        found = tuple({(each.label, each.value): each for each in reversed(found)}.values())[::-1]
        # What accounts for a part of the question stands there, and may answer something else.
        sure = len(hits) == 1 and hits[0].is_literal and hits[0].score >= SURE
        length = sum(len(words(each.value)) for each in found)
        listing = hits[0].listing
        if listing is None:
            # Who recites has not chosen.
            sure = sure and length <= LONGEST_SURE and can_be_all(page, found[0], asked.words)
            sure = sure and names_enough(page, found[0], asked.words)
            if not sure:
                found = tuple(uncut(page, each) for each in found)
            if len(found) == 1:
                found = (_in_part(found[0], asked),)
            return Answer(self.name, found, ground_read(found) if sure else Basis.GUESS)
        notes = tuple(_what_lacks(listing, scene))
        sure = sure and length <= LONGEST_SURE_LIST and not notes
        return Answer(self.name, found, ground_read(found) if sure else Basis.GUESS, notes)

    def say(self, answer: Answer, detail: Detail) -> str:
        """The places as they stand."""
        nothing = answer.note(NoteKind.NOT_ABOUT)
        if nothing is not None:
            about = f" about {nothing.detail}" if nothing.detail else " that answers this"
            return f"I can't tell: I see text but nothing{about}. Shall I read it?"
        if not answer.found:
            return ""
        if detail is Detail.SHORT:
            return ended(listed(answer))
        if answer.note(NoteKind.COUNTED):
            return ended(f"I count {listed(answer)}")
        return f"I read: {'; '.join(map(_quoted, answer.found))}"


def _by_meaning(page: Page, question: str, hits: list[Hit], scene: Scene) -> list[Hit]:
    """What a model of meanings makes of the places that words led to; these where it fails."""
    closeness = scene.closeness(page)
    if closeness is None:
        return hits
    try:
        if hits:
            return confirmed(page, question, hits, closeness)
        return places_near(page, question, closeness)
    except VisionError as error:
        scene.fault = error
        return hits


def _counted(page: Page, question: str) -> Found | None:
    """How many of a thing were bought, where one entry of a receipt names it and says so."""
    wanted = wish(question)
    if wanted.form is not Form.MANY:
        return None
    telling = [word for word in wanted.asked if is_telling(word) and not is_everyday(word)]
    held = [each for each in named(wanted.asked, quantities(page)) if each.count]
    if len(held) != 1 or not all(best_match(word, words(held[0].name)) > 0 for word in telling):
        return None
    entry = held[0]
    lines = page.rows[entry.row].pieces
    return Found(entry.count, entry.name, lines, Kind.NUMBER)


def _of_a_list(skill: str, page: Page, question: str) -> Answer | None:
    """The third of a list, the longest, two that are compared, or how many entries there are.

    It is a guess: what is listed is known by how it stands only.
    """
    cell = ranked_value(page, question)
    if cell is not None:
        one = Found(cell.text, f"{cell.name}, {cell.head}", cell.lines)
        return Answer(skill, (one,), Basis.GUESS)
    entries = ranked(page, question)
    if entries:
        found = tuple(Found(" ".join(each.text.split()), None, each.lines) for each in entries)
        return Answer(skill, found, Basis.GUESS)
    many = _HOW_MANY.search(question)
    if many is None:
        return None
    rows = range(len(page.rows))
    named = [word for word in content_words(many["noun"]) if is_telling(word)]
    is_held = any(best_match(word, page.words(row)) > 0 for word in named for row in rows)
    entries = counted(page, many["noun"], is_held=is_held)
    if not named or not entries:
        return None
    lines = tuple(line for each in entries for line in each.lines)
    one = Found(f"{len(entries)} {many['noun']}", None, lines)
    return Answer(skill, (one,), Basis.GUESS, (Note(NoteKind.COUNTED),))


_HOW_MANY = re.compile(
    r"\bhow many (?P<noun>(?!of\b)[a-z]+"
    r"(?: (?!are|is|were|was|do|does|did|can|in|on|have|has|should|must|will)[a-z]+)?)"
)


def nothing_about(asked: Asked, page: Page) -> Answer:
    """That no place answers a question."""
    return Answer(SKILL.name, notes=(Note(NoteKind.NOT_ABOUT, _subject(asked, page)),))


def as_found(hit: Hit) -> Found:
    """A place as what is told of it: one value with its label, or all of it."""
    value = hit.value
    if hit.cell is not None:
        label = ", ".join(filter(None, (hit.cell.name, hit.cell.head)))
        return Found(hit.cell.text, label or None, hit.cell.lines)
    if value is not None and hit.is_one_of_many:
        label = ", ".join(dict.fromkeys(filter(None, (value.left, value.head)))) or value.label
        return Found(value.token.text, label or None, value.lines, value.token.kind)
    label = value.label if value is not None else ""
    return Found(" ".join(hit.passage.text.split()), label or None, hit.passage.lines)


def uncut(page: Page, found: Found) -> Found:
    """A value with its label as the short row that it was cut out of.

    What is no more than a guess may be the wrong part of the right row: "Serve at 16 to 18 °C with
    lamb" says more than "Serve at: 16", and is as soon heard.
    """
    rows = [row for row in page.rows if any(piece in found.lines for piece in row.pieces)]
    if len(rows) != 1:
        return found
    whole, told = words(rows[0].text), words(f"{found.label or ''} {found.value}")
    is_part = len(told) < len(whole) <= LONGEST_UNCUT and set(told) <= set(whole)
    return Found(rows[0].text, None, rows[0].pieces) if is_part else found


def all_found(page: Page, hit: Hit) -> tuple[Found, ...]:
    """The same, but of a list each entry by itself, the first behind the words that open it."""
    listing = hit.listing
    if listing is None:
        return (as_found(hit),)
    lead = [row for row in hit.passage.rows if row <= listing.lead]
    label = " ".join(page.rows[row].text for row in lead).strip().rstrip(" :")
    first, *others = listing.entries
    lines = tuple(piece for row in lead for piece in page.rows[row].pieces)
    return (
        Found(bare_entry(first.text), label, (*lines, *first.lines)),
        *(Found(bare_entry(each.text), None, each.lines) for each in others),
    )


def _what_lacks(listing: Listing, scene: Scene) -> Iterator[Note]:
    """That entries of a list were not read, or stand outside the picture."""
    if listing.has_gap:
        yield Note(NoteKind.NOT_READ, BETWEEN)
    *_, last = listing.entries[-1].lines
    bottom = max(y for _, y in last.box)
    if listing.is_last and scene.rgb.shape[0] - bottom < AT_THE_EDGE * last.height:
        yield Note(NoteKind.CUT_OFF, "bottom")


BETWEEN = "between these"


def _in_part(found: Found, asked: Asked) -> Found:
    """A long sentence as the part of it that is asked for, where that is safe."""
    part = part_that_tells(found.value, wish(asked.words))
    return found if part == found.value else dataclasses.replace(found, value=part, label=None)


def _without_foreign_head(hit: Hit, question: str) -> Hit:
    """A value that its own row names is not told under a head that nobody asked for."""
    value = hit.value
    if value is None or not value.left or not value.head:
        return hit
    asked = words(question)
    if any(best_match(word, asked) > 0 for word in words(value.head)):
        return hit
    return dataclasses.replace(hit, value=dataclasses.replace(value, head=""))


def _quoted(found: Found) -> str:
    """A place as it stands; a single value of a row behind what it is the value of."""
    if found.label is None or found.label in found.value:
        return found.value
    return f"{found.label}: {found.value}"


def _subject(asked: Asked, page: Page) -> str:
    """What was asked about, at most three of the words that stand nowhere."""
    printed = [word for row in page.rows for word in words(row.text)]
    missing = [word for word in content_words(asked.words) if best_match(word, printed) == 0]
    return " ".join(missing[:3])


def tells_a_number(answer: Answer, page: Page) -> bool:
    """True if a place was found, and it holds a number or a measure."""
    kinds = frozenset({Kind.NUMBER, Kind.MEASURE})
    return any(holds(each, page, kinds) for each in answer.found)


def holds(found: Found, page: Page, kinds: frozenset[Kind]) -> bool:
    """True if the lines of a place hold a value of some kinds."""
    return any(place.token.kind in kinds and place.line in found.lines for place in page.places)


SKILL = Quote()
