"""No file of the quantizer imports, over any number of others, what imports it."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def modules() -> dict[str, Path]:
    paths = sorted((ROOT / "quantizer").rglob("*.py"))
    names = (path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in paths)
    return {name.removesuffix(".__init__"): p for name, p in zip(names, paths, strict=True)}


def imported(path: Path, known: set[str]) -> Iterator[str]:
    """Files that a file imports, wherever in it: a late import closes a circle, too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            files = [name for name in inside if name in known]
            yield from files
            if len(files) < len(inside) and node.module in known:
                yield node.module


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The names of one circle, or nothing."""
    left = dict(graph)
    while True:  # what imports nothing that is left can be in no circle
        free = [name for name, others in left.items() if not others & left.keys()]
        if not free:
            return sorted(left)
        for name in free:
            del left[name]


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c", "d"]
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_no_file_imports_itself_over_others() -> None:
    files = modules()
    assert len(files) > 40
    graph = {name: set(imported(path, set(files))) for name, path in files.items()}
    assert "quantizer.run.walk" in graph["quantizer.compare.compare"]
    assert circle(graph) == []
