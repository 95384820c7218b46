"""Names of tensors with what a training tool left in them, and the names that others expect.

``torch.compile`` saves ``_orig_mod.model.layers.0``, data parallel training ``module.model``, PEFT
``base_model.model.model``; a language model taken out of a larger one keeps the larger one's name
in front, and one saved without its head lacks the ``model`` that others expect.
"""

from collections.abc import Collection, Iterable, Mapping

_INNER = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
_FRONT = ("module.", "base_model.model.")
_ADDED = "model."


def plain_names(expected: Iterable[str], found: Collection[str]) -> Mapping[str, str]:
    """Map stored names to those that a model expects, where only such a prefix stands between.

    expected: names that the module's checkpoint must hold; of a layer that may be stored in packed
        form, any name of it.

    Returns an empty mapping where the names are right as they are, or wrong in another way.
    """
    wanted = {_owner(name) for name in expected}
    if not wanted or wanted <= {_owner(name) for name in found}:
        return {}
    cleaned = {name: _cleaned(name) for name in found}
    for rename in _renamings(wanted, cleaned.values()):
        names = {name: rename(clean) for name, clean in cleaned.items()}
        fits = wanted <= {_owner(name) for name in names.values()}
        if fits and len(set(names.values())) == len(names):
            return names
    return {}


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _cleaned(name: str) -> str:
    clean = ".".join(part for part in name.split(".") if part not in _INNER)
    for front in _FRONT:
        clean = clean.removeprefix(front)
    return clean


class _Prefix:
    """Takes a prefix off the names that have it, or puts one in front of those that lack it.

    kept: owners that are right as they are, such as a head beside a model without its name.
    """

    def __init__(self, taken: str = "", added: str = "", kept: Collection[str] = ()) -> None:
        self.taken, self.added, self.kept = taken, added, kept

    def __call__(self, name: str) -> str:
        if _owner(name) in self.kept:
            return name
        return self.added + name.removeprefix(self.taken)


def _renamings(wanted: set[str], names: Iterable[str]) -> list[_Prefix]:
    """Prefixes that could be in the way: none further, one that is found, or a missing one."""
    first = max(wanted, key=len)
    ends = {_owner(name) for name in names}
    taken = sorted(
        {owner.removesuffix(first) for owner in ends if owner.endswith(f".{first}")}, key=len
    )
    front = _Prefix(added=_ADDED, kept={owner for owner in wanted if not owner.startswith(_ADDED)})
    return [_Prefix(), *(_Prefix(taken=prefix) for prefix in taken), front]
