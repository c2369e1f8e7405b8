"""Reports: questions that take several queries and some arithmetic, each answered by a list of tables.

Every report is made from the store alone. Its function takes the store and, by keyword, its options.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from ipgraph.queries import (
    report_evaluation,
    report_figure5,
    report_nodes,
    report_paths,
    report_runs,
    report_words,
)
from ipgraph.queries.report_parts import require_held
from ipgraph.queries.tables import Table

if TYPE_CHECKING:
    from ipgraph.graphstore.store import Store


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its name, what it answers in one line, and the function that makes it."""

    name: str
    title: str
    function: Callable[..., list[Table]]


def _report(name: str, function: Callable[..., list[Table]]) -> Report:
    return Report(name, (function.__doc__ or "").partition("\n")[0], _scoped(function))


def _scoped(function: Callable[..., list[Table]]) -> Callable[..., list[Table]]:
    """Make a report refuse a subtask, condition or role that its run does not have."""

    @wraps(function)
    def scoped(store: "Store", **options: Any) -> list[Table]:
        for kind in ("subtask", "condition", "role"):
            asked = [str(options.get(name, "")) for name in (kind, f"other_{kind}")]
            require_held(store, options.get("run", ""), kind, asked)
        return function(store, **options)

    return scoped


_FUNCTIONS: dict[str, Callable[..., list[Table]]] = {
    "overview": report_runs.overview,
    "skip-share": report_paths.skip_share,
    "heads": report_paths.heads,
    "subpaths": report_paths.subpaths,
    "through-head": report_paths.through_head,
    "entropy": report_nodes.entropy,
    "conditions": report_nodes.conditions,
    "words": report_words.words,
    "convergence": report_words.convergence,
    "merges": report_words.merges,
    "lexical": report_words.lexical,
    "compare": report_runs.compare,
    "quality": report_runs.quality,
    "table1": report_evaluation.table1,
    "figure5": report_figure5.figure5,
    "optimality": report_evaluation.optimality,
}
REPORTS: dict[str, Report] = {name: _report(name, function) for name, function in _FUNCTIONS.items()}
