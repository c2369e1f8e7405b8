"""Reports: questions that take several queries and some arithmetic, each answered by a list of tables.

Every report is made from the store alone. Its function takes the store and, by keyword, its options.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ipgraph.queries.reports import (
    evaluation as report_evaluation,
)
from ipgraph.queries.reports import (
    figure5 as report_figure5,
)
from ipgraph.queries.reports import (
    nodes as report_nodes,
)
from ipgraph.queries.reports import (
    paths as report_paths,
)
from ipgraph.queries.reports import (
    runs as report_runs,
)
from ipgraph.queries.reports import (
    words as report_words,
)
from ipgraph.queries.reports.tables import Table


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its name, what it answers in one line, and the function that makes it."""

    name: str
    title: str
    function: Callable[..., list[Table]]


def _report(name: str, function: Callable[..., list[Table]]) -> Report:
    return Report(name, (function.__doc__ or "").partition("\n")[0], function)


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
