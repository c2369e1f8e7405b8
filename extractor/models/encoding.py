"""Examples turned into what a model reads: tokens, target, the QoI's classes, each piece's word and role."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ipgraph.extractor.datasets import MASK, Example, Skipped
from ipgraph.extractor.datasets.rows import BadRow
from ipgraph.extractor.models.answers import Answers, rule_of
from ipgraph.extractor.models.classes import class_number
from ipgraph.extractor.models.loading import Model
from ipgraph.extractor.models.pieces import (
    TARGET,
    Pieces,
    Words,
    asked,
    before_answer,
    cut,
    cut_after,
    cut_both,
    sentences_of,
    words_before,
)
from ipgraph.extractor.models.qoi import logits_of
from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema.labels import MAX_POSITION
from ipgraph.graphstore.schema.records import Instance

_BATCH = 1000
_OF_THE_TARGET = ("types", "words", "word_indices", "roles")
"""What pieces written before the target have in common with it."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as the model sees it; lists run over positions, an encoder's before its decoder's."""

    instance: Instance
    ids: list[int]
    types: list[int]  # token types: which of a pair's sentences a piece is of
    tokens: list[str]
    words: list[str]
    word_indices: list[int]
    roles: list[str]
    target: int
    label: int  # the class that is right (classifier); -1 where none is known
    qoi_logits: tuple[int, int]  # whose difference is the QoI; see Batch
    sources: int = 0  # how many positions are the encoder's of an encoder-decoder; 0 where there is one stack

    def in_stack(self, position: int) -> tuple[int, int]:
        """Return a position's stack, as nodes have it, and its place there."""
        is_decoded = self.sources and position >= self.sources
        return (2, position - self.sources) if is_decoded else (1, position)


def encode(
    model: Model,
    examples: Sequence[Example],
    *,
    qoi: str = "correct-wrong",
    answers: str | None = None,
    allow_unk: bool = False,
    max_tokens: int | None = None,
) -> tuple[list[Encoded], list[Skipped]]:
    """Return the examples that the model can read, in order, and those that it cannot, with the reason.

    `qoi` decides the logits, `answers` how forms of several pieces are compared (see ANSWERS; by default as
    `rule_of` says), `allow_unk` keeps unknown words, `max_tokens` counts those that the tokenizer adds. A
    role belongs to a whitespace word; every piece inherits it.
    """
    encoder = _Encoder(model, qoi, answers, allow_unk, max_tokens)
    encoded, skipped = [], []
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH]
        for example, read in zip(batch, encoder.read(batch), strict=True):
            try:
                encoded.append(encoder.encode(example, *read))
            except BadRow as error:
                skipped.append(Skipped(example.where, str(error), error.kind))
            except UsageError as error:
                skipped.append(Skipped(example.where, str(error)))
    return encoded, skipped


def read_at(model: Model, ids: Sequence[int]) -> int:
    """Return the position that a classifier reads: the first, or the last that is not padding.

    A tokenizer may end a text with the token that serves as padding; transformers does not read that.
    """
    if model.reads == "first":
        return 0
    return max((position for position, token in enumerate(ids) if token != model.padding), default=0)


def _start_of(model: Model) -> int:
    """Return the token that an encoder-decoder's decoder begins with."""
    configs = (model.module.config, model.module.generation_config)
    tokens = (getattr(config, "decoder_start_token_id", None) for config in configs)
    start = next((token for token in tokens if token is not None), None)
    if start is None:
        raise UsageError(
            f"the config of model {model.name!r} does not say what its decoder's input begins with "
            "(decoder_start_token_id)"
        )
    return int(start)


