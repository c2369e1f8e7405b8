"""The definition of influence patterns, as slow as it is plain: everything off a pattern is detached.

Independent of the library, of which it imports nothing: runs the Hugging Face model itself, with eager
attention, under hooks that detach what is off the pattern, differentiates the quantity of interest by the
path parameter a of one word, and averages over the points: the product of Jacobians along the pattern, times
x - x_b (Lu et al. 2021, section 3). Each (pattern, point) is a row of one batch: rows do not see each other.
Of a family it knows only where three kinds of modules are: `FAMILIES`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

SKIP = -1
"""A hop through the residual connection; heads count from 0."""
MAX_ROWS = 4096


class Places(NamedTuple):
    """Where a family's modules are: `layers` in the model, the others in each layer."""

    layers: str  # fewer modules than layers, where a module serves several in a row
    entry: str | tuple[str, ...]  # the attention branch's first module, or modules: what skips them is beside
    projection: str  # the linear map of the heads' contexts, side by side


BERT = Places("bert.encoder.layer", "attention.self", "attention.output.dense")
ROBERTA = BERT._replace(layers="roberta.encoder.layer")
LLAMA = Places("model.layers", "input_layernorm", "self_attn.o_proj")
FAMILIES = {
    "bert": BERT,
    **dict.fromkeys(("roberta", "xlm-roberta", "camembert"), ROBERTA),
    "electra": BERT._replace(layers="electra.encoder.layer"),
    "distilbert": Places("distilbert.transformer.layer", "attention", "attention.out_lin"),
    "albert": Places(
        "albert.encoder.albert_layer_groups",
        tuple(f"albert_layers.0.attention.{name}" for name in ("query", "key", "value")),
        "albert_layers.0.attention.dense",
    ),
    "mpnet": Places("mpnet.encoder.layer", "attention.attn", "attention.attn.o"),
    "modernbert": Places("model.layers", "attn_norm", "attn.Wo"),
    "gpt2": Places("transformer.h", "ln_1", "attn.c_proj"),
    "gpt_neox": Places("gpt_neox.layers", "input_layernorm", "attention.dense"),
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "phi3", "gemma2", "gemma3_text"), LLAMA),
    "olmo2": LLAMA._replace(entry="self_attn"),
}
"""By the `model_type` of a model's config."""


@dataclass(frozen=True)
class Question:
    """One sentence and what is asked of the model.

    `correct` and `wrong` are the two logits' indices: vocabulary ids at position `target`, or the classes of
    a classifier, which reads that position; `wrong` is None where the first is read alone. `baseline` is a
    vector of the word embeddings' width, or one for each word, [N, E].
    """

    ids: tuple[int, ...]
    target: int
    correct: int
    wrong: int | None
    baseline: Tensor
    points: Tensor
    weights: Tensor
    types: tuple[int, ...] = ()  # token types, if the model is to be given any

    def logits(self, model: Any, embeddings: Tensor) -> Tensor:
        """Return the model's logits of rows of word embeddings."""
        types = torch.tensor(self.types).expand(len(embeddings), -1)
        named = {"token_type_ids": types} if self.types else {}
        found: Tensor = model(inputs_embeds=embeddings, **named).logits
        return found

    def qoi(self, logits: Tensor) -> Tensor:
        """Return the quantity of interest of each row."""
        read = logits if logits.dim() == 2 else logits[:, self.target]
        first = read[:, self.correct]
        return first if self.wrong is None else first - read[:, self.wrong]


@dataclass(frozen=True)
class Path:
    """A word, the position it goes through after layers 1, 2, ..., and the hop it takes in layers 1, 2, ...

    Layers past the end of `positions` are free, and so are the heads and skips past the end of `hops`.
    """

    word: int
    positions: tuple[int, ...] = ()
    hops: tuple[int, ...] = ()


@dataclass(frozen=True)
class Guided:
    """What guided pattern refinement finds for a word: L + 1 numbers a level, the first before any choice."""

    word: int
    sign: int
    positions: tuple[int, ...]
    position_influences: tuple[float, ...]
    position_margins: tuple[float | None, ...]
    position_runners_up: tuple[int | None, ...]
    hops: tuple[int, ...]
    hop_influences: tuple[float, ...]
    hop_margins: tuple[float | None, ...]
    hop_runners_up: tuple[int | None, ...]


Sees = Callable[[int, int, int], bool]
"""Whether, in a layer counted from 0, a destination sees a source."""


def uniform(n_steps: int) -> tuple[Tensor, Tensor]:
    """Return the published points, ends included, and their equal weights."""
    points = torch.linspace(0, 1, n_steps, dtype=torch.float64)
    return points, torch.full_like(points, 1 / n_steps)


