"""What a query needs of a run: rows of the tables that its text reads, or that the run is of some method."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ipgraph.graphstore.common.suggested import suggested
from ipgraph.graphstore.schema.records import Run, levels_of
from ipgraph.graphstore.schema.tables import filed
from ipgraph.queries.language.template import without_literals

_LACKED = {
    "patterns": ("patterns", "gpr"),
    "steps": ("patterns", "gpr"),
    "attributions": ("scores of tokens", "flow"),
    "views": ("views of heads", "hta"),
    "contributions": ("layer matrices", "alti"),
    "matrices": ("layer matrices", "alti"),
}
"""By file, what a run may have no rows of, and a method whose runs have them."""
_NAMED = re.compile(r"[:|]\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Need:
    """What a run must have: rows of each of some tables, by their files, and one of some methods, if any."""

    tables: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()

    def missing(self, run: Run) -> str:
        """Return what a run lacks, as a sentence goes on after its id; empty where it lacks nothing."""
        if self.methods and run.method not in self.methods:
            return f"is not of {named(self.methods)}"
        rows = json.loads(run.rows)
        return next((f"has no {_LACKED[table][0]}" for table in self.tables if not rows.get(table)), "")

    @property
    def said(self) -> str:
        """What every run that meets it is or has."""
        return f"is of {named(self.methods)}" if self.methods else f"has {_LACKED[self.tables[0]][0]}"

    @property
    def method(self) -> str:
        """A method whose runs meet it."""
        return (self.methods or [_LACKED[table][1] for table in self.tables])[0]

    def among(self, runs: Sequence[Run]) -> list[Run]:
        """Return the runs that meet it, in order: the first of its methods comes before the next.

        Where nothing is needed, runs with patterns come before others.
        """
        fitting = [run for run in runs if not self.missing(run)]
        if self.methods:
            return sorted(fitting, key=lambda run: self.methods.index(run.method))
        return fitting if self.tables else sorted(fitting, key=lambda run: not run.patterns)

    def remedy(self, runs: Sequence[Run], store: str, instead_of: Run | None = None) -> str:
        """Return what to do where a run does not meet it, given the runs of the store.

        Another run to name is of the same model and dataset where there is one, and of the attention level.
        """
        if fitting := self.among(runs):
            of = instead_of or fitting[0]
            nearest = min(
                fitting,
                key=lambda run: (
                    (run.model, run.dataset) != (of.model, of.dataset),
                    run.patterns > 0 and "attention" not in levels_of(run.level),
                ),
            )
            return f"name another run, such as {nearest.id}"
        make = suggested("ingest dataset", runs[0].dataset, "--method", self.method, store=store)
        return f"make one by `{make}`"


NOTHING = Need()
PATTERNS = Need(("patterns",))


def need_of(cypher: str) -> Need:
    """Return what a text needs of its run: rows of the tables that it names and that a run may lack."""
    names = set(_NAMED.findall(without_literals(cypher)))
    files = [table.file for table in filed() if table.name in names and table.file in _LACKED]
    return Need(tuple(dict.fromkeys(files)))


def named(methods: Sequence[str]) -> str:
    """Return methods as a sentence lists them, such as `flow, rollout or flow_shapley`."""
    *others, last = methods
    return f"{', '.join(others)} or {last}" if others else last
