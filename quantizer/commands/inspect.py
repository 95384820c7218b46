"""``quantizer inspect``: describe a quantized checkpoint and name what is suspicious."""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from models.errors import ModelsError
from models.files.checkpoint import read_config
from models.plain_text import escaped
from quantizer.commands.common import progress_bar
from quantizer.inspect.checks import LayerFacts
from quantizer.inspect.folder import PLAIN, Inspection, as_json, inspect_folder, kind_of
from quantizer.inspect.loaders import LoaderVerdict, loader_verdicts


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.set_defaults(action=_inspect, if_stopped="nothing was changed")
    parser.description = (
        "Describe a quantized folder and name what is suspicious. Exit code 0: nothing suspicious; "
        "1: something suspicious was found; 2: unreadable."
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="GPTQ or compressed-tensors")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--verbose", action="store_true", help="one line for every layer, not for every kind"
    )


def _inspect(options: argparse.Namespace) -> int:
    with progress_bar() as show:
        found = inspect_folder(options.folder, show)
    loaders = loader_verdicts(found, _config(options.folder))
    if options.json:
        print(as_json(found, loaders=[verdict.to_dict() for verdict in loaders]))
    else:
        # Layers have the names that the folder gives them.
        told = lines(found, loaders, verbose=options.verbose)
        print("\n".join(escaped(line) for line in told))
    return 1 if found.findings() else 0


def _config(folder: Path) -> dict[str, Any]:
    """config.json; what is wrong with it is among the findings already."""
    try:
        return read_config(folder / "config.json")
    except ModelsError:
        return {}


def _loading(found: Inspection, loaders: Sequence[LoaderVerdict]) -> Iterator[str]:
    """Who loads the folder by the loaders' rules, which know nothing of damage."""
    if loaders and found.findings() not in ([], [PLAIN]):
        yield "By the rules of the loaders, which do not look for what is suspicious above:"
    yield from map(str, loaders)


def lines(
    found: Inspection, loaders: Sequence[LoaderVerdict] = (), *, verbose: bool = False
) -> Iterator[str]:
    """Tell everything in lines that stand on their own, the total last."""
    yield f"{found.folder}: {_headline(found)}"
    if verbose:
        yield from (f"{layer.name}: {_facts([layer])}" for layer in found.layers)
    else:
        ordered = sorted(found.layers, key=lambda layer: kind_of(layer.name))
        for kind, members in groupby(ordered, key=lambda layer: kind_of(layer.name)):
            layers = list(members)
            count = "" if len(layers) == 1 else f" ({len(layers)} layers)"
            yield f"{kind}{count}: {_facts(layers)}"
    if found.unquantized:
        names = found.unquantized if verbose else _by_kind(found.unquantized)
        yield f"Not quantized: {', '.join(names)}"
    findings = found.findings()
    told = findings if verbose else _alike(found)
    yield from (f"Suspicious: {text}" for text in told)
    yield from _loading(found, loaders)
    packed = sum(layer.size_bytes for layer in found.layers)
    number = "nothing" if not findings else f"{len(findings)} findings"
    number = "1 finding" if len(findings) == 1 else number
    yield (
        f"Total: {len(found.layers)} quantized layers of {packed / 1e6:.2f} MB, "
        f"all tensors {found.size_bytes / 1e6:.2f} MB; {number} suspicious"
    )


def _by_kind(names: Sequence[str]) -> list[str]:
    """Name layers that differ by their block's number once, with how many there are."""
    counts = Counter(map(kind_of, names))
    return [kind if count == 1 else f"{kind} ({count} layers)" for kind, count in counts.items()]


def _alike(found: Inspection) -> list[str]:
    """The findings, one that several layers of a kind share told once."""
    shared: dict[tuple[str, str], list[str]] = {}
    for layer in found.layers:
        for text in layer.suspicious:
            shared.setdefault((kind_of(layer.name), text), []).append(layer.name)
    return found.suspicious + [
        f"{names[0] if len(names) == 1 else f'{kind} ({len(names)} layers)'}: {text}"
        for (kind, text), names in shared.items()
    ]


def _headline(found: Inspection) -> str:
    if found.form is None:
        return "not quantized"
    if not found.config:
        return f"{found.form}, without a configuration that can be read"
    config = found.config
    size = config["group_size"]
    return (
        f"{found.form}, {config['bits']} bits, "
        f"{'one scale a row' if size == -1 else f'groups of {size}'}, "
        f"{'symmetric' if config['sym'] else 'asymmetric'}"
        f"{', act-order' if config['desc_act'] else ''}"
    )


def _facts(layers: Sequence[LayerFacts]) -> str:
    """Describe one layer, or the ranges over several of one kind."""
    parts = []
    shapes = sorted({layer.shape for layer in layers if layer.shape is not None})
    parts += [f"{' or '.join(f'{out} outputs by {k} inputs' for out, k in shapes)}"]
    parts += [_each({layer.bits for layer in layers}, "", " bits")]
    parts += [_each({layer.group_size for layer in layers}, "groups of ", "")]
    parts += [" and ".join(sorted({layer.groups for layer in layers if layer.groups}))]
    zeros = [layer.zeros for layer in layers if layer.zeros is not None]
    if zeros:
        low, high = min(z[0] for z in zeros), max(z[1] for z in zeros)
        parts += [f"zero-points {low} to {high}" if low < high else f"zero-points {low}"]
    scales = [layer.scales for layer in layers if layer.scales is not None]
    if scales:
        median = sorted(s[1] for s in scales)[len(scales) // 2]
        parts += [
            f"scales {min(s[0] for s in scales):.3g} to {max(s[2] for s in scales):.3g}, "
            f"median {median:.3g}"
        ]
    ends = [layer.at_ends for layer in layers if layer.at_ends is not None]
    if ends:
        parts += [f"{sum(ends) / len(ends):.1%} of codes at the ends"]
    parts += [f"{sum(layer.size_bytes for layer in layers) / 1e6:.2f} MB"]
    return ", ".join(part for part in parts if part)


def _each(values: set[int | None], before: str, after: str) -> str:
    known = sorted(value for value in values if value is not None)
    return f"{before}{' or '.join(map(str, known))}{after}" if known else ""
