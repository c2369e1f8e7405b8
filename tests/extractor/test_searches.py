"""Several nodes a layer, beam and exhaustive search, random patterns: against the oracle and brute force."""

import itertools

import pytest
import torch
from support.comparison import questions, trace_of
from support.random_models import random_model
from torch import Tensor

from ipgraph.extractor.evaluation.searches.wider import exhaustive_width, random_influences
from ipgraph.extractor.methods.patterns.chance import random_hops, random_paths
from ipgraph.extractor.methods.patterns.search import (
    attention_paths,
    attention_sets,
    embedding_paths,
    embedding_sets,
)
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.oracle import SKIP, Path, Question
from ipgraph.extractor.tracing.sets import Sets
from ipgraph.extractor.tracing.trace import Trace
from ipgraph.graphstore.common.errors import UsageError

LAYERS, HEADS = 3, 2


@pytest.fixture(scope="module")
def model() -> object:
    return random_model("masked-lm", LAYERS, HEADS, 12, 21)


@pytest.fixture(scope="module")
def asked(model: object) -> list[Question]:
    return questions(model, "masked-lm", [4, 5], 21)


@pytest.fixture(scope="module")
def trace(model: object, asked: list[Question]) -> Trace:
    return trace_of(model, asked, extra=1)


def words_of(trace: Trace) -> Tensor:
    return torch.arange(trace.size[2]).expand(trace.size[0], -1)


def real_words(trace: Trace, asked: list[Question]) -> list[tuple[int, int]]:
    """Return (sentence, word) of every word that has a pattern."""
    return [
        (row, word)
        for row, question in enumerate(asked)
        for word in range(len(question.ids))
        if trace.has_pattern[row, word]
    ]


def through(sets: Sets, row: int, word: int, *, hops: bool) -> list[Path]:
    """Return every path through a pattern's sets."""
    places = [
        [p for p, there in zip(layer, present, strict=True) if there]
        for layer, present in zip(
            sets.positions[row, word].tolist(), sets.present[row, word].tolist(), strict=True
        )
    ]
    found = []
    for positions in itertools.product(*places[1:]):
        if not hops:
            found.append(Path(word, positions))
            continue
        assert sets.hops is not None
        options = []
        for layer, (source, above) in enumerate(itertools.pairwise((word, *positions))):
            slot = sets.positions[row, word, layer + 1].tolist().index(above)
            kept = sets.hops[row, word, layer, slot].tolist()
            options.append([h - 1 for h, k in enumerate(kept) if k and (h > 0 or source == above)])
        found += [Path(word, positions, choice) for choice in itertools.product(*options)]
    return found


@pytest.mark.parametrize("k", [1, 2, 3])
def test_several_nodes_sum_over_the_paths_through_them(
    model: object, asked: list[Question], trace: Trace, k: int
) -> None:
    with torch.no_grad():
        embedding, influence = embedding_sets(trace, words_of(trace), k)
        attention, refined = attention_sets(trace, embedding, k)
    assert attention.hops is not None
    for row, word in real_words(trace, asked):
        paths = through(embedding, row, word, hops=False)
        assert len(paths) == k ** (LAYERS - 1)
        assert influence[row, word].item() == pytest.approx(
            sum(oracle.influences(model, asked[row], paths)), abs=1e-12
        )
        below = embedding.positions[row, word, -2][embedding.present[row, word, -2]].tolist()
        last = HEADS + (asked[row].target in below)
        assert attention.hops[row, word].sum((1, 2)).tolist() == [k, k, min(k, last)]
        paths = through(attention, row, word, hops=True)
        total = sum(oracle.influences(model, asked[row], paths)) if paths else 0.0
        assert refined[row, word].item() == pytest.approx(total, abs=1e-12)


def test_one_node_a_layer_is_guided_refinement(asked: list[Question], trace: Trace) -> None:
    with torch.no_grad():
        guided = embedding_paths(trace, words_of(trace))
        refined = attention_paths(trace, guided)
        sets, influence = embedding_sets(trace, words_of(trace), 1)
        finer, finest = attention_sets(trace, sets, 1)
    assert refined.choices is not None
    assert finer.hops is not None
    for row, word in real_words(trace, asked):
        assert sets.positions[row, word, :, 0].tolist() == guided.positions[row, word].tolist()
        hops = finer.hops[row, word, :, 0].long().argmax(-1) - 1
        assert hops.tolist() == refined.choices[row, word].tolist()
        assert influence[row, word].item() == pytest.approx(guided.influence[row, word, -1].item(), abs=1e-13)
        assert finest[row, word].item() == pytest.approx(refined.influence[row, word, -1].item(), abs=1e-13)


