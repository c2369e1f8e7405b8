"""A text as the tokenizer cuts it, whole: its pieces, and which word each is of."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any

from ipgraph.extractor.datasets import MASK, Example
from ipgraph.extractor.datasets.words import is_spaceless
from ipgraph.graphstore.schema.records import Instance

_WORD = re.compile(r"\S+")
TARGET = "target"
"""The role of [MASK]."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What the tokenizer makes of a text or of two; lists run over positions."""

    ids: list[int]
    types: list[int]
    tokens: list[str]
    spans: list[tuple[int, int]]  # characters of the sentence that a piece is of
    sentences: list[int | None]  # 0 or 1; None of the tokens that the tokenizer adds
    sources: int = 0  # how many an encoder reads, before those of its decoder; 0 where there is one stack

    def first(self, count: int) -> "Pieces":
        """Return the first pieces."""
        lists = (field.name for field in fields(self) if field.name != "sources")
        return replace(self, **{name: getattr(self, name)[:count] for name in lists})


def cut(tokenizer: Any, examples: Sequence[Example]) -> Iterator[Pieces]:
    """Yield what the tokenizer makes of each example's text, or of its two."""
    for is_pair, group in groupby(examples, lambda example: bool(example.instance.second)):
        texts = [sentences_of(tokenizer, example) for example in group]
        columns = map(list, zip(*texts, strict=True)) if is_pair else [[text for (text,) in texts]]
        read = tokenizer(*columns, verbose=False)  # what is too long is said by us
        types = read.get("token_type_ids") or [[0] * len(ids) for ids in read["input_ids"]]
        for encoding, types_of_one in zip(read.encodings, types, strict=True):
            tokens = tokenizer.convert_ids_to_tokens(encoding.ids)
            yield Pieces(encoding.ids, types_of_one, tokens, encoding.offsets, encoding.sequence_ids)


def sentences_of(tokenizer: Any, example: Example) -> list[str]:
    """Return an example's text, and the second if it has one, with the tokenizer's own mask token."""
    texts = [example.instance.text, example.instance.second]
    return [text.replace(MASK, tokenizer.mask_token or MASK) for text in texts if text]


def cut_after(tokenizer: Any, examples: Sequence[Example]) -> Iterator[tuple[Example, Pieces, Pieces]]:
    """Yield each example with its correct form in place of [MASK] and what follows, and its pieces.

    The other pieces are those with the wrong form. Nothing of what follows is read by a causal model.
    """
    good, bad = ([_continued(e, form) for e in examples] for form in ("correct", "wrong"))
    yield from zip(good, cut(tokenizer, good), cut(tokenizer, bad), strict=True)


def cut_both(
    tokenizer: Any, examples: Sequence[Example], start: int
) -> Iterator[tuple[Example, Pieces, Pieces]]:
    """Yield the same for an encoder-decoder: in `second` and in the pieces, the text's continuation follows.

    `start` is the token that a decoder's input begins with.
    """
    good, bad = ([_continued(e, form) for e in examples] for form in ("correct", "wrong"))
    yield from zip(good, _joined(tokenizer, good, start), _joined(tokenizer, bad, start), strict=True)


def _joined(tokenizer: Any, examples: Sequence[Example], start: int) -> Iterator[Pieces]:
    """Yield each example's pieces: those of its text, the decoder's start, those of its second text."""
    texts, continued = ([getattr(e.instance, name) for e in examples] for name in ("text", "second"))
    sources = tokenizer(texts, verbose=False).encodings
    targets = tokenizer(text_target=continued, verbose=False).encodings
    for source, target in zip(sources, targets, strict=True):
        ids = [*source.ids, start, *target.ids]
        after = (None if sentence is None else 1 for sentence in target.sequence_ids)
        yield Pieces(
            ids,
            types=[0] * len(ids),
            tokens=tokenizer.convert_ids_to_tokens(ids),
            spans=[*source.offsets, (0, 0), *target.offsets],
            sentences=[*source.sequence_ids, None, *after],
            sources=len(source.ids),
        )


