"""A model with every field of an adapter in it: its patterns, and whatever else is asked, by definition."""

from itertools import pairwise

import pytest
import torch
from support import plain_model
from support.comparison import ablated_qoi, assert_same, batch_of, fast, integration_path_of
from support.plain_model import GROUPS, HEADS, HIDDEN, SIZE, Above, Gated, PlainModel
from torch import Tensor
from torch.nn import functional

from ipgraph.extractor.evaluation.ablation.forward import Kept
from ipgraph.extractor.methods.patterns.scored import conductances
from ipgraph.extractor.methods.patterns.search import (
    attention_paths,
    attention_sets,
    embedding_paths,
    embedding_sets,
)
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.adapter import Adapter, Layer, Mixing
from ipgraph.extractor.models.blocks import Activation, Block, Identity, Linear, RMSNorm, Rotary
from ipgraph.extractor.models.composites import Chain, Columns, Gate, PerHead, Residual
from ipgraph.extractor.models.heads import class_logits
from ipgraph.extractor.models.oracle import SKIP, Path, Question
from ipgraph.extractor.tracing.sets import influence, paths, steps
from ipgraph.extractor.tracing.trace import Trace

N_STEPS = 4
LENGTHS, TARGETS = (5, 7, 6), (4, 4, 5)
TYPES = ((0, 0, 0, 1, 1), (), (0, 1, 1, 1, 0, 0))


def adapter_of(model: PlainModel) -> Adapter:
    return Adapter(
        words=model.words.weight,
        max_positions=plain_model.POSITIONS,
        offset=model.types,
        enter=Linear(model.enter),
        layers=tuple(layer_of(layer) for layer in model.layers),  # type: ignore[arg-type]
        logits=class_logits(model.logits),
    )


def layer_of(layer: plain_model.Layer) -> Layer:
    above: Above = layer.above
    feed_forward = Residual(feed_forward_of(above.feed_forward))
    return Layer(
        before=Chain(
            (
                RMSNorm(layer.norm, plain_model.EPS),
                Linear(layer.qkv, layer.qkv_bias),
                Columns((HEADS * SIZE, GROUPS * SIZE, GROUPS * SIZE), columns_of(layer)),
            )
        ),
        mixing=Mixing(
            heads=HEADS,
            groups=GROUPS,
            size=SIZE,
            scale=SIZE**-0.5,
            behind=layer.behind,
            ahead=0,
            cap=layer.cap,
            bias=lambda n: layer.bias[:, :n, :n],
        ),
        out=Chain((Linear(above.out), RMSNorm(above.norm, plain_model.EPS))),
        beside=feed_forward if above.is_parallel else Identity(),
        after=Identity() if above.is_parallel else feed_forward,
    )


def columns_of(layer: plain_model.Layer) -> tuple[Block, Block, Block]:
    angles = plain_model.angles().repeat(1, 2)
    rotary = Rotary(angles.cos(), angles.sin(), SIZE)
    return Chain((PerHead(SIZE, RMSNorm(layer.q_norm, plain_model.EPS)), rotary)), rotary, Identity()


def feed_forward_of(module: Gated) -> Block:
    gate = Gate(Chain((Linear(module.gate), Activation(functional.silu))), Linear(module.up))
    return Chain((RMSNorm(module.norm, plain_model.EPS), gate, Linear(module.down)))


def asked_of(model: PlainModel) -> list[Question]:
    """Return sentences whose targets are not all at the end, with a baseline word among their words."""
    chance = torch.Generator().manual_seed(1)
    baseline, samples = model.words.weight[4], oracle.uniform(N_STEPS)
    ids = [torch.randint(5, plain_model.VOCABULARY, (n,), generator=chance).tolist() for n in LENGTHS]
    ids[0][2] = 4
    return [
        Question(tuple(row), target, 7, 11, baseline, *samples, types)
        for row, target, types in zip(ids, TARGETS, TYPES, strict=True)
    ]


def trace_of(model: PlainModel, asked: list[Question], *, keep: bool = True, extra: int = 0) -> Trace:
    path = integration_path_of("uniform", N_STEPS, model.words.weight)
    return Trace(adapter_of(model), batch_of(asked, extra=extra), path, asked[0].baseline, keep=keep)


