"""Whether a line looks like the answer that a question wants: a name, a place, a span of time."""

import re
from collections.abc import Iterable

from assistant.text.calendar_names import weekdays
from assistant.text.page import Place
from assistant.text.question import Form, Wish
from assistant.text.tokens import Kind

_CAPITAL = r"[A-ZÀ-ÖØ-Þ]"
_WORD = rf"{_CAPITAL}[a-zà-öø-ÿ'’-]+"
_TITLE = (
    r"(?:Mrs?|Ms|Miss|Mx|Dr|Prof|Sir|Lady|Rev|Herrn?|Frau|Monsieur|Madame|Mme|Mlle|Sra?|Srta|"
    r"Señora?|Sig(?:ra|nora?)?|Dott|Dhr|Mevr|Heer|Senhora?|MR|MRS|MS|MISS|DR)"
)
TITLED = re.compile(rf"\b{_TITLE}\b\.? ?(?:{_CAPITAL}\.? ?)*{_CAPITAL}[\w'’-]*(?: {_WORD})*")
"""A name behind its title."""

_NAME = re.compile(
    rf"{TITLED.pattern}|\b{_WORD} (?:{_CAPITAL}\.? )?{_WORD}|\b{_CAPITAL}\. ?{_WORD}"
    rf"|\b(?:of|by|von|par|por|di|door) {_WORD}\b"
    r"|\b(?:Ltd|Limited|GmbH|Inc|LLC|PLC|plc|S\.A\.|AG|Bank|Council|Trust)\b"
)

NAME_ALONE = re.compile(rf"(?:Name: ?)?{_WORD}(?: {_CAPITAL}\.)?(?: {_WORD}){{1,2}}")
"""A row that holds two or three capitalized words and nothing else."""

_UNITS = (
    r"(?:sec(?:ond)?s?|secondes?|min(?:ute)?s?|min(?:uti|utos|uten|uut)|minuten?|hours?|hrs?|h|"
    r"stunden?|heures?|horas?|or[ae]|uur|days?|tage?n?|jours?|d[ií]as?|giorn[oi]|dagen?|dias?|"
    r"weeks?|wochen?|semaines?|semanas?|settiman[ae]|weken|months?|monate?n?|mois|mes(?:es)?|"
    r"mes[ei]|maanden?|years?|jahre?n?|ans?|ann[oi]|años?|jaar|anos?)"
)
_COUNT = (
    r"(?:\d+(?:[.,]\d+)?|[½¼¾]|\d+[½¼¾]|(?:for|in|within|after|takes|lasts) an?|one|two|three"
    r"|four|five|six|seven|eight|nine|ten|twelve|"
    r"fourteen|twenty|thirty|half an?|several|few|ein(?:e|em|en)?|zwei|drei|deux|trois|due|tre|dos|"
    r"tres)"
)
SPAN = re.compile(rf"(?<![\w:.]){_COUNT}(?: ?(?:-|–|to|bis|à|or) ?\d+)?[ -]?{_UNITS}\b", re.I)
"""A span of time in words or figures."""

_LONG = re.compile(r"\d ?(?:mm|cm|m|km|in|inch\w*|ft|feet|miles?|pages?|seiten)\b", re.I)
_NUMBER = re.compile(
    r"(?<![\d.,])\d+(?![\d]|[.,]\d\d(?!\d))|\b(?:one|two|three|four|five|six|seven|eight|nine|ten"
    r"|eleven|twelve|dozen|no|none|half)\b",
    re.I,
)

ONLY_COUNTED = re.compile(r"\W*\d+ (?:x )?[^\W\d_]+(?: [^\W\d_]+)?\W*")
"""A row that is nothing but a number of things: "16 tablets"."""

