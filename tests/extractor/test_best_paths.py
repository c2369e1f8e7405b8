"""Paths of the largest product, of attention and ALTI, against brute force, networkx and transformers."""

import gc
import itertools
import math
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import families
from support.comparison import questions, trace_of
from support.decomposed_modules import decomposed
from support.random_decoders import random_decoder
from support.random_encoders import random_encoder
from support.random_models import random_model
from torch import Tensor

from ipgraph.extractor.datasets import load
from ipgraph.extractor.extraction.extract import extract
from ipgraph.extractor.extraction.influence import influence_of
from ipgraph.extractor.extraction.job import Job, Sentences
from ipgraph.extractor.methods.decomposition.matrices import layer_matrices
from ipgraph.extractor.methods.patterns import products as module
from ipgraph.extractor.methods.patterns.products import (
    ALTI,
    alti,
    best_paths,
    max_attention,
    mean_attention,
    products,
)
from ipgraph.extractor.models.loading import load_model
from ipgraph.extractor.models.oracle import Question
from ipgraph.extractor.tracing.batch import pad
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.schema.labels import parse_label

Path = tuple[int, ...]


def words_of(trace: Trace) -> Tensor:
    return torch.arange(trace.size[2]).expand(trace.size[0], -1)


@cache
def traced(name: str) -> tuple[Any, list[Question], Trace]:
    """Return a model of three layers, an encoder's or a decoder's, its sentences and their padded trace."""
    if name == "bert":
        model = random_model("masked-lm", 3, 2, 12, 3)
        asked = questions(model, "masked-lm", [5, 7], 3)
        with torch.no_grad():
            return model, asked, trace_of(model, asked, extra=1)
    is_encoder = name == "modernbert"
    model = random_encoder(name, "masked-lm", 0) if is_encoder else random_decoder(name, "causal-lm", 0)
    asked = families.questions_of(model, (1, 2, 3) if is_encoder else (-1, -1, -2), (7, 11))
    return model, asked, families.trace_of(families.adapter_of(model), asked, extra=1)


TRACED = ("bert", "modernbert", "gpt2", "mistral")


def possible_paths(model: Any, question: Question) -> dict[int, list[Path]]:
    """Return, by word, the paths along which every position sees the one before, in order."""
    sees, everywhere = families.sees_of(model, question), range(len(question.ids))
    found: dict[int, list[Path]] = {word: [] for word in everywhere}
    for path in itertools.product(everywhere, everywhere, everywhere, [question.target]):
        if all(sees(layer, path[layer + 1], path[layer]) for layer in range(3)):
            found[path[0]].append(path)
    return found


# --- the search itself, on matrices of any kind ---


@given(name=st.sampled_from(TRACED), seed=st.integers(0, 2**32), zeros=st.sampled_from([0.0, 0.3, 0.8, 1.0]))
@settings(max_examples=40, deadline=None)
def test_best_paths_of_any_matrices_by_brute_force(name: str, seed: int, zeros: float) -> None:
    """Where every path has an entry of zero, those with the fewest are the best; none does the impossible."""
    model, asked, trace = traced(name)
    chance = torch.Generator().manual_seed(seed)
    b, _, n = trace.size
    shapes = [(b, n, n)] * (trace.depth - 1) + [(b, 1, n)]
    matrices = [torch.rand(shape, generator=chance, dtype=torch.float64) for shape in shapes]
    matrices = [m * (torch.rand(m.shape, generator=chance) >= zeros) for m in matrices]
    found = best_paths(trace, words_of(trace), matrices).positions
    product = products(trace, found, matrices)
    for row, question in enumerate(asked):
        for word, possible in possible_paths(model, question).items():
            if not possible:
                continue
            entries = {path: entries_of(path, [m[row] for m in matrices]) for path in possible}
            path = tuple(found[row, word].tolist())
            assert path in entries
            assert product[row, word].item() == pytest.approx(math.prod(entries[path]), rel=1e-12)
            best, ours = max(map(rank, entries.values())), rank(entries[path])
            assert ours[0] == best[0]
            assert ours[1] == pytest.approx(best[1], rel=1e-6)