def words_of(trace: Trace) -> Tensor:
    return torch.arange(trace.size[2]).expand(trace.size[0], -1)


@pytest.fixture(scope="module")
def models() -> list[PlainModel]:
    return [PlainModel(seed) for seed in range(4)]


def test_every_choice_is_what_the_definition_says(models: list[PlainModel]) -> None:
    every = []
    for model in models:
        asked = asked_of(model)
        expected = [oracle.gpr(model, question, sees=model.sees) for question in asked]
        for keep, extra in ((True, 0), (True, 4), (False, 0)):
            with torch.no_grad():
                found = fast(trace_of(model, asked, keep=keep, extra=extra))
            for patterns, wanted in zip(found, expected, strict=True):
                assert_same(patterns, wanted, 1e-9)
        every += [one for patterns in expected for one in patterns]
    moves, skips = oracle.variety(every)
    assert moves >= 1 / 3
    assert 0.05 <= skips <= 0.9
    assert {hop for one in every for hop in one.hops} == {SKIP, *range(HEADS)}


def test_a_word_that_the_target_cannot_hear_has_no_pattern(models: list[PlainModel]) -> None:
    asked = asked_of(models[0])
    with torch.no_grad():
        found = fast(trace_of(models[0], asked))
    assert [[one.word for one in patterns] for patterns in found] == [
        [0, 1, 3, 4],  # 2 is the baseline
        [0, 1, 2, 3, 4],  # 5 and 6 come after the target
        [0, 1, 2, 3, 4, 5],
    ]


def test_one_candidate_leaves_no_margin(models: list[PlainModel]) -> None:
    """The target itself, in a causal model, can only stay where it is."""
    asked = asked_of(models[0])
    with torch.no_grad():
        found = fast(trace_of(models[0], asked))
    for patterns, target in zip(found, TARGETS, strict=True):
        one = next(one for one in patterns if one.word == target)
        assert one.positions == (target,) * 3
        assert set(one.position_margins) == set(one.position_runners_up) == {None}
        assert None not in one.hop_margins[1:]


def test_total_influence_is_the_integrated_gradient(models: list[PlainModel]) -> None:
    asked = asked_of(models[1])
    with torch.no_grad():
        trace = trace_of(models[1], asked)
    for row, question in enumerate(asked):
        expected = oracle.integrated_gradients(models[1], question)
        assert trace.total_influence[row, : len(expected)].tolist() == pytest.approx(expected, abs=1e-11)
        assert trace.qoi[row, -1].item() == pytest.approx(oracle.qoi_at(models[1], question, 1), abs=1e-12)


def test_influence_of_given_paths(models: list[PlainModel]) -> None:
    model = models[2]
    asked = asked_of(model)
    chance = torch.Generator().manual_seed(3)
    for question in asked:
        target = question.target
        lists = [_path(target, chance, model) for _ in range(8)]
        positions = torch.tensor([[positions for positions, _ in lists]])
        hops = torch.tensor([[hops for _, hops in lists]])
        with torch.no_grad():
            trace = trace_of(model, [question])
            by_position, by_hop = steps(trace, paths(positions)), steps(trace, paths(positions, hops, HEADS))
        for layer in range(4):
            expected = [Path(p[0], tuple(p[1 : layer + 1])) for p, _ in lists]
            assert by_position[0, :, layer].tolist() == pytest.approx(
                oracle.influences(model, question, expected), abs=1e-11
            )
            expected = [Path(p[0], tuple(p[1:]), tuple(h[:layer])) for p, h in lists]
            assert by_hop[0, :, 2 * layer].tolist() == pytest.approx(
                oracle.influences(model, question, expected), abs=1e-11
            )


def _path(target: int, chance: torch.Generator, model: PlainModel) -> tuple[list[int], list[int]]:
    """Return a random path to the target that can be, from the top down, and its hops."""
    positions = [target]
    for layer in (2, 1, 0):
        below = [j for j in range(target + 1) if model.sees(layer, positions[0], j)]
        positions.insert(0, below[int(torch.randint(len(below), (1,), generator=chance))])
    stays = [above == below for below, above in pairwise(positions)]
    return positions, [int(torch.randint(-stay, HEADS, (1,), generator=chance)) for stay in stays]