_STREET = (
    r"\b(?:street|st|road|rd|lane|ln|avenue|ave|drive|dr|close|square|sq|place|court|way|parade|"
    r"terrace|crescent|boulevard|blvd|row|hill|gardens|park|quay|house|unit|suite|flat|apartment|"
    r"p\.?o\.? box|rue|avenue|place|via|viale|piazza|corso|calle|avenida|plaza|paseo|laan|plein|"
    r"weg|rua|praça)\b|stra(?:ß|ss)e\b|str\.|gasse\b|platz\b|straat\b"
)
_PLACE = (
    r"\b(?:hall|room|centre|center|church|school|library|hospital|station|stop|theatre|theater|"
    r"museum|exchange|gate|platform|floor|level|storey|building|entrance|desk|counter|corner"
    r"|office|"
    r"shelf|aisle|row|seat|zone|ward|car park|next to|opposite|behind|in front|left|right|upstairs|"
    r"downstairs|ground|outside|inside|at the|in the|on the|from|to|fridge|cupboard|cool|dry|"
    r"zimmer|raum|gleis|saal|halle|stock|bahnhof|ort|salle|gare|quai|étage|sala|stazione|binario|"
    r"estación|andén|perron|zaal|ingang|eingang|entrée|ingresso|entrada)\b"
)
ADDRESS = re.compile(
    rf"(?i:\d.*(?:{_STREET})|(?:{_STREET}).*\d)|\b[A-Z]{{1,2}}\d[A-Z\d]? ?\d[A-Z]{{2}}\b"
    r"|\b[A-Z]{2} \d{5}\b|\b[A-Z][a-z]+,? \d{5,6}\b(?! ?\d)"
    r"|^\s*(?:[A-Z]{1,2}-)?\d{4,5} [A-ZÀ-Þ][\w-]+"
)
"""A street with its number, or a postcode with its town."""

VENUE = re.compile(
    rf"{ADDRESS.pattern}|, [A-Z][\w' -]* (?i:{_STREET})"
    rf"|[A-Z][\w.']* (?:Hall|Centre|Center|Church|School|Library|Theatre|Theater|Museum|Exchange|"
    r"Club|Arena|Stadium|Gallery|Pavilion|Hotel|Inn|Rooms?|Park|College|University|Saal|Halle|"
    r"Minster|Cathedral|Abbey|Chapel|Temple|Mosque|Synagogue|Castle|Palace|Priory|Barn|Playhouse|"
    r"Cinema|Opera|Forum|Institute|Lido|Kirche)\b|"
    r"\b(?i:room|gate|platform|zimmer|raum|gleis|saal|salle|sala) [A-Z]?\d+"
)
"""An address, or a place where people meet."""

_SOMEWHERE = re.compile(rf"{VENUE.pattern}|(?i:{_STREET}|{_PLACE})")

OFTEN = re.compile(
    r"\bevery\b|\bdaily\b|\bweekly\b|\bmonthly\b|\b(?:once|twice|times)\b|\b(?:a|per"
    r"|each) (?:day|week|month|"
    r"hour)\b|\bt(?:ä|ae)glich|\bmal\b|\bfois\b|\bpar jour|\bveces\b|\bal d[ií]a|\bvolte\b"
    r"|\bal giorno"
    r"|\bper dag|\bkeer\b|\bvezes\b|\bpor dia",
    re.I,
)
"""How often something is done."""

_CLOCK = r"(?:[01]?\d|2[0-4])[.:h][0-5]\d"
_HOURS = re.compile(rf"{_CLOCK} ?(?:-|–|—|to|bis|à|a|tot|until) ?{_CLOCK}", re.I)
_TIMED = re.compile(
    r"\b(?:time|uhr|uhrzeit|heure|hora|ora|tijd|at|departs?|departure|arrives?|arrival|abfahrt"
    r"|ankunft|"
    r"ab|an|leaves?|opens?|closes?|doors|start|end|check ?-?(?:in|out)|boarding|arrival)\b",
    re.I,
)

_WITHIN = re.compile(rf"\b(?:within|in|after) {_COUNT} (?:working |business )?{_UNITS}\b", re.I)
"""When something is, told by how long it takes."""