def gauss_legendre(n_steps: int) -> tuple[Tensor, Tensor]:
    """Return the points and weights of Gauss-Legendre quadrature on [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(n_steps)
    return torch.tensor((points + 1) / 2), torch.tensor(weights / 2)


def logits(model: Any, ids: Sequence[int], types: Sequence[int] = ()) -> Tensor:
    """Return the model's logits of one sentence, its batch dimension kept."""
    named = {"token_type_ids": torch.tensor([types])} if types else {}
    with torch.no_grad():
        found: Tensor = model(input_ids=torch.tensor([ids]), **named).logits
    return found


def qoi_at(model: Any, question: Question, a: float) -> float:
    """Return the quantity of interest at one point of the line (1 is the sentence, 0 the baseline)."""
    words = model.get_input_embeddings()(torch.tensor(question.ids))
    with torch.no_grad():
        line = question.baseline + a * (words - question.baseline)
        return float(question.qoi(question.logits(model, line[None])))


def integrated_gradients(model: Any, question: Question) -> list[float]:
    """Return each word's integrated gradient by plain autograd, with no hook."""
    words = model.get_input_embeddings()(torch.tensor(question.ids)).detach()
    moved = words - question.baseline
    line = (question.baseline + question.points[:, None, None] * moved).requires_grad_()
    (gradient,) = torch.autograd.grad(question.qoi(question.logits(model, line)).sum(), line)
    found: list[float] = torch.einsum("s,snd,nd->n", question.weights, gradient, moved).tolist()
    return found


