"""Recipes: which layers of a model are quantized in which way, as data.

A recipe is a TOML file of rules. The first rule whose pattern matches a layer's full name decides
about it::

    description = "one sentence"
    bits = 4                # of the whole model, as are group_size and sym
    group_size = 128

    [[rule]]
    modules = "model.layers.*.mlp.vision_mlp.*"    # as a shell matches file names
    method = "rpiq"         # rtn, gptq, rpiq, rpiq-paper, or skip: the layer stays as it is
    stream = "pictures"     # pictures, text, or all: which calibration sequences it sees
    damp_percent = 0.05     # these and the rest as the options of ``quantizer run``
    grid = "hessian"
    act_order = true
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from models.blocks import Block, BlockwiseModel, Sample
from models.files.bounded import BoundError, FormatError, parse_toml, read_text, shown
from models.int4.packing import STORED_BITS, STORED_WIDTHS
from quantizer.errors import SettingsError
from quantizer.solvers.methods import (
    AsymmetricTarget,
    GridChoice,
    HessianChoice,
    Method,
    Settings,
)

Stream = Literal["all", "pictures", "text"]
"""Calibration sequences with a picture, those without one, or both."""

SKIP = "skip"
_MOST_BYTES = 1024**2  # one that comes with the package has 2 kB
_WHOLE_MODEL = ("bits", "group_size", "sym")  # one value each in the written configuration
_PER_RULE = tuple(field.name for field in fields(Settings) if field.name not in _WHOLE_MODEL)
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "method": (*get_args(Method), SKIP),
    "stream": get_args(Stream),
    "grid": get_args(GridChoice),
    "asymmetric_target": get_args(AsymmetricTarget),
    "rpiq_hessian": get_args(HessianChoice),
}
_WHOLE_NUMBER, _NUMBER, _YES_OR_NO, _TEXT = "a whole number", "a number", "true or false", "a text"
_TYPES: Mapping[str, str] = {
    "bits": _WHOLE_NUMBER,
    "group_size": _WHOLE_NUMBER,
    "sym": _YES_OR_NO,
    "act_order": _YES_OR_NO,
    "residual_target": _YES_OR_NO,
    "damp_percent": _NUMBER,
    "token_importance": _NUMBER,
    "rounds": _WHOLE_NUMBER,
    "modules": _TEXT,
    "description": _TEXT,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """How the layers of one pattern are quantized.

    modules:  pattern of full layer names.
    settings: None where the layers stay as they are.
    stream:   the sequences that calibrate them.
    """

    modules: str
    settings: Settings | None
    stream: Stream = "all"

    def in_words(self) -> str:
        """The rule on one line, for reports."""
        if self.settings is None:
            return "left as it is"
        own = self.settings
        parts = [own.method, f"damping {own.damp_percent:g}", f"grid {own.grid}"]
        parts.append("act-order" if own.act_order else "no act-order")
        if own.token_importance:
            parts.append(f"token importance {own.token_importance:g}")
        return ", ".join((*parts, f"calibrated by {self.stream} sequences"))


@dataclass(frozen=True, slots=True)
class Recipe:
    """Rules in order; see `read_recipe`."""

    name: str
    rules: tuple[Rule, ...]

    @property
    def base(self) -> Settings:
        """The settings of the first rule that quantizes; the whole model has its width."""
        return next(rule.settings for rule in self.rules if rule.settings is not None)

    @property
    def weighs_tokens(self) -> bool:
        """Whether some layers weigh calibration tokens by the gradient of the model's loss."""
        return any(rule.settings and rule.settings.token_importance for rule in self.rules)

    def rule(self, layer: str) -> Rule:
        """The rule of a layer by its full name.

        Raises:
            SettingsError: no rule matches.
        """
        for rule in self.rules:
            if fnmatchcase(layer, rule.modules):
                return rule
        raise SettingsError(
            f"recipe {self.name}: no rule matches {layer}; add one, with method = "
            f'"{SKIP}" where it should stay as it is'
        )

    def settings_of(self, layer: str) -> Settings:
        """The settings of a layer that is quantized."""
        settings = self.rule(layer).settings
        if settings is None:
            raise SettingsError(f"recipe {self.name}: {layer} is not quantized")
        return settings

    def blocks(self, model: BlockwiseModel) -> Iterator[Block]:
        """The blocks of a model, with only those groups of layers that are quantized."""
        for block in model.blocks():
            kept = tuple(group for group in block.groups if self._covers(block.name, group))
            yield replace(block, groups=kept)

    def check(self, model: BlockwiseModel) -> None:
        """Refuse what does not fit a model.

        Raises:
            SettingsError: a pattern matches no layer, or only layers that earlier ones match; a
                layer is matched by none; or layers that share their input have several rules.
        """
        groups = [(block.name, group) for block in model.blocks() for group in block.groups]
        layers = [f"{block}.{name}" for block, group in groups for name in group]
        for rule in self.rules:
            if not any(fnmatchcase(layer, rule.modules) for layer in layers):
                raise SettingsError(
                    f"recipe {self.name}: no layer of this model is called {rule.modules}; its "
                    f"layers are called {layers[0]} and so on"
                )
        deciding = [self.rule(layer) for layer in layers]
        for rule in self.rules:
            if not any(rule is one for one in deciding):
                raise SettingsError(
                    f"recipe {self.name}: earlier rules match every layer called {rule.modules}; "
                    "put its rule before them, or leave it out"
                )
        for block, group in groups:
            rules = {self.rule(f"{block}.{name}") for name in group}
            if len(rules) > 1:
                raise SettingsError(
                    f"recipe {self.name}: {' and '.join(group)} of {block} share their input; "
                    "give them one rule"
                )

    def to_dict(self) -> dict[str, Any]:
        """For fingerprints and configurations."""
        return {
            "name": self.name,
            "rules": [
                {
                    "modules": rule.modules,
                    "stream": rule.stream,
                    **({"method": SKIP} if rule.settings is None else asdict(rule.settings)),
                }
                for rule in self.rules
            ],
        }

    def _covers(self, block: str, group: Sequence[str]) -> bool:
        return self.rule(f"{block}.{group[0]}").settings is not None


