"""`ipgraph show`: an instance's patterns, or the scores of its tokens, in the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ipgraph.cli.options import FormatOption, LevelOption, RunOption, StoreOption
from ipgraph.cli.render import Format, console, print_parts, render, rows_table
from ipgraph.queries.views.flow import THRESHOLD

if TYPE_CHECKING:
    from rich.text import Text

    from ipgraph.graphstore.schema.records import Run
    from ipgraph.graphstore.store.protocol import Store
    from ipgraph.queries.reports.tables import Table
    from ipgraph.queries.views.sentence import Sentence, WordPattern


def show(
    instance: Annotated[
        str, typer.Argument(metavar="INSTANCE", help="Id, beginning of the id, or the name of the row.")
    ],
    level: LevelOption = "",
    threshold: Annotated[
        float,
        typer.Option(min=0, max=1, help="Draw words with at least this share of the sum of |g|."),
    ] = THRESHOLD,
    run: RunOption = "",
    store: StoreOption = None,
    output: FormatOption = "table",
) -> None:
    """Draw an instance's patterns: words along the bottom, layers upward, skips dashed, heads from 1.

    A node shows the sign of the patterns that pass it. With --format json or csv, each row is a step of a
    pattern. Of a run without patterns, the text is printed on the colours of its scores, and each row is a
    token.
    """
    from rich.text import Text

    from ipgraph.queries.language.binding import resolve_run
    from ipgraph.queries.language.running import ask, opened
    from ipgraph.queries.views.flow import drawn_patterns, why_nothing
    from ipgraph.queries.views.sentence import load_sentence

    with opened(store) as graph:
        if not level and not resolve_run(graph, run).level:
            _show_scores(graph, run, instance, output)
            return
        steps = ask("patterns-of-instance", graph, run=run, level=level, instance=instance)
        bound = {name: str(value) for name, value in steps.parameters.items()}
        chosen = resolve_run(graph, bound["run"])
        sentence = load_sentence(graph, chosen, bound["instance"])
    if output != "table":
        render([rows_table(steps.columns, steps.rows, sentence.text)], output)
        return
    patterns = [pattern for pattern in sentence.patterns if pattern.level == bound["level"]]
    drawn = drawn_patterns(patterns, threshold)
    source = f"{bound['level']} level; " if patterns else "no patterns; "
    picture = _picture(sentence.tokens, drawn) if drawn else Text(f"({why_nothing(patterns, threshold)})")
    print_parts([_heading(sentence, source + _named(chosen)), picture])
    render([_listing(sentence, patterns, hidden=len(patterns) - len(drawn), threshold=threshold)])


def _show_scores(store: "Store", run: str, instance: str, output: Format) -> None:
    """Print the tokens of an instance with their scores, of a run without patterns."""
    from ipgraph.cli.coloured_text import coloured
    from ipgraph.queries.language.binding import resolve_run, saying_which_run
    from ipgraph.queries.language.parameters import NO_LIMIT
    from ipgraph.queries.language.running import ask
    from ipgraph.queries.views.scored import scored
    from ipgraph.queries.views.sentence import load_sentence

    chosen = resolve_run(store, run)
    with saying_which_run(store, is_newest=not run):
        sentence = load_sentence(store, chosen, instance)
    text = scored(store, chosen, sentence)
    found = ask("attributions", store, run=chosen.id, instance=sentence.id, limit=NO_LIMIT)
    if output != "table":
        render([rows_table(found.columns, found.rows, sentence.text)], output)
        return
    print_parts([_heading(sentence, f"{text.method}; {_named(chosen)}"), coloured(text)])
    columns = ("position", "token", "role", "score")
    render([rows_table(columns, [[row[name] for name in columns] for row in found])])


def _named(run: "Run") -> str:
    return f"run {run.id}" + (f" ({run.label})" if run.label else "")


def _picture(tokens: Sequence[str], patterns: "Sequence[WordPattern]") -> "Text":
    from rich.text import Text

    from ipgraph.cli.text_diagram import draw

    out = console()
    picture = draw(tokens, patterns, out.width if out.is_terminal else None)
    needed = max(line.cell_len for line in picture.split())
    if out.is_terminal and needed > out.width:
        return Text(f"(the drawing needs {needed} columns; widen the terminal or raise --threshold)")
    return picture


def _heading(sentence: "Sentence", source: str) -> "Text":
    from rich.text import Text

    verdict = "right" if sentence.is_correct else "wrong"
    judged = f"{sentence.expected}: {verdict}" if sentence.expected else "no label"
    qoi = f"QoI {sentence.qoi:+.3f}" + ("" if sentence.correct else f" ({sentence.qoi_of})")
    facts = [sentence.id, sentence.condition, f"{judged}, {qoi}", source]
    return Text.assemble((sentence.text, "bold"), "\n", "; ".join(filter(None, facts)), "\n")


def _listing(
    sentence: "Sentence", patterns: "Sequence[WordPattern]", *, hidden: int, threshold: float
) -> "Table":
    from ipgraph.queries.reports.tables import Table, count, signed, text

    columns = (
        count("position"),
        text("word"),
        text("role"),
        signed("total"),
        signed("pattern"),
        text("path"),
    )
    tokens, roles = sentence.tokens, sentence.roles
    rows: list[list[object]] = [
        [p.position, tokens[p.position], roles[p.position], p.total_influence, p.influence, _in_words(p)]
        for p in patterns
    ]
    note = (
        "total: influence of the word; pattern: influence of its path; "
        "path: one hop per layer, 3>7 is head 3 to position 7"
    )
    if hidden:
        omitted = "1 word" if hidden == 1 else f"{hidden} words"
        note += f"\nnot drawn: {omitted} below {threshold:.0%} of the influence; --threshold 0 draws all"
    return Table("", columns, rows, note)


def _in_words(pattern: "WordPattern") -> str:
    return " ".join(
        f"{hop.through}>{hop.target}" if hop.source != hop.target else hop.through or "stay"
        for hop in pattern.hops()
    )
