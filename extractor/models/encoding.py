"""Examples turned into what a model reads: tokens, target, the QoI's classes, each piece's word and role."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ipgraph.extractor.datasets import MASK, Example, Skipped
from ipgraph.extractor.datasets.rows import BadRow
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
    types: list[int]  # token types: which of a pair's sentences a piece is of
    tokens: list[str]
    words: list[str]
    word_indices: list[int]
    roles: list[str]
    target: int
    label: int  # the class that is right (classifier); -1 where none is known
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
    encoder = _Encoder(model, qoi, allow_unk, max_tokens)
    encoded, skipped = [], []
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH]
        texts = [encoder.text(example) for example in batch]
        pieces = model.tokenizer(texts, is_split_into_words=True, add_special_tokens=True)
        for index, example in enumerate(batch):
            try:
                encoded.append(encoder.encode(example, pieces["input_ids"][index], pieces.word_ids(index)))
            except BadRow as error:
                skipped.append(Skipped(example.where, str(error), error.kind))
            except UsageError as error:
                skipped.append(Skipped(example.where, str(error)))
    return encoded, skipped


class _Encoder:
    """What one call of `encode` asks of a model, and what it has looked up of its tokenizer."""

    def __init__(self, model: LoadedModel, qoi: str, allow_unk: bool, max_tokens: int | None):
        self.model, self.qoi, self.allow_unk, self.max_tokens = model, qoi, allow_unk, max_tokens
        tokenizer = model.tokenizer
        self.mask, self.cls, self.unk = (
            getattr(tokenizer, f"{token}_token_id") for token in ("mask", "cls", "unk")
        )
        self.mask_token = tokenizer.mask_token or MASK
        self.vocabulary = len(model.adapter.words)
        self.pieces_of = cache(lambda form: tuple(tokenizer(form, add_special_tokens=False)["input_ids"]))

    def text(self, example: Example) -> list[str]:
        """Return an example's words as the tokenizer takes them."""
        return [self.mask_token if word == MASK else word for word in _words(example)]

    def encode(self, example: Example, ids: list[int], places: list[int | None]) -> Encoded:
        """Return an example as the model sees it; raises UsageError for one that it cannot read."""
        self._require_length(ids)
        self._require_known(example, ids, places)
        words = _words(example)
        tokens = self.model.tokenizer.convert_ids_to_tokens(ids)
        target, qoi_logits = self._target(example.instance, ids)
        return Encoded(
            instance=example.instance,
            ids=ids,
            types=[0] * len(ids),
            tokens=tokens,
            words=[t if p is None else words[p] for t, p in zip(tokens, places, strict=True)],
            word_indices=[-1 if p is None else p for p in places],
            roles=[self._role(example, i, p) for i, p in zip(ids, places, strict=True)],
            target=target,
            label=example.instance.label,
            qoi_logits=qoi_logits,
        )

    def _role(self, example: Example, token: int, place: int | None) -> str:
        if place is None:
            return "cls" if token == self.cls else "sep"
        if self.model.task == "masked-lm" and token == self.mask:
            return "target"
        if example.roles:
            return example.roles[place]
        return "other" if any(c.isalnum() for c in _words(example)[place]) else "punct"

    def _target(self, instance: Instance, ids: list[int]) -> tuple[int, tuple[int, int]]:
        """Return the target's position and the two logits of the QoI."""
        if self.model.task == "classifier":
            if instance.label >= len(self.model.classes):
                raise UsageError(
                    f"label {instance.label} is not one of the model's {len(self.model.classes)} classes"
                )
            return 0, (1, 0) if self.qoi == "positive-negative" else (instance.label, -1)
        masks = [position for position, token in enumerate(ids) if token == self.mask]
        if len(masks) != 1:
            raise UsageError(f"the text has {len(masks)} {MASK}; it needs exactly one")
        correct, wrong = self._piece("correct", instance.correct), self._piece("wrong", instance.wrong)
        if correct == wrong:
            piece = self.model.tokenizer.convert_ids_to_tokens(correct)
            raise BadRow(
                "the correct form {!r} and the wrong form {!r} are the same piece {!r} to the model, so "
                "their logits never differ",
                instance.correct,
                instance.wrong,
                piece,
            )
        return masks[0], (correct, wrong)

    def _piece(self, which: str, form: str) -> int:
        pieces: tuple[int, ...] = self.pieces_of(form)
        is_known = pieces and pieces[0] != self.unk and pieces[0] < self.vocabulary
        if len(pieces) != 1 or not is_known:
            remedy = "it must be a single known piece"
            if len(pieces) == 1:
                raise BadRow("the {} form {!r} is not in the model's vocabulary; " + remedy, which, form)
            raise BadRow("the {} form {!r} is {} pieces; " + remedy, which, form, len(pieces))
        return pieces[0]

    def _require_length(self, ids: list[int]) -> None:
        longest = min(self.model.adapter.max_positions, MAX_POSITION + 1)
        if len(ids) > longest:
            raise BadRow("{} tokens with [CLS] and [SEP]; the model takes {}", len(ids), longest)
        if self.max_tokens is not None and len(ids) > self.max_tokens:
            raise BadRow(
                f"{{}} tokens with [CLS] and [SEP]; at most {self.max_tokens} were asked for", len(ids)
            )

    def _require_known(self, example: Example, ids: list[int], places: list[int | None]) -> None:
        pieces = list(zip(places, ids, strict=True))
        unknown = [place for place, token in pieces if token == self.unk and not self.allow_unk]
        beyond = [place for place, token in pieces if token >= self.vocabulary]
        for refused, advice in ((beyond, ""), (unknown, "; allow unknown words to keep such sentences")):
            if refused:
                names = ("[CLS] or [SEP]" if p is None else repr(_words(example)[p]) for p in refused)
                raise BadRow("not in the model's vocabulary: {}" + advice, ", ".join(dict.fromkeys(names)))


def _words(example: Example) -> list[str]:
    return example.instance.text.split()
