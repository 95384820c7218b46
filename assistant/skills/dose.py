"""How much of a medicine to take, as its label says."""

import re
from collections.abc import Sequence

from assistant.answers import Answer, Basis, Detail, Found, Note, NoteKind
from assistant.skills import quote
from assistant.skills.ages import age_in, is_meant_for
from assistant.skills.grounding import ground_read
from assistant.skills.quoting import TURN_PACKAGE, in_sentence, not_found
from assistant.skills.scene import Scene
from assistant.skills.skill import Asked, Traits
from assistant.skills.thing_kind import thing_kind
from assistant.skills.wording import Wording
from assistant.text.meaning import best_match, content_words, is_telling, words
from assistant.text.page import Page, Passage
from assistant.text.tokens import Kind

MOST_SENTENCES = 4
"""Instructions and strengths that are told; a leaflet holds more than anybody can keep."""

_INSTRUCTION = (
    r"\bdos(?:e|age|es)\b|\btak(?:e|en|ing)\b|\bdirected\b|\btimes (?:a|per|each) day|\bdaily\b"
    r"|\bswallow|\bchew|\bdissolve|\bapply|\binhale|\binject|\bdrops?\b|\bpuffs?\b|\bexceed"
    r"|\bbetween doses\b|\bevery \d+ hours|\b(?:tablets?|capsules?|pills?|spoon\w*) (?:once|twice"
    r"|a|per|every|each)"
    r"|\b(?:one|two|three|four|half|\d) (?:tablets?|capsules?|pills?)\b|\bnot (?:to )?(?:be )?give"
    r"|\bdo not use\b|\b(?:morning|evening|bedtime|with food|after meals?|before meals?)\b"
    r"|\beinnehmen|\bt(?:ä|ae)glich|\bnehmen|\bprendre|\bpar jour|\btomar|\bal d(?:í|i)a"
    r"|\bassumere|\bal giorno|\binnemen|\bper dag|\bpor dia"
    r"|\b(?:tabletten?|kapseln?|tropfen|comprim[ée]s?|g[ée]lules?|gouttes|comprimidos?|c[áa]psulas?"
    r"|gotas|compress[ae]|capsule|gocce|pillen|druppels)\b.*"
    r"\b(?:alle|jede\w?|pro|am|toutes?|tous|cada|al|ogni|om|elke|a)\b.*"
    r"\b(?:stunden?|std|tag|heures?|jour|horas?|d[íi]as?|ore|giorno|uur|dag)\b"
)
_STRENGTH = r"\b(?:mg|mcg|µg|μg|micrograms?|milligrams?|ml|iu|i\.u\.|g|units?|%)\b"


