"""What transformers computes between its layers, caught by hooks, and its Jacobians by autograd."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipgraph.extractor.models.oracle import FAMILIES, Question


class Caught(NamedTuple):
    """A sentence's tensors, the batch dimension left out."""

    start: Tensor  # [N, H], h^0
    contexts: list[Tensor]  # by layer [N, A d], before the output projection
    states: list[Tensor]  # by layer [N, H], its output
    attentions: list[Tensor]  # by layer [A, N, N]


def catch(model: Any, question: Question) -> Caught:
    """Run a model and catch what passes between its modules; `start` is where autograd begins."""
    places = FAMILIES[model.config.model_type]
    modules = list(model.get_submodule(places.layers))
    start: list[Tensor] = []
    contexts: list[Tensor] = []
    states: list[Tensor] = []

    def enter(_module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if start:
            return None
        h = inputs[0] if inputs else named["hidden_states"]
        start.append(h.detach().requires_grad_())
        return ((start[0], *inputs[1:]), named) if inputs else (inputs, named | {"hidden_states": start[0]})

    def leave(_module: Any, _inputs: Any, output: Any) -> None:
        states.append((output[0] if isinstance(output, tuple) else output)[0])

    def context(_module: Any, inputs: tuple[Any, ...]) -> None:
        contexts.append(inputs[0][0])

    hooks = [modules[0].register_forward_pre_hook(enter, with_kwargs=True)]
    for module in modules:
        hooks.append(module.register_forward_hook(leave))
        hooks.append(module.get_submodule(places.projection).register_forward_pre_hook(context))
    words = model.get_input_embeddings()(torch.tensor([question.ids]))
    named = {"token_type_ids": torch.tensor([question.types])} if question.types else {}
    attentions = model(inputs_embeds=words, output_attentions=True, **named).attentions
    for hook in hooks:
        hook.remove()
    return Caught(start[0], contexts, states, [p[0].detach() for p in attentions])


def jacobian_norms(
    caught: Caught, heads: int, *, times_input: bool = False
) -> tuple[list[Tensor], list[Tensor]]:
    """Return |do_i/dx_j| by layer, of heads [A, N, N] and states [N, N], one backward pass a unit."""
    weight = caught.start[0].detach() if times_input else torch.ones_like(caught.start[0])

    def norms(rows: Tensor) -> Tensor:
        return torch.stack([_norm_of(row, caught.start, weight) for row in rows])

    by_head = [
        torch.stack([norms(head) for head in c.unflatten(-1, (heads, -1)).unbind(1)]) for c in caught.contexts
    ]
    return by_head, [norms(h) for h in caught.states]


def _norm_of(row: Tensor, start: Tensor, weight: Tensor) -> Tensor:
    units = torch.eye(len(row), dtype=row.dtype)
    (jacobian,) = torch.autograd.grad(
        row, start, units, retain_graph=True, is_grads_batched=True, allow_unused=True
    )
    return (jacobian[:, 0] * weight).square().sum((0, 2)).sqrt()


def shares(norms: Tensor) -> Tensor:
    return norms / norms.sum(-1, keepdim=True)
