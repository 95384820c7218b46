"""Trades by which people call a bill, and the words by which its print shows that it is one.

"How much was the vet" is asked of a paper on which "vet" need not stand.
"""

import functools
import re
from collections.abc import Mapping
from types import MappingProxyType

_TRADES: Mapping[str, str] = MappingProxyType(
    {
        "vet vets veterinarian veterinary": (
            r"\bvet|animal|\bpets?\b|vaccin|rabies|\bpaws?\b|tier(?:arzt|klinik|praxis)"
            r"|v[ée]t[ée]rin"
            r"|veterin|dierenarts"
        ),
        "garage mechanic workshop": (
            r"\bmotors?\b|\bmot\b|garage|\bt[yi]res?\b|\bauto(?:s|haus|mobile)?\b|vehicle|kfz"
            r"|fahrzeug"
            r"|oil (?:change|and filter)|brake|v[ée]hicule|veh[íi]culo|officina|taller|oficina"
        ),
        "plumber plumbing": (
            r"plumb|sanit[äa]r|klempner|heizung|\bboiler\b|\bleak|plombier|fontaner|idraulic"
            r"|loodgieter|canaliza"
        ),
        "electrician": r"electric(?:al|ian)|elektr|[ée]lectricien|electricista|elettric|eletricist",
        "carpenter joiner": (
            r"carpent|joiner|schreiner|tischler|menuisier|carpinter|falegname"
            r"|timmer"
        ),
        "hairdresser hairdressers barber barbers salon haircut": (
            r"\bhair|barber|\bcuts?\b|friseur|coiff|peluquer|parrucchier|kapper|cabeleir|blow ?dry"
        ),
        "dentist dentists dental": r"dent|zahn|tand|\bcrown\b|\bfilling\b",
        "optician opticians optometrist glasses": (
            r"optic|optik|[óo]ptic|ottic|brille|lens|\bframes?\b|bril\b|lunettes|occhiali"
        ),
        "pharmacy chemist chemists pharmacist drugstore": (
            r"pharma|farma|apothe|chemist|drug|tablet|\bmg\b"
        ),
        "taxi cab cabs minicab uber": (
            r"\btaxi|\bcabs?\b|pick[ -]?up|drop[ -]?off|\bfare\b"
            r"|\btrip\b"
        ),
        "hotel hostel inn motel": (
            r"hotel|hostel|\binn\b|\bnights?\b|\broom\b|zimmer|chambre"
            r"|habitaci"
        ),
        "restaurant cafe diner meal dinner lunch breakfast": (
            r"restaurant|caf[ée]|bistro|\btable\b|\bcovers?\b|ristorante|gasth|pizz|grill|kitchen"
            r"|\bservice\b|trattoria|taverna|diner|dhaba|\btisch\b|\bmesa\b|tavolo|\btafel\b"
        ),
        "bakery baker bakers": (
            r"bak(?:er|ker)|b[äa]cker|boulang|panader|panific|padaria|\bbread\b"
            r"|brot"
        ),
        "butcher butchers": r"butcher|meat|metzger|fleisch|boucher|carnicer|macell|slager|talho",
        "florist flowers": r"flor|flower|blume|fleur|fiori|bloem|bouquet",
        "supermarket groceries grocery": (
            r"market|\bfoods?\b|\bmilk\b|\bbread\b|grocer|milch|\blait\b|\bleche\b|\blatte\b"
            r"|\bmelk\b"
        ),
        "bookshop bookstore": r"\bbook|buch|libr|livr|boek",
        "doctor doctors gp": r"\bdr\b|doctor|surgery|clinic|medic|praxis|arzt|m[ée]d[ei]c|huisarts",
        "cleaner cleaners laundry laundrette": (
            r"clean|laundr|reinig|wasch|nettoy|lavander|tintor"
            r"|wasser"
        ),
        "electricity electric": (
            r"electric|\bkwh\b|strom|[ée]lectri|elettric|elektric|eletric"
            r"|energ"
        ),
        "water": r"water|wasser|\beaux?\b|\bagua\b|acqu[ae]|[áa]gua",
        "gas": r"\bgas\b|\bgaz\b|g[áa]s\b|erdgas|energ",
        "insurance": r"insur|versicher|assur|assicur|seguro|verzeker|premium|polic",
        "gym": r"\bgym|fitness|sport",
        "locksmith": r"lock|schl[üu]ssel|serrur|cerraj|fabbro|slot|chave|\bkeys?\b",
        "nursery kindergarten daycare": r"nursery|kinder|day ?care|cr[èe]che|guarder|asilo|infant",
    }
)
"""Words of a trade, and a regular expression for what its papers print in seven languages."""

DOCUMENTS = frozenset(
    (
        *("permit", "licence", "license", "passport", "visa", "warranty", "guarantee", "policy"),
        *("membership", "subscription", "prescription", "badge", "offer", "quote", "estimate"),
        *("timetable", "schedule", "calendar", "discount", "promotion", "sale", "lease", "card"),
    )
)
"""Papers that are asked for by name; the word stands somewhere on them."""


@functools.cache
def trade_of(word: str) -> re.Pattern[str] | None:
    """What the papers of a trade print; None for a word that names no trade."""
    name = re.sub(r"'?s'?$", "", word) if word.endswith(("'s", "s'")) else word
    for names, printed in _TRADES.items():
        if name in names.split():
            return re.compile(printed, re.IGNORECASE)
    return None
