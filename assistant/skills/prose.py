"""What a text model wrote about a text, sentence by sentence, each held against the text.

A model's words are never read and never seen: what is told of them is a guess, with the printed
lines beside it that hold all that it claims. A sentence without such lines is not told.
"""

from collections.abc import Iterator, Sequence

from assistant.answers import Answer, Basis, Found, Note, NoteKind, Piece
from assistant.skills import about, quote
from assistant.skills.quoting import ended
from assistant.text.claims import claimed, rests_on, says_nothing
from assistant.text.fitting import looks_right
from assistant.text.meaning import words
from assistant.text.page import Page, Passage
from assistant.text.question import Wish
from assistant.text.sentences import SentenceBuffer

MOST_SENTENCES = 4
"""Of one answer; a listener keeps no more in mind."""


def checked(
    skill: str,
    pieces: Iterator[str],
    page: Page,
    model: str,
    *,
    wish: Wish | None = None,
    known: tuple[str, ...] = (),
    stream: bool = True,
) -> Iterator[Piece]:
    """The sentences that stand in the text, as they come, then the whole; nothing where none does.

    pieces: what the model writes, in pieces of any size.
    wish:   what is asked for; a sentence that looks like another answer is left out. None: anything
            of the text.
    known:  what was told before, and is not told again.
    stream: whether to give sentences before the whole is known.
    """
    found: list[Found] = []
    told = [claimed(text) for text in known]
    for sentence in _sentences(pieces):
        places = _resting(sentence, page, wish)
        own = claimed(sentence)
        if not places or any(_holds(each, own) for each in told):
            continue
        told.append(own)
        lines = tuple(dict.fromkeys(line for place in places for line in place.lines))
        found.append(Found(sentence, None, lines))
        if stream:
            yield ended(sentence)
            quoted = "; ".join(" ".join(place.text.split()) for place in places)
            if not _holds(words(sentence), words(quoted)):
                yield ended(RESTING.format(quoted))
        if len(found) == MOST_SENTENCES:
            break
    if found:
        yield Answer(skill, tuple(found), Basis.GUESS, (Note(NoteKind.RESTS_ON),), model=model)


RESTING = "I read: {}"
"""What stands beside a model's sentence: the lines that hold all of it."""


def is_open(answer: Answer) -> bool:
    """True where nothing close was found to a free question about a text: a model may know."""
    if answer.basis is not Basis.UNKNOWN or answer.found:
        return False
    if answer.skill == quote.SKILL.name:
        return answer.note(NoteKind.NOT_ABOUT) is not None
    return answer.skill == about.SKILL.name and answer.note(NoteKind.SOUGHT) is not None


def _sentences(pieces: Iterator[str]) -> Iterator[str]:
    buffer = SentenceBuffer()
    for piece in pieces:
        yield from buffer.accept(piece)
    yield from buffer.rest()


def _resting(sentence: str, page: Page, wish: Wish | None) -> tuple[Passage, ...]:
    """The places that a sentence rests on; none where it is not to be told."""
    if says_nothing(sentence):
        return ()
    places = rests_on(sentence, page)
    if wish is None or not places:
        return places
    rows = {row for place in places for row in place.rows}
    here = [value for row in rows for value in page.places_in(row)]
    values = [value for value in here if value.token.text in sentence]
    return () if looks_right(sentence, values, wish) is False else places


def _holds(told: Sequence[str], own: Sequence[str]) -> bool:
    """True if every word of one text stands in another."""
    return set(own) <= set(told)