def entries_of(path: Path, matrices: list[Tensor]) -> list[float]:
    *below, last = matrices
    entries = [m[e, j].item() for m, j, e in zip(below, path, path[1:], strict=False)]
    return [*entries, last[0, path[-2]].item()]


def rank(entries: list[float]) -> tuple[int, float]:
    """Return what is larger for a better path: how many entries are not zero, and the product of these."""
    others = [entry for entry in entries if entry]
    return len(others), math.prod(others)


def test_of_equal_products_the_lowest_positions_win() -> None:
    model, asked, trace = traced("gpt2")
    ones = [torch.ones(len(asked), trace.size[2], trace.size[2])] * 2 + [torch.ones(3, 1, trace.size[2])]
    found = best_paths(trace, words_of(trace), ones).positions
    for row, question in enumerate(asked):
        for word, possible in possible_paths(model, question).items():
            assert not possible or tuple(found[row, word].tolist()) == min(possible)


# --- the matrices, from transformers' own modules ---


def attention_of(model: Any, question: Question, over_heads: Any) -> list[Tensor]:
    """Return (attention + identity) / row sums of each layer, [query, key], from the model's own output."""
    with torch.no_grad():
        attentions = model(input_ids=torch.tensor([question.ids]), output_attentions=True).attentions
    mixed = [over_heads(a[0], 0) + torch.eye(len(question.ids)) for a in attentions]
    return [m / m.sum(1, keepdim=True) for m in mixed]


def alti_of(model: Any, question: Question) -> list[Tensor]:
    """Return ALTI's matrices from vectors that a loop over the model's modules gives."""
    matrices = []
    for block in decomposed(model, question):
        rest = (block.output[:, None] - block.vectors).abs().sum(-1)
        closeness = (block.output.abs().sum(-1)[:, None] - rest).clamp(min=0)
        matrices.append(closeness / closeness.sum(-1, keepdim=True))
    return matrices


