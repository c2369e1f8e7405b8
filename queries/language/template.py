"""Templates: one `.cypher` file a question, with what it asks, takes and returns at its head.

    // title: Heads ranked by traversal
    // description: How many patterns pass through each attention head;
    //   a longer text goes on in lines that are indented.
    // parameters: run, level, subtask
    //   k: int 2.. = 3  A whole number, at least 2; without `= ...` a parameter must be given.
    //   sign: int -1|0|1 = 0  One of three.
    // columns:
    //   layer: What the column holds, and for a share what it divides by.
    MATCH ...

The names after `parameters:` are standard parameters (`parameters.STANDARD`); any other, and one that means
something else here, has a line of its own.

Optional lines: `dialect: neo4j` or `dialect: ladybug` (the text runs on that store only) and
`browser-only: yes` (it returns paths for Neo4j Browser to draw, so nothing here runs it). A file
`<name>.<dialect>.cypher` beside `<name>.cypher` replaces its text on that store; its head is
`measured: ...`, which quotes the measurement that calls for it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.queries.language.parameters import BOUND_BY_STORE, Parameter, declared, require_distinct

Dialect = Literal["ladybug", "neo4j"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
_TEXT_KEYS = ("title", "description", "dialect", "browser-only", "measured")
_ENTRY_KEYS = ("parameters", "columns")
_COLUMN = re.compile(r"(?P<name>[a-z]\w*): (?P<description>\S.*)")
_LITERALS = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|//[^\n]*|/\*.*?\*/", re.DOTALL)
_USED = re.compile(r"\$(\w+)")


class TemplateError(UsageError):
    """A template file is not written as it should be."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a template returns."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Template:
    """A question to the graph: its Cypher, and what it asks, takes and returns."""

    name: str
    path: Path
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    body: str
    dialect: Dialect | None = None
    browser_only: bool = False
    variants: dict[Dialect, str] = field(default_factory=dict)

    def text(self, dialect: Dialect | None = None) -> str:
        """Return the Cypher for a store's dialect (the portable text where it has none of its own)."""
        return self.body if dialect is None else self.variants.get(dialect, self.body)


def used_parameters(cypher: str) -> set[str]:
    """Return the names of the parameters that a text uses, strings and comments apart."""
    return set(_USED.findall(without_literals(cypher)))


def without_literals(cypher: str) -> str:
    """Return a text without its strings, quoted names and comments."""
    return _LITERALS.sub(" ", cypher)


def parse_template(path: Path) -> Template:
    """Read a template file and its variants; raises TemplateError naming the file, line and remedy."""
    head, body = _split(path)
    for key in ("title", "description"):
        if not head.texts.get(key):
            raise TemplateError(f"{path}: the head says no {key}; add a line `// {key}: ...`")
    if not head.entries["columns"]:
        raise TemplateError(f"{path}: the head says no columns; add `// columns:` and a line for each")
    dialect, browser_only = head.texts.get("dialect"), head.texts.get("browser-only", "no")
    if dialect is not None and dialect not in DIALECTS:
        raise TemplateError(f"{path}: dialect {dialect!r} is neither of {', '.join(DIALECTS)}")
    if browser_only not in ("yes", "no"):
        raise TemplateError(f"{path}: browser-only is {browser_only!r}, neither yes nor no")
    template = Template(
        name=path.stem,
        path=path,
        title=head.texts["title"],
        description=head.texts["description"],
        parameters=_parameters(path, head),
        columns=tuple(_column(path, line, text) for line, text in head.entries["columns"]),
        body=body,
        dialect="neo4j" if browser_only == "yes" else next((d for d in DIALECTS if d == dialect), None),
        browser_only=browser_only == "yes",
        variants=dict(_variants(path)),
    )
    _check_names(template)
    return template


@dataclass(slots=True)
class _Head:
    texts: dict[str, str] = field(default_factory=dict)
    entries: dict[str, list[tuple[int, str]]] = field(
        default_factory=lambda: {key: [] for key in _ENTRY_KEYS}
    )


def _split(path: Path) -> tuple[_Head, str]:
    """Return a file's head, parsed, and its body."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path} could not be read as UTF-8 text ({error})") from error
    length = next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))
    body = "\n".join(lines[length:]).strip()
    if not body:
        raise TemplateError(f"{path}: holds no Cypher after its head")
    return _head(path, lines[:length]), body


def _head(path: Path, lines: list[str]) -> _Head:
    head, key = _Head(), ""
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("//").removeprefix(" ")
        depth = len(text) - len(text.lstrip(" "))
        if not text.strip():
            continue
        if depth == 0:
            key, _, value = text.partition(":")
            if key not in _TEXT_KEYS + _ENTRY_KEYS or (key == "columns" and value.strip()):
                keys = ", ".join(_TEXT_KEYS + _ENTRY_KEYS)
                raise TemplateError(f"{path}:{number}: {text!r} is not a line of the head, which has {keys}")
            if key in _TEXT_KEYS:
                head.texts[key] = value.strip()
            elif key == "parameters":
                names = filter(None, map(str.strip, value.split(",")))
                head.entries[key] += [(number, name) for name in names]
        elif key in _ENTRY_KEYS and depth == 2:
            head.entries[key].append((number, text.strip()))
        elif key in _ENTRY_KEYS and head.entries[key]:
            first, entry = head.entries[key][-1]
            head.entries[key][-1] = (first, f"{entry} {text.strip()}")
        elif key in _TEXT_KEYS:
            head.texts[key] += " " + text.strip()
        else:
            raise TemplateError(f"{path}:{number}: {text.strip()!r} belongs to no line of the head before it")
    return head


def _parameters(path: Path, head: _Head) -> tuple[Parameter, ...]:
    parameters: list[Parameter] = []
    for line, text in head.entries["parameters"]:
        try:
            parameters.append(declared(text))
            require_distinct(parameters)
        except UsageError as error:
            raise TemplateError(f"{path}:{line}: {error}") from None
    return tuple(parameters)


def _column(path: Path, line: int, text: str) -> Column:
    match = _COLUMN.fullmatch(text)
    if match is None:
        raise TemplateError(f"{path}:{line}: the column {text!r} is not written as `name: description`")
    return Column(match["name"], match["description"])


def _variants(path: Path) -> Iterator[tuple[Dialect, str]]:
    for dialect in DIALECTS:
        beside = path.with_name(f"{path.stem}.{dialect}.cypher")
        if beside.is_file():
            head, body = _split(beside)
            if not head.texts.get("measured"):
                raise TemplateError(f"{beside}: quotes no measurement; add a line `// measured: ...`")
            yield dialect, body


def _check_names(template: Template) -> None:
    """Refuse a text that uses a parameter its head does not declare, or the other way round."""
    names = {p.name for p in template.parameters}
    texts = {template.path: template.body}
    texts |= {template.path.with_suffix(f".{d}.cypher"): text for d, text in template.variants.items()}
    for where, text in texts.items():
        used = used_parameters(text)
        for name in sorted(used - names - set(BOUND_BY_STORE)):
            raise TemplateError(
                f"{where}: uses ${name}, which the head of {template.path.name} does not declare"
            )
        for name in sorted(names - used):
            raise TemplateError(f"{where}: declares the parameter {name} but never uses ${name}")
    types = {p.type for p in template.parameters}
    of_a_run = sorted(types & {"level", "instance", "subtask", "condition", "role", "layer", "head"})
    if of_a_run and "run" not in types:
        raise TemplateError(
            f"{template.path}: the type {of_a_run[0]} is looked up in a run; declare `run: run = newest`"
        )
