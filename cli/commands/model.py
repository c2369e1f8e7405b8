"""`ipgraph model`: what a model is and what can be asked of it, and whether it is traced right."""

from typing import TYPE_CHECKING, Annotated

import typer

from ipgraph.cli.commands.ingest import LOADING
from ipgraph.cli.groups import Commands
from ipgraph.cli.option_groups import Loading, takes
from ipgraph.cli.options import FormatOption
from ipgraph.cli.progress import progress
from ipgraph.cli.render import render, say

if TYPE_CHECKING:
    from ipgraph.extractor.inspection.checking import Comparison
    from ipgraph.extractor.inspection.description import Description
    from ipgraph.extractor.inspection.trial import Trial
    from ipgraph.queries.reports.tables import Table

app = Commands(help="Models: what they are, what is supported, and whether their numbers are right.")
ModelArgument = Annotated[
    str, typer.Argument(metavar="NAME|FOLDER", help="A demo model, a folder, or the id of a hub model.")
]
_UNITS = ("B", "KiB", "MiB", "GiB")


@app.command(example=("ipgraph model show demo", "ipgraph model show gpt2 --format json"))
@takes("loading", Loading, without=("model",))
def show(model: ModelArgument, loading: Loading, output: FormatOption = "table") -> None:
    """Show what a model is, what is supported and what is not and why, and what a sentence costs here.

    A model that cannot be used is shown by its config, with the reason.
    """
    with progress("loading", "models", before=LOADING):
        from ipgraph.extractor.inspection.description import describe

        described = describe(
            model, task=loading.task, revision=loading.revision, device=loading.device, dtype=loading.dtype
        )
    trials = [_cost(described.trial)] if described.trial else []
    render([_facts(described), _support(described), *trials], output)


@app.command(example=("ipgraph model check demo", "ipgraph model check ./my-llama --task causal-lm"))
@takes("loading", Loading, without=("model", "device", "dtype"))
def check(model: ModelArgument, loading: Loading, output: FormatOption = "table") -> None:
    """Compare a model with transformers and with a slow oracle, in float64. Exit code 1 means a difference.

    In three sentences: all logits, all words' influences and, for one word at 4 points, those of every
    candidate in four layers. A difference is above 1e-4 of the largest logit, or of the sentence's
    largest |g|. A model of 135M parameters takes a few minutes.
    """
    with progress("checking", "comparisons", before=LOADING) as bar:
        from ipgraph.extractor.inspection.checking import check as compare
        from ipgraph.extractor.inspection.checking import require_right
        from ipgraph.extractor.models.loading import load_model

        loaded = load_model(
            model, task=loading.task, revision=loading.revision, device="cpu", dtype="float64"
        )
        comparisons = compare(loaded, bar)
    render([_compared(model, comparisons)], output)
    require_right(loaded, comparisons)
    say(f"model {model} is right: {len(comparisons)} comparisons are within tolerance", err=output != "table")


def _facts(described: "Description") -> "Table":
    from ipgraph.queries.reports.tables import Table, TableColumn, text

    rows: list[list[object]] = [[fact, value] for fact, value in described.facts.items()]
    return Table(f"Model {described.name}", (text("what"), TableColumn("value", ",")), rows)


def _support(described: "Description") -> "Table":
    from ipgraph.queries.reports.tables import Table

    rows = [[c.option, c.value, not c.why_not, c.why_not or None] for c in described.choices]
    return Table.of("Supported", ("option", "value", "supported", "why not"), rows)


def _cost(trial: "Trial") -> "Table":
    from ipgraph.queries.reports.tables import Table, count, number, text

    columns = (
        *(count("tokens"), count("points"), number("seconds")),
        *(text("memory"), text("weights"), text("machine")),
    )
    row = [
        trial.tokens,
        trial.points,
        trial.seconds,
        _size(trial.memory),
        _size(trial.weights),
        trial.machine,
    ]
    note = (
        f"patterns of {trial.sentence!r} at both levels, with the fewest points that a sentence may settle "
        "at: time measured once, memory planned; both grow with the number of points"
    )
    return Table("One sentence on this machine", columns, [row], note)


def _size(count: int) -> str:
    """Return bytes in the largest unit of which there is one."""
    power = min(len(_UNITS) - 1, (max(1, count).bit_length() - 1) // 10)
    return f"{count / 1024**power:.3g} {_UNITS[power]}"


def _compared(model: str, comparisons: "list[Comparison]") -> "Table":
    from ipgraph.extractor.inspection.checking import TOLERANCE
    from ipgraph.queries.reports.tables import Table, TableColumn, count, text

    numbers = {sentence: n for n, sentence in enumerate(dict.fromkeys(c.sentence for c in comparisons), 1)}
    columns = (
        *(count("sentence"), text("what"), text("word"), count("layer"), count("compared")),
        *(TableColumn("difference", ".1e", "right"), text("same choice"), text("right")),
    )
    rows: list[list[object]] = [
        [
            *(numbers[c.sentence], c.what, c.word or None, c.layer),
            *(c.compared, c.difference, c.agrees, c.is_right),
        ]
        for c in comparisons
    ]
    listed = "\n".join(f"sentence {n}: {sentence}" for sentence, n in numbers.items())
    note = (
        f"{listed}\ndifference: the largest, relative to the largest logit or the sentence's largest |g|; at "
        f"most {TOLERANCE:.0e} is right (models of which transformers computes parts in float32: about 1e-6; "
        "others: 1e-12)"
    )
    return Table(f"Model {model} beside transformers and the oracle", columns, rows, note)