class Dose:
    """Whole sentences: an instruction cut at the end of a line may say its opposite."""

    name = "dose"
    wordings = (
        Wording(
            heard="<is> the (dose | dosage | strength) [of this]",
            typed=(
                r"\bdos(?:e|age|es)\b|\bstrength\b|\bhow strong\b"
                r"|\bdo i take\b(?! (?:with (?:me|us)|along))"
                r"|\b(?:can|may|should)\b.*\b(?:children|child|kids?|son|daughter|year old|baby)\b"
                r".*\b(?:take|have)\b"
                r"|\bmost (?:i|we|you) (?:can|may|should) (?:take|have|use)\b|\bmaximum dose\b"
                r"|\b(?:what is|is there) (?:the |a )?(?:maximum|limit)\b.*\b(?:day|hours|take)\b"
                r"|\bhow much (?:do|should|must|can) (?:i|we|you) give\b"
                r"|\bshould i take\b|\bcan i take\b"
                r"|\bhow (?:many|much)(?: of (?:it|this|these|them))? (?:\w+ )?"
                r"(?:do|does|should|can|may|must) (?:an? )?(?:adults?"
                r"|children|kids|grown ups|he|she|they|we|you|people) take\b"
                r"|\bhow (?:long|soon)\b.*\b(?:again|some more|another|next (?:one|dose)|more)\b"
                r"|\bhow many milligrams|\bhow often\b.*\btake\b"
                r"|\bhow many (?:tablets?|pills?|capsules?|caplets?|drops?|puffs?|doses|lozenges"
                r"|sachets|spoons?|spoonfuls)\b.*"
                r"\b(?:day|daily|24 hours|at once|at a time|night|morning|evening)\b"
            ),
        ),
        Wording(
            typed=(
                r"\b(?:can|may|should)\b.*\b(?:give|take|have|use)\b.*"
                r"\b(?:year|month|week)s? old\b"
                r"|\b(?:child|boy|girl|son|daughter|kid|baby|toddler) (?:of|aged|is|who is) \w+\b"
                r".*\b(?:how (?:much|many)|can (?:he|she|it|they))\b"
                r"|\bhow (?:much|many)\b.*\b(?:for|to) (?:an? |my )?(?:\w+ )?(?:child|boy|girl|son"
                r"|daughter|kid|baby|toddler)\b.*\b(?:of|aged|is|who is) \w+"
                r"|\bhow (?:much|many)\b.*\b\w+ (?:year|month|week)s? old\b"
                r"|\b(?:give|take|dose|have)\b.*\b(?:he|she|they) (?:is|are) \w+\b"
                r"|\b(?:he|she|they) (?:is|are) \w+\b.*\b(?:give|take|dose|have)\b"
            ),
            sure=True,
        ),
        Wording(heard="how (many | much) [of this] (should | do) i take"),
        Wording(heard="how (many (pills | tablets) | often) (should | do) i take"),
    )
    traits = Traits(
        gives=frozenset({Kind.MEASURE, Kind.NUMBER, Kind.PERCENT}), rank=34, text=True, careful=True
    )

    def find(self, asked: Asked, scene: Scene) -> Answer | None:
        """What the label says."""
        page = scene.page(asked.cancelled)
        if not page.rows:
            return None
        age = _age_of_whom(asked)
        of_age = [each for each in _statements(page) if age and is_meant_for(each.text, age)]
        if of_age:
            of_age = _with_the_most(of_age[:MOST_NAMED], page, age)
            found = tuple(Found(e.text, None, e.lines) for e in of_age)
            ages = [e for e in of_age if is_meant_for(e.text, age)] if age else []
            basis = ground_read(found) if len(ages) == 1 else Basis.GUESS
            return Answer(self.name, found, basis, (Note(NoteKind.QUOTED),))
        told = _narrowed(_instructions(page), asked)
        if not told:
            # "What should I take" is asked of an invitation, too.
            is_open = age or _FOR_OTHERS.search(asked.words) or not _is_of_a_medicine(page)
            quoted = quote.SKILL.find(asked, scene) if is_open else None
            return quoted or not_found(self.name, "dose")
        told = _for_whom(told[:MOST_SENTENCES], page, asked)
        told = _with_the_most(told[:MOST_SENTENCES], page, age)
        found = tuple(Found(each.text, None, each.lines) for each in told)
        basis = ground_read(found) if _covers(told, asked) else Basis.GUESS
        chosen = any(re.search(said, asked.words) for said, _ in _TIMES_OF_DAY)
        chosen = chosen or re.search(rf"{_AT_MOST}|\bat once\b", asked.words) is not None
        return Answer(self.name, found, basis, (Note(NoteKind.QUOTED),) if chosen else ())

    def say(self, answer: Answer, detail: Detail) -> str:
        """The label's words, and that nobody has checked them; in short, too."""
        if answer.found:
            # Each is a sentence of the label; a stop between them would be a second one.
            told = "; ".join(value.rstrip(".") for value in answer.values)
            if detail is Detail.SHORT:
                return f"{told}. I cannot check it."
            return f"The label says, and I cannot check it: {told}."
        sentence = "The label says, and I cannot check it: {}."
        return in_sentence(answer, detail, sentence, missing=TURN_PACKAGE)


def _age_of_whom(asked: Asked) -> float | None:
    """The age, in months, of whom a dose is asked for: who has a baby may ask for themselves."""
    for_me = _I_TAKE.search(asked.words) and not _SOMEBODY_ELSE.search(asked.words)
    is_mine = re.search(r"\bi am \w+\b", asked.context) is not None
    return age_in(asked.words if for_me and not is_mine else f"{asked.context} {asked.words}")


_I_TAKE = re.compile(r"\bi (?:take|have|use|swallow|drink|apply)\b")
_SOMEBODY_ELSE = re.compile(r"\b(?:he|him|she|her|they|them)\b")


