"""Words of a question and of a text: which carry meaning, and which mean the same.

A question is answered by the lines that hold its words: the same stem, a part of a compound, a
word that means the same, or one that recognition spelt a little differently.
"""

import functools
import re
from collections.abc import Iterable

import snowballstemmer
from rapidfuzz import fuzz

from assistant.text.calendar_names import month, weekday
from assistant.text.plain_letters import unaccented
from assistant.text.word_lists import word_list

SAME, COMPOUND, SYNONYM, MISSPELT = 1.0, 0.9, 0.85, 0.8
"""How well a word matches: its stem, a compound with it, a word of its sense, a near spelling."""

LEAST_COMPOUND = 4
"""Letters of a word that is looked for inside another."""

LEAST_FUZZY = 5
"""Letters from which a near spelling can be told from another word."""

NEAR = 85.0
"""Likeness, 0 to 100, from which two long words are the same word spelt differently."""

_STEMMERS = {
    "en": "english", "de": "german", "fr": "french", "es": "spanish", "it": "italian",
    "nl": "dutch", "pt": "portuguese",
}  # fmt: skip

_EMPTY_WORDS = """
a an the this that these those it its i me my mine we us our you your he him his she her they them
their one ones some any all both each every no not only just also too very much more most many
there here what whats which who whom whose when where why how is am are was were be been being do
does did done doing can could will would shall should may might must have has had having of to in on
at by for from with about into onto over under up down out off and or but if then than so as s t re
ll ve d m don doesn isn aren wasn didn dont doesnt isnt arent wasnt didnt cant couldnt wouldnt wont
thats theres whos hows gonna gotta wanna ain want need know like please thank thanks thankyou hi
hello hey excuse sorry okay ok yes yeah well um uh oh sir maam advance kindly somebody someone
able anybody anyone tell say says said read show shows give let see look looking find get help try
trying figure using written stand stands standing print printed mention mentioned picture photo
image
camera screen page paper text line lines word words label letter sign front back side top bottom
left right item thing something anything everything product object package packet packaging box
bottle can jar bag container card document sheet bill receipt exactly actually currently now today
still again because since anyway maybe perhaps actually quite really bit lot lots else other another
whether until till til such own mine yours hers theirs myself yourself
"""
_EMPTY_ELSEWHERE = """
der die das den dem des ein eine einen einem einer ich wir ist sind war hat haben wie wo wann wer
wieviel viel hoch steht hier da auf in im am an zu zum zur von vom mit bei und oder nicht bitte mein
meine es le la les l un une des du de d au aux je nous est sont a ont quel quelle quels quelles
combien ou quand qui que quoi ce cette ces sur dans par avec et pour s il vous plait mon ma mes
el los las una uno unos es son esta hay cual cuales cuanto cuanta cuando donde quien en por con y mi
il lo gli i e sono ha quale quali quanto quanta quando dove chi nel nella sul con per il mio
het een is zijn heeft welke hoeveel wat waar wanneer wie op in met en mijn o os as um uma e sao tem
qual quais quantos quanto onde quem no na em com
habe hab haben hatte
kann koennen konnen darf muss soll sollte wird werden wurde gibt dort dieser diese dieses welche
welcher welches was warum wohin woher uns unser sie er mir mich dir ihr ihre sich noch mehr schon
auch aber nur sehr man um bis nach vor fur uber ohne man's bitte danke ihn ihm ihnen euch wir du
darfst kannst musst musste konnte konnen sollen durfen mussen wollen will worden sein seine diesen
peut puis dois doit faut il elle on ils elles y se ca cela cet leur leurs votre vos notre nos ma
combien est-ce qu quand comment pourquoi lequel laquelle merci bonjour avez avoir etre fait faire
puede puedo debo tiene tengo lleva este esto estos estas ese eso esa su sus mi tu hay ser estar
como cuales porque gracias favor
posso puo devo deve quando come perche questo questa questi queste quello si suo sua c'e grazie
prego mi ci
moeten moest mogen zal zullen zou ze zij hij hun haar ons onze jullie gaat gaan heb hebben ben jij
je
doivent peuvent pouvons ils elles lui leur celle celui quelle faudra suis etes
deben debe pueden podemos tengo tenemos tienen ellos ellas les nos algun alguna
devono possono abbiamo hanno loro gli ci essere
devem podem temos eles elas lhe
kan kunnen mag moet hoe waarom dit dat deze die er naar van voor bij dan ook nog graag dank wordt
kost
pode posso devo tem tenho esta este isso isto quando como porque por obrigado obrigada favor seu sua
habt bin bist seid waren warst gewesen gehabt denn doch eigentlich meinen meiner meinem dein deine
wem wen wessen womit wofur bekommen bekam bekomme
j'ai j'avais avons eu ete etait etais etaient moi toi m'a m'ont t'a l'ai c'est c'etait qu'est qu'ai
qu'ils qu'il qu'elle n'est est-il recu
yo he hemos han habia eran fue fui estoy estaba estuve quien quienes ya muy recibi recibido
ho hai avete avuto ero erano stato stata stati sei siamo cosa che l'ho m'ha c'era della dei delle
dalla alla ricevuto
ik u jouw uw waren geweest kreeg krijg kregen gekregen werd uit
eu voce ele ela nos foi estou estava estive tive teve ao aos recebi recebido
"""
"""Words of the same sort in other languages, without accents."""