@pytest.mark.parametrize("k", [2, 3])
def test_several_nodes_sum_over_the_paths_through_them(models: list[PlainModel], k: int) -> None:
    model = models[3]
    (question,) = asked_of(model)[2:]
    with torch.no_grad():
        trace = trace_of(model, [question], extra=1)
        sets, carried = embedding_sets(trace, words_of(trace), k)
        finer, refined = attention_sets(trace, sets, k)
        again = influence(trace, sets), influence(trace, finer)
    real = trace.has_pattern
    assert torch.allclose(again[0][real], carried[real], atol=1e-11)
    assert torch.allclose(again[1][real], refined[real], atol=1e-11)
    for word in range(len(question.ids)):
        places = [
            [p for p, there in zip(*layer, strict=True) if there]
            for layer in zip(sets.positions[0, word].tolist(), sets.present[0, word].tolist(), strict=True)
        ]
        expected = [Path(word, (a, b, c)) for a in places[1] for b in places[2] for c in places[3]]
        total = sum(oracle.influences(model, question, expected))
        assert carried[0, word].item() == pytest.approx(total, abs=1e-11)


def test_an_exhaustive_beam_finds_the_best_path(models: list[PlainModel]) -> None:
    model = models[0]
    (question,) = asked_of(model)[2:]
    everywhere = range(len(question.ids))
    with torch.no_grad():
        trace = trace_of(model, [question])
        greedy = embedding_paths(trace, words_of(trace))
        wide = embedding_paths(trace, words_of(trace), 6**2)
        hops = attention_paths(trace, greedy, (HEADS + 1) ** 3)
    for word in everywhere:
        sign = 1 if trace.total_influence[0, word] >= 0 else -1
        every = [Path(word, (a, b, 5)) for a in everywhere for b in everywhere]
        every = [p for p in every if word <= p.positions[0] <= p.positions[1] and p.positions[1] >= 2]
        best = max(oracle.influences(model, question, every), key=lambda value: sign * value)
        assert wide.influence[0, word, -1].item() == pytest.approx(best, abs=1e-11)
        positions = tuple(greedy.positions[0, word, 1:].tolist())
        options = [range(SKIP if here == there else 0, HEADS) for here, there in pairwise((word, *positions))]
        paths_of_hops = [
            Path(word, positions, (a, b, c)) for a in options[0] for b in options[1] for c in options[2]
        ]
        best = max(oracle.influences(model, question, paths_of_hops), key=lambda value: sign * value)
        assert hops.influence[0, word, -1].item() == pytest.approx(best, abs=1e-11)


def test_conductances_add_up_in_every_layer(models: list[PlainModel]) -> None:
    asked = asked_of(models[1])
    with torch.no_grad():
        trace = trace_of(models[1], asked)
        found = conductances(trace, words_of(trace))
    for layer in range(2):
        assert torch.allclose(found[:, :, layer].sum(-1), trace.total_influence, atol=1e-11)


def test_keeping_every_node_gives_the_model_itself(models: list[PlainModel]) -> None:
    asked = asked_of(models[2])
    with torch.no_grad():
        trace = trace_of(models[2], asked)
        b, _, n = trace.size
        every = torch.ones(b, 1, 4, n, dtype=torch.bool)
        for hops in (None, torch.ones(b, 1, 3, n, HEADS + 1, dtype=torch.bool)):
            found = ablated_qoi(trace.adapter, trace.batch, trace.qoi_logits, Kept(every, hops))
            assert torch.allclose(found[:, 0], trace.qoi[:, -1], atol=1e-12)


def test_sizes_are_the_adapters_own(models: list[PlainModel]) -> None:
    adapter = adapter_of(models[0])
    assert (adapter.hidden, adapter.heads) == (HIDDEN, HEADS)
    # Three norms, one norm per head of queries, two rotations' positions, a gate's values and slope.
    norm, wide = HIDDEN + 1, plain_model.WIDE
    assert set(adapter.saved) == {3 * norm + HEADS * (SIZE + 1) + 2 + 3 * wide}
