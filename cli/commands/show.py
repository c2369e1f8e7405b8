"""`ipgraph show`: an instance's patterns in the terminal."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipgraph.cli.options import FormatOption, LevelOption, RunOption, StoreOption
from ipgraph.cli.render import console, print_parts, render, rows_table

if TYPE_CHECKING:
    from rich.text import Text

    from ipgraph.cli.text_diagram import Path
    from ipgraph.queries.language.running import Rows
    from ipgraph.queries.reports.tables import Table

Record = dict[str, Any]


def show(
    instance: Annotated[
        str, typer.Argument(metavar="INSTANCE", help="Id, beginning of the id, or the name of the row.")
    ],
    level: LevelOption = "",
    threshold: Annotated[
        float,
        typer.Option(min=0, max=1, help="Draw words with at least this share of the sum of |g|."),
    ] = 0.05,
    run: RunOption = "",
    store: StoreOption = None,
    output: FormatOption = "table",
) -> None:
    """Draw an instance's patterns: words along the bottom, layers upward, skips dashed, heads from 1.

    A node shows the sign of the patterns that pass it. With --format json or csv, each row is a step of a
    pattern.
    """
    from rich.text import Text

    from ipgraph.cli.text_diagram import draw
    from ipgraph.queries.language.running import ask, opened

    with opened(store) as graph:
        about: Record = ask("instance", graph, run=run, instance=instance).records()[0]
        steps = ask("patterns-of-instance", graph, run=run, level=level, instance=about["instance"])
    if output != "table":
        render([rows_table(steps.columns, steps.rows, str(about["text"]))], output)
        return
    words = list(_words(steps))
    least = threshold * sum(abs(word["path"].total_influence) for word in words)
    drawn = [word["path"] for word in words if abs(word["path"].total_influence) >= least]
    out = console()
    picture = draw(about["tokens"], drawn, out.width if out.is_terminal else None)
    needed = max(line.cell_len for line in picture.split())
    if out.is_terminal and needed > out.width:
        picture = Text(f"(the drawing needs {needed} columns; widen the terminal or raise --threshold)")
    print_parts([_heading(about, words, str(steps.parameters["run"])), picture])
    render([_listing(words, hidden=len(words) - len(drawn), threshold=threshold)])


def _words(steps: "Rows") -> Iterator[Record]:
    """Yield each word of the instance with the path of its pattern."""
    from ipgraph.cli.text_diagram import Path

    for position, rows in groupby(steps, key=lambda row: row["position"]):
        path = list(rows)
        labels = tuple(str(row["label"]) for row in path)
        first: Record = path[0]
        yield {**first, "path": Path(position, first["sign"], first["total_influence"], labels)}


def _heading(about: Record, words: Sequence[Record], run: str) -> "Text":
    from rich.text import Text

    expected = f"{about['correct']}, not {about['wrong']}" if about["correct"] else f"label {about['label']}"
    judged = f"{expected}: {'right' if about['is_correct'] else 'wrong'}"
    if about["label_is_predicted"]:
        judged = "no label"
    level = f"{words[0]['level']} level" if words else "no patterns"
    qoi = f"QoI {about['qoi']:+.3f}"
    facts = [about["instance"], about["condition"], f"{judged}, {qoi}", level, f"run {run}"]
    return Text.assemble((about["text"], "bold"), "\n", "; ".join(filter(None, facts)), "\n")


def _listing(words: Sequence[Record], *, hidden: int, threshold: float) -> "Table":
    from ipgraph.queries.reports.tables import Table, count, signed, text

    columns = (
        count("position"),
        text("word"),
        text("role"),
        signed("total"),
        signed("pattern"),
        text("path"),
    )
    rows = [
        [w["position"], w["token"], w["role"], w["total_influence"], w["influence"], _in_words(w["path"])]
        for w in words
    ]
    note = (
        "total: influence of the word; pattern: influence of its path; "
        "path: one hop per layer, 3>7 is head 3 to position 7"
    )
    if hidden:
        omitted = "1 word" if hidden == 1 else f"{hidden} words"
        note += f"\nnot drawn: {omitted} below {threshold:.0%} of the influence; --threshold 0 draws all"
    return Table("", columns, rows, note)


def _in_words(path: "Path") -> str:
    return " ".join(
        f"{hop.through}>{hop.target}" if hop.source != hop.target else hop.through or "stay"
        for hop in path.hops()
    )
