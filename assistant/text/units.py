"""Words that ask for a measure or a label, and how paper prints them."""

from collections.abc import Mapping
from types import MappingProxyType

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "litres": r"l|litres?|liters?", "liters": r"l|litres?|liters?", "litre": r"l|litres?",
        "kilos": r"kg|kilos?", "kilograms": r"kg|kilos?", "grams": r"g|grams?",
        "milligrams": r"mg", "micrograms": r"mcg|µg|micrograms?", "millilitres": r"ml",
        "minutes": r"min\w*", "hours": r"h|hrs?|hours?", "days": r"days?",
        "weeks": r"weeks?", "months": r"months?", "years": r"years?",
        "degrees": r"°|°?[CF]|℃|℉", "temperature": r"°|°?[CF]|℃|℉", "hot": r"°|°?[CF]|℃|℉",
        "watts": r"w|kw", "volts": r"v", "percent": r"%", "calories": r"kcal|cal|calories",
        "power": r"w|kw", "voltage": r"v", "kilowatt": r"kwh?", "gigabytes": r"gb", "amps": r"a",
        "size": r"g|kg|ml|cl|l|mm|cm|m|inch\w*", "weight": r"g|kg|lbs?|oz",
        "weigh": r"g|kg|lbs?|oz", "heavy": r"g|kg|lbs?|oz", "volume": r"ml|cl|l|litres?",
        "strength": r"mg|mcg|µg|g|iu|%", "strong": r"mg|mcg|µg|g|iu|%",
        "long": r"min\w*|s|secs?|seconds?|h|hrs?|hours?|days?|weeks?|months?|years?|m|cm|mm",
        "alcohol": r"%", "far": r"km|miles?|m|cm|mm|ft|feet|yards?|inch\w*",
        "distance": r"km|miles?|m|cm|mm|ft|feet|yards?|inch\w*",
        "people": r"people|pers\w*|servings?", "servings": r"servings?|portions?",
    }
)  # fmt: skip
"""Words that ask for a measure, and its units as printed."""


ABBREVIATED: Mapping[str, str] = MappingProxyType(
    {
        "mobile": "(?:M|Mob)", "cell": "(?:M|C)", "office": "(?:O|W)", "work": "(?:W|O)",
        "phone": "(?:T|P|Ph)", "telephone": "T", "fax": "F", "email": "E", "website": "W",
        "home": "H", "number": "(?:No|Nr|Nº)",
    }
)  # fmt: skip
"""Words that cards and forms print as a letter before a colon."""

MARKS: Mapping[str, str] = MappingProxyType(
    {
        "serial": "S ?/ ?N|SN|Ser|SER|FD|Nº de serie",
        "model": "M ?/ ?N|MOD|Mod|TYPE|Type|Typ",
        "part": "P ?/ ?N|PN",
        "batch": "LOT|Lot|L|Ch.-B",
        "lot": "Batch|BATCH|L|Ch.-B",
        "quantity": "QTY|Qty|Qté|Pcs|PCS|Stk|x",
    }
)  # fmt: skip
"""Words that plates and labels print as a few letters."""

SIZES: Mapping[str, str] = MappingProxyType(
    {"small": "s", "medium": "m", "large": "l", "big": "l", "regular": "r"}
)
"""Sizes of which the head of a column prints the first letter only."""