def _with_the_most(told: Sequence[Passage], page: Page, age: float | None) -> list[Passage]:
    """What is told, with how much is the most in a day where it says how much: never without.

    age: in months, where a dose for an age was asked; what holds for other ages is not told.
    """
    if not any(re.search(_HOW_MUCH, each.text, re.IGNORECASE) for each in told):
        return list(told)
    groups = _groups(page)
    texts = {each.text for each in told}
    heads = {groups[text] for text in texts if text in groups}
    most = [
        each
        for each in _instructions(page)
        if re.search(_MOST, each.text, re.IGNORECASE)
        and (not heads or groups[each.text] in {*heads, ""} or _is_for_all(each.text))
        and re.search(_A_DAY, each.text, re.IGNORECASE)
        and (age is None or not re.search(_OF_AN_AGE, each.text, re.IGNORECASE))
    ]
    # By its words: it may stand on the row on which what is told ends.
    new = [each for each in most if not any(each.text in other.text for other in told)]
    order = [each.text for each in _statements(page)]
    return sorted([*told, *new[:MOST_MAXIMA]], key=lambda each: order.index(each.text))


def _groups(page: Page) -> dict[str, str]:
    """Each instruction, by its text, with the one that says for whom it is; "" where none does.

    "Children 10 to 15 years: 1 tablet every 4 hours. Not more than 4 doses in a day": the second
    sentence is meant for the same children, and says nothing to others. Who may not have it at all
    begins no such group.
    """
    groups: dict[str, str] = {}
    head = ""
    for each in _instructions(page):
        if _FOR_SOME.search(each.text):
            head = "" if _REFUSES.search(each.text) else each.text
        groups[each.text] = head
    return groups


_REFUSES = re.compile(
    r"\bnot\b|\bnever\b|\bnicht\b|\bne pas\b|\bno\b|\bnon\b|\bniet\b|\bnão\b", re.I
)


def _is_for_all(text: str) -> bool:
    """True for a maximum that may hold for others, too: so many doses, and not so many tablets."""
    counted = re.search(
        r"\bdoses?\b|\btimes\b|\bdosen\b|\bmal\b|\bfois\b|\bveces\b", text, re.IGNORECASE
    )
    return counted is not None and not _GIVEN.search(text)


_GIVEN = re.compile(r"\bgive\b|\bgeben\b|\bdonne[rz]\b|\badminist", re.IGNORECASE)
"""What is given is for somebody else."""


def _for_whom(told: list[Passage], page: Page, asked: Asked) -> list[Passage]:
    """What is told, each sentence behind the one that says for whom it is, if a label says several.

    Who asks for themselves is not told what is only for children.
    """
    groups = _groups(page)
    heads = {head for head in groups.values() if head}
    if len(heads) < 2:
        return told
    if _FOR_ME.search(asked.words) and not _FOR_OTHERS.search(asked.words):
        # A maximum behind the dose for children may hold for all: it is told rather than not.
        for_adults = [
            each
            for each in told
            if not _is_for_children(each.text)
            and not (_GIVEN.search(each.text) and _is_for_children(groups.get(each.text, "")))
        ]
        told = for_adults or told
        heads = {head for head in heads if not _is_for_children(head)}
    told_heads = {groups.get(each.text, "") for each in told} & heads
    return [
        each
        for each in _instructions(page)
        if each.text in told_heads or any(each.text == other.text for other in told)
    ]


_FOR_ME = re.compile(r"\b(?:i|we|me|myself|adults?|grown ups?)\b")


def _is_for_children(text: str) -> bool:
    """True for an instruction whose ages, or whose words, leave out adults."""
    if not _FOR_SOME.search(text) or re.search(r"\badult|erwachsen|volwassen", text, re.IGNORECASE):
        return False
    return not is_meant_for(text, A_GROWN_UP)


A_GROWN_UP = 40 * 12.0
"""Months."""


def _covers(told: list[Passage], asked: Asked) -> bool:
    """True if what is told holds every telling word that the question names."""
    printed = [word for each in told for word in words(each.text)]
    named = (word for word in content_words(asked.question) if not re.search(_ASKED, word))
    return all(best_match(word, printed) > 0 for word in named if is_telling(word))


