"""Options and arguments that several commands share, each written once."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ipgraph.cli.render import Format

RUNS_DIR = Path("runs")
STORED, SHOWN, CHOSEN = "Runs and store", "Output", "Instances"
"""Panels of the help."""
RUN_HELP = "Run id, its beginning, or label."
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
        rich_help_panel=STORED,
    ),
]
FormatOption = Annotated[
    Format,
    typer.Option("--format", help="Output format; json and csv give exact values.", rich_help_panel=SHOWN),
]
RunOption = Annotated[
    str,
    typer.Option(
        "--run",
        metavar="RUN",
        help=RUN_HELP,
        show_default="the newest run that has what is asked for",
        rich_help_panel=STORED,
    ),
]
RunsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Run id, its beginning, or label; repeat the option to put runs side by side.",
        show_default="the newest run that has what is asked for",
        rich_help_panel=STORED,
    ),
]
EvaluatedRunOption = Annotated[
    str,
    typer.Option(
        "--run",
        metavar="RUN",
        help=RUN_HELP,
        show_default="the largest, then newest, evaluated run per model, dataset and settings",
        rich_help_panel=STORED,
    ),
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Run id, its beginning, label, or run directory.")
]
RunsDirOption = Annotated[
    Path,
    typer.Option(
        "--runs-dir", metavar="DIR", help="Folder that holds the run directories.", rich_help_panel=STORED
    ),
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
ShowCypherOption = Annotated[
    bool, typer.Option("--show-cypher", help="Print the Cypher on stderr first.", rich_help_panel=SHOWN)
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.001,
        help="Stop the query after this time.",
        show_default="no limit",
        rich_help_panel=SHOWN,
    ),
]
MaxRowsOption = Annotated[
    int | None,
    typer.Option(
        "--max-rows",
        metavar="N",
        min=1,
        help="Return at most this many rows.",
        show_default="all",
        rich_help_panel=SHOWN,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DatasetArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="A built-in dataset or group, a file (CSV, TSV, JSON, Parquet, Arrow), a folder that `datasets` "
        "saved, or hub:OWNER/NAME\\[/CONFIG]\\[@SPLIT].",
    ),
]
SubtaskOption = Annotated[str, typer.Option(help="Only instances of this subtask.", rich_help_panel=CHOSEN)]
ConditionOption = Annotated[
    str, typer.Option(help="Only instances of this condition.", rich_help_panel=CHOSEN)
]
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
        "--output",
        "-o",
        metavar="FILE",
        help="File to write: .svg, .pdf or .png.",
        show_default=False,
        rich_help_panel=SHOWN,
    ),
]


DatasetNameOption = Annotated[
    str,
    typer.Option(
        "--name",
        help="Name of the dataset of a file.",
        show_default="the file's name",
        rich_help_panel="Dataset",
    ),
]
RolesOption = Annotated[
    str,
    typer.Option(
        "--roles",
        metavar='"ROLE ..."',
        help="Roles of the words of all rows without roles, for a file of one structure.",
        show_default=False,
        rich_help_panel="Dataset",
    ),
]


def _field_and_column(given: str) -> tuple[str, str]:
    field, equals, column = given.partition("=")
    if not equals:
        raise typer.BadParameter(f"{given}; it must be FIELD=COLUMN, such as text=review")
    return field.strip(), column.strip()


ColumnsOption = Annotated[
    list[Any] | None,
    typer.Option(
        "--column",
        metavar="FIELD=COLUMN",
        parser=_field_and_column,
        help="Which column of a file is the text, second, label, ...; FIELD= reads none. Repeat for more.",
        show_default=False,
        rich_help_panel="Dataset",
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
        rich_help_panel=SHOWN,
        callback=_checked_width,
    ),
]
