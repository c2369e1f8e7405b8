"""`ipgraph dataset`: the built-in datasets, and what a dataset or file contains."""

from typing import TYPE_CHECKING, Annotated

import typer

from ipgraph.cli.groups import Commands
from ipgraph.cli.options import ColumnsOption, DatasetArgument, DatasetNameOption, FormatOption, RolesOption
from ipgraph.cli.render import render, rows_table

if TYPE_CHECKING:
    from ipgraph.graphstore.schema.records import Instance

app = Commands(help="Built-in datasets, and what a dataset or file contains.")


@app.command("list", example="ipgraph dataset list")
def list_(output: FormatOption = "table") -> None:
    """List the built-in datasets and groups."""
    from ipgraph.extractor.datasets import infos

    rows = [[i.name, i.task, i.n, ", ".join(i.conditions), i.description] for i in infos()]
    note = (
        "`ipgraph dataset show NAME` prints examples. A file, such as CSV or JSON Lines, can replace a name."
    )
    render(
        [rows_table(["name", "task", "sentences", "conditions", "description"], rows, "Datasets", note)],
        output,
    )


@app.command(example="ipgraph dataset show sva-obj --examples 3")
def show(
    dataset: DatasetArgument,
    examples: Annotated[int, typer.Option("--examples", min=1, help="Examples per condition.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of a built-in dataset's sentences.")] = 0,
    name: DatasetNameOption = "",
    roles: RolesOption = "",
    columns: ColumnsOption = None,
    output: FormatOption = "table",
) -> None:
    """Show a dataset's conditions and sizes, examples, columns, and rows that cannot be used."""
    from ipgraph.extractor.datasets import load
    from ipgraph.extractor.datasets.example import reasons

    loaded = load(dataset, seed=seed, name=name, roles=roles, columns=columns)
    groups: dict[tuple[str, str], list[list[object]]] = {}
    for example in loaded.examples:
        instance = example.instance
        group = (instance.subtask, instance.condition)
        groups.setdefault(group, []).append(
            [*group, _text(instance), _expected(instance), list(example.roles)]
        )
    sizes: list[list[object]] = [[*group, len(rows)] for group, rows in groups.items()]
    shown = [row for rows in groups.values() for row in rows[:examples]]
    tables = [
        rows_table(["subtask", "condition", "sentences"], sizes, f"{loaded.name} ({loaded.task})"),
        rows_table(["subtask", "condition", "text", "expected", "roles"], shown, "Examples"),
    ]
    if loaded.read:
        used: list[list[object]] = [[column, field, ""] for field, column in loaded.read.items()]
        unused: list[list[object]] = [[column, "not read", why] for column, why in loaded.unread.items()]
        tables.append(rows_table(["column", "read as", "why"], used + unused, "Columns"))
    if loaded.skipped:
        rows: list[list[object]] = [[r.count, r.kind, r.example] for r in reasons(loaded.skipped)]
        title = f"Rows that cannot be used ({len(loaded.skipped)})"
        tables.append(rows_table(["rows", "reason", "example"], rows, title))
    render(tables, output)


def _text(instance: "Instance") -> str:
    return " | ".join(filter(None, (instance.text, instance.second, instance.continuation)))


def _expected(instance: "Instance") -> str | int | None:
    if instance.correct:
        return f"{instance.correct}, not {instance.wrong}"
    return instance.label_name or (instance.label if instance.label >= 0 else None)
