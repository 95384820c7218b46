"""Whom a letter, a label or a ticket is for, and whom it is from: by labels, and by place."""

import re
from collections.abc import Iterator
from dataclasses import replace

from assistant.text.fitting import ADDRESS, NAME_ALONE, TITLED
from assistant.text.meaning import is_empty, words
from assistant.text.page import Page, Passage
from assistant.text.tables import Tables
from assistant.text.tokens import Kind

_FOR = (
    r"deliver(?:ed|y)?(?: to)?|ship(?:ped)? to|bill(?:ed)? to|sold to|addressed to|attn"
    r"|attention|to|for|"
    r"patient(?:'s)?(?: name)?|passenger(?: name)?|traveller|guest(?: name)?|customer(?: name)?|"
    r"policy ?holder|account ?holder|card ?holder|member(?: name)?|name|recipient|addressee|tenant|"
    r"pupil|student|employee|empf[aä]nger(?:in)?|an|f[uü]r|patient(?:in)?|kund(?:e|in)"
    r"|reisende[rn]?|"
    r"destinataire|pour|[aà] l'attention de|client|nom|voyageur|destinatari[oa]|para|paciente"
    r"|cliente|"
    r"nombre|titular|per|paziente|nome|aan|voor|klant|naam|ontvanger|destinat[aá]rio"
)
_FROM = (
    r"from|sender|sent by|return (?:address|to)|if undelivered,? return to|absender|von|"
    r"exp[eé]diteur|de la part de|remitente|mittente|afzender|remetente"
)
_ONLY_WITH_COLON = frozenset(
    [
        "to",
        "for",
        "an",
        "für",
        "fur",
        "de",
        "per",
        "para",
        "pour",
        "aan",
        "voor",
        "von",
        "from",
        "name",
    ]
)
"""Words that begin sentences, too: without a colon they are no labels."""

_DEAR = re.compile(
    r"^(?:to (?:my |our |a )?)?(?:dear(?:est)?|hi|hello|liebe[r]?|sehr geehrte[r]?|ch[eè]re?"
    r"|estimad[oa]|querid[oa]|gentile|car[oa]|beste|geachte|prezad[oa]) "
    r"(?P<name>(?!sir|madam|customer|all\b|kunde|damen|client)\S.*?)"
    r"\s*[,:!]?$",
    re.IGNORECASE,
)
_SALUTATION = re.compile(
    r"^(?:to (?:my |our |a )?)?(?:dear(?:est)?|hi|hello|liebe[r]?|sehr geehrte[r]?|ch[eè]re?s?"
    r"|madame|monsieur|estimad[oa]s?|querid[oa]s?|gentile|egregi[oa]|car[oaie]|beste|geachte"
    r"|prezad[oa]s?)\b"
    r"(?:[^.?]|(?<=\b\w{1})\.|(?<=\b\w{2})\.|(?<=\b\w{3})\.|(?<=\b\w{4})\.){0,60}[,:!]?$",
    re.IGNORECASE,
)
"""A row by which somebody is addressed, by name or not: "Dear Sir or Madam", "Dear Prof. Ito"."""

_SUBJECT = re.compile(
    r"^(?:(?:our |your )?subject(?: line)?|re|regarding|concerning|topic|betreff|betrifft|betr\.?"
    r"|objet|concerne|asunto|oggetto|betreft|onderwerp|assunto)\s*[:.]\s*(?P<subject>\S.*)$",
    re.IGNORECASE,
)

_CLOSING = re.compile(
    r"^(?:(?:yours|kind|best|warm|many|with|much|lots of|all (?:my|our)|fond(?:est)?) .*|love"
    r"|regards|sincerely|cheers"
    r"|mit freundlichen gr.*|"
    r"(?:viele|liebe|herzliche) gr.*|cordialement|bien [aà] vous|atentamente"
    r"|un (?:cordial )?saludo|"
    r"cordiali saluti|distinti saluti|met vriendelijke groet.*|atenciosamente|thank you|thanks)"
    r"\s*[,.!]?$",
    re.IGNORECASE,
)

_ADDED = re.compile(r"\s*P\.? ?S\b", re.IGNORECASE)
"""What is written below a signature."""

_CLOSED = re.compile(
    r"^(?:yours(?: \w+)?|(?:lots of |with |all my )?love|(?:kind |warm |best )?regards|best wishes"
    r"|(?:many )?thanks|cheers|liebe grüße|bises|un abrazo|baci|liefs)(?:,? from|,)\s+"
    r"(?P<name>[A-ZÀ-Þ][^.:!?]*)$",
    re.IGNORECASE,
)
"""The closing words with the name beside them."""

