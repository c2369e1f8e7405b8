"""The forms that the QoI compares, as pieces of the vocabulary that would stand in the text."""

from functools import cache
from typing import Any

from ipgraph.extractor.datasets.rows import BadRow
from ipgraph.extractor.datasets.words import shared_start
from ipgraph.extractor.models.pieces import Pieces
from ipgraph.graphstore.common.errors import unknown
from ipgraph.graphstore.schema.records import Instance

ANSWERS = {
    "single-piece": "each form must be one piece of the model's vocabulary",
    "first-difference": "the pieces that both forms begin with stand before [MASK], the next ones compete",
}
"""How the two forms are compared."""


def rule_of(task: str, rule: str | None) -> str:
    """Return the rule that a model of a task is asked by: None is the usual one."""
    return rule or ("first-difference" if task in ("causal-lm", "seq2seq") else "single-piece")


class Answers:
    """What one rule makes of forms, and what it has looked up of the tokenizer."""

    def __init__(self, tokenizer: Any, vocabulary: int, rule: str):
        """Take a rule of ANSWERS; the model has embeddings of `vocabulary` pieces."""
        if rule not in ANSWERS:
            raise unknown("answers", rule, ANSWERS)
        self._tokenizer, self._vocabulary, self._rule = tokenizer, vocabulary, rule
        self._special = set(tokenizer.all_special_ids)
        self._pieces = cache(self._look_up)

    def compared(self, instance: Instance, before: str) -> tuple[list[int], tuple[int, int]]:
        """Return the pieces that stand before [MASK], and those whose logits' difference is the QoI.

        `before` is the text before [MASK]. Raises BadRow for forms that cannot be compared.
        """
        word = before.split()[-1] if before.strip() else ""
        space = before[len(before.rstrip()) :]
        forms = {"correct": instance.correct, "wrong": instance.wrong}
        correct, wrong = (self._known(which, form, word, space) for which, form in forms.items())
        shared = shared_start(correct, wrong)
        if correct == wrong:
            raise self._same(instance, correct)
        if shared in (len(correct), len(wrong)):
            raise BadRow(
                "the pieces of one form begin those of the other: {!r} is {}, {!r} is {}",
                instance.correct,
                self._spelt(correct),
                instance.wrong,
                self._spelt(wrong),
            )
        return correct[:shared], (correct[shared], wrong[shared])

    def diverging(
        self, instance: Instance, good: Pieces, bad: Pieces, before: int
    ) -> tuple[int, tuple[int, int]]:
        """Return how many pieces two continuations begin with, and the next pieces, whose logits compete.

        `before` counts the characters of the text before both. Raises BadRow where they cannot be compared.
        """
        shared = shared_start(good.ids, bad.ids)
        if good.ids == bad.ids:
            raise self._same(
                instance, [id_ for id_, (_, end) in zip(good.ids, good.spans, strict=True) if end > before]
            )
        forms = {"correct": (instance.correct, good), "wrong": (instance.wrong, bad)}
        for which, (form, pieces) in forms.items():
            if shared == len(pieces.ids) or pieces.sentences[shared] is None:
                raise BadRow("the {} form {!r} has no piece where the other goes on", which, form)
            size = len(form.split()[0])
            spans = zip(pieces.spans, pieces.sentences, strict=True)
            own = (span for span, sentence in spans if sentence == pieces.sentences[shared])
            word = sum(end > before and start < before + size for start, end in own)
            if self._rule == "single-piece" and word > 1:
                raise BadRow(
                    "the {} form {!r} is {} pieces; it must be a single known piece", which, form, word
                )
            if not self._is_known(pieces.ids[shared]):
                raise BadRow(
                    "the {} form {!r} is not in the model's vocabulary; it must be known pieces", which, form
                )
        if shared < 2 or all(sentence is None for sentence in good.sentences[:shared]):
            raise BadRow(
                "fewer than 2 pieces stand before the answer, and a decoder's first has no influence"
            )
        return shared, (good.ids[shared], bad.ids[shared])

    def _same(self, instance: Instance, pieces: list[int]) -> BadRow:
        return BadRow(
            "the correct form {!r} and the wrong form {!r} are the same {} to the model, so their logits "
            "never differ",
            instance.correct,
            instance.wrong,
            self._spelt(pieces),
        )

    def _is_known(self, piece: int) -> bool:
        return piece < self._vocabulary and piece not in self._special

    def _known(self, which: str, form: str, word: str, space: str) -> list[int]:
        pieces = self._pieces(form, word, space)
        is_known = all(map(self._is_known, pieces))
        is_single = self._rule == "single-piece"
        needed = "a single known piece" if is_single else "known pieces"
        if not pieces or (is_single and len(pieces) > 1):
            raise BadRow("the {} form {!r} is {} pieces; it must be " + needed, which, form, len(pieces))
        if not is_known:
            raise BadRow(
                "the {} form {!r} is not in the model's vocabulary; it must be " + needed, which, form
            )
        return pieces

    def _look_up(self, form: str, word: str, space: str) -> list[int]:
        """Return the pieces of a form after a word and a space, inside a word, or at the start."""
        # The text before [MASK] is cut already: a piece that joins the form to it cannot stand there.
        for left in dict.fromkeys((word, word[-1:], self._tokenizer.mask_token) if word else ()):
            if pieces := self._after(left, space + form):
                return pieces
        return self._after("", form)

    def _after(self, left: str, form: str) -> list[int]:
        """Return the pieces of a form after what is left of it; none where a piece joins them."""
        (read,) = self._tokenizer([left + form], add_special_tokens=False).encodings
        at = len(left)
        spans = zip(read.ids, read.offsets, strict=True)
        pieces = [(piece, start) for piece, (start, end) in spans if end > at or not left]
        return [piece for piece, _ in pieces] if all(start >= at for _, start in pieces) else []

    def _spelt(self, pieces: list[int]) -> str:
        tokens = self._tokenizer.convert_ids_to_tokens(pieces)
        return f"{'piece' if len(tokens) == 1 else 'pieces'} {' '.join(tokens)!r}"