class _Encoder:
    """What one call of `encode` asks of a model."""

    def __init__(self, model: Model, qoi: str, answers: str | None, allow_unk: bool, max_tokens: int | None):
        self.model, self.qoi, self.allow_unk, self.max_tokens = model, qoi, allow_unk, max_tokens
        self.mask, self.cls, self.bos, self.unk = (
            getattr(model.tokenizer, f"{token}_token_id") for token in ("mask", "cls", "bos", "unk")
        )
        self.padding = model.padding
        self.ends = {self.bos, self.unk, model.tokenizer.eos_token_id}  # some of them may serve as padding
        self.start = _start_of(model) if model.task == "seq2seq" else -1
        self.answers = Answers(model.tokenizer, model.vocabulary, rule_of(model.task, answers))

    def read(self, examples: Sequence[Example]) -> Iterator[tuple[Example, Pieces, Pieces | None]]:
        """Yield each example as it is read, with its pieces, where text is continued those of both forms."""
        if self.model.task == "causal-lm":
            return cut_after(self.model.tokenizer, examples)
        if self.model.task == "seq2seq":
            return cut_both(self.model.tokenizer, examples, self.start)
        return (
            (example, pieces, None)
            for example, pieces in zip(examples, cut(self.model.tokenizer, examples), strict=True)
        )

    def encode(self, example: Example, read: Example, pieces: Pieces, other: Pieces | None) -> Encoded:
        """Return an example as the model sees it; raises UsageError for one that it cannot read."""
        if self.model.task == "seq2seq" and not example.instance.continuation:
            raise UsageError("there is no continuation, the text of an encoder-decoder's decoder")
        words = Words(self.model.tokenizer, read)
        places = self._places(example, words, pieces)
        shared: list[int] = []
        if other is not None:
            pieces, qoi_logits = self._before_the_answer(example, pieces, other)
            target, places = len(pieces.ids) - 1, places[: len(pieces.ids)]
        self._require_types(pieces.types)
        numbers, names = words.named(pieces, places)
        self._require_known(pieces.ids, numbers, names)
        if other is None:
            shared, target, qoi_logits = self._target(example, pieces.ids)
        else:
            names = _with_mask(example, places, names)
        encoded = Encoded(
            instance=example.instance,
            ids=pieces.ids,
            types=pieces.types,
            tokens=pieces.tokens,
            words=names,
            word_indices=numbers,
            roles=self._roles(read, pieces, places, names),
            target=target,
            label=self._label(example.instance),
            qoi_logits=qoi_logits,
            sources=pieces.sources,
        )
        encoded = self._with_shared(encoded, shared) if shared else encoded
        self._require_length(encoded)
        return encoded

    def _places(self, example: Example, words: Words, pieces: Pieces) -> list[int | None]:
        if not words.names or all(sentence is None for sentence in pieces.sentences):
            raise UsageError("the tokenizer finds no piece in the text")
        instance = example.instance
        count = len(f"{instance.text} {instance.second} {instance.continuation}".split())
        if example.roles and len(example.roles) != count:
            raise UsageError(
                f"there are {len(example.roles)} roles for {count} whitespace words; each word needs one"
            )
        return words.places(pieces)

    def _before_the_answer(
        self, example: Example, good: Pieces, bad: Pieces
    ) -> tuple[Pieces, tuple[int, int]]:
        """Return the pieces that both continuations begin with, and the two that compete after them."""
        self._require_mask(asked(example.instance).count(MASK))
        before = len(before_answer(example.instance))
        size, qoi_logits = self.answers.diverging(example.instance, good, bad, before)
        return good.first(size), qoi_logits

    def _roles(
        self, example: Example, pieces: Pieces, places: Sequence[int | None], names: Sequence[str]
    ) -> list[str]:
        roles = [self._role(example, *piece) for piece in zip(pieces.ids, places, names, strict=True)]
        if pieces.sources:
            roles[pieces.sources] = "bos"
        return roles

    def _role(self, example: Example, token: int, place: int | None, word: str) -> str:
        if place is None:
            if self.model.reads == "last" and token == self.bos:
                return "bos"
            return "cls" if token == self.cls else "sep"
        if self.model.task == "masked-lm" and token == self.mask:
            return TARGET
        if example.roles:
            return example.roles[place]
        return "other" if any(c.isalnum() for c in word) else "punct"

    def _target(self, example: Example, ids: list[int]) -> tuple[list[int], int, tuple[int, int]]:
        """Return the pieces to write before the target, its position, and the two logits of the QoI."""
        instance = example.instance
        if self.model.task == "classifier":
            return [], read_at(self.model, ids), logits_of(self.model, self.qoi, self._label(instance))
        masks = [position for position, token in enumerate(ids) if token == self.mask]
        self._require_mask(len(masks))
        mask_token = self.model.tokenizer.mask_token
        (text,) = (text for text in sentences_of(self.model.tokenizer, example) if mask_token in text)
        shared, qoi_logits = self.answers.compared(instance, text.partition(mask_token)[0])
        return shared, masks[0], qoi_logits

    def _require_mask(self, masks: int) -> None:
        if masks != 1:
            raise UsageError(f"the text has {masks} {MASK}; it needs exactly one")

    def _with_shared(self, encoded: Encoded, shared: list[int]) -> Encoded:
        """Return an example with the pieces that both forms begin with before its target."""
        at, more = encoded.target, len(shared)
        tokens = self.model.tokenizer.convert_ids_to_tokens(shared)
        inserted: dict[str, list[Any]] = {"ids": shared, "tokens": tokens}
        inserted |= {name: getattr(encoded, name)[at : at + 1] * more for name in _OF_THE_TARGET}
        changed: dict[str, Any] = {name: list(getattr(encoded, name)) for name in inserted}
        for name, items in inserted.items():
            changed[name][at:at] = items
        return replace(encoded, **changed, target=at + more)

    def _label(self, instance: Instance) -> int:
        """Return the number of an instance's class; -1 where it has none, or the model none that is right."""
        model = self.model
        if not model.classes or model.outputs != "exclusive":
            return -1
        is_known = instance.label_name.casefold() in map(str.casefold, model.classes)
        # A name beside a number (ClassLabel) says nothing to a model whose classes are LABEL_0, ...
        if instance.label_name and (is_known or instance.label < 0):
            return class_number(model.classes, instance.label_name, "label", f"of model {model.name!r}")
        if instance.label >= len(model.classes):
            raise UsageError(
                f"label {instance.label} is not one of the model's {len(model.classes)} classes "
                f"({', '.join(model.classes)})"
            )
        return instance.label

    def _require_length(self, encoded: Encoded) -> None:
        count, longest = len(encoded.ids), min(self.model.max_positions, MAX_POSITION + 1)
        if (stack := max(encoded.sources, count - encoded.sources)) > longest:
            raise BadRow("{} tokens, added ones included; the model takes {}", stack, longest)
        if self.max_tokens is not None and count > self.max_tokens:
            raise BadRow(f"{{}} tokens, added ones included; at most {self.max_tokens} are taken", count)

    def _require_types(self, types: list[int]) -> None:
        known = getattr(self.model.module.config, "type_vocab_size", None)
        if known is not None and max(types) >= max(known, 1):
            raise UsageError(f"model {self.model.name} has {known} token type; a pair needs {max(types) + 1}")

    def _require_known(self, ids: list[int], numbers: list[int], names: list[str]) -> None:
        pieces = list(zip(ids, numbers, names, strict=True))
        written = [piece for piece in pieces if piece[1] >= 0]  # what is added may be the same token
        unknown = [piece for piece in written if piece[0] == self.unk and not self.allow_unk]
        is_read = self.model.task == "causal-lm" and self.padding in self.ends
        if not is_read and any(token == self.padding for token, _, _ in written):
            raise BadRow("the text contains the padding token, which the model does not read; leave it out")
        beyond = [piece for piece in pieces if piece[0] >= self.model.vocabulary]
        for refused, advice in ((beyond, ""), (unknown, "; allow unknown words to keep such sentences")):
            if refused:
                words = ("an added token" if number < 0 else repr(name) for _, number, name in refused)
                raise BadRow("not in the model's vocabulary: {}" + advice, ", ".join(dict.fromkeys(words)))
        first, is_added = pieces[0][0], pieces[0][1] < 0
        if is_added and (again := [name for token, _, name in written if token == first]):
            reason = "the text contains {!r}, which the tokenizer puts first itself; leave it out"
            raise BadRow(reason, again[0])


def _with_mask(example: Example, places: Sequence[int | None], names: Sequence[str]) -> list[str]:
    """Return the pieces' words with [MASK] for the form, of which no name may tell."""
    before, form = before_answer(example.instance), example.instance.correct
    first = words_before(example.instance)
    joined = before.split()[-1:] if before == before.rstrip() else []
    renamed = {word + form.split()[0]: word + MASK for word in joined}

    def shown(place: int | None, name: str) -> str:
        if place is None or place < first - 1:
            return name
        return MASK if place >= first else renamed.get(name, name)

    return [shown(place, name) for place, name in zip(places, names, strict=True)]