_SIGNED = re.compile(
    r"^(?:signed(?: by)?|signature|unterschrift|gez(?:eichnet)?\.?|sign[eé](?: par)?"
    r"|firmado(?: por)?|firmato(?: da)?|getekend|assinado(?: por)?)"
    r"\s*[.:]\s*(?P<name>[^\W\d_].*)$",
    re.IGNORECASE,
)
"""The name behind the word that says whose hand it is."""

MOST_LINES = 5
LONGEST_SUBJECT = 12
"""Words of a subject line."""

HEAD_GAP = 1.5
"""Times the least step between the first rows, from which another block begins."""

NARROW = 0.85
"""Times the width of the widest row, up to which a row ended where its writer ended it."""

"""Rows of a name with its address."""

LONGEST_TOWN = 2
"""Words of a town's name."""


def recipient(page: Page) -> Passage | None:
    """The name, with the address where it follows, of whom something is for; or None."""
    labelled = _labelled(page, _FOR)
    if labelled is not None:
        return labelled
    # Below the salutation stand others: who signs, who is written about.
    above = [row.text for row in page.rows][: salutation(page)]
    for row, text in enumerate(above):
        # A title in the first row is more likely the sender's.
        if row and _begins_with_name(text) and not _is_behind_closing(page, row):
            return page.passage(*_block(page, row))
    for row, text in enumerate(above):
        following = page.rows[row + 1].text if row + 1 < len(page.rows) else ""
        if row and NAME_ALONE.fullmatch(text.strip()) and ADDRESS.search(following):
            return page.passage(*_block(page, row))
    for each in page.rows:
        dear = _DEAR.match(each.text.strip())
        if dear:
            return Passage(dear["name"], (), each.pieces)
    return None


def sender(page: Page) -> Passage | None:
    """What stands behind a label such as "From" or "Sender"; or None."""
    return _labelled(page, _FROM)


def signed_beside(page: Page) -> Passage | None:
    """The name in the row of the closing words: "Yours, Desmond and Ruth"; or None."""
    for row, each in enumerate(page.rows):
        closed = _CLOSED.match(each.text.strip())
        if closed and row:
            return Passage(closed["name"], (row,), each.pieces)
    return None


def signature(page: Page) -> Passage | None:
    """The name behind "Signed:", or the rows behind the closing words of a letter; or None."""
    for number, each in enumerate(page.rows):
        signed = _SIGNED.match(each.text.strip())
        if signed:
            return Passage(signed["name"], (number,), each.pieces)
    beside = signed_beside(page)
    if beside is not None:
        return beside
    # "With deepest sympathy" over the salutation closes nothing.
    first = salutation(page) or 0
    for row in range(first, len(page.rows) - 1):
        if _CLOSING.match(page.rows[row].text.strip()):
            below = range(row + 1, min(row + 3, len(page.rows)))
            rows = [each for each in below if not _ADDED.match(page.rows[each].text)]
            return page.passage(*rows) if rows else None
    dear = next((n for n, row in enumerate(page.rows) if _DEAR.match(row.text.strip())), None)
    if dear is None:
        return None
    for row in range(len(page.rows) - 1, dear, -1):
        text = page.rows[row].text.strip()
        if NAME_ALONE.fullmatch(text) or TITLED.match(text) and len(words(text)) <= 6:
            return page.passage(row)
    return None


def head(page: Page, most: int) -> int:
    """How many of the first rows are those of whom a paper is from, at most some.

    Below them, behind a gap, begins the block of whom it is for, or what the paper says.
    """
    steps = [_top(page, row) - _top(page, row - 1) for row in range(1, min(most, len(page.rows)))]
    least = min((step for step in steps if step > 0), default=0.0)
    whom = recipient(page)
    theirs = whom.rows[0] if whom is not None and whom.rows else 0
    for row, step in enumerate(steps, 1):
        if row == theirs or step > HEAD_GAP * least and _begins_with_name(page.rows[row].text):
            return row
    return min(most, len(page.rows))


def salutation(page: Page) -> int | None:
    """The row by which a letter addresses its reader; None where there is none.

    Madame and monsieur stand over an address as well, but without a mark behind the name.
    """
    texts = [row.text.strip() for row in page.rows]
    rows = [number for number, text in enumerate(texts) if _SALUTATION.match(text)]
    marked = [row for row in rows if texts[row].endswith((",", ":", "!"))]
    return next(iter(marked or rows), None)