def _narrowed(told: list[Passage], asked: Asked) -> list[Passage]:
    """Of a leaflet the sentences that hold what the question names, or that say how much."""
    if re.search(r"\bstrength\b|\bstrong\b|\bmilligrams\b", asked.words):
        strong = [each for each in told if re.search(_STRENGTH, each.text, re.IGNORECASE)]
        if strong:
            return strong[:MOST_NAMED]
    if re.search(r"\bchild|\bkids?\b|\bson\b|\bdaughter\b|\bbaby\b|\byear old\b", asked.words):
        young = [each for each in told if re.search(_YOUNG, each.text, re.IGNORECASE)]
        if young:
            return young[:MOST_NAMED]
    if re.search(_AT_MOST, asked.words):
        most = [each for each in told if re.search(_MOST, each.text, re.IGNORECASE)]
        if most:
            return most[:MOST_NAMED]
    if re.search(r"\bhow (?:long|soon)\b", asked.words):
        apart = [each for each in told if re.search(_APART, each.text, re.IGNORECASE)]
        if apart:
            return apart[:MOST_NAMED]
    for said, printed in _TIMES_OF_DAY:
        then = [each for each in told if re.search(printed, each.text, re.IGNORECASE)]
        if then and re.search(said, asked.words):
            return then[:MOST_NAMED]
    named = [word for word in content_words(asked.question) if not re.search(_ASKED, word)]
    held = [sum(best_match(word, words(each.text)) > 0 for word in named) for each in told]
    if any(held):
        told_of = [word for word in named if is_telling(word)]
        return [
            each
            for each, count in zip(told, held, strict=True)
            if count == max(held) or not told_of and re.search(_MOST, each.text, re.IGNORECASE)
        ][:MOST_NAMED]
    if len(told) <= MOST_SENTENCES:
        return told
    how_much = [each for each in told if re.search(_HOW_MUCH, each.text, re.IGNORECASE)]
    return how_much[:MOST_NAMED] or told


MOST_NAMED = 3
_FOR_OTHERS = re.compile(r"\b(?:child|boy|girl|son|daughter|kid|baby|toddler|children|kids)\b")
_AT_MOST = r"\bmost\b|\bmaximum\b|\blimit\b"
_APART = (
    r"\bbetween (?:the )?(?:doses|applications|uses)\b|\bapart\b|\binterval|\bevery \d+"
    r"|\b(?:at least|leave|wait) .*\b(?:hours|minutes)\b|\babstand\b|\balle \d+|\btoutes les \d+"
    r"|\bcada \d+|\bogni \d+|\bom de \d+|\bentre (?:les |las )?(?:prises|dosis|doses|tomas)"
)
"""How long it must be between two doses."""

_TIMES_OF_DAY = (
    (r"\bmornings?\b", r"\bmorning|\bbreakfast\b|\bon (?:waking|rising)\b|morgens|fr[üu]h|matin"),
    (r"\b(?:lunch|noon|midday)\b", r"\blunch|\bnoon|\bmidday|mittags|midi"),
    (r"\bevenings?\b", r"\bevening|\bsupper\b|\bdinner\b|abends|soir"),
    (r"\b(?:night|bed ?time|bed)\b", r"\bnight|\bbed|nachts|coucher"),
)
"""When something is taken, as it is asked and as a label says it."""

_YOUNG = r"\bchild|\binfant|\bbab(?:y|ies)\b|\bunder \d|\byears\b"
_MOST = (
    r"\b(?:not|never|no)\b.*\bmore than\b(?! \w+ (?:days?|weeks?)\b)|\bexceed|\bmaximum\b"
    r"|\bmax\b|\bat most\b|\bh(?:ö|oe)chst|\bmaximal"
)
_A_DAY = (
    r"\b24 ?(?:hours|h|stunden|heures|horas|ore|uur)\b|\bday\b|\bdaily\b|\bt(?:ä|ae)glich|\btag\b"
)
_OF_AN_AGE = r"\badults?\b|\bchild|\byears?\b|\binfant|\bbab(?:y|ies)\b"
MOST_MAXIMA = 2
_ASKED = r"^(?:dos\w*|strength|strong|tak\w+|often|many|much|milligrams|tablets?|pills?|capsules?)$"
_HOW_MUCH = (
    r"\b(?:take|swallow|chew|apply|inhale|dose|dosage|adults?|one|two|three|\d+)\b.*"
    r"\b(?:times|once|twice|daily|every|each|day|hours)\b"
)


