"""Options and arguments that several commands share, each written once."""

from pathlib import Path
from typing import Annotated

import typer

from ipgraph.cli.render import Format

RUNS_DIR = Path("runs")
NARROWEST, WIDEST = 1.5, 60.0
"""Inches that a figure may be wide."""

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH|URI",
        envvar="IPGRAPH_STORE",
        help="Graph store: a file, or a Neo4j server (bolt://..., neo4j://...).",
        show_default="./ipgraph.db",
    ),
]
FormatOption = Annotated[
    Format, typer.Option("--format", help="Output format; json and csv give exact values.")
]
RunOption = Annotated[
    str,
    typer.Option(
        "--run", metavar="RUN", help="Run id or its beginning.", show_default="the newest complete run"
    ),
]
RunsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Run id or its beginning; repeat the option to put runs side by side.",
        show_default="the newest complete run",
    ),
]
EvaluatedRunOption = Annotated[
    str,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Run id or its beginning.",
        show_default="the largest, then newest, evaluated run per model, dataset and settings",
    ),
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Run id or its beginning.")]
RunsDirOption = Annotated[
    Path, typer.Option("--runs-dir", metavar="DIR", help="Folder that holds the run directories.")
]
QueriesDirOption = Annotated[
    Path | None,
    typer.Option(
        "--queries-dir", metavar="DIR", help="Folder of your own templates, added to the built-in ones."
    ),
]
ParamOption = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", metavar="NAME=VALUE", help="Value of a query parameter; repeat the option for more."
    ),
]
ShowCypherOption = Annotated[bool, typer.Option("--show-cypher", help="Print the Cypher on stderr first.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DatasetArgument = Annotated[
    str,
    typer.Argument(metavar="NAME|FILE", help="A built-in dataset or group, or a JSONL, TSV or Parquet file."),
]
SubtaskOption = Annotated[str, typer.Option(help="Only instances of this subtask.")]
ConditionOption = Annotated[str, typer.Option(help="Only instances of this condition.")]
LevelOption = Annotated[
    str, typer.Option(help="embedding or attention.", show_default="attention where the run has it")
]
AllowUnkOption = Annotated[
    bool,
    typer.Option(
        "--allow-unk",
        help="Also use sentences with words that the model does not know.",
        rich_help_panel="Dataset",
    ),
]
OutputOption = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="FILE", help="File to write: .svg, .pdf or .png.", show_default=False
    ),
]


def _checked_width(width: float | None) -> float | None:
    if width is not None and not NARROWEST <= width <= WIDEST:
        raise typer.BadParameter(f"{width:g}; a figure must be {NARROWEST:g} to {WIDEST:g} inches wide")
    return width


WidthOption = Annotated[
    float | None,
    typer.Option(
        "--width",
        metavar="INCHES",
        help="Width of the figure.",
        show_default="what the figure needs",
        callback=_checked_width,
    ),
]