def uniform(settings: Settings) -> Recipe:
    """All layers alike, as a run without a recipe treats them."""
    return Recipe(settings.method, (Rule("*", settings),))


def stream_of(sample: Sample) -> Stream:
    """Which stream a calibration sequence belongs to."""
    return "text" if sample.get("pixels") is None else "pictures"


def feeds(sequence: Stream, wanted: Stream) -> bool:
    """Whether a sequence of one stream calibrates a layer that wants another."""
    return wanted in ("all", sequence)


def shipped() -> tuple[str, ...]:
    """Names of the recipes that come with the package."""
    folder = resources.files("quantizer") / "recipes"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def read_recipe(name: str) -> Recipe:
    """Read a recipe: one of those that come with the package, or a file.

    Raises:
        SettingsError: there is none of that name, or it says what cannot be honoured.
    """
    if name in shipped():
        text = (resources.files("quantizer") / "recipes" / f"{name}.toml").read_text("utf-8")
        return parse_recipe(name, text)
    path = Path(name)
    try:
        return parse_recipe(path.stem, read_text(path, _MOST_BYTES))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SettingsError(
            lambda called: (
                f"{called('recipe')} {name} is no recipe; give {', '.join(shipped())} "
                "or a .toml file"
            )
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            lambda called: f"{called('recipe')} {name} is not UTF-8 text; give a .toml file"
        ) from error
    except BoundError as error:
        refused = error
        raise SettingsError(
            lambda called: f"{called('recipe')} {name} {refused}; give a .toml file"
        ) from error


def parse_recipe(name: str, text: str) -> Recipe:
    """Read a recipe's text; see the module's description.

    Raises:
        SettingsError: naming the recipe and, where there is one, the rule.
    """
    where = f"recipe {name}"
    try:
        raw = parse_toml(text)
    except BoundError as error:
        raise SettingsError(f"{where}: {error}; correct it there") from error
    except FormatError as error:
        raise SettingsError(f"{where}: is not TOML ({error}); correct it there") from error
    rules = raw.pop("rule", None)
    _check_values(where, raw, (*_WHOLE_MODEL, "description"))
    if not isinstance(rules, list) or not rules or not all(isinstance(r, dict) for r in rules):
        raise SettingsError(f"{where}: has no [[rule]]; add at least one")
    whole = {key: raw[key] for key in _WHOLE_MODEL if key in raw}
    found = tuple(
        _rule(f"{where}, rule {number}", rule, whole) for number, rule in enumerate(rules, start=1)
    )
    if all(rule.settings is None for rule in found):
        raise SettingsError(f"{where}: quantizes nothing; give a rule another method than {SKIP}")
    return Recipe(name, found)


def _rule(where: str, raw: Mapping[str, Any], whole: Mapping[str, Any]) -> Rule:
    _check_values(where, raw, ("modules", "stream", *_PER_RULE, *_WHOLE_MODEL))
    for key in ("modules", "method"):
        if key not in raw:
            raise SettingsError(f'{where}: lacks {key}; add a line {key} = "..."')
    default = Settings()
    for key in _WHOLE_MODEL:
        wanted = whole.get(key, getattr(default, key))
        if raw.get(key, wanted) != wanted:
            raise SettingsError(
                f"{where}: {key} {raw[key]} differs from the recipe's {wanted}; a written model "
                "has one for all its layers"
            )
    stream: Stream = raw.get("stream", "all")
    if raw["method"] == SKIP:
        return Rule(raw["modules"], None, stream)
    own = {key: raw[key] for key in _PER_RULE if key in raw}
    try:
        settings = Settings(**whole, **own)
    except SettingsError as error:  # what it is about stands in the recipe, in no option
        raise SettingsError(f"{where}: {error}") from error
    return Rule(raw["modules"], settings, stream)


def _check_values(where: str, raw: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse keys and values that mean nothing here."""
    for key, value in raw.items():
        if key not in known:
            raise SettingsError(f"{where}: {key} is unknown; give some of {', '.join(known)}")
        if key in _CHOICES and value not in _CHOICES[key]:
            choices = ", ".join(f'"{choice}"' for choice in _CHOICES[key])
            raise SettingsError(f"{where}: {key} is {shown(value)}; give one of {choices}")
        if key in _TYPES and not _is(_TYPES[key], value):
            raise SettingsError(f"{where}: {key} is {shown(value)}; give {_TYPES[key]}")
    if raw.get("bits", 4) not in STORED_BITS:
        raise SettingsError(f"{where}: bits is {raw['bits']}; give {STORED_WIDTHS}")


def _is(kind: str, value: Any) -> bool:
    if kind == _TEXT:
        return isinstance(value, str)
    if kind == _YES_OR_NO or isinstance(value, bool):  # a TOML true is an int to Python
        return kind == _YES_OR_NO and isinstance(value, bool)
    if kind == _NUMBER:
        return isinstance(value, int | float) and not math.isnan(value)
    return isinstance(value, int)
