"""`ipgraph cite`: text for the methods section of a paper."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ipgraph.cli.known_runs import flattened, known_run
from ipgraph.cli.options import RUNS_DIR, RunArgument, RunsDirOption, StoreOption
from ipgraph.cli.render import say
from ipgraph.extractor.methods.catalogue import COMPARABLE, METHODS, method_named
from ipgraph.extractor.methods.citations import METZGER_2022, Citation
from ipgraph.extractor.methods.settings import AT, LEVELS, QOIS, QUADRATURES, baseline_in_words
from ipgraph.graphstore.schema.qoi import ONE_LOGIT, POSITIVE_NEGATIVE, poles

if TYPE_CHECKING:
    from ipgraph.graphstore.schema.records import Measure, Run

GPR = METHODS["gpr"]
TOOL = """\
@software{{ipgraph,
  title   = {{ipgraph: a graph-database-backed explorer of influence patterns}},
  version = {{{version}}},
  year    = {{{year}}},
  note    = {{run {run}}}
}}
"""


def cite(run: RunArgument, store: StoreOption = None, runs_dir: RunsDirOption = RUNS_DIR) -> None:
    """Print what a paper needs to say about a run: a paragraph of methods, its settings, and BibTeX."""
    from importlib.metadata import version

    chosen = known_run(run, store, runs_dir)
    record = chosen.directory.run if chosen.directory else chosen.stored
    assert record is not None  # noqa: S101
    tool = version("ipgraph")
    measures = chosen.directory.measures() if chosen.directory else _stored_measures(store, record.id)
    say(paragraph(record, tool) + evaluation(measures))
    say(f"\nSettings that determine the numbers:\n{_listing(record.settings)}")
    say(f"\nEnvironment of the request:\n{_listing(record.environment)}")
    for environment, shards in chosen.directory.environments() if chosen.directory else ():
        numbers = ", ".join(str(shard) for shard in shards)
        say(f"\nEnvironment that computed shards {numbers}:\n{_listing(json.dumps(environment))}")
    citations = dict.fromkeys(_citations(record))
    entries = [citation.entry for citation in citations]
    entries.append(TOOL.format(version=tool, year=record.created[:4], run=record.id))
    say("\n" + "\n".join(entries), nl=False)


def _citations(run: "Run") -> list[Citation]:
    """Return whom to cite for a run: of paths the patterns too, of corrected scores the corrections."""
    patterns = [GPR.citation] if run.level else []
    corrections = [METZGER_2022] if run.position_correction not in ("", "none") else []
    return [*patterns, method_named(run.method).citation, *corrections]


_MODELS = {
    "masked-lm": "masked language model",
    "causal-lm": "causal language model",
    "classifier": "classifier",
}


def paragraph(run: "Run", version: str) -> str:
    """Return a run's method as a paragraph for a paper."""
    words = "every word" if run.move_first else "every word but the first token"
    if run.level:
        what = f"Influence patterns ({GPR.citation.short}) of {words}"
        by = f"{_method(run.method)} at {LEVELS[run.level]}"
    else:
        what, by = f"A score of {words}", f"{_method(run.method)}{_embeddings(run)}{_correction(run)}"
    return (
        f"{what} {'were' if run.level else 'was'} extracted with ipgraph {version} "
        f"(run {run.id}) from the {_MODELS[run.task]} {run.model_name} "
        f"({run.layers} layers, {run.heads} heads; {run.model}{_classes(run)}) "
        f"on {run.instances} sentences of {run.dataset} ({run.skipped} more could not be used), "
        f"by {by}. The quantity of interest is {_qoi(run)}{_baseline(run)}, in {run.dtype}. "
        f"{_accuracy(run)}"
    )


def _baseline(run: "Run") -> str:
    """Return what a paragraph says of the baseline and the points from it on, "" where there is none."""
    if not run.baseline:
        return ""
    held = "" if run.move_first else ", except for the first token, which keeps its own embedding"
    points = f", with {_points(run)}" if run.quadrature else ""
    return f"; the baseline is {baseline_in_words(run.baseline)}{held}{points}"


def _embeddings(run: "Run") -> str:
    return f" with respect to {AT[run.at]}" if run.at else ""


def _correction(run: "Run") -> str:
    if run.position_correction in ("", "none"):
        return ""
    decay = f", with decay {run.position_decay:g}" if run.position_correction == "position" else ""
    return f", corrected for positions ({run.position_correction}{decay}; {METZGER_2022.short})"


def _qoi(run: "Run") -> str:
    if run.qoi.startswith(ONE_LOGIT):
        return f"the logit of class {run.qoi.removeprefix(ONE_LOGIT)}"
    if run.qoi == POSITIVE_NEGATIVE and (pair := poles(run.classes)):
        return f"the logit of class {run.classes[pair[0]]} minus that of class {run.classes[pair[1]]}"
    return QOIS[run.qoi]


def _classes(run: "Run") -> str:
    return f"; its outputs: {', '.join(run.classes)}" if run.classes else ""


def _points(run: "Run") -> str:
    if run.tolerance is None:
        return f"{run.n_steps} points between it and the input, {QUADRATURES[run.quadrature]}"
    settings = json.loads(run.settings)
    ladder = settings["ladder"]
    rule = "at which" if settings["in_a_row"] == 1 else "at which, as at the one before it,"
    return (
        f"{ladder[0]} to {ladder[-1]} points between it and the input, {QUADRATURES[run.quadrature]}: "
        f"for each sentence the first of {', '.join(map(str, ladder))} {rule} the total influences add up "
        f"to the change in the quantity of interest within {run.tolerance:.2g} of it "
        "or, where it is smaller than 0.1, of 0.1 "
        f"({run.unsettled or 'none'} of the sentences stayed above this)"
    )


def _accuracy(run: "Run") -> str:
    if run.accuracy is None and run.qoi.startswith(ONE_LOGIT):
        return "No answer of the model is judged right or wrong."
    if run.accuracy is None:
        return "No sentence has a label; the predicted class is used instead."
    return f"The model is right on {run.accuracy:.1%} of the sentences that have a label."


def evaluation(measures: "Sequence[Measure]") -> str:
    """Return a sentence for a paper on how a run's patterns were evaluated; "" if they were not."""
    from ipgraph.graphstore.schema.measures import ABLATED_ACCURACY
    from ipgraph.queries.reports.evaluation import FIXED

    compared = {measure.method for measure in measures if measure.metric == ABLATED_ACCURACY}
    if not compared:
        return ""
    others = ", ".join(sorted(COMPARABLE[name].title for name in compared - {"gpr", *FIXED}))
    compared_with = f" and compared with {others}" if others else ""
    seeds = ", ".join(sorted({str(measure.seed) for measure in measures}))
    return (
        f" The patterns were evaluated as in section 4 of {GPR.citation.short}{compared_with}; "
        f"intervals are 95% percentile bootstraps over instances (seed {seeds})."
    )


def _stored_measures(store: str | None, run: str) -> "list[Measure]":
    from ipgraph.graphstore.opening import open_store
    from ipgraph.graphstore.store.reading import measures

    with open_store(store) as opened:
        return measures(opened, run)


def _method(name: str) -> str:
    method = method_named(name)
    return method.title if method is GPR else f"the method {method.title} ({method.citation.short})"


def _listing(data: str) -> str:
    return "\n".join(f"  {key}: {value}" for key, value in sorted(flattened(json.loads(data))))