_WEAK_WORDS = """
off costs cost much
late early soon
long hot big large small high deep heavy far often old new strong far wide tall kind type sort name
called go goes going gone come comes came get gets got getting take takes
taken took put puts use uses used using set sets setting kept work works run runs send
sent buy bought start starts owe thing things part way many day days time
times money content mean means wanted asked called marked between during after before
while first second third last next latest previous main exact
"""
"""Words that narrow a question down, but answer it nowhere."""

_CONTRACTED = """
don't doesn't didn't isn't aren't wasn't weren't won't wouldn't can't couldn't shouldn't mustn't
haven't hasn't hadn't i'd we'd they'd he'd she'd rather plz pls im ive
"""
_EMPTY = frozenset((*_EMPTY_WORDS.split(), *_EMPTY_ELSEWHERE.split(), *_CONTRACTED.split()))
_WEAK = frozenset(_WEAK_WORDS.split())
"""Words without a subject of their own: a question about "the price on this label, please" is
about the price."""


def words(text: str) -> list[str]:
    """The words of a text in lower case; figures count as words, marks do not."""
    joined = _JOINED.sub(lambda match: re.sub(r"\W", "", match[0]), text.lower())
    return re.findall(r"[^\W_]+(?:['’][^\W\d_]+)?", joined)


_JOINED = re.compile(r"\bwi[-‐‑ ]fi\b|(?<![-‐‑\w'’])[^\W\d_]{1,2}[-‐‑][^\W\d_]{4,}(?![-‐‑\w])")
"""What is one word with its mark and without: Wi-Fi, e-mail, T-shirt, re-entry."""


def content_words(question: str) -> tuple[str, ...]:
    """The words of a question that its answer must account for, in order, each once."""
    found = (word.replace("’", "'") for word in words(question))
    bare = (re.sub(r"'(?:s|re|ll|ve|d|m)$", "", word) for word in found)
    return tuple(dict.fromkeys(word for word in bare if not _is_empty(word)))


_CONTAINERS = frozenset(
    [
        "can",
        "jar",
        "tin",
        "bottle",
        "box",
        "bag",
        "pack",
        "packet",
        "pot",
        "tub",
        "carton",
        "pouch",
        "bar",
        "serving",
        "portion",
        "slice",
    ]
)


def is_container(word: str) -> bool:
    """True for what food comes in, which also names what its figures are counted for."""
    return word in _CONTAINERS


def is_empty(word: str) -> bool:
    """True for a word without a meaning of its own."""
    return _is_empty(word)


def _is_empty(word: str) -> bool:
    return len(word) < 2 and not word.isdigit() or word in _EMPTY or unaccented(word) in _EMPTY


def is_telling(word: str) -> bool:
    """False for a word that narrows a question down, but answers it nowhere."""
    return word not in _WEAK and word not in _weak() and not _is_adverb(word)


def _is_adverb(word: str) -> bool:
    """True for "roughly" and its like, and not for what merely ends so: daily, July."""
    return len(word) > LEAST_FUZZY and word.endswith("ly") and word not in _weak_not()


@functools.cache
def _weak_not() -> frozenset[str]:
    return frozenset(word_list("everyday.toml")["no_adverbs"].split())


@functools.cache
def _weak() -> frozenset[str]:
    return frozenset(word_list("everyday.toml")["weak"].split())


@functools.cache
def _stemmer(language: str) -> "snowballstemmer.stemmer":
    return snowballstemmer.stemmer(_STEMMERS.get(language, "english"))


@functools.lru_cache(maxsize=20_000)
def stem(word: str, language: str = "en") -> str:
    """The stem of a word in lower case, without accents."""
    plain = unaccented(word)
    if language == "en" and plain in _unstemmed():
        return plain
    stemmed: str = _stemmer(language).stemWord(plain)
    return stemmed


@functools.cache
def _unstemmed() -> frozenset[str]:
    return frozenset(word_list("dictionary.toml")["unstemmed"].split())


@functools.cache
def _senses() -> dict[str, set[int]]:
    """The meanings of each stem, by number: those of a language, then those across languages."""
    senses: dict[str, set[int]] = {}
    groups = [group for name in _MEANINGS for group in word_list(name)["groups"]]
    for number, group in enumerate(groups):
        for word in group.split():
            senses.setdefault(stem(word), set()).add(number)
    return senses