def influences(model: Any, question: Question, paths: Sequence[Path]) -> list[float]:
    """Return I(x, pi) of each path."""
    size = max(1, MAX_ROWS // len(question.points))
    return [
        value
        for start in range(0, len(paths), size)
        for value in _influences(model, question, paths[start : start + size])
    ]


def _influences(model: Any, question: Question, paths: Sequence[Path]) -> list[float]:
    samples = len(question.points)
    words = model.get_input_embeddings()(torch.tensor(question.ids)).detach()
    moved = words - question.baseline
    a = question.points.repeat(len(paths)).requires_grad_()
    still = question.baseline + a.detach()[:, None, None] * moved
    moving = question.baseline + a[:, None, None] * moved
    is_word = _one_hot([path.word for path in paths], len(words), samples)
    with _detached(model, paths, len(words), samples):
        found = question.logits(model, torch.where(is_word[:, :, None], moving, still))
    (derivative,) = torch.autograd.grad(question.qoi(found).sum(), a)
    means: list[float] = (derivative.view(len(paths), samples) @ question.weights).tolist()
    return means


def _one_hot(indices: Sequence[int], size: int, samples: int) -> Tensor:
    return (torch.tensor(indices)[:, None] == torch.arange(size)).repeat_interleave(samples, 0)


@contextmanager
def _detached(model: Any, paths: Sequence[Path], positions: int, samples: int) -> Iterator[None]:
    """Detach, in every row, what its path does not go through."""
    (chosen,) = {len(path.positions) for path in paths}
    (hopped,) = {len(path.hops) for path in paths}
    places = FAMILIES[model.config.model_type]
    layers = _layers(model, places)
    hooks = []
    for layer in range(chosen):
        kept = _one_hot([path.positions[layer] for path in paths], positions, samples)
        module, call = layers[layer]
        hooks.append(module.register_forward_hook(_at_call(call, _keep_positions(kept))))
    for layer in range(hopped):
        hops = [path.hops[layer] for path in paths]
        heads = _one_hot(hops, model.config.num_attention_heads, samples)
        skips = torch.tensor(hops).repeat_interleave(samples) == SKIP
        hooks += _keep_hop(*layers[layer], places, heads, skips)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _layers(model: Any, places: Places) -> list[tuple[Any, int]]:
    """Return each layer's module, and which of the module's calls in a forward pass the layer is."""
    modules, depth = model.get_submodule(places.layers), model.config.num_hidden_layers
    numbers = [int(layer / (depth / len(modules))) for layer in range(depth)]  # as in ALBERT's own loop
    return [(modules[number], layer - numbers.index(number)) for layer, number in enumerate(numbers)]


def _at_call(call: int, hook: Callable[..., Any]) -> Callable[..., Any]:
    """Return a hook that leaves all calls of its module alone but one."""
    calls = count()
    return lambda *of_call: hook(*of_call) if next(calls) == call else None


def _keep_positions(kept: Tensor) -> Callable[..., Any]:
    def keep(h: Tensor) -> Tensor:
        return torch.where(kept[:, :, None], h, h.detach())

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        return (keep(output[0]), *output[1:]) if isinstance(output, tuple) else keep(output)

    return hook


def _keep_hop(layer: Any, call: int, places: Places, heads: Tensor, skips: Tensor) -> list[Any]:
    """Detach the heads and the residual that are not kept; all of a layer's input goes to the attention."""
    whole: list[Tensor] = []

    def keep_skip(h: Tensor) -> Tensor:
        whole[:] = [h]
        return torch.where(skips[:, None, None], h, h.detach())

    def keep_heads(context: Tensor) -> Tensor:
        split = context.unflatten(-1, (heads.shape[1], -1))
        return torch.where(heads[:, None, :, None], split, split.detach()).flatten(-2)

    entries = (places.entry,) if isinstance(places.entry, str) else places.entry
    return [
        _replace_input(layer, call, keep_skip),
        *(_replace_input(layer.get_submodule(name), call, lambda _: whole[0]) for name in entries),
        _replace_input(layer.get_submodule(places.projection), call, keep_heads),
    ]


def _replace_input(module: Any, call: int, change: Callable[[Tensor], Tensor]) -> Any:
    """Hook a module's first input, by place or, as `hidden_states`, by name, in one of its calls."""

    def hook(_module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if inputs:
            return (change(inputs[0]), *inputs[1:]), named
        return inputs, named | {"hidden_states": change(named["hidden_states"])}

    return module.register_forward_pre_hook(_at_call(call, hook), with_kwargs=True)


def gpr(
    model: Any,
    question: Question,
    among: Sequence[int] | None = None,
    sees: Sees = lambda *_: True,
) -> list[Guided]:
    """Return the guided patterns of the words (`among` these) that differ from the baseline and are heard."""
    embeddings = model.get_input_embeddings()(torch.tensor(question.ids))
    words = (embeddings != question.baseline).any(1).nonzero()[:, 0].tolist()
    reached = _reached(question, model.config.num_hidden_layers, sees)
    words = [word for word in words if word in reached[0] and (among is None or word in among)]
    totals = influences(model, question, [Path(word) for word in words])
    signs = [1 if total >= 0 else -1 for total in totals]
    by_position = [_Search(Path(w), sign, [g]) for w, sign, g in zip(words, signs, totals, strict=True)]
    layers = model.config.num_hidden_layers
    for layer in range(layers):
        heres = [(s.path.word, *s.path.positions)[-1] for s in by_position]
        options = [[e for e in reached[layer + 1] if sees(layer, e, here)] for here in heres]
        _refine(model, question, by_position, options)
    by_hop = [_Search(s.path, s.sign, s.influences[-1:]) for s in by_position]
    for layer in range(layers):
        _refine(model, question, by_hop, [_hops(model, s.path, layer) for s in by_hop], hops=True)
    return [
        Guided(
            e.path.word,
            e.sign,
            e.path.positions,
            tuple(e.influences),
            (None, *e.margins),
            (None, *e.runners_up),
            a.path.hops,
            tuple(a.influences),
            (None, *a.margins),
            (None, *a.runners_up),
        )
        for e, a in zip(by_position, by_hop, strict=True)
    ]


def _reached(question: Question, layers: int, sees: Sees) -> list[list[int]]:
    """Return the positions of h^0 to h^L from which the target can be reached."""
    everywhere = range(len(question.ids))
    reached = [[question.target]]
    for layer in reversed(range(layers)):
        reached.insert(0, [j for j in everywhere if any(sees(layer, e, j) for e in reached[0])])
    return reached


class _Search:
    """A path as it grows, with the influence, the margin and the runner-up after each choice."""

    def __init__(self, path: Path, sign: int, influences: list[float]) -> None:
        self.path, self.sign, self.influences = path, sign, influences
        self.margins: list[float | None] = []
        self.runners_up: list[int | None] = []

    def grown(self, candidate: int, hops: bool) -> Path:
        path = self.path
        if hops:
            return Path(path.word, path.positions, (*path.hops, candidate))
        return Path(path.word, (*path.positions, candidate))


def _hops(model: Any, path: Path, layer: int) -> list[int]:
    """Return the candidates of a hop in the order that breaks ties: the skip, then the heads."""
    stays = path.positions[layer] == (path.word, *path.positions)[layer]
    return [SKIP] * stays + list(range(model.config.num_attention_heads))


def _refine(
    model: Any,
    question: Question,
    searches: list[_Search],
    candidates: list[list[int]],
    hops: bool = False,
) -> None:
    """Grow each search by its best candidate; of equal ones the first."""
    grown = [[s.grown(c, hops) for c in options] for s, options in zip(searches, candidates, strict=True)]
    found = iter(influences(model, question, [path for paths in grown for path in paths]))
    for search, paths, options in zip(searches, grown, candidates, strict=True):
        scores = [search.sign * next(found) for _ in paths]
        best, *others = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
        search.path = paths[best]
        search.influences.append(search.sign * scores[best])
        search.margins.append(scores[best] - scores[others[0]] if others else None)
        search.runners_up.append(options[others[0]] if others else None)


def variety(found: Sequence[Guided]) -> tuple[float, float]:
    """Return the share of free embedding steps that change position, and of hops that are skips."""
    moves = [
        here != there
        for guided in found
        for here, there in zip((guided.word, *guided.positions), guided.positions[:-1], strict=False)
    ]
    hops = [hop == SKIP for guided in found for hop in guided.hops]
    return sum(moves) / max(1, len(moves)), sum(hops) / len(hops)
