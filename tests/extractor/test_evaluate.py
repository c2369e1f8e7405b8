"""An evaluation's figures, each worked out again from the run's records, the model itself, or networkx."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import networkx as nx
import pytest
import torch
from support.evaluations import TEXTS, Evaluated, Sentence, make_run
from support.zeroed import ablated
from torch import Tensor

from ipgraph.extractor.datasets import Example
from ipgraph.extractor.extraction.influence import influence_of
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.loading import load_model
from ipgraph.graphstore.common.entropy import pattern_entropy
from ipgraph.graphstore.schema.graph import GraphShape, digraph, graph_size
from ipgraph.graphstore.schema.labels import node_id, node_label, parse_label
from ipgraph.graphstore.schema.measures import MeasureKey
from ipgraph.graphstore.schema.records import Pattern

LAYERS, HEADS = 3, 2
SHAPE = GraphShape.uniform(LAYERS, HEADS)


def kept_nodes(sentence: Sentence, patterns: Sequence[Pattern]) -> tuple[Tensor, Tensor]:
    """Return the embeddings [L + 1, N] and hops [L, N, 1 + A] on some patterns."""
    embeddings = torch.zeros(LAYERS + 1, sentence.length, dtype=torch.bool)
    hops = torch.zeros(LAYERS, sentence.length, 1 + HEADS, dtype=torch.bool)
    for label in {label for pattern in patterns for label in pattern.route.split()}:
        kind, layer, position, head, _ = parse_label(label)
        if kind in ("input", "embedding"):
            embeddings[layer, position] = True
        else:
            hops[layer - 1, position, head] = True
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
    reading = "" if name == "target_column" else reading
    assert evaluated.value("ablated_accuracy", name, level, target=reading) == pytest.approx(fmean(right))
    assert evaluated.value("nodes_kept", name, level, target=reading) == pytest.approx(fmean(counts))


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
        size = evaluated.value("nodes_kept", "gpr", "embedding", target=reading)
        for method in ("attention", "conductance"):
            assert evaluated.value("nodes_kept", method, "embedding", target=reading) == size
            natural = MeasureKey("ablated_accuracy", method, "embedding", target=reading, size="natural")
            assert natural in evaluated.measures


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


def test_replaced_skips_carry_what_every_head_in_their_place_carries(evaluated: Evaluated) -> None:
    ratios = []
    for sentence in evaluated.sentences:
        words = sentence.positive("attention")
        replaced = [
            [every for label in p.route.split() for every in (_heads(label) if label[0] == "s" else [label])]
            for p in words
        ]
        (carried,) = influence_of(
            evaluated.model,
            [Example(sentence.instance)],
            [replaced],
            options=Options(n_steps=4, quadrature="uniform"),
        )
        ratios.append(sum(carried) / sum(p.total_influence for p in words))
    assert any("s0" in p.route for s in evaluated.sentences for p in s.positive("attention"))
    found = evaluated.value("concentration_positive", "skip_replaced", "attention")
    assert found == pytest.approx(fmean(ratios))


def _heads(skip: str) -> list[str]:
    at = parse_label(skip)
    return [node_label("head", at.layer, at.position, head) for head in range(1, HEADS + 1)]


def test_path_shares_by_enumeration(evaluated: Evaluated) -> None:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for level in ("embedding", "attention"):
        for sentence in evaluated.sentences:
            n = sentence.length
            graph = digraph("m", SHAPE, n, level=level)
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
            found[level, "inside"].append(paths / every)
            found[level, "one path per word"].append(len(sentence.positive(level)) / every)
            if n == min(s.length for s in evaluated.sentences) and level == "embedding":
                assert every == sum(len(list(nx.all_simple_paths(graph, s, target))) for s in inputs)
    for (level, counting), shares in found.items():
        assert evaluated.value("path_share", "gpr", level, counting=counting) == pytest.approx(fmean(shares))


def hops_of(sentence: Sentence) -> Iterator[tuple[int, int, int, int]]:
    """Yield (layer from 0, head or 0, source, destination) of every attention-level step."""
    for pattern in sentence.patterns["attention"]:
        labels = [parse_label(label) for label in pattern.route.split()]
        for source, hop in zip(labels[0:-1:2], labels[1::2], strict=True):
            yield hop.layer - 1, hop.head, source.position, hop.position


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
            skips += head == 0
            heads += head > 0
            aligned += head == 1 + int(attentions[layer][0, :, above, source].argmax())
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
            size = graph_size(SHAPE, same[0].length, level)
            for position in range(same[0].length):
                patterns = [p for s in same for p in s.patterns[level] if p.position == position]
                key = MeasureKey("position_entropy", "gpr", level, subtask, position=position)
                if not patterns:
                    assert key not in evaluated.measures
                    continue
                expected = pattern_entropy(probabilities([set(p.route.split()) for p in patterns]), size)
                assert evaluated.measures[key].value == pytest.approx(expected)
                tokens = Counter(s.evaluation.tokens[position] for s in same)
                names = [patterns[0].role] if patterns[0].role != "other" else tokens.most_common(1)[0]
                assert evaluated.measures[key].word == names[0]
                influence = fmean(abs(p.influence) for p in patterns)
                measured = evaluated.measures[key._replace(metric="position_influence")]
                assert measured.value == pytest.approx(influence)
            held = [{label for p in s.positive(level) for label in p.route.split()} for s in same]
            expected = pattern_entropy(probabilities(held), size)
            assert evaluated.value("entropy", "gpr", level, grouping=subtask) == pytest.approx(expected)
        assert evaluated.value("qoi", "gpr", "", grouping=subtask) == pytest.approx(
            fmean(s.evaluation.qoi for s in same)
        )
        note = evaluated.measures[MeasureKey("entropy", "gpr", "embedding", subtask)].note
        assert ("1 of 3 instances have another" in note) == (subtask == "short")


def probabilities(held: Sequence[set[str]]) -> list[float]:
    return [sum(label in nodes for nodes in held) / len(held) for label in set().union(*held)]


def test_subtasks_are_measured_too(evaluated: Evaluated) -> None:
    for subtask in TEXTS:
        some = [s for s in evaluated.sentences if s.instance.subtask == subtask]
        correct = fmean(s.evaluation.qoi > 0 for s in some)
        assert evaluated.value("ablated_accuracy", "original", "", grouping=subtask) == pytest.approx(correct)
        assert evaluated.measures[MeasureKey("ablated_accuracy", "original", "", subtask)].count == 3
