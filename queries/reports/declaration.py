"""What a report declares, beside its function: its name, what it needs, and its parameters with their help.

A report's function takes a store and, by keyword, its parameters; the type of each carries its help:
`k: Annotated[int, "Nodes of a subpath."] = 3`. The command line, the page and Python read the declaration.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.queries.language.running import opened
from ipgraph.queries.reports.tables import Table

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

Need = Literal["patterns", "attention", "scores", "method", "evaluation"]
"""A run with patterns; those of attention level; scores; a run of some methods; runs that are evaluated."""

RunId = Annotated[str, "Run id, its beginning, or label."]
OtherRun = Annotated[str, "The run to compare it with."]
AtLevel = Annotated[str, "embedding or attention; if empty, attention where the run has it."]
Subtask = Annotated[str, "Only instances of this subtask."]
Condition = Annotated[str, "Only instances of this condition."]
Role = Annotated[str, "Role of the word (subject, attractor, ...)."]
OtherRole = Annotated[str, "Role of the other word."]
Sign = Annotated[int, "Only words of this sign: 1, -1, or 0 for both."]
RankBy = Annotated[Literal["count", "influence"], "What ranks first: the most patterns, or most influence."]
Limit = Annotated[int, "The most rows of a table."]


@dataclass(frozen=True, slots=True)
class ReportParameter:
    """A parameter of a report; without a default it must be given."""

    name: str
    type: Any
    help: str
    default: object = None
    is_required: bool = False

    @classmethod
    def of(cls, parameter: inspect.Parameter) -> "ReportParameter":
        """Return what a parameter of a report's function says."""
        type_, help_ = get_args(parameter.annotation)
        is_required = parameter.default is parameter.empty
        return cls(parameter.name, type_, help_, None if is_required else parameter.default, is_required)


@dataclass(frozen=True, slots=True)
class Report:
    """A report: what it is called on the command line and as a heading, its function and what it needs.

    `methods` are those of the runs that it reads, where it needs a run of some methods.
    """

    name: str
    title: str
    function: Callable[..., list[Table]]
    needs: Need = "patterns"
    methods: tuple[str, ...] = ()
    summary: str = field(init=False)
    """What it answers: the first line of its function's docstring."""
    parameters: tuple[ReportParameter, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Read the function's docstring and signature."""
        _, *parameters = inspect.signature(self.function).parameters.values()
        object.__setattr__(self, "summary", (inspect.getdoc(self.function) or "").partition("\n")[0])
        object.__setattr__(self, "parameters", tuple(map(ReportParameter.of, parameters)))

    def make(self, store: "Store | str | Path | None" = None, **given: object) -> list[Table]:
        """Return the report's tables; raises UsageError for a parameter that is missing or not its own."""
        self._check_names(given)
        with opened(store) as graph:
            tables = self.function(graph, **given)
            labels = {run.id: run.label for run in graph.runs() if run.label}
        return [_with_labels(table, labels) for table in tables]

    def _check_names(self, given: Mapping[str, object]) -> None:
        for name in given:
            if name not in (names := [p.name for p in self.parameters]):
                raise unknown(f"parameter of the report {self.name}", name, names)
        for parameter in self.parameters:
            if parameter.is_required and parameter.name not in given:
                raise UsageError(f"the report {self.name} needs {parameter.name}: {parameter.help}")


def _with_labels(table: Table, labels: Mapping[str, str]) -> Table:
    """Return a table whose title and note give the label beside the id of each run that has one."""
    title, note = table.title, table.note
    for run, label in labels.items():
        for before in ("run", "other"):
            said = f"{before} {run}"
            title, note = (text.replace(said, f"{said} ({label})") for text in (title, note))
        title = title.replace(f"Run {run}", f"Run {run} ({label})")
    return replace(table, title=title, note=note)
