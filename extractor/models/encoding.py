"""Examples turned into what a model reads: tokens, target, the QoI's classes, each piece's word and role."""

from collections.abc import Sequence
from dataclasses import dataclass

from ipgraph.extractor.datasets import MASK, Example, Skipped
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.labels import MAX_POSITION
from ipgraph.graphstore.schema.records import Instance

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as the model sees it; lists run over positions."""

    instance: Instance
    ids: list[int]
    tokens: list[str]
    words: list[str]
    word_indices: list[int]
    roles: list[str]
    target: int
    qoi_logits: tuple[int, int]  # whose difference is the QoI; -1 is decided at the input


def encode(
    model: LoadedModel,
    examples: Sequence[Example],
    *,
    qoi: str = "correct-wrong",
    allow_unk: bool = False,
    max_tokens: int | None = None,
) -> tuple[list[Encoded], list[Skipped]]:
    """Return the examples that the model can read, in order, and those that it cannot, with the reason.

    `qoi` decides the logits, `allow_unk` keeps unknown words, `max_tokens` counts [CLS] and [SEP]. A role
    belongs to a whitespace word; every piece inherits it.
    """
    encoded, skipped = [], []
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH]
        mask = model.tokenizer.mask_token or MASK
        texts = [[mask if w == MASK else w for w in _words(e)] for e in batch]
        pieces = model.tokenizer(texts, is_split_into_words=True, add_special_tokens=True)
        for index, example in enumerate(batch):
            ids, places = pieces["input_ids"][index], pieces.word_ids(index)
            try:
                _require_length(model, ids, max_tokens)
                _require_known(model, example, ids, places, allow_unk)
                encoded.append(_encode(model, example, ids, places, qoi))
            except UsageError as error:
                skipped.append(Skipped(example.where, str(error)))
    return encoded, skipped


def _words(example: Example) -> list[str]:
    return example.instance.text.split()


def _encode(
    model: LoadedModel, example: Example, ids: list[int], places: list[int | None], qoi: str
) -> Encoded:
    words = _words(example)
    tokens = model.tokenizer.convert_ids_to_tokens(ids)
    target, qoi_logits = _target(model, example.instance, ids, qoi)
    return Encoded(
        instance=example.instance,
        ids=ids,
        tokens=tokens,
        words=[t if p is None else words[p] for t, p in zip(tokens, places, strict=True)],
        word_indices=[-1 if p is None else p for p in places],
        roles=[_role(model, example, i, p) for i, p in zip(ids, places, strict=True)],
        target=target,
        qoi_logits=qoi_logits,
    )


def _role(model: LoadedModel, example: Example, token: int, place: int | None) -> str:
    if place is None:
        return "cls" if token == model.tokenizer.cls_token_id else "sep"
    if model.task == "masked-lm" and token == model.tokenizer.mask_token_id:
        return "target"
    if example.roles:
        return example.roles[place]
    return "other" if any(c.isalnum() for c in _words(example)[place]) else "punct"


def _target(model: LoadedModel, instance: Instance, ids: list[int], qoi: str) -> tuple[int, tuple[int, int]]:
    """Return the target's position and the two logits of the QoI."""
    if model.task == "classifier":
        if instance.label >= model.classes:
            raise UsageError(f"label {instance.label} is not one of the model's {model.classes} classes")
        return 0, (1, 0) if qoi == "positive-negative" else (instance.label, -1)
    masks = [p for p, token in enumerate(ids) if token == model.tokenizer.mask_token_id]
    if len(masks) != 1:
        raise UsageError(f"the text has {len(masks)} {MASK}; it needs exactly one")
    correct, wrong = (_piece(model, which, getattr(instance, which)) for which in ("correct", "wrong"))
    if correct == wrong:
        piece = model.tokenizer.convert_ids_to_tokens(correct)
        raise UsageError(
            f"the correct form {instance.correct!r} and the wrong form {instance.wrong!r} are the same piece "
            f"{piece!r} to the model, so their logits never differ"
        )
    return masks[0], (correct, wrong)


def _piece(model: LoadedModel, which: str, form: str) -> int:
    pieces: list[int] = model.tokenizer(form, add_special_tokens=False)["input_ids"]
    is_known = pieces and pieces[0] != model.tokenizer.unk_token_id and pieces[0] < len(model.adapter.words)
    if len(pieces) != 1 or not is_known:
        fault = "not in the model's vocabulary" if len(pieces) == 1 else f"{len(pieces)} pieces"
        raise UsageError(f"the {which} form {form!r} is {fault}; it must be a single known piece")
    return pieces[0]


def _require_length(model: LoadedModel, ids: list[int], max_tokens: int | None) -> None:
    longest = min(model.adapter.max_positions, MAX_POSITION + 1)
    if len(ids) > longest:
        raise UsageError(f"{len(ids)} tokens with [CLS] and [SEP]; model {model.name} takes {longest}")
    if max_tokens is not None and len(ids) > max_tokens:
        raise UsageError(f"{len(ids)} tokens with [CLS] and [SEP]; at most {max_tokens} were asked for")


def _require_known(
    model: LoadedModel, example: Example, ids: list[int], places: list[int | None], allow_unk: bool
) -> None:
    pieces, size = list(zip(places, ids, strict=True)), len(model.adapter.words)
    unknown = [p for p, token in pieces if token == model.tokenizer.unk_token_id and not allow_unk]
    beyond = [p for p, token in pieces if token >= size]
    for places_of, advice in ((beyond, ""), (unknown, "; allow unknown words to keep such sentences")):
        if places_of:
            words = dict.fromkeys(
                "[CLS] or [SEP]" if p is None else repr(_words(example)[p]) for p in places_of
            )
            raise UsageError(f"not in the model's vocabulary: {', '.join(words)}{advice}")
