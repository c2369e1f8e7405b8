"""Which room may import which (docs/architecture.md), by the syntax tree of every file."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "ipgraph"
CATALOGUE = "extractor.methods.catalogue"
MAY_IMPORT = {
    "cli": ("cli", "queries", "extractor", "graphstore"),
    "queries": ("queries", "graphstore", CATALOGUE),
    "extractor": ("extractor", "graphstore.schema", "graphstore.runs", "graphstore.common"),
    "graphstore": ("graphstore",),
}
"""What the modules of each room may import of the project: modules and packages, with all they hold."""
WITHOUT_TORCH = ("graphstore", "queries", "extractor.datasets", CATALOGUE, "extractor.methods.settings")
TORCH = {"torch", "transformers", "safetensors", "tokenizers"}


@dataclass(frozen=True)
class Import:
    """One import statement: the module it names, and whether it runs when the file is imported."""

    of: str
    at_import: bool


def files() -> Iterator[tuple[str, Path]]:
    """Yield every module of the project, without the package's own name, and its file."""
    for room in MAY_IMPORT:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


@cache
def imports() -> dict[str, list[Import]]:
    """Return every module's imports."""
    return {module: list(imports_of(ast.parse(path.read_text()), True)) for module, path in files()}


def imports_of(node: ast.AST, at_import: bool) -> Iterator[Import]:
    """Yield the imports below a node; those of functions and of TYPE_CHECKING blocks do not run at import."""
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, at_import) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, f"import {node.module} by its full name"
        yield from (Import(f"{node.module}.{alias.name}", at_import) for alias in node.names)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for checked in node.body:
            yield from imports_of(checked, False)
        for other in node.orelse:
            yield from imports_of(other, at_import)
    else:
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for part in ast.iter_child_nodes(node):
            yield from imports_of(part, at_import and not lazy)


def project_module(name: str) -> str | None:
    """Return the module of the project that a dotted name is, or is a name in; None if it is none of ours."""
    package, _, rest = name.partition(".")
    if package != PACKAGE:
        return None
    while rest and rest not in imports():
        rest = rest.rpartition(".")[0]
    return rest or None


def project_imports(module: str, at_import: bool) -> set[str]:
    """Return the project's modules that a module imports, all of them or those that run at import."""
    named = (project_module(i.of) for i in imports()[module] if i.at_import or not at_import)
    return {name for name in named if name}


def within(module: str, names: tuple[str, ...]) -> bool:
    """Tell whether a module is one of the names or lies below one."""
    return any(module == name or module.startswith(f"{name}.") for name in names)


def graph_of_imports() -> "nx.DiGraph[str]":
    """Return the project's modules with an edge for every import that runs at import."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(imports())
    graph.add_edges_from((m, other) for m in imports() for other in project_imports(m, at_import=True))
    return graph


def folder(module: str) -> str:
    """Return the folder that a module lies in, as `room.folder`, or the module itself where it is in none."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    strangers = {
        (module, other)
        for module in imports()
        if within(module, (room,))
        for other in project_imports(module, at_import=False)
        if not within(other, MAY_IMPORT[room])
    }
    assert strangers == set()


def test_no_modules_import_one_another() -> None:
    assert circles(graph_of_imports()) == []


def test_no_folders_import_one_another() -> None:
    graph: nx.DiGraph[str] = nx.DiGraph()
    edges = ((folder(module), folder(other)) for module, other in graph_of_imports().edges)
    graph.add_edges_from((one, other) for one, other in edges if one != other and "." in one and "." in other)
    assert circles(graph) == []


def circles(graph: "nx.DiGraph[str]") -> list[list[str]]:
    """Return the sets of nodes that reach one another, each sorted."""
    return sorted(sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1)


@pytest.mark.parametrize("place", WITHOUT_TORCH)
def test_what_needs_no_model_imports_no_torch(place: str) -> None:
    started = {module for module in imports() if within(module, (place,))}
    assert started
    heavy = {module for module in closure(started) if TORCH & {i.of.split(".")[0] for i in imports()[module]}}
    assert heavy == set()


def closure(modules: set[str]) -> set[str]:
    """Return the modules with all that importing them runs, the packages above them included."""
    done: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in done:
            done.add(module)
            above = module.rpartition(".")[0]
            waiting += [*project_imports(module, at_import=True), *([above] if above else [])]
    return done


def test_every_module_says_what_it_is() -> None:
    public = (path for module, path in files() if not any(part.startswith("_") for part in module.split(".")))
    assert [path for path in public if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_the_files_that_the_page_names_exist() -> None:
    named = re.findall(r"`([\w/.-]+/(?:[\w.-]+\.\w+)?)`", (ROOT / "docs" / "architecture.md").read_text())
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import torch", [("torch", True)]),
        ("from a.b import c, d", [("a.b.c", True), ("a.b.d", True)]),
        ("def f():\n    import torch", [("torch", False)]),
        ("class A:\n    import torch", [("torch", True)]),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", [("a", False), ("b", True)]),
        ("try:\n    import a\nexcept ImportError:\n    pass", [("a", True)]),
    ],
)
def test_which_imports_a_file_has(text: str, expected: list[tuple[str, bool]]) -> None:
    assert [(i.of, i.at_import) for i in imports_of(ast.parse(text), True)] == expected
