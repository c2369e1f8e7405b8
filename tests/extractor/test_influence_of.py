"""The influence of given patterns against the oracle: paths, several nodes per layer, layers left free."""

import itertools
from pathlib import Path as File

import pytest
import torch
from support.comparison import KINDS, questions, trace_of
from support.random_models import random_model
from support.tiny_models import save_masked_lm

from ipgraph.extractor.datasets import Example, make_instance
from ipgraph.extractor.extraction.influence import influence_of
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.encoding import encode
from ipgraph.extractor.models.loading import load_model
from ipgraph.extractor.models.oracle import SKIP, Path
from ipgraph.extractor.tracing.sets import ALL_HEADS, Sets, influence, paths, steps
from ipgraph.graphstore.common.errors import UsageError


@pytest.mark.parametrize("kind", KINDS)
def test_influences_of_random_paths_are_what_the_definition_says(kind: str) -> None:
    model = random_model(kind, 3, 2, 12, 0)
    asked = questions(model, kind, [5, 7], 0)
    trace = trace_of(model, asked)
    chance = torch.Generator().manual_seed(0)
    positions = torch.randint(0, 5, (2, 9, 4), generator=chance)
    positions[..., -1] = trace.batch.target[:, None]
    choices = torch.randint(SKIP, 2, (2, 9, 3), generator=chance)
    stays = positions[..., 1:] == positions[..., :-1]
    choices = torch.where(stays, choices, choices.clamp(min=0))
    assert stays.sum() > 5
    assert (choices == SKIP).sum() > 2
    with torch.no_grad():
        by_position = steps(trace, paths(positions))
        by_hop = steps(trace, paths(positions, choices, trace.heads))
        assert torch.allclose(influence(trace, paths(positions)), by_position[..., -1], atol=1e-13)
    for row, question in enumerate(asked):
        words = positions[row].tolist()
        for layer in range(4):
            expected = oracle.influences(
                model, question, [Path(w[0], tuple(w[1 : layer + 1])) for w in words]
            )
            assert by_position[row, :, layer].tolist() == pytest.approx(expected, abs=1e-12)
            hops = [tuple(c[:layer]) for c in choices[row].tolist()]
            expected = oracle.influences(
                model, question, [Path(w[0], tuple(w[1:]), h) for w, h in zip(words, hops, strict=True)]
            )
            assert by_hop[row, :, 2 * layer].tolist() == pytest.approx(expected, abs=1e-12)
            assert layer == 0 or torch.equal(by_hop[row, :, 2 * layer], by_hop[row, :, 2 * layer - 1])


def test_sets_sum_over_the_paths_through_them() -> None:
    model = random_model("masked-lm", 3, 2, 12, 1)
    (asked,) = questions(model, "masked-lm", [6], 1)
    trace = trace_of(model, [asked])
    target = asked.target
    kept: list[list[int]] = [[2], [0, 3, 4], [3, 5], [target]]
    positions, present = torch.zeros(1, 1, 4, 3, dtype=torch.long), torch.zeros(1, 1, 4, 3, dtype=torch.bool)
    for layer, places in enumerate(kept):
        positions[0, 0, layer, : len(places)] = torch.tensor(places)
        present[0, 0, layer, : len(places)] = True
    chance = torch.Generator().manual_seed(1)
    hops = torch.rand((1, 1, 3, 3, 3), generator=chance) < 0.6
    all_paths = [Path(2, p) for p in itertools.product(*kept[1:])]
    with_hops = [
        Path(2, path.positions, choice)
        for path in all_paths
        for choice in itertools.product((SKIP, 0, 1), repeat=3)
        if _is_kept(path.positions, choice, kept, hops[0, 0])
    ]
    assert 0 < len(with_hops) < 27 * len(all_paths)
    with torch.no_grad():
        found = [influence(trace, Sets(positions, present, h)).item() for h in (None, hops)]
    expected = [sum(oracle.influences(model, asked, those)) for those in (all_paths, with_hops)]
    assert found == pytest.approx(expected, abs=1e-12)


