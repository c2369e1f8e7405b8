"""Which nodes an ablation keeps: counts in every layer, what comes first, and chance that is fair."""

import pytest
import torch
from torch import Tensor

from ipgraph.extractor.evaluation.ablation.kept import (
    Nodes,
    every_node,
    random_sets,
    same_size,
    skips_replaced,
    target_column,
    union_of,
)
from ipgraph.extractor.tracing.sets import SKIP, paths

B, L, N, A, DRAWS = 2, 4, 6, 3, 300
MASK = torch.arange(N) < torch.tensor([[6], [4]])
TARGET = torch.tensor([2, 1])


def random_nodes(seed: int, *, hops: bool) -> Nodes:
    """Return the union of some random paths of each sentence."""
    chance = torch.Generator().manual_seed(seed)
    positions = torch.randint(0, 4, (B, 5, L + 1), generator=chance)
    positions[..., -1] = TARGET[:, None]
    choices = torch.randint(0, A, (B, 5, L), generator=chance)
    choices[(positions[..., 1:] == positions[..., :-1]) & (choices == 0)] = SKIP
    words = torch.tensor([[True, True, True, False, True], [True, True, False, False, False]])
    return union_of(paths(positions, choices if hops else None, A), words, N)


def test_the_union_holds_the_chosen_words_paths_alone() -> None:
    positions = torch.tensor([[[0, 1, 2], [3, 3, 2]]])
    choices = torch.tensor([[[1, SKIP], [SKIP, 0]]])
    nodes = union_of(paths(positions, choices, A), torch.tensor([[True, False]]), N)
    assert nodes.embeddings[0].nonzero().tolist() == [[0, 0], [1, 1], [2, 2]]
    assert nodes.hops is not None
    assert nodes.hops[0].nonzero().tolist() == [[0, 1, 2], [1, 2, 0]]
    both = union_of(paths(positions, choices, A), torch.tensor([[True, True]]), N)
    assert both.hops is not None
    assert both.embeddings[0].nonzero().tolist() == [[0, 0], [0, 3], [1, 1], [1, 3], [2, 2]]
    assert both.hops[0].nonzero().tolist() == [[0, 1, 2], [0, 3, 0], [1, 2, 0], [1, 2, 1]]


@pytest.mark.parametrize("reading", ["dropped", "kept"])
def test_cut_or_filled_to_the_same_size(reading: str) -> None:
    like, own = random_nodes(0, hops=False), random_nodes(1, hops=False)
    scores = torch.rand((B, L - 1, N), generator=torch.Generator().manual_seed(2))
    scores = scores.masked_fill(~MASK[:, None], -torch.inf)
    column = target_column(like, TARGET) if reading == "kept" else None
    wanted = like if column is None else like | column
    found = same_size(own, scores, wanted, column).embeddings
    assert torch.equal(found.sum(-1), wanted.embeddings.sum(-1))
    assert torch.equal(found[:, [0, -1]], wanted.embeddings[:, [0, -1]])
    for b in range(B):
        for layer in range(1, L):
            ranked = sorted(
                range(N),
                key=lambda n: (
                    column is None or not column.embeddings[b, layer, n],
                    not own.embeddings[b, layer, n],
                    -scores[b, layer - 1, n].item(),
                ),
            )
            count = int(wanted.embeddings[b, layer].sum())
            assert set(found[b, layer].nonzero()[:, 0].tolist()) == set(ranked[:count])


@pytest.mark.parametrize("hops", [False, True])
@pytest.mark.parametrize("reading", ["dropped", "kept"])
def test_draws_have_the_same_size_and_are_even(hops: bool, reading: str) -> None:
    like = random_nodes(3, hops=hops)
    column = target_column(like, TARGET) if reading == "kept" else None
    wanted = like if column is None else like | column
    chance = torch.rand((B, DRAWS, L, N, A + 2), generator=torch.Generator().manual_seed(4))
    kept = random_sets(wanted, MASK[:, None].expand(-1, L - 1, -1), column, chance)
    expected = wanted.embeddings.sum(-1)[:, None].expand(-1, DRAWS, -1)
    assert torch.equal(kept.embeddings.sum(-1), expected)
    assert not kept.embeddings[1, :, :, 4:].any()
    if column is not None:
        assert kept.embeddings[torch.arange(B), :, :, TARGET].all()
    else:
        assert_even(kept.embeddings[:, :, 1:-1], wanted.embeddings[:, 1:-1])
    assert (kept.hops is None) == (not hops)
    if kept.hops is not None and wanted.hops is not None:
        assert torch.equal(kept.hops.sum((3, 4)), wanted.hops.sum((2, 3))[:, None].expand(-1, DRAWS, -1))
        assert not (kept.hops & ~kept.embeddings[:, :, 1:, :, None]).any()
        if column is not None:
            assert kept.hops[torch.arange(B), :, :, TARGET, 0].all()


def assert_even(drawn_nodes: Tensor, wanted: Tensor) -> None:
    """Assert that every real position is drawn about equally often."""
    for b, length in enumerate(MASK.sum(1).tolist()):
        for layer in range(L - 1):
            share = wanted[b, layer].sum() / length
            found = drawn_nodes[b, :, layer, :length].float().mean(0)
            assert torch.allclose(found, share.expand(length), atol=0.12)


def test_every_node_and_every_head_for_each_skip() -> None:
    like = random_nodes(5, hops=True)
    every = every_node(like, MASK)
    assert every.hops is not None
    assert every.embeddings.sum((1, 2)).tolist() == [(L + 1) * 6, (L + 1) * 4]
    assert every.hops.sum((1, 2, 3)).tolist() == [L * 6 * (A + 1), L * 4 * (A + 1)]
    replaced = skips_replaced(like)
    assert like.hops is not None
    assert replaced.hops is not None
    assert not replaced.hops[..., 0].any()
    assert torch.equal(replaced.hops[..., 1:], like.hops[..., 1:] | like.hops[..., :1])
    assert torch.equal(replaced.embeddings, like.embeddings)