_MEANINGS = ("synonyms.toml", "dictionary.toml", "household.toml")


@functools.lru_cache(maxsize=5_000)
def _mates(stemmed: str) -> tuple[str, ...]:
    """The longer words of the same sense as a stem, of which a compound may be made."""
    senses = _senses()
    mine = senses.get(stemmed, set())
    return tuple(
        each for each, groups in senses.items() if len(each) >= LEAST_FUZZY and groups & mine
    )


@functools.lru_cache(maxsize=50_000)
def likeness(asked: str, printed: str, language: str = "en") -> float:
    """How well a printed word matches one of a question: 0, or one of the constants above."""
    one, other = stem(asked), stem(printed)
    if one == other or (language != "en" and stem(asked, language) == stem(printed, language)):
        return SAME
    if number(asked) is not None or printed.isdigit():
        return SAME if number(asked) == number(printed) else 0.0
    day = weekday(asked)
    if day is not None:
        return SAME if day == weekday(printed) else 0.0
    if month(asked) is not None and month(asked) == month(printed, short=True):
        return SAME
    if _senses().get(one, set()) & _senses().get(other, set()):
        return SYNONYM
    longer = len(other) > len(one) >= LEAST_COMPOUND and other not in _unstemmed()
    if longer and (_is_part(one, other) or _is_part(unaccented(asked), unaccented(printed))):
        return COMPOUND
    if len(other) > LEAST_FUZZY + 2 and any(other.endswith(mate) for mate in _mates(one)):
        return SYNONYM
    if len(other) > LEAST_FUZZY + 2 and any(_begins(other, mate) for mate in _mates(one)):
        return MISSPELT
    if len(other) >= LEAST_COMPOUND and len(one) > len(other) + 2 and _is_part(other, one):
        return MISSPELT
    if len(asked) >= LEAST_FUZZY and _is_swapped(asked, printed):
        return MISSPELT
    if min(len(asked), len(printed)) >= LEAST_FUZZY and fuzz.ratio(asked, printed) >= NEAR:
        return MISSPELT
    return 0.0


def _begins(whole: str, part: str) -> bool:
    """True for a compound that begins with a word, as Steuerklasse does with Steuer."""
    return len(part) >= LEAST_FUZZY and len(whole) >= len(part) + 4 and whole.startswith(part)


def _is_swapped(one: str, other: str) -> bool:
    """True for tyers and tyres: two letters beside each other changed places."""
    if len(one) != len(other) or one == other:
        return False
    unlike = [at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(unlike) != 2 or unlike[1] != unlike[0] + 1:
        return False
    first, last = unlike
    return one[first] == other[last] and one[last] == other[first]


def _is_part(part: str, whole: str) -> bool:
    """True for a part at either end of a compound: nuts of hazelnuts, parking of noparking."""
    return whole.startswith(part) or whole.endswith(part)


def best_match(asked: str, printed: Iterable[str], language: str = "en") -> float:
    """How well the best of some printed words matches one of a question, 0 to 1."""
    return max((likeness(asked, word, language) for word in printed), default=0.0)


@functools.cache
def _opposites() -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    pairs = (
        [frozenset(side.split()) for side in pair]
        for pair in word_list("synonyms.toml")["opposites"]
    )
    return tuple((one, other) for one, other in pairs)


def says_opposite(asked: Iterable[str], printed: Iterable[str]) -> bool:
    """True if a text says the opposite of a word of a question, and not that word itself.

    asked, printed: words in lower case in their order, as `words` gives them.
    """
    said, held = _with_periods(asked), _with_periods(printed)
    for pair in _opposites():
        for mine, other in (pair, pair[::-1]):
            if said & mine and held & other and not (held & mine or said & other):
                return True
    return False


def _with_periods(text: Iterable[str]) -> frozenset[str]:
    """The words of a text, and "this-year" for "this year"."""
    all_words = [re.sub(r"['’]s$", "", unaccented(word)) for word in text]
    pairs = zip(all_words, all_words[1:], strict=False)
    return frozenset((*all_words, *(f"{one}-{two}" for one, two in pairs)))


_ORDINAL_WORDS = """
first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth
"""
_CARDINAL_WORDS = """
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty
"""
_ORDINALS, _CARDINALS = _ORDINAL_WORDS.split(), _CARDINAL_WORDS.split()


def number(word: str) -> str | None:
    """The figures that a number word means, "11" for eleventh and 11th; None for other words."""
    for known in (_CARDINALS, _ORDINALS):
        if word in known:
            return str(known.index(word) + 1)
    figures = re.fullmatch(r"0*(\d+)(?:st|nd|rd|th)?", word)
    return figures[1] if figures else None
