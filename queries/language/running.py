"""Running a template, or a user's own Cypher, against a store."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ipgraph.graphstore.common.errors import UsageError, lacking
from ipgraph.queries.language.binding import bind, bind_text, declared_values
from ipgraph.queries.language.parameters import BOUND_BY_STORE
from ipgraph.queries.language.registry import template as find
from ipgraph.queries.language.template import Template

if TYPE_CHECKING:
    import pandas as pd

    from ipgraph.graphstore.store.protocol import Store, Value

log = logging.getLogger(__name__)

_ADDS = re.compile(r"\b(sum|avg)\(")

Record = dict[str, Any]
"""A row by column name."""
Parameters = dict[str, Any]
"""What `ask` takes by keyword."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query returned, and the text and parameters that were run; iterating gives rows by name."""

    columns: list[str]
    rows: list[list[object]]
    cypher: str
    parameters: "dict[str, Value]"
    cut: bool = False
    """Whether `max_rows` left rows out."""

    def __iter__(self) -> Iterator[Record]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def records(self) -> list[Record]:
        """Return the rows by column name."""
        return list(self)

    def to_pandas(self) -> "pd.DataFrame":
        """Return the rows as a data frame; raises IpgraphError where pandas is not installed."""
        try:
            import pandas as pd
        except ImportError as error:
            raise lacking("data frames need pandas", "pandas") from error
        return pd.DataFrame(self.rows, columns=self.columns)


@contextmanager
def opened(store: "Store | str | Path | None") -> "Iterator[Store]":
    """Give a store, opened and closed here unless it is one already (None: IPGRAPH_STORE or the default)."""
    if store is not None and not isinstance(store, str | Path):
        yield store
        return
    from ipgraph.graphstore.opening import open_store

    with open_store(store) as mine:
        yield mine


def ask(
    name: str,
    /,
    store: "Store | str | Path | None" = None,
    *,
    queries_dir: Path | str | None = None,
    timeout_s: float | None = None,
    max_rows: int | None = None,
    **parameters: object,
) -> Rows:
    """Run a template by name; parameters not given take their defaults.

    Where a template adds or averages, fractional numbers come with 12 significant digits: a store adds in any
    order, and the digits after these may differ between two runs of one query.

    The store stops after `timeout_s` seconds and returns at most `max_rows` rows. Raises UsageError, naming
    the template's file, for an unknown name, a parameter that is unknown, missing or of the wrong type, and
    Cypher that the store refuses; IpgraphError when the time is over.
    """
    template = find(name, queries_dir)
    return run_template(template, store, timeout_s=timeout_s, max_rows=max_rows, **parameters)


def run_template(
    template: Template,
    /,
    store: "Store | str | Path | None" = None,
    *,
    timeout_s: float | None = None,
    max_rows: int | None = None,
    **parameters: object,
) -> Rows:
    """Run a template; see `ask`."""
    if template.browser_only:
        hint = f"paste what `ipgraph query show {template.name}` prints"
        raise UsageError(f"{template.path}: returns paths for Neo4j Browser to draw; {hint} there")
    declared_values(template, parameters)  # what needs no store is said before one is opened
    with opened(store) as graph:
        if template.dialect not in (None, graph.dialect):
            raise UsageError(
                f"{template.path}: runs on {template.dialect} only, and this store is {graph.dialect}"
            )
        bound = bind(template, parameters, graph)
        with _naming(template.path):
            text = template.text(graph.dialect)
            rows = _read(graph, text, bound, timeout_s, max_rows)
    expected = [column.name for column in template.columns]
    if rows.columns != expected:
        raise UsageError(
            f"{template.path}: the head says the columns {expected}, the text returns {rows.columns}"
        )
    if not _ADDS.search(text):
        return rows
    return replace(rows, rows=[[_rounded(value) for value in row] for row in rows.rows])


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.12g}")
    return [_rounded(part) for part in value] if isinstance(value, list) else value


def run_cypher(
    cypher: str,
    /,
    store: "Store | str | Path | None" = None,
    *,
    timeout_s: float | None = None,
    max_rows: int | None = None,
    **parameters: object,
) -> Rows:
    """Run a read-only query of the user's own; `$run`, `$level` and what a store binds are there to be used.

    `timeout_s` and `max_rows` are as in `ask`.
    """
    with opened(store) as graph:
        return _read(graph, cypher, bind_text(cypher, parameters, graph), timeout_s, max_rows)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say of what a store refuses which template's file it is."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{path}: {str(error).partition(chr(10))[0]}") from error


def _read(
    store: "Store",
    cypher: str,
    parameters: "Mapping[str, Value]",
    timeout_s: float | None,
    max_rows: int | None,
) -> Rows:
    started = perf_counter()
    result = store.read(cypher, parameters, timeout=timeout_s, limit=max_rows)
    log.info("%d rows from %s in %.3f s", len(result.rows), store.location, perf_counter() - started)
    shown = {name: value for name, value in parameters.items() if name not in BOUND_BY_STORE}
    return Rows(result.columns, result.rows, cypher, shown, result.cut)
