"""Quantities of interest and their gradients by autograd through a model of transformers alone."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.oracle import FAMILIES


@dataclass(frozen=True)
class Line:
    """A sentence between two points, in words or in what enters the first layer: [N, E] each."""

    module: Any
    sentence: Encoded
    at: str
    is_probability: bool
    start: Tensor
    end: Tensor

    @classmethod
    def of(
        cls,
        module: Any,
        sentence: Encoded,
        baseline: Tensor,
        at: str,
        *,
        is_probability: bool,
        holds_first: bool,
    ) -> "Line":
        end = module.get_input_embeddings()(torch.tensor(sentence.ids))
        start = baseline.expand_as(end).clone()
        start[:1] = end[:1] if holds_first else start[:1]
        if at == "input":
            start, end = (_entering(module, sentence, words) for words in (start, end))
        return cls(module, sentence, at, is_probability, start, end)

    def qoi(self, points: Tensor) -> Tensor:
        """Return the QoI [S] at points [S, N, E]."""
        if self.at == "word":
            logits = self.module(inputs_embeds=points).logits
        else:
            hook = _first_layer(self.module).register_forward_pre_hook(
                lambda _module, inputs, named: (
                    ((points, *inputs[1:]), named) if inputs else (inputs, named | {"hidden_states": points})
                ),
                with_kwargs=True,
            )
            logits = self.module(inputs_embeds=_words(self.module, self.sentence, len(points))).logits
            hook.remove()
        read = logits if logits.dim() == 2 else logits[:, self.sentence.target]
        first, second = self._decided()
        value: Tensor = (
            read.softmax(-1)[:, first] if self.is_probability else read[:, first] - read[:, second]
        )
        return value

    def gradients(self, points: Tensor) -> Tensor:
        """Return the QoI's gradient at each point, [S, N, E]."""
        points = points.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.qoi(points).sum(), points)
        return gradient

    @torch.no_grad()
    def _decided(self) -> tuple[int, int]:
        """Return the two logits: of a sentence without a label, the largest and the next at the text."""
        asked = self.sentence.qoi_logits
        if min(asked) >= 0:
            return asked
        scores = self.module(inputs_embeds=_words(self.module, self.sentence, 1)).logits[0]
        order = scores.argsort(descending=True).tolist()
        first = order[0] if asked[0] < 0 else asked[0]
        return first, next(one for one in order if one != first)


def _words(module: Any, sentence: Encoded, rows: int) -> Tensor:
    words: Tensor = module.get_input_embeddings()(torch.tensor(sentence.ids))
    return words.expand(rows, -1, -1)


def _first_layer(module: Any) -> Any:
    return module.get_submodule(FAMILIES[module.config.model_type].layers)[0]


@torch.no_grad()
def _entering(module: Any, sentence: Encoded, words: Tensor) -> Tensor:
    """Return what enters the first layer [N, H] for words [N, E]."""
    caught: list[Tensor] = []
    hook = _first_layer(module).register_forward_pre_hook(
        lambda _module, inputs, named: caught.append(inputs[0] if inputs else named["hidden_states"]),
        with_kwargs=True,
    )
    module(inputs_embeds=words[None])
    hook.remove()
    return caught[0][0]