WHY = re.compile(
    r"\b(?:because|due to|owing to|on account of|reasons?|as a result|in order to|so that|to allow|"
    r"needs?|needed|wegen|weil|aufgrund|en raison|parce|pour cause|por|debido|porque|a causa|"
    r"perch[ée]|vanwege|omdat|wegens|devido|couldn['’]?t|could not|unable)\b"
    r"|\b(?:while|whilst) .*\b\w+ed\b",
    re.I,
)
"""Why something is: a cause, or what is in the way."""

TASK = re.compile(
    r"^\W*(?:please|bitte|veuillez|por favor|si prega|gelieve)\b|\b(?:please|bitte|veuillez|must|"
    r"need to|have to|should|müssen|devez|deben?|dovete)\b",
    re.I,
)
"""What somebody is asked to do."""

_LOOKS = {
    Form.WHY: WHY,
    Form.TASK: TASK,
    Form.OFTEN: OFTEN,
    Form.WHO: _NAME,
    Form.WHERE: _SOMEWHERE,
    Form.DURATION: SPAN,
    Form.MANY: _NUMBER,
}


def is_of(place: Place, wish: Wish) -> bool:
    """True for a value of a wanted kind; a bare figure is a number, whatever its marks say."""
    grouped = place.token.kind is Kind.MONEY and place.token.needs_label
    if (
        wish.form is Form.MANY
        and "many" in wish.said
        and re.search(r"[.,]\d\d-?$", place.token.text)
    ):
        # "How many": an amount with its cents counts nothing.
        return place.token.kind is Kind.MEASURE
    if place.token.kind in wish.kinds and not grouped:
        if wish.form is Form.DURATION:
            return _is_span(place)
        return True
    if Kind.TIME in wish.kinds and is_clock(place):
        return True
    bare = place.token.kind is Kind.MONEY and not place.token.currency
    if bare and wish.form is Form.DURATION and _CENTS.search(place.token.text):
        # "How many days" is not told a price; below "Hours" stand hours.
        return re.fullmatch(rf"\W*{_UNITS}\W*", place.head, re.I) is not None
    return bare and Kind.NUMBER in wish.kinds


_SECRETS = frozenset(("password", "passphrase", "username", "login"))
_LABELLED = re.compile(r"[^\W\d_]: ?\S")
"""What is made up of any letters looks like nothing, but stands behind its label."""

_CENTS = re.compile(r"[.,]\d\d$")


def is_clock(place: Place) -> bool:
    """True for figures such as 9.40 that their label, or the span they stand in, makes a time."""
    token = place.token
    if token.kind is not Kind.MONEY or token.currency or not re.fullmatch(_CLOCK, token.text):
        return False
    spans = (match.span() for match in _HOURS.finditer(place.line.text))
    inside = any(first <= token.start < last for first, last in spans)
    names = f"{place.left} {place.head} {place.above}"
    return inside or _TIMED.search(names) is not None or bool(weekdays(place.head))


def _is_span(place: Place) -> bool:
    text = place.token.text
    if place.token.kind is Kind.MEASURE:
        return SPAN.search(text) is not None or _LONG.search(text) is not None
    if re.search(rf"\b(?:{_UNITS}|std)\.?$", place.left, re.I):
        return True
    return SPAN.match(place.line.text, place.token.start) is not None


def looks_right(text: str, places: Iterable[Place], wish: Wish) -> bool | None:
    """Whether a text with its values looks like the answer; None where that cannot be said."""
    if any(is_of(place, wish) for place in places):
        return True
    if wish.form is Form.WHEN and (weekdays(text) or _WITHIN.search(text)):
        return True
    if _SECRETS & set(wish.said) and _LABELLED.search(text):
        return True
    pattern = _LOOKS.get(wish.form)
    if pattern is not None:
        return pattern.search(text) is not None
    return False if wish.kinds else None
