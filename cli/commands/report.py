"""`ipgraph report`: the library's reports, one sub-command each, made from the store alone."""

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipgraph.cli.groups import Command, Commands, Group, shown_examples
from ipgraph.cli.options import EvaluatedRunOption, FormatOption, RunOption, ShowCypherOption, StoreOption
from ipgraph.cli.render import print_cypher, render

if TYPE_CHECKING:
    from ipgraph.queries.reports.declaration import Report, ReportParameter

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
SAMPLES = {"role": "subject", "other_role": "attractor", "layer": "5", "head": "2", "other": "r4d5e"}
"""Values of required parameters, for the examples."""
SHARED = ("store", "show_cypher", "output")


class Reports(Group):
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


app = Commands(cls=Reports, help="Reports, made from the store alone.")


def _command(report: "Report") -> Any:
    """Return a report as a command: its required parameters as arguments, the others as options."""

    def command(
        store: StoreOption = None,
        show_cypher: ShowCypherOption = False,
        output: FormatOption = "table",
        **options: Any,
    ) -> None:
        tables = report.make(store, **options)
        for text in dict.fromkeys(table.cypher for table in tables if show_cypher and table.cypher):
            print_cypher(text)
        render(tables, output)

    shared = inspect.signature(command).parameters
    run = EvaluatedRunOption if report.needs == "evaluation" else RunOption
    declared = [_parameter(parameter, run) for parameter in report.parameters]
    signature = inspect.Signature([*declared, *(shared[name].replace(kind=_KEYWORD) for name in SHARED)])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
    command.__doc__ = report.summary
    single = typer.Typer(add_completion=False)
    single.command(report.name, cls=Command, epilog=shown_examples([_example(report)]))(command)
    return typer.main.get_command(single)


def _example(report: "Report") -> str:
    required = [p.name for p in report.parameters if p.is_required]
    return " ".join(["ipgraph report", report.name, *(SAMPLES.get(n, n.upper()) for n in required)])


def _parameter(declared: "ReportParameter", run: Any) -> inspect.Parameter:
    """Return a report's parameter as the command line takes it; `run` is the option for its run."""
    if declared.name == "run":
        return inspect.Parameter("run", _KEYWORD, default=declared.default, annotation=run)
    kind: Any = declared.type
    if declared.is_required:
        argument = Annotated[kind, typer.Argument(help=declared.help)]
        return inspect.Parameter(declared.name, _KEYWORD, annotation=argument)
    option = Annotated[kind, typer.Option(f"--{declared.name.replace('_', '-')}", help=declared.help)]
    return inspect.Parameter(declared.name, _KEYWORD, default=declared.default, annotation=option)