def _is_kept(
    positions: tuple[int, ...], choice: tuple[int, ...], kept: list[list[int]], hops: torch.Tensor
) -> bool:
    before = (2, *positions[:-1])
    return all(
        bool(hops[layer, kept[layer + 1].index(position), hop + 1]) and (hop != SKIP or position == source)
        for layer, (source, position, hop) in enumerate(zip(before, positions, choice, strict=True))
    )


def test_every_head_is_the_sum_of_the_heads() -> None:
    model = random_model("masked-lm", 2, 3, 12, 2)
    (asked,) = questions(model, "masked-lm", [5], 2)
    trace = trace_of(model, [asked])
    target = asked.target
    positions = torch.tensor([[[1, 1, target]]])
    with torch.no_grad():
        found = influence(trace, paths(positions, torch.tensor([[[ALL_HEADS, 0]]]), 3)).item()
    expected = oracle.influences(model, asked, [Path(1, (1, target), (head, 0)) for head in range(3)])
    assert found == pytest.approx(sum(expected), abs=1e-13)


def test_patterns_by_name_with_layers_left_free(tmp_path: File) -> None:
    model = load_model(save_masked_lm(tmp_path, num_hidden_layers=2), dtype="float64", device="cpu")
    module = model.module
    texts = ("the farmers [MASK] .", "farmer [MASK]")
    examples = [Example(make_instance("t", text, correct="is", wrong="are")) for text in texts]
    options = Options(n_steps=4, quadrature="uniform")
    encoded, _ = encode(model, examples)
    long, short = (
        oracle.Question(
            tuple(one.ids),
            one.target,
            *one.qoi_logits,
            options.baseline_of(model).embedding,
            *oracle.uniform(4),
        )
        for one in encoded
    )
    label = "toy/{}".format
    found = influence_of(
        model,
        examples,
        [
            [
                ["x00.--@0001"],
                [label("x00.--@0001"), label("e01.--@0004"), label("e02.--@0003")],
                ["x00.--@0001", "h01.02@0004"],
                ["x00.--@0001", "s01.--@0001", "h02.01@0003", "h02.02@0003"],
            ],
            [["x00.--@0001", "e01.--@0000", "e01.--@0002"]],
        ],
        options=options,
    )
    influences = oracle.influences
    assert found[0][0] == pytest.approx(oracle.integrated_gradients(module, long)[1], abs=1e-12)
    assert found[0][1] == pytest.approx(influences(module, long, [Path(1, (4,))])[0], abs=1e-12)
    assert found[0][2] == pytest.approx(influences(module, long, [Path(1, (4, 3), (1,))])[0], abs=1e-12)
    hops = [Path(1, (1, 3), (SKIP, head)) for head in (0, 1)]
    assert found[0][3] == pytest.approx(sum(influences(module, long, hops)), abs=1e-12)
    expected = influences(module, short, [Path(1, (0,)), Path(1, (2,))])
    assert found[1] == [pytest.approx(sum(expected), abs=1e-12)]


@pytest.mark.parametrize(
    ("names", "level", "said"),
    [
        (["e01.--@0001"], "attention", "0 input nodes"),
        (["x00.--@0001", "e01.--@0009"], "attention", "e01.--@0009"),
        (["x00.--@0001", "h01.08@0001"], "attention", "h01.08@0001"),
        (["x00.--@0001", "h01.01@0001"], "embedding", "embedding level has none"),
        (["x00.--@0001", "e02.--@0001"], "attention", "target"),
        (["x00.--@0001", "head 7"], "attention", "'head 7' is not a node's id or label"),
        ("x00.--@0001", "attention", "'x' is not a node's id or label"),
    ],
)
def test_nodes_that_are_not_there_are_named(tmp_path: File, names: list[str], level: str, said: str) -> None:
    model = load_model(save_masked_lm(tmp_path, num_hidden_layers=2), device="cpu")
    example = Example(make_instance("t", "the farmers [MASK] .", correct="is", wrong="are"))
    with pytest.raises(UsageError, match=said):
        influence_of(model, [example], [[names]], level)  # type: ignore[arg-type]
