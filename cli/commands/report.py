"""`ipgraph report`: the library's reports, one sub-command each, made from the store alone."""

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ipgraph.cli.options import EvaluatedRunOption, FormatOption, RunOption, ShowCypherOption, StoreOption
from ipgraph.cli.render import print_cypher, render

if TYPE_CHECKING:
    from ipgraph.queries.reports.registry import Report

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
SHARED = ("store", "show_cypher", "output")
OF_EVALUATIONS = ("table1", "figure5", "optimality")
"""Reports that show several runs, unless one is named."""
HELP = {
    "level": "embedding or attention; without it attention, where the run has it.",
    "subtask": "Only instances of this subtask.",
    "condition": "Only instances of this condition.",
    "other_condition": "The condition to compare it with.",
    "role": "Role of the word (subject, attractor, ...).",
    "other_role": "Role of the other word.",
    "sign": "Only words of this sign: 1, -1, or 0 for both.",
    "layer": "Layer, from 1; 0 for all.",
    "head": "Head, from 1 as in the paper.",
    "limit": "Rows of a table at most.",
    "at_least": "Only words that occur so often.",
    "k": "Nodes of a subpath.",
    "by": "What makes subpaths the same: position, role, or place relative to the target.",
    "other": "The run to compare it with.",
    "threshold": "Completeness error, as a share of the QoI difference, above which an instance is listed.",
}


class Reports(TyperGroup):
    """The group of reports, which asks the library for them when it is used and not before."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the reports' names in the library's order, then the commands of this group itself."""
        self._fill()
        return super().list_commands(ctx)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Return a report's command."""
        self._fill()
        return super().get_command(ctx, cmd_name)

    def _fill(self) -> None:
        from ipgraph.queries.reports.registry import REPORTS

        if not REPORTS.keys() <= self.commands.keys():
            made = {name: _command(report) for name, report in REPORTS.items()}
            self.commands = made | dict(self.commands)


app = typer.Typer(cls=Reports, no_args_is_help=True, help="Reports, made from the store alone.")


def _command(report: "Report") -> Any:
    """Return a report as a command: what its function must be given as arguments, the rest as options."""

    def command(
        store: StoreOption = None,
        show_cypher: ShowCypherOption = False,
        output: FormatOption = "table",
        **options: Any,
    ) -> None:
        from ipgraph.queries.language.running import opened

        with opened(store) as graph:
            tables = report.function(graph, **options)
        for text in dict.fromkeys(table.cypher for table in tables if show_cypher and table.cypher):
            print_cypher(text)
        render(tables, output)

    shared = inspect.signature(command).parameters
    run = EvaluatedRunOption if report.name in OF_EVALUATIONS else RunOption
    given = list(inspect.signature(report.function).parameters.values())[1:]  # all but the store
    own = [_parameter(p, run) for p in given]
    signature = inspect.Signature([*own, *(shared[n].replace(kind=_KEYWORD) for n in SHARED)])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
    command.__doc__ = report.title
    single = typer.Typer(add_completion=False)
    single.command(report.name)(command)
    return typer.main.get_command(single)


def _parameter(parameter: inspect.Parameter, run: Any) -> inspect.Parameter:
    annotation: Any
    if parameter.name == "run":
        annotation = run
    elif parameter.default is parameter.empty:
        annotation = Annotated[parameter.annotation, typer.Argument(help=HELP[parameter.name])]
    else:
        option = typer.Option(f"--{parameter.name.replace('_', '-')}", help=HELP[parameter.name])
        annotation = Annotated[parameter.annotation, option]
    return parameter.replace(annotation=annotation, kind=_KEYWORD)
