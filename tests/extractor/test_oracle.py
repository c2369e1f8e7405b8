"""The oracle against what it defines: products of Jacobians, sums over guiding sets, integrated gradients."""

import ast
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.random_models import VOCABULARY, random_model
from torch import Tensor

from ipgraph.extractor.models import oracle
from ipgraph.extractor.models.oracle import (
    SKIP,
    Path,
    Question,
    gauss_legendre,
    gpr,
    influences,
    integrated_gradients,
    qoi_at,
    uniform,
    variety,
)

IDS = (1, 7, 9, 4, 12, 2)
KINDS = ["masked-lm", "classifier"]


def question(model: Any, kind: str, n_steps: int = 5, baseline: int = 4, legendre: bool = False) -> Question:
    embedding = model.get_input_embeddings().weight[baseline]
    points, weights = (gauss_legendre if legendre else uniform)(n_steps)
    target, correct, wrong = (3, 20, 21) if kind == "masked-lm" else (0, 1, 0)
    return Question(IDS, target, correct, wrong, embedding, points, weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("legendre", [False, True])
def test_word_influence_is_the_integrated_gradient(kind: str, legendre: bool) -> None:
    model = random_model(kind, 2, 2, 12, seed=1)
    asked = question(model, kind, legendre=legendre)
    found = influences(model, asked, [Path(word) for word in range(len(IDS))])
    assert found == pytest.approx(integrated_gradients(model, asked), abs=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_integrated_gradients_add_up_to_what_changed(kind: str) -> None:
    model = random_model(kind, 2, 2, 12, seed=2)
    asked = question(model, kind, n_steps=60, legendre=True)
    change = qoi_at(model, asked, 1) - qoi_at(model, asked, 0)
    assert sum(integrated_gradients(model, asked)) == pytest.approx(change, abs=1e-6)
    assert abs(change) > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_children_of_a_guiding_set_sum_to_their_parent(kind: str) -> None:
    model = random_model(kind, 3, 2, 12, seed=3)
    asked = question(model, kind)
    for parent in (Path(1), Path(1, (4,)), Path(4, (4, 0))):
        whole = [Path(parent.word, (*parent.positions, e)) for e in range(len(IDS))]
        (total, *children) = influences_of_many(model, asked, parent, whole)
        assert sum(children) == pytest.approx(total, abs=1e-12)
        assert total != 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("positions", [(2, 3, 0), (5, 5, 3), (1, 1, 0)])
def test_heads_and_skip_sum_to_the_embedding_hop(kind: str, positions: tuple[int, ...]) -> None:
    model = random_model(kind, 3, 2, 12, seed=4)
    asked = question(model, kind)
    for hops in ((), (1,), (0, 1)):
        parent = Path(1, positions, hops)
        whole = [Path(1, positions, (*hops, hop)) for hop in (SKIP, 0, 1)]
        (total, *children) = influences_of_many(model, asked, parent, whole)
        assert sum(children) == pytest.approx(total, abs=1e-12)
        stays = (1, *positions)[len(hops)] == positions[len(hops)]
        assert (children[0] != 0) == (stays and total != 0)


def influences_of_many(model: Any, asked: Question, parent: Path, children: list[Path]) -> list[float]:
    return influences(model, asked, [parent]) + influences(model, asked, children)


@pytest.mark.parametrize("hops", [(), (1, SKIP, 0)])
def test_influence_is_the_product_of_jacobians(hops: tuple[int, ...]) -> None:
    """Against Jacobians of the model's own layers, taken one by one, with nothing detached."""
    model = random_model("masked-lm", 3, 2, 8, seed=5)
    asked = question(model, "masked-lm", n_steps=3)
    word, positions = 1, (4, 4, 3)
    moved = model.get_input_embeddings()(torch.tensor(IDS)) - asked.baseline
    products = []
    for a in asked.points:
        words = (asked.baseline + a * moved)[None]
        state, tangent, here = *_embed(model, words, moved[word], word), word
        for layer, there in enumerate(positions):
            block = model.bert.encoder.layer[layer]
            tangent = _hop(block, state, here, there, hops[layer] if hops else None) @ tangent
            state, here = block(state), there
        products.append(_target_gradient(model, asked, state) @ tangent)
    expected = float(torch.stack(products).squeeze() @ asked.weights)
    (found,) = influences(model, asked, [Path(word, positions, hops)])
    assert found == pytest.approx(expected, abs=1e-14)
    assert abs(expected) > 1e-6


def _embed(model: Any, words: Tensor, moved: Tensor, word: int) -> tuple[Tensor, Tensor]:
    def embed(x: Tensor) -> Tensor:
        embedded: Tensor = model.bert.embeddings(inputs_embeds=_put(words, word, x))
        return embedded[0, word]

    state: Tensor = model.bert.embeddings(inputs_embeds=words)
    return state, _jacobian(embed, words[0, word]) @ moved


def _target_gradient(model: Any, asked: Question, state: Tensor) -> Tensor:
    return _jacobian(lambda h: asked.qoi(model.cls(_put(state, 3, h))), state[0, 3])


def _hop(block: Any, state: Tensor, here: int, there: int, hop: int | None) -> Tensor:
    """Return the Jacobian of the layer's output at `there` by its input at `here`, through one hop or all."""
    if hop is None:
        return _jacobian(lambda h: block(_put(state, here, h))[0, there], state[0, here])
    context = block.attention.self(state)[0]
    if hop == SKIP:
        return _jacobian(
            lambda h: _finish(block, context, _put(state, there, h))[0, there], state[0, there]
        ) * (here == there)
    width = block.attention.self.attention_head_size
    part = slice(hop * width, (hop + 1) * width)
    into = _jacobian(lambda h: block.attention.self(_put(state, here, h))[0][0, there, part], state[0, here])
    onward = _jacobian(lambda c: _finish(block, _put(context, there, c), state)[0, there], context[0, there])
    return onward[:, part] @ into


def _finish(block: Any, context: Tensor, residual: Tensor) -> Tensor:
    finished: Tensor = block.feed_forward_chunk(block.attention.output(context, residual))
    return finished


def _jacobian(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.detach().requires_grad_()
    return torch.stack([torch.autograd.grad(value, at, retain_graph=True)[0] for value in function(at)])


def _put(state: Tensor, position: int, value: Tensor) -> Tensor:
    return torch.where((torch.arange(state.shape[1]) == position)[:, None], value, state)


def test_guided_paths_are_the_best_of_their_guiding_sets() -> None:
    """The search, followed by hand for one word with one path at a time."""
    model = random_model("masked-lm", 2, 2, 12, seed=6)
    asked = question(model, "masked-lm")
    for guided in gpr(model, asked):
        scores = [
            guided.sign * influences(model, asked, [Path(guided.word, (e,))])[0] for e in range(len(IDS))
        ]
        best = max(range(len(IDS)), key=scores.__getitem__)
        assert guided.positions == (best, 3)
        second = max(score for e, score in enumerate(scores) if e != best)
        assert guided.position_margins[1] == pytest.approx(scores[best] - second, abs=1e-13)
        (final,) = influences(model, asked, [Path(guided.word, guided.positions, guided.hops)])
        assert guided.hop_influences[-1] == pytest.approx(final, abs=1e-13)
        assert guided.hop_influences[0] == guided.position_influences[-1]
        assert guided.position_influences[-1] == pytest.approx(guided.position_influences[-2], abs=1e-13)


def test_a_word_that_equals_the_baseline_has_no_pattern() -> None:
    model = random_model("masked-lm", 2, 2, 12, seed=7)
    asked = question(model, "masked-lm")
    assert [guided.word for guided in gpr(model, asked)] == [0, 1, 2, 4, 5]
    assert integrated_gradients(model, asked)[3] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_random_models_choose_all_kinds_of_steps(kind: str) -> None:
    found = [
        guided
        for seed in range(3)
        for model in [random_model(kind, 3, 2, 12, seed)]
        for guided in gpr(model, question(model, kind))
    ]
    moves, skips = variety(found)
    assert 1 / 3 <= moves <= 0.9
    assert 0.05 <= skips <= 0.9
    assert {hop for guided in found for hop in guided.hops} == {SKIP, 0, 1}
    assert {guided.sign for guided in found} == {1, -1}
    assert max(IDS) < VOCABULARY


def test_the_oracle_imports_nothing_of_the_library() -> None:
    source = pathlib.Path(oracle.__file__).read_text()
    names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert names
    assert "ipgraph" not in " ".join(map(ast.unparse, names))
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in names)