def test_the_k_best_nodes_of_a_layer_are_chosen(model: object, asked: list[Question], trace: Trace) -> None:
    with torch.no_grad():
        sets, _ = embedding_sets(trace, words_of(trace), 2)
    for row, word in real_words(trace, asked):
        sign = 1 if trace.total_influence[row, word] >= 0 else -1
        everywhere = range(len(asked[row].ids))
        first = oracle.influences(model, asked[row], [Path(word, (e,)) for e in everywhere])
        chosen = set(sets.positions[row, word, 1].tolist())
        assert chosen == set(sorted(everywhere, key=lambda e: -sign * first[e])[:2])
        second = [
            sum(oracle.influences(model, asked[row], [Path(word, (j, e)) for j in chosen]))
            for e in everywhere
        ]
        best = sorted(everywhere, key=lambda e: -sign * second[e])[:2]
        assert set(sets.positions[row, word, 2].tolist()) == set(best)


def test_exhaustive_search_finds_the_best_path(model: object, asked: list[Question], trace: Trace) -> None:
    width = exhaustive_width("embedding", LAYERS, HEADS, trace.size[2])
    assert width == 6**2
    with torch.no_grad():
        wide = embedding_paths(trace, words_of(trace), width)
        greedy = embedding_paths(trace, words_of(trace))
        every_hop = attention_paths(trace, greedy, exhaustive_width("attention", LAYERS, HEADS, 6))
        assert every_hop.choices is not None
        found, hops = wide.influence[..., -1], every_hop.influence[..., -1]
    better = 0
    for row, word in real_words(trace, asked):
        question = asked[row]
        sign = 1 if trace.total_influence[row, word] >= 0 else -1
        inner = itertools.product(range(len(question.ids)), repeat=LAYERS - 1)
        every = oracle.influences(model, question, [Path(word, (*p, question.target)) for p in inner])
        best = max(every, key=lambda value: sign * value)
        assert found[row, word].item() == pytest.approx(best, abs=1e-12)
        path = Path(word, tuple(wide.positions[row, word, 1:].tolist()))
        assert oracle.influences(model, question, [path]) == [pytest.approx(best, abs=1e-12)]
        better += abs(best - greedy.influence[row, word, -1].item()) > 1e-9
        positions = tuple(greedy.positions[row, word, 1:].tolist())
        stays = [a == b for a, b in itertools.pairwise((word, *positions))]
        options = [range(SKIP if stay else 0, HEADS) for stay in stays]
        every = oracle.influences(
            model, question, [Path(word, positions, hop) for hop in itertools.product(*options)]
        )
        best = max(every, key=lambda value: sign * value)
        assert hops[row, word].item() == pytest.approx(best, abs=1e-12)
        path = Path(word, positions, tuple(every_hop.choices[row, word].tolist()))
        assert oracle.influences(model, question, [path]) == [pytest.approx(best, abs=1e-12)]
    assert better > 0


def test_a_wider_beam_is_never_worse(asked: list[Question], trace: Trace) -> None:
    with torch.no_grad():
        greedy = embedding_paths(trace, words_of(trace))
        searches = (
            [embedding_paths(trace, words_of(trace), width) for width in (1, 4, 36)],
            [attention_paths(trace, greedy, width) for width in (1, 4, 36)],
        )
        for narrow, wider, whole in searches:
            for row, word in real_words(trace, asked):
                sign = 1 if trace.total_influence[row, word] >= 0 else -1
                carried = [sign * p.influence[row, word, -1].item() for p in (narrow, wider, whole)]
                assert carried[2] >= max(carried) - 1e-12


def test_an_exhaustive_search_of_too_many_paths_is_refused() -> None:
    with pytest.raises(UsageError, match="161,051 embedding-level paths"):
        exhaustive_width("embedding", 6, 8, 11)


def test_random_influences_are_those_of_the_drawn_paths(
    model: object, asked: list[Question], trace: Trace
) -> None:
    keys = ["t:a", "t:b"]
    with torch.no_grad():
        positions = embedding_paths(trace, words_of(trace)).positions
        by_level = {
            level: random_influences(trace, positions, keys, level, 3, 5)
            for level in ("embedding", "attention")
        }
    for draw in range(3):
        paths = random_paths(trace, words_of(trace), keys, seed=5, draw=draw + 1)
        hops = random_hops(trace, positions, keys, seed=5, draw=draw + 1)
        for row, word in real_words(trace, asked):
            drawn = Path(word, tuple(paths[row, word, 1:].tolist()))
            refined = Path(word, tuple(positions[row, word, 1:].tolist()), tuple(hops[row, word].tolist()))
            expected = [oracle.influences(model, asked[row], [path])[0] for path in (drawn, refined)]
            assert [found[row, word, draw].item() for found in by_level.values()] == pytest.approx(
                expected, abs=1e-12
            )


def test_another_seed_draws_other_patterns(trace: Trace) -> None:
    keys = ["t:a", "t:b"]
    with torch.no_grad():
        positions = embedding_paths(trace, words_of(trace)).positions
        first, second = (
            random_influences(trace, positions, keys, "attention", 8, seed).flatten(0, 1) for seed in (0, 1)
        )
    assert not torch.isclose(first[..., 1:], second[..., :-1]).all(-1).all()  # nor the same in another order
    assert not torch.isclose(first, second).all(-1).all()
