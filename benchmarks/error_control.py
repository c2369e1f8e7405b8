"""Patterns with as many points as each sentence needs: their cost, and how far they are from 400 points.

    python benchmarks/error_control.py [--model demo] [--dataset sva-obj] [--limit 40] [--batch 1]
        [--device cpu]

The cost is that of all words at both levels, to the default tolerance and by the published rule (50 uniform
points), against plain integrated gradients of 50 points: the Hugging Face model (sdpa, frozen parameters),
only the two logits at the target, the same sentences and batch size. Completeness bounds no single pattern,
so the errors of total influences g and of patterns' influences I are measured: those of the same patterns
with 400 points are right.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from measure import medians_in_turn, print_table
from patterns import integrated_gradients

from ipgraph.extractor.datasets import Example, load
from ipgraph.extractor.extraction.compute import Worker, compute
from ipgraph.extractor.extraction.influence import influence_of
from ipgraph.extractor.extraction.job import Job
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.extraction.selection import select
from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel, load_model
from ipgraph.graphstore.runs.directory import Shard
from ipgraph.graphstore.schema.records import LEVELS

RULES = {
    "to a tolerance of 1%": Options(),
    "50 uniform points": Options(n_steps=50, quadrature="uniform"),
}
REFERENCE = Options(n_steps=400)


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--dataset", default="sva-obj")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    model = load_model(asked.model, device=asked.device)
    sentences, _ = select(model, load(asked.dataset), qoi="correct-wrong", limit=asked.limit)
    *ours, plain = medians_in_turn(
        *(extraction(model, options, sentences, asked.batch) for options in RULES.values()),
        lambda: gradients(model, sentences, asked.batch),
    )
    rows = [("plain integrated gradients of 50 points, per sentence", f"{plain / len(sentences):.4f} s", "")]
    exact = extraction(model, REFERENCE, sentences, asked.batch)()
    for (rule, options), seconds in zip(RULES.items(), ours, strict=True):
        shard = extraction(model, options, sentences, asked.batch)()
        target = "at most 1.4" if options.tolerance else ""
        rows.append((f"{rule}: time / integrated gradients", f"{seconds / plain:.2f}", target))
        rows += errors(model, rule, sentences, shard, exact)
    model_name = f"{asked.model}, {len(sentences)} sentences of {asked.dataset}, batch of {asked.batch}"
    print_table(f"Error control: {model_name}, {asked.device}, float32", rows)


def extraction(
    model: LoadedModel, options: Options, sentences: Sequence[Encoded], batch: int
) -> Callable[[], Shard]:
    """Return what computes the sentences' patterns."""
    job = Job.of("benchmark", model, options, batch)
    worker = Worker.of(job, model)
    return lambda: compute(job, worker, sentences)


def gradients(model: LoadedModel, sentences: Sequence[Encoded], batch: int) -> None:
    """Compute every word's integrated gradient by autograd, in batches of one length, target and QoI."""
    alike = defaultdict(list)
    for sentence in sentences:
        alike[len(sentence.ids), sentence.target, sentence.qoi_logits].append(sentence.ids)
    for (_, target, logits), ids in alike.items():
        for start in range(0, len(ids), batch):
            some = torch.tensor(ids[start : start + batch], device=model.device)
            integrated_gradients(model.module, some, target, 50, logits, model.tokenizer.mask_token_id)


def errors(
    model: LoadedModel, rule: str, sentences: Sequence[Encoded], shard: Shard, exact: Shard
) -> list[tuple[str, str, str]]:
    """Return how far a rule's numbers are from those of 400 points, relative to a sentence's largest |g|."""
    references = {(p.instance, p.level, p.position): p for p in exact.patterns}
    largest = {
        s.instance.id: max(abs(p.total_influence) for p in exact.patterns if p.instance == s.instance.id)
        for s in sentences
    }
    settled = [p.is_settled for p in shard.predictions if p.is_settled is not None]
    completeness = [
        abs(p.completeness_error or 0) / abs(p.qoi - (p.qoi_baseline or 0)) for p in shard.predictions
    ]
    total = [
        abs(p.total_influence - references[p.instance, p.level, p.position].total_influence)
        / largest[p.instance]
        for p in shard.patterns
    ]
    same = [p.route == references[p.instance, p.level, p.position].route for p in shard.patterns]
    of_patterns = pattern_errors(model, sentences, shard, largest)
    of_words = f"{mean(completeness):.4f}, {max(completeness):.4f}"
    rows = [
        (f"{rule}: completeness error, mean and largest", of_words, ""),
        (f"{rule}: largest error of g", f"{max(total):.4f}", ""),
        (f"{rule}: largest error of I", f"{max(of_patterns):.4f}", ""),
        (f"{rule}: paths that are those of 400 points", f"{mean(same):.1%}", ""),
    ]
    if settled:
        rows.insert(0, (f"{rule}: sentences that settle", f"{sum(settled)} of {len(settled)}", ""))
    return rows


def pattern_errors(
    model: LoadedModel, sentences: Sequence[Encoded], shard: Shard, largest: dict[str, float]
) -> list[float]:
    """Return the errors of the patterns' influences: the same patterns' with 400 points are right."""
    found = []
    for level in LEVELS:
        by_instance = [
            [p for p in shard.patterns if p.instance == s.instance.id and p.level == level] for s in sentences
        ]
        examples = [Example(sentence.instance) for sentence in sentences]
        routes = [[p.route.split() for p in patterns] for patterns in by_instance]
        exact = influence_of(model, examples, routes, level, options=REFERENCE)
        for patterns, values in zip(by_instance, exact, strict=True):
            found += [
                abs(p.influence - value) / largest[p.instance]
                for p, value in zip(patterns, values, strict=True)
            ]
    return found


def mean(values: Sequence[float]) -> float:
    """Return the mean of some values."""
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
