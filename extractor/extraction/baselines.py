"""Where the words' paths start: baselines by name, and whether a model has them."""

from collections.abc import Callable

import torch
from torch import Tensor

from ipgraph.extractor.methods.settings import BASELINES, PIECE
from ipgraph.extractor.models.loading import LoadedModel, Model
from ipgraph.graphstore.common.errors import UsageError, unknown


def check(name: str) -> None:
    """Raise UsageError for a baseline that no model has."""
    if name not in BASELINES and not name.startswith(PIECE):
        raise unknown("baseline", name, BASELINES)


def resolve(model: Model, name: str | None) -> str:
    """Return a baseline as it is called for a model, a piece as its vocabulary has it.

    By default it is "mask" where there is such a token, else "mean". Raises UsageError where the model lacks
    it, or where influences from it mean nothing.
    """
    if name is None:
        return "mean" if model.tokenizer.mask_token_id is None else "mask"
    if name.startswith(PIECE):
        piece = _piece(model, name.removeprefix(PIECE))
        return PIECE + str(model.tokenizer.convert_ids_to_tokens(piece))
    if name == "zero" and (reason := _against_zero(model)):
        raise UsageError(
            f"the zero baseline is refused for model {model.name!r}: {reason}; use 'mean' or 'token:PIECE'"
        )
    embedding(model, name)
    return name


def embedding(model: Model, name: str) -> Tensor:
    """Return the baseline [E] of a name that `resolve` returned."""
    if name.startswith(PIECE):
        return _words(model, _piece(model, name.removeprefix(PIECE)))
    return _EMBEDDINGS[name](model)


@torch.no_grad()
def _words(model: Model, pieces: int | Tensor) -> Tensor:
    """Return the embeddings of pieces of the vocabulary, [..., E], as the model takes them.

    Those of an encoder-decoder are its encoder's. Some models (BART) scale them in the module itself.
    """
    numbers = torch.as_tensor(pieces, device=model.device)
    embeddings: Tensor = (
        model.adapter.words[numbers]
        if isinstance(model, LoadedModel)
        else model.module.get_input_embeddings()(numbers)
    )
    return embeddings


def _piece(model: Model, piece: str) -> int:
    """Return the number of a piece of the vocabulary, named as it is there or by its text."""
    tokenizer = model.tokenizer
    number = tokenizer.get_vocab().get(piece)
    found = [number] if number is not None else tokenizer(piece, add_special_tokens=False)["input_ids"]
    is_unknown = number is None and found == [tokenizer.unk_token_id]
    if len(found) != 1 or is_unknown or found[0] >= model.vocabulary:
        raise UsageError(f"{piece!r} is not one piece of the vocabulary of model {model.name!r}")
    return int(found[0])


def _against_zero(model: Model) -> str:
    """Return why words' paths cannot start at zero; "" where positions or types are added to words."""
    if not isinstance(model, LoadedModel):
        return "it is not known whether anything is added to its words' embeddings"
    types = torch.zeros(1, 2, dtype=torch.long, device=model.device)
    if model.adapter.offset(types).any():
        return ""
    return "nothing is added to its words' embeddings, and the slope of a norm near zero has no bound"


def _mean(model: Model) -> Tensor:
    some = torch.arange(model.vocabulary, device=model.device).split(8192)  # a copy of all may not fit
    parts = [_words(model, pieces).sum(0, dtype=torch.float64) for pieces in some]
    return (torch.stack(parts).sum(0) / model.vocabulary).to(model.dtype)


def _special(token: str) -> Callable[[Model], Tensor]:
    def vector(model: Model) -> Tensor:
        index = getattr(model.tokenizer, f"{token}_token_id")
        if index is None or index >= model.vocabulary:
            raise UsageError(f"the tokenizer of model {model.name!r} has no {token} token to start from")
        return _words(model, index)

    return vector


_EMBEDDINGS: dict[str, Callable[[Model], Tensor]] = {
    "mask": _special("mask"),
    "mean": _mean,
    "pad": _special("pad"),
    "zero": lambda model: torch.zeros_like(_words(model, 0)),
}