def is_letter(page: Page) -> bool:
    """True for a page that addresses its reader, or closes as letters do."""
    last = [row.text.strip() for row in page.rows[len(page.rows) // 2 : -1]]
    closes = (len(words(text)) <= 4 and _CLOSING.match(text) is not None for text in last)
    return salutation(page) is not None or any(closes)


def subject(page: Page) -> Passage | None:
    """The line that says what a letter is about: by its label, or by its place; or None.

    Its place is right before or behind the salutation: a short row that ends before the others do
    and is no sentence, name, address or date.
    """
    for number, row in enumerate(page.rows):
        labelled = _SUBJECT.match(row.text.strip())
        if labelled:
            return Passage(labelled["subject"], (number,), row.pieces)
    dear = salutation(page)
    if dear is None:
        return None
    return next((page.passage(row) for row in (dear + 1, dear - 1) if _is_title(page, row)), None)


def beginning(page: Page) -> Passage | None:
    """The first sentence behind the salutation of a letter; None without either."""
    dear = salutation(page)
    if dear is None:
        return None
    called = page.rows[dear].text.strip()
    after = (
        replace(each, text=each.text.strip().removeprefix(called).lstrip(" ,:"))
        for each in page.statements
        if each.rows[-1] > dear
    )
    return next((each for each in after if len(words(each.text)) > 3), None)


def _is_title(page: Page, row: int) -> bool:
    """True for a row that stands over a letter as its title does."""
    if not 0 < row < len(page.rows) - 1:
        return False
    text, following = page.rows[row].text.strip(), page.rows[row + 1].text.strip()
    if not 1 < len(words(text)) <= LONGEST_SUBJECT or re.search(r"[.,;:!]$", text):
        return False
    # "Ihre Rechnung" is no name, though both its words are written like one.
    is_name = NAME_ALONE.fullmatch(text) and not is_empty(words(text)[0])
    if ADDRESS.search(text) or TITLED.match(text) or is_name or _is_dateline(page, row):
        return False
    if page.places_in(row) and len(words(text)) < 4:
        # A date, a telephone number, a reference.
        return False
    is_narrow = _width(page, row) < NARROW * max(_width(page, n) for n in range(len(page.rows)))
    return is_narrow and (following[:1].isupper() or following[:1].isdigit())


def _top(page: Page, row: int) -> float:
    return min(y for piece in page.rows[row].pieces for _, y in piece.box)


def _is_dateline(page: Page, row: int) -> bool:
    """True for "München, den 3. November 2026": a date and at most the name of a town."""
    text = page.rows[row].text
    dates = [each for each in page.places_in(row) if each.token.kind is Kind.DATE]
    for each in dates:
        text = text.replace(each.token.text, " ")
    return bool(dates) and len([word for word in words(text) if not is_empty(word)]) <= LONGEST_TOWN


def _width(page: Page, row: int) -> float:
    across = [x for piece in page.rows[row].pieces for x, _ in piece.box]
    return max(across) - min(across)


def _labelled(page: Page, labels: str) -> Passage | None:
    """What stands behind, beside or under the first of some labels."""
    whole = re.compile(rf"\s*(?P<label>{labels})\s*(?P<colon>:)?\s*", re.IGNORECASE)
    for row, pieces in enumerate(each.pieces for each in page.rows):
        first = whole.match(pieces[0].text)
        if first is None or _is_word_going_on(pieces[0].text, first.end("label")):
            continue
        label, rest = first["label"].lower(), pieces[0].text[first.end() :].strip()
        if label in _ONLY_WITH_COLON and not first["colon"]:
            continue
        if rest and first["colon"]:
            return Passage(rest, (row,), pieces)
        if not rest and len(pieces) > 1:
            if all(not any(map(str.isdigit, piece.text)) for piece in pieces[1:2]):
                beside = Passage(pieces[1].text, (row,), pieces)
                return (None if _begins_with_name(beside.text) else _in_tables(page, row)) or beside
        elif not rest and row + 1 < len(page.rows):
            return page.passage(*_block(page, row + 1))
    return None


def _in_tables(page: Page, row: int) -> Passage | None:
    """Where a row holds the heads of a table, the name under its first head."""
    cells = Tables(page).cells(row + 1) if row + 1 < len(page.rows) else ()
    if not cells or not (_begins_with_name(cells[0].text) or NAME_ALONE.fullmatch(cells[0].text)):
        return None
    return Passage(cells[0].text, (row + 1,), cells[0].lines)


def _is_word_going_on(text: str, end: int) -> bool:
    return text[end : end + 1].isalnum() or text[end : end + 1] in ("'", "-", "’")


def _begins_with_name(text: str) -> bool:
    found = TITLED.match(text.strip())
    return found is not None and len(words(text)) <= 5 and "," not in text[: found.end()]


def _is_behind_closing(page: Page, row: int) -> bool:
    return any(_CLOSING.match(page.rows[each].text.strip()) for each in range(row))


def _block(page: Page, first: int) -> Iterator[int]:
    """A row and those after it that look like the rest of an address."""
    yield first
    for row in range(first + 1, min(first + MOST_LINES, len(page.rows))):
        text = page.rows[row].text
        is_town = len(words(text)) <= 3 and text[:1].isupper() and not re.search(r"[:,.]$", text)
        if not (ADDRESS.search(text) or is_town) or _DEAR.match(text):
            return
        yield row