def _instructions(page: Page) -> list[Passage]:
    """The sentences that say how to take something, and those that name a strength, in order.

    None on a paper that is of no medicine: the grams of a bar of chocolate are no dose.
    """
    if not _is_of_a_medicine(page):
        return []
    return [each for each in _statements(page) if _tells(each, page)]


def _statements(page: Page) -> list[Passage]:
    """What the page says, each amount behind the heading that says for whom it is.

    "Adults:" over "1 tablet every 6 hours." is a part of what it says.
    """
    told: list[Passage] = []
    for each in page.statements:
        over = told[-1] if told else None
        row = page.rows[each.rows[0]]
        is_under = over is not None and over.rows[-1] == each.rows[0] - 1
        if (
            over is not None
            and is_under
            and _is_for_some(over)
            and row.text.startswith(each.text[:9])
        ):
            rows, lines = (*over.rows, *each.rows), (*over.lines, *each.lines)
            told[-1] = Passage(f"{over.text} {each.text}", rows, lines)
        else:
            told.append(each)
    return told


def _is_for_some(each: Passage) -> bool:
    """True for a heading that says for whom an amount is: "Adults and children over 12:"."""
    return each.text.rstrip().endswith(":") and _FOR_SOME.search(each.text) is not None


_FOR_SOME = re.compile(
    r"\badults?\b|\bchild|\byears?\b|\binfant|\bbab(?:y|ies)\b|\berwachsene|\bjugendlich|\bkinder"
    r"|\bjahren?\b|\badultes?\b|\benfants?\b|\bans\b|\badultos?\b|\bniñ|\baños\b|\badulti\b"
    r"|\bbambini\b|\banni\b|\bvolwassene|\bjaar\b|\bcrianças\b|\banos\b",
    re.IGNORECASE,
)


def _is_of_a_medicine(page: Page) -> bool:
    kind = thing_kind(page)
    if kind is not None and kind[0] in _NO_MEDICINE:
        return False
    texts = [row.text for row in page.rows]
    if any(re.search(_FORM, text, re.IGNORECASE) for text in texts):
        return True
    is_food = kind is not None and kind[0] == FOOD
    return not is_food and any(re.search(_SMALL, text, re.IGNORECASE) for text in texts)


_NO_MEDICINE = frozenset(("a receipt", "a bill", "a menu", "a timetable"))
FOOD = "a food label"
_FORM = (
    r"\b(?:tablets?|capsules?|caplets?|pills?|softgels?|lozenges?|gummies|drops|puffs?|patch(?:es)?"
    r"|spoonfuls?|doses?|dosage|ointment|cream|gel|lotion|syrup|suspension|injection|inhaler|inhale"
    r"|swallow|medicines?|medication|pharmacist|doctor|prescri\w+|apply|adults"
    r"|tabletten?|kapseln?|tropfen|salbe|dosis|einnehmen|arzt|apotheke\w*|comprim[ée]s?|g[ée]lules?"
    r"|cr[eè]mes?|l[öo]sung|saft|sirup|sirop|pommade|pomada|jarabe|sciroppo|pomata|zalf|xarope"
    r"|gouttes|m[ée]dicament\w*|comprimid[oa]s?|c[áa]psulas?|gotas|compress[ae]|capsule|gocce"
    r"|medicin\w+|druppels|pillen)\b"
)
"""Words of medicines, their forms, and how they are taken."""

_SMALL = r"\d ?(?:mg|mcg|µg|μg|micrograms?|milligrams?|iu|i\.u\.)(?!\w)"
"""A strength, which other things than medicine and food do not print."""


def _tells(sentence: Passage, page: Page) -> bool:
    places = [place for row in sentence.rows for place in page.places_in(row)]
    if any(place.token.kind is Kind.MONEY for place in places):
        return False  # what was bought: "COUGH DROPS 3.79"
    if re.search(_INSTRUCTION, sentence.text, re.IGNORECASE):
        return True
    measures = (
        place.token.text for place in places if place.token.kind in (Kind.MEASURE, Kind.PERCENT)
    )
    return any(re.search(_STRENGTH, measure, re.IGNORECASE) for measure in measures)


SKILL = Dose()
