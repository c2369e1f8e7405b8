"""An evaluation's figures, each worked out again from the run's records, the model itself, or networkx."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import networkx as nx
import numpy as np
import oracle
import pytest
import torch
from test_ablation import ablated
from tiny_models import save_classifier, save_masked_lm
from torch import Tensor

from ipgraph.extractor import LoadedModel, evaluate, extract, load_model
from ipgraph.extractor.datasets import Dataset, Example, make_instance
from ipgraph.extractor.evaluation.searches import Searches
from ipgraph.graphstore.errors import IpgraphError, UsageError
from ipgraph.graphstore.graph import digraph
from ipgraph.graphstore.runs import RunDirectory
from ipgraph.graphstore.schema import Evaluation, Instance, Measure, Pattern, node_id, node_label, parse_label
from ipgraph.queries.entropy import graph_size, pattern_entropy

LAYERS, HEADS = 3, 2
TEXTS = {
    "long": [
        "the farmers that the farmer likes [MASK] old .",
        "the farmer that the farmers like [MASK] tall .",
        "a farmer that the farmer likes [MASK] good .",
    ],
    "short": ["the farmer [MASK] bad .", "the farmers [MASK] tall .", "a film [MASK] not good ."],
}
OPTIONS: dict[str, Any] = {
    "draws": 4,
    "repeats": 40,
    "methods": ("attention", "conductance", "random", "skip_replaced"),
}


@dataclass(frozen=True)
class Sentence:
    """One instance of the run with its patterns by level."""

    instance: Instance
    evaluation: Evaluation
    patterns: dict[str, list[Pattern]]

    def positive(self, level: str) -> list[Pattern]:
        return [p for p in self.patterns[level] if p.total_influence >= 0]

    @property
    def length(self) -> int:
        return len(self.evaluation.tokens)


@dataclass(frozen=True)
class Evaluated:
    model: LoadedModel
    run: RunDirectory
    measures: dict[tuple[str, ...], Measure]
    sentences: list[Sentence]

    def value(self, metric: str, method: str, level: str, variant: str = "", grouping: str = "") -> float:
        return self.measures[metric, method, level, grouping, variant].value


def by_key(measures: Sequence[Measure]) -> dict[tuple[str, ...], Measure]:
    return {(m.metric, m.method, m.level, m.grouping, m.variant): m for m in measures}


def make_run(model: LoadedModel, root: Path, **options: Any) -> RunDirectory:
    examples = [
        Example(make_instance("t", text, correct=correct, wrong=wrong, subtask=subtask))
        for subtask, texts in TEXTS.items()
        for text, (correct, wrong) in zip(texts, (("is", "are"), ("are", "is"), ("is", "are")), strict=True)
    ]
    return extract(model, Dataset("t", examples), runs_dir=root, n_steps=4, **options)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    root = tmp_path_factory.mktemp("evaluated")
    model = load_model(save_masked_lm(root / "model"), dtype="float64", device="cpu")
    run = make_run(model, root / "runs")
    measures = evaluate(run, **OPTIONS)
    patterns: dict[tuple[str, str], list[Pattern]] = defaultdict(list)
    for pattern in run.records("patterns"):
        patterns[pattern.instance, pattern.level].append(pattern)
    sentences = [
        Sentence(i, e, {level: patterns[i.id, level] for level in ("embedding", "attention")})
        for i, e in zip(run.records("instances"), run.records("evaluations"), strict=True)
    ]
    return Evaluated(model, run, by_key(measures), sentences)


def kept_nodes(sentence: Sentence, patterns: Sequence[Pattern]) -> tuple[Tensor, Tensor]:
    """Return the embeddings [L + 1, N] and hops [L, N, 1 + A] on some patterns."""
    embeddings = torch.zeros(LAYERS + 1, sentence.length, dtype=torch.bool)
    hops = torch.zeros(LAYERS, sentence.length, 1 + HEADS, dtype=torch.bool)
    for label in {label for pattern in patterns for label in pattern.route.split()}:
        kind, layer, position, head = parse_label(label)
        if kind in ("input", "embedding"):
            embeddings[layer, position] = True
        else:
            hops[layer - 1, position, head + 1] = True
    return embeddings, hops


def question(evaluated: Evaluated, sentence: Sentence) -> oracle.Question:
    tokenizer = evaluated.model.tokenizer
    ids = tuple(tokenizer.convert_tokens_to_ids(sentence.evaluation.tokens))
    correct, wrong = tokenizer.convert_tokens_to_ids([sentence.instance.correct, sentence.instance.wrong])
    no_line = (torch.zeros(1), torch.zeros(1), torch.zeros(1))
    return oracle.Question(ids, sentence.evaluation.target, correct, wrong, *no_line)


# --- ablation ---


@pytest.mark.parametrize("reading", ["dropped", "kept"])
@pytest.mark.parametrize("method", ["gpr^e", "gpr^a", "skip_replaced^a", "target_column^a"])
def test_ablated_accuracy_is_that_of_the_model_with_hooks(
    evaluated: Evaluated, method: str, reading: str
) -> None:
    name, _, level = method.partition("^")
    level = {"e": "embedding", "a": "attention"}[level]
    right, counts = [], []
    for sentence in evaluated.sentences:
        target = sentence.evaluation.target
        patterns = [] if name == "target_column" else sentence.positive(level)
        embeddings, hops = kept_nodes(sentence, patterns)
        if reading == "kept" or name == "target_column":
            embeddings[:, target] = True
            hops[:, target, 0] = True
        if name == "skip_replaced":
            hops[..., 1:] |= hops[..., :1]
            hops[..., 0] = False
        asked = question(evaluated, sentence)
        some = hops if level == "attention" else None
        right.append(ablated(evaluated.model.module, asked, embeddings, some) > 0)
        counts.append(int(embeddings[1:-1].sum()) + (int(hops.sum()) if level == "attention" else 0))
    variant = "" if name == "target_column" else f"target={reading}"
    assert evaluated.value("ablated_accuracy", name, level, variant) == pytest.approx(fmean(right))
    assert evaluated.value("nodes_kept", name, level, variant) == pytest.approx(fmean(counts))


def test_all_nodes_and_none(evaluated: Evaluated) -> None:
    correct = [s.evaluation.qoi > 0 for s in evaluated.sentences]
    assert evaluated.value("ablated_accuracy", "original", "") == pytest.approx(fmean(correct))
    module = evaluated.model.module
    with torch.no_grad():
        empty = module.cls(torch.zeros(16, dtype=torch.float64))
    asked = [question(evaluated, s) for s in evaluated.sentences]
    expected = fmean(float(empty[q.correct] > empty[q.wrong]) for q in asked)
    assert evaluated.value("ablated_accuracy", "nothing", "") == pytest.approx(expected)


def test_methods_are_compared_at_equal_sizes(evaluated: Evaluated) -> None:
    for reading in ("dropped", "kept"):
        size = evaluated.value("nodes_kept", "gpr", "embedding", f"target={reading}")
        for method in ("attention", "conductance"):
            assert evaluated.value("nodes_kept", method, "embedding", f"target={reading}") == size
            natural = f"target={reading} size=natural"
            assert ("ablated_accuracy", method, "embedding", "", natural) in evaluated.measures


# --- the other figures ---


def test_concentration_in_plain_python(evaluated: Evaluated) -> None:
    for level, (name, sign) in itertools.product(
        ("embedding", "attention"), (("positive", 1), ("negative", -1))
    ):
        ratios = []
        for sentence in evaluated.sentences:
            words = [p for p in sentence.patterns[level] if p.sign == sign]
            if words:
                ratios.append(sum(p.influence for p in words) / sum(p.total_influence for p in words))
        assert evaluated.value(f"concentration_{name}", "gpr", level) == pytest.approx(fmean(ratios))


def test_other_methods_carry_what_runs_of_them_store(evaluated: Evaluated, tmp_path: Path) -> None:
    for method, level in (
        ("attention", "embedding"),
        ("conductance", "embedding"),
        ("skip_replaced", "attention"),
        ("random", "embedding"),
        ("random", "attention"),
    ):
        run = make_run(evaluated.model, tmp_path, method=method, level=level)
        words = defaultdict(list)
        for pattern in run.records("patterns"):
            if pattern.total_influence >= 0:
                words[pattern.instance].append(pattern)
        ratios = [
            sum(p.influence for p in some) / sum(p.total_influence for p in some) for some in words.values()
        ]
        assert evaluated.value("concentration_positive", method, level) == pytest.approx(fmean(ratios))


def test_path_shares_by_enumeration(evaluated: Evaluated) -> None:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for level in ("embedding", "attention"):
        for sentence in evaluated.sentences:
            n = sentence.length
            graph = digraph("m", LAYERS, HEADS, n, level=level)
            target = node_id("m", node_label("embedding", LAYERS, sentence.evaluation.target))
            inputs = [node_id("m", node_label("input", 0, position)) for position in range(n)]
            every = (n if level == "embedding" else HEADS * n + 1) ** LAYERS
            labels = {label for p in sentence.positive(level) for label in p.route.split()}
            inside = graph.subgraph([node_id("m", label) for label in labels])
            paths = sum(
                len(list(nx.all_simple_paths(inside, source, target)))
                for source in inputs
                if source in inside
            )
            found[level, "counting=inside"].append(paths / every)
            found[level, "counting=one path a word"].append(len(sentence.positive(level)) / every)
            if n == min(s.length for s in evaluated.sentences) and level == "embedding":
                assert every == sum(len(list(nx.all_simple_paths(graph, s, target))) for s in inputs)
    for (level, variant), shares in found.items():
        assert evaluated.value("path_share", "gpr", level, variant) == pytest.approx(fmean(shares))


def hops_of(sentence: Sentence) -> Iterator[tuple[int, int, int, int]]:
    """Yield (layer from 0, head or -1, source, destination) of every attention-level step."""
    for pattern in sentence.patterns["attention"]:
        labels = [parse_label(label) for label in pattern.route.split()]
        for (_, _, source, _), (_, layer, above, head) in zip(labels[0:-1:2], labels[1::2], strict=True):
            yield layer - 1, head, source, above


def test_alignment_and_skip_share(evaluated: Evaluated) -> None:
    aligned = heads = skips = stays = 0
    module = load_model(evaluated.model.name, dtype="float64", device="cpu").module
    module.set_attn_implementation("eager")
    for sentence in evaluated.sentences:
        ids = question(evaluated, sentence).ids
        with torch.no_grad():
            attentions = module(input_ids=torch.tensor([ids]), output_attentions=True).attentions
        for layer, head, source, above in hops_of(sentence):
            stays += source == above
            skips += head < 0
            heads += head >= 0
            aligned += head >= 0 and head == int(attentions[layer][0, :, above, source].argmax())
    assert heads > 0
    assert evaluated.value("alignment", "gpr", "attention") == pytest.approx(aligned / heads)
    assert evaluated.value("skip_share", "gpr", "attention") == pytest.approx(skips / (skips + heads))
    assert evaluated.value("skip_share_of_stays", "gpr", "attention") == pytest.approx(skips / stays)


def test_entropy_of_one_structure_by_position_and_of_pi_plus(evaluated: Evaluated) -> None:
    for subtask in TEXTS:
        some = [s for s in evaluated.sentences if s.instance.subtask == subtask]
        same = [s for s in some if s.evaluation.roles == some[0].evaluation.roles]
        assert len(same) == (3 if subtask == "long" else 2)
        for level in ("embedding", "attention"):
            size = graph_size(LAYERS, HEADS, same[0].length, level)
            for position in range(same[0].length):
                patterns = [p for s in same for p in s.patterns[level] if p.position == position]
                variant = f"position={position:02d}"
                if not patterns:
                    assert ("position_entropy", "gpr", level, subtask, variant) not in evaluated.measures
                    continue
                expected = pattern_entropy(probabilities([set(p.route.split()) for p in patterns]), size)
                assert evaluated.value("position_entropy", "gpr", level, variant, subtask) == pytest.approx(
                    expected
                )
                influence = fmean(abs(p.influence) for p in patterns)
                assert evaluated.value("position_influence", "gpr", level, variant, subtask) == pytest.approx(
                    influence
                )
            held = [{label for p in s.positive(level) for label in p.route.split()} for s in same]
            expected = pattern_entropy(probabilities(held), size)
            assert evaluated.value("entropy", "gpr", level, "", subtask) == pytest.approx(expected)
        assert evaluated.value("qoi", "gpr", "", "", subtask) == pytest.approx(
            fmean(s.evaluation.qoi for s in same)
        )
        note = evaluated.measures["entropy", "gpr", "embedding", subtask, ""].note
        assert ("1 of 3 instances have another" in note) == (subtask == "short")


def probabilities(held: Sequence[set[str]]) -> list[float]:
    return [sum(label in nodes for nodes in held) / len(held) for label in set().union(*held)]


def test_subtasks_are_measured_too(evaluated: Evaluated) -> None:
    for subtask in TEXTS:
        some = [s for s in evaluated.sentences if s.instance.subtask == subtask]
        correct = fmean(s.evaluation.qoi > 0 for s in some)
        assert evaluated.value("ablated_accuracy", "original", "", "", subtask) == pytest.approx(correct)
        assert evaluated.measures["ablated_accuracy", "original", "", subtask, ""].count == 3


# --- how it runs ---


def test_a_batch_gives_what_single_sentences_give(evaluated: Evaluated) -> None:
    again = by_key(evaluate(evaluated.run, model=evaluated.model, batch_size=1, **OPTIONS))
    assert again.keys() == evaluated.measures.keys()
    for key, measure in again.items():
        expected = evaluated.measures[key]
        for one, other in ((measure.value, expected.value), (measure.low, expected.low)):
            assert one == pytest.approx(other, abs=1e-9)


def test_measures_stay_with_the_run(evaluated: Evaluated) -> None:
    kept = by_key(RunDirectory.open(evaluated.run.path).measures())
    assert kept.keys() == evaluated.measures.keys()
    assert {m.seed for m in kept.values()} == {0}
    assert all(m.low <= m.high for m in kept.values())
    assert all(np.isfinite([m.value, m.low, m.high]).all() for m in kept.values())


def test_searches_and_several_nodes(evaluated: Evaluated) -> None:
    searches = Searches(nodes_per_layer=2, beam=2, exhaustive=True, random_patterns=3, instances=4)
    done: list[tuple[int, int]] = []
    found = by_key(
        evaluate(
            evaluated.run,
            model=evaluated.model,
            searches=searches,
            methods=(),
            repeats=20,
            on_progress=lambda *at: done.append(at),
        )
    )
    assert done[-1] == (10, 10)
    for level in ("embedding", "attention"):
        missed = found["greedy_missed", "gpr", level, "", "exhaustive"]
        assert missed.count == 4
        assert 0 <= found["greedy_missed", "gpr", level, "", "beam=2"].value <= missed.value <= 1
        assert 0 < found["greedy_share_of_best", "gpr", level, "", "exhaustive"].value <= 1
        assert 0 <= found["beats_random", "gpr", level, "", "draws=3"].value <= 1
        assert ("z_over_random", "gpr", level, "", "draws=3") in found
        for metric in ("concentration_positive", "concentration_negative"):
            one = found[metric, "gpr", level, "", "k=1"].value
            assert one == pytest.approx(found[metric, "gpr", level, "", ""].value)
            assert found[metric, "gpr", level, "", "k=2"].value != pytest.approx(one)
        for metric in ("ablated_accuracy", "nodes_kept"):
            assert (
                found[metric, "gpr", level, "", "target=kept k=1"].value
                == found[metric, "gpr", level, "", "target=kept"].value
            )


def test_a_classifier_and_its_predicted_labels(tmp_path: Path) -> None:
    model = load_model(save_classifier(tmp_path / "model"), dtype="float64", device="cpu")
    texts = ["the film is good .", "the film is not good .", "a bad film .", "the farmer likes a film ."]
    labels = (1, 0, 0, -1)
    dataset = Dataset(
        "s", [Example(make_instance("s", t, label=n)) for t, n in zip(texts, labels, strict=True)]
    )
    for qoi in ("correct-wrong", "positive-negative"):
        run = extract(model, dataset, runs_dir=tmp_path / "runs", n_steps=4, qoi=qoi)
        found = by_key(evaluate(run, model=model, draws=3, repeats=20))
        correct = fmean(e.is_correct for e in run.records("evaluations"))
        assert found["ablated_accuracy", "original", "", "", ""].value == pytest.approx(correct)
        assert ("alignment", "gpr", "attention", "", "") in found


def test_a_run_of_one_level_is_measured_at_that_level(evaluated: Evaluated, tmp_path: Path) -> None:
    for level in ("embedding", "attention"):
        run = make_run(evaluated.model, tmp_path, level=level)
        found = by_key(evaluate(run, model=evaluated.model, draws=2, repeats=10))
        assert {key[2] for key in found if key[:2] == ("concentration_positive", "gpr")} == {level}
        key = ("ablated_accuracy", "gpr", level, "", "target=kept")
        assert found[key].value == evaluated.measures[key].value


def test_what_cannot_be_evaluated_is_said(evaluated: Evaluated, tmp_path: Path) -> None:
    run = make_run(evaluated.model, tmp_path, method="attention", level="embedding")
    with pytest.raises(UsageError, match="'attention'; evaluate starts from one of 'gpr'"):
        evaluate(run)
    with pytest.raises(UsageError, match="unknown method 'atention'; valid, nearest first: attention"):
        evaluate(evaluated.run, methods=("atention",))
    with pytest.raises(UsageError, match="at least 2"):
        evaluate(evaluated.run, draws=1)
    other = load_model(save_masked_lm(tmp_path / "other", hidden_size=8), dtype="float64", device="cpu")
    with pytest.raises(UsageError, match=r"was made with model model-\w+, and this is other-\w+"):
        evaluate(evaluated.run, model=other)


def test_a_run_whose_numbers_are_not_the_models_is_refused(evaluated: Evaluated) -> None:
    module = evaluated.model.module
    weight = module.bert.encoder.layer[0].output.dense.weight
    kept = weight.clone()
    try:
        weight.mul_(1.5)
        with pytest.raises(IpgraphError, match=r"stored .* they are not of the same model"):
            evaluate(evaluated.run, model=evaluated.model, draws=2, repeats=2)
    finally:
        weight.copy_(kept)
