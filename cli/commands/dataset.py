"""`ipgraph dataset`: the built-in datasets, and what a dataset or file contains."""

from typing import Annotated

import typer

from ipgraph.cli.groups import Commands
from ipgraph.cli.options import FormatOption
from ipgraph.cli.render import render, rows_table

app = Commands(help="Built-in datasets, and what a dataset or file contains.")


@app.command("list", example="ipgraph dataset list")
def list_(output: FormatOption = "table") -> None:
    """List the built-in datasets and groups."""
    from ipgraph.extractor.datasets import infos

    rows = [[i.name, i.task, i.n, ", ".join(i.conditions), i.description] for i in infos()]
    note = "`ipgraph dataset show NAME` prints examples. A JSONL, TSV or Parquet file can replace a name."
    render(
        [rows_table(["name", "task", "sentences", "conditions", "description"], rows, "Datasets", note)],
        output,
    )


@app.command(example="ipgraph dataset show sva-obj --examples 3")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A built-in dataset or group, or a file.")],
    examples: Annotated[int, typer.Option("--examples", min=1, help="Examples per condition.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of a built-in dataset's sentences.")] = 0,
    output: FormatOption = "table",
) -> None:
    """Show a dataset's conditions and sizes, examples with word roles, and rows that cannot be used."""
    from ipgraph.extractor.datasets import load

    dataset = load(name, seed=seed)
    groups: dict[tuple[str, str], list[list[object]]] = {}
    for example in dataset.examples:
        instance = example.instance
        group = (instance.subtask, instance.condition)
        expected = f"{instance.correct}, not {instance.wrong}" if instance.correct else instance.label
        groups.setdefault(group, []).append([*group, instance.text, expected, list(example.roles)])
    sizes: list[list[object]] = [[*group, len(rows)] for group, rows in groups.items()]
    shown = [row for rows in groups.values() for row in rows[:examples]]
    tables = [
        rows_table(["subtask", "condition", "sentences"], sizes, f"{dataset.name} ({dataset.task})"),
        rows_table(["subtask", "condition", "text", "expected", "roles"], shown, "Examples"),
    ]
    if dataset.skipped:
        rows: list[list[object]] = [[skipped.where, skipped.reason] for skipped in dataset.skipped]
        tables.append(rows_table(["where", "reason"], rows, f"Rows that cannot be used ({len(rows)})"))
    render(tables, output)