def _continued(example: Example, form: str) -> Example:
    """Return an example with a form for what it asks and what follows: in the text, or as its second text."""
    instance, before = example.instance, before_answer(example.instance)
    text = before + getattr(instance, form)
    # What the form begins with, where two forms share it, stands at the target's place.
    places, more = words_before(instance), len(text.split()) - len(before.split())
    roles = [*example.roles[:places], *[TARGET] * more] if example.roles else ()
    changed = {"second" if instance.continuation else "text": text}
    return replace(example, instance=replace(instance, **changed), roles=tuple(roles))


def before_answer(instance: Instance) -> str:
    """Return the text before the [MASK], of a continuation where there is one."""
    return asked(instance).partition(MASK)[0]


def words_before(instance: Instance) -> int:
    """Return how many words are before the [MASK], those that an encoder reads included."""
    read = instance.text.split() if instance.continuation else []
    return len(read) + len(before_answer(instance).split())


def asked(instance: Instance) -> str:
    """Return the text that has the [MASK]: the continuation, where there is one."""
    return instance.continuation or instance.text


class Words:
    """The words of an example's text, or of both: whitespace words, or pieces in a script without spaces.

    Where the example has roles its words are the whitespace words, whatever the script.
    """

    def __init__(self, tokenizer: Any, example: Example):
        """Find the whitespace words."""
        self._mask_token = tokenizer.mask_token or MASK
        self._texts = sentences_of(tokenizer, example)
        self._ends = [[match.end() for match in _WORD.finditer(text)] for text in self._texts]
        self.names = [word for text in self._texts for word in map(self._shown, text.split())]
        self._is_cut = [not example.roles and is_spaceless(word) for word in self.names]

    def places(self, pieces: Pieces) -> list[int | None]:
        """Return which whitespace word each piece is of, counted on through the second sentence.

        A piece over several words is of the first, one of whitespace alone is of the word that follows. None
        stands for tokens that the tokenizer adds.
        """
        placed = zip(pieces.sentences, pieces.spans, strict=True)
        return [None if sentence is None else self._place(sentence, span[0]) for sentence, span in placed]

    def _place(self, sentence: int, start: int) -> int:
        before, ends = sentence * len(self._ends[0]), self._ends[sentence]
        return before + min(bisect_right(ends, start), len(ends) - 1)

    def named(self, pieces: Pieces, places: Sequence[int | None]) -> tuple[list[int], list[str]]:
        """Return the number and the text of each piece's word; -1 and the token of added ones."""
        numbers, more, last, reached = list[int](), 0, None, 0
        for place, (start, end) in zip(places, pieces.spans, strict=True):
            # Pieces of one character (bytes) are one word.
            if place is not None and self._is_cut[place] and place == last and start >= reached:
                more += 1
            numbers.append(-1 if place is None else place + more)
            last, reached = place, end
        return numbers, self._texts_of(pieces, places, numbers)

    def _texts_of(self, pieces: Pieces, places: Sequence[int | None], numbers: list[int]) -> list[str]:
        spans: dict[int, tuple[int, int]] = {}
        for number, (start, end) in zip(numbers, pieces.spans, strict=True):
            first, reached = spans.get(number, (start, end))
            spans[number] = (min(first, start), max(reached, end))
        texts = []
        for position, (place, number) in enumerate(zip(places, numbers, strict=True)):
            if place is None:
                texts.append(pieces.tokens[position])
            elif self._is_cut[place]:
                text = self._texts[pieces.sentences[position] or 0][slice(*spans[number])]
                texts.append(self._shown(text.strip()) or pieces.tokens[position])
            else:
                texts.append(self.names[place])
        return texts

    def _shown(self, text: str) -> str:
        return text.replace(self._mask_token, MASK)
