"""The library's reports by name: questions that take several queries and some arithmetic."""

from pathlib import Path
from typing import TYPE_CHECKING

from ipgraph.graphstore.common.errors import unknown
from ipgraph.queries.reports import (
    alti,
    attention_flow,
    comparison,
    evaluation,
    figure5,
    full_story,
    meetings,
    nodes,
    paths,
    runs,
    scores,
    words,
)
from ipgraph.queries.reports.declaration import Report
from ipgraph.queries.reports.tables import Table

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

REPORTS: dict[str, Report] = {
    report.name: report
    for module in (
        runs,
        comparison,
        paths,
        nodes,
        words,
        meetings,
        scores,
        attention_flow,
        alti,
        full_story,
        evaluation,
        figure5,
    )
    for report in module.REPORTS
}


def report(name: str) -> Report:
    """Return a report; raises UsageError for an unknown name, listing the valid ones nearest first."""
    if name not in REPORTS:
        raise unknown("report", name, REPORTS)
    return REPORTS[name]


def make(name: str, /, store: "Store | str | Path | None" = None, **parameters: object) -> list[Table]:
    """Return a report's tables, made from a store alone; parameters not given take their defaults.

    Raises UsageError for an unknown report, and for a parameter that is missing or not the report's.
    """
    return report(name).make(store, **parameters)