METHODS: dict[str, tuple[Callable[[Trace], list[Tensor]], Callable[[Any, Question], list[Tensor]]]] = {
    "attention": (mean_attention, lambda model, question: attention_of(model, question, torch.mean)),
    "attention_max": (max_attention, lambda model, question: attention_of(model, question, torch.amax)),
    "alti": (alti, alti_of),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_paths_and_scores_by_brute_force(layers: int, method: str) -> None:
    model = random_model("masked-lm", layers, 3, 12, 8 + layers)
    asked = questions(model, "masked-lm", [4, 6], 8)
    trace = trace_of(model, asked, extra=1)
    matrices, reference = METHODS[method]
    found = best_paths(trace, words_of(trace), matrices(trace))
    for row, question in enumerate(asked):
        entries, n = reference(model, question), len(question.ids)
        for word in range(n):
            by_path = {
                inner: math.prod(entries_of((word, *inner), [*entries[:-1], entries[-1][[question.target]]]))
                for inner in itertools.product(*[range(n)] * (layers - 1), [question.target])
            }
            best = max(by_path, key=lambda inner: by_path[inner])
            assert found.positions[row, word].tolist() == [word, *best]
            for layer, place in itertools.product(range(layers - 1), range(n)):
                through = max(value for inner, value in by_path.items() if inner[layer] == place)
                score = found.scores[row, word, layer, place].item()
                assert score == pytest.approx(through, rel=1e-9, abs=1e-15)
        assert found.scores[row, :, :, n:].isneginf().all()


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_altis_products_are_networkxs_shortest_paths(name: str) -> None:
    model, asked, trace = traced(name)
    paths = next(ALTI.refine(trace, words_of(trace), (), ["embedding"]))
    assert paths.product is not None
    clipped, words = 0, 0
    for row, question in enumerate(asked):
        graph: nx.DiGraph[tuple[int, int]] = nx.DiGraph()
        graph.add_nodes_from((0, word) for word in range(len(question.ids)))
        for layer, matrix in enumerate(alti_of(model, question)):
            for e, j in (matrix > 0).nonzero().tolist():
                graph.add_edge((layer, j), (layer + 1, e), length=-math.log(matrix[e, j].item()))
        for word in trace.has_pattern[row].nonzero()[:, 0].tolist():
            ends, words = ((0, word), (3, question.target)), words + 1
            if not nx.has_path(graph, *ends):
                assert paths.product[row, word] == 0
                clipped += 1
                continue
            length = nx.dijkstra_path_length(graph, *ends, weight="length")
            assert paths.product[row, word].item() == pytest.approx(math.exp(-length), rel=1e-9)
            path = enumerate(paths.positions[row, word].tolist())
            assert nx.path_weight(graph, list(path), "length") == pytest.approx(length, rel=1e-9)
    assert clipped <= words / 4


def test_matrices_are_made_once_for_all_words_of_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("masked-lm", 3, 2, 12, 4)
    trace = trace_of(model, questions(model, "masked-lm", [5, 7], 4))
    calls = []

    def counted(*args: Any) -> Tensor:
        calls.append(args)
        return layer_matrices(*args)

    monkeypatch.setattr(module, "layer_matrices", counted)
    found = [next(ALTI.refine(trace, w, (), ["embedding"])).positions for w in words_of(trace).split(2, 1)]
    assert len(calls) == 1
    second = trace.select(torch.tensor([1]))
    (alone,) = ALTI.refine(second, words_of(second), (), ["embedding"])
    assert len(calls) == 2
    assert torch.equal(alone.positions[0], torch.cat(found, 1)[1])
    calls.clear()
    gone = weakref.ref(trace)
    del trace
    gc.collect()
    assert gone() is None


# --- as runs ---


@pytest.fixture(scope="module", params=["demo", "demo-gpt2"])
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    model = load_model(request.param, dtype="float64", device="cpu")
    folder = tmp_path_factory.mktemp("runs")
    options: dict[str, Any] = {"level": "embedding", "quadrature": "uniform", "n_steps": 5}
    names = ("alti_paths", "attention", "gpr")
    dataset = load("sva-obj", limit=3)
    return model, {name: extract(model, dataset, runs_dir=folder, method=name, **options) for name in names}


def test_stored_influence_is_that_of_the_path(runs: Any) -> None:
    model, by_method = runs
    run = by_method["alti_paths"]
    patterns = list(run.records("patterns"))
    assert patterns
    for example in load("sva-obj", limit=3).examples:
        own = [p for p in patterns if p.instance == example.instance.id]
        routes = [p.route.split() for p in own]
        (expected,) = influence_of(model, [example], [routes], "embedding", options=Job.read(run).options)
        assert [p.influence for p in own] == pytest.approx(expected, abs=1e-10)


def test_no_other_methods_path_has_a_larger_product(runs: Any) -> None:
    model, by_method = runs
    assert all(p.product is None for p in by_method["gpr"].records("patterns"))
    assert all(p.product is not None for p in by_method["attention"].records("patterns"))
    largest = {(p.instance, p.position): p.product for p in by_method["alti_paths"].records("patterns")}
    differ = 0
    for sentence in Sentences(by_method["gpr"]):
        (matrices,) = layer_matrices(model.adapter, pad(model, [sentence]))
        for method, run in by_method.items():
            for pattern in (p for p in run.records("patterns") if p.instance == sentence.instance.id):
                path = [parse_label(label).position for label in pattern.route.split()]
                product = math.prod(m[e, j].item() for m, j, e in zip(matrices, path, path[1:], strict=False))
                best = largest[pattern.instance, pattern.position]
                assert best is not None
                if method == "alti_paths":
                    assert best == pytest.approx(product, rel=1e-9)
                assert best >= product * (1 - 1e-9)
                differ += product < best * (1 - 1e-9)
    assert differ
