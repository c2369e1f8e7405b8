"""Whitespace words of a sentence: punctuation split off, a final full stop added, roles kept.

Words in a script that is written without spaces stay as they are, and no space is put into them.
Case stays as written; the tokenizer decides whether to lowercase.
"""

import re
from collections.abc import Sequence
from itertools import takewhile

from ipgraph.extractor.datasets.example import MASK
from ipgraph.extractor.datasets.rows import BadRow
from ipgraph.graphstore.schema.labels import ROLE_WIDTH

PUNCT = "punct"
"""The role of punctuation that is split off or added."""

# Apostrophes and hyphens are not included: they belong to their words (it 's, farmers', twenty-three).
_MARKS = r"""[.,;:!?"()\[\]{}“”„«»…؟؛،।॥۔]"""
_HAS_MARK = re.compile(_MARKS)
_WORD = re.compile(rf"({_MARKS}*?)({re.escape(MASK)}|(?!{_MARKS}).*?)({_MARKS}*)", re.DOTALL)
_END = re.compile(rf"{_MARKS}*[.!?…؟।॥۔]{_MARKS}*")
# Thai to Tibetan, Myanmar, Khmer, Tai; Chinese and Japanese with their punctuation and full-width forms.
_SPACELESS = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\u2e80-\u30ff\u3105-\u312f\u31a0-\ua4cf\ua9e0-\ua9ff"
    "\uaa60-\uaadf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_ROLE = re.compile(rf"[!-~]{{0,{ROLE_WIDTH - 1}}}[!-\-/-~]")

Words = tuple[list[str], list[str]]
"""Words and their roles, one per word; no roles if the row has none."""


def shared_start(one: Sequence[object], other: Sequence[object]) -> int:
    """Return how many items two sequences begin with in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def is_spaceless(word: str) -> bool:
    """Tell whether a whitespace word is in a script that is written without spaces between words."""
    letters = [character for character in word.replace(MASK, "") if character.isalnum()]
    is_written_so = not letters or any(map(_SPACELESS.match, letters))
    return is_written_so and _SPACELESS.search(word) is not None


def split_words(text: str, roles: Sequence[str] = ()) -> Words:
    """Return a sentence's words with punctuation as words of its own, and a final `.` if it does not end.

    A word with characters of a script without spaces is not split, and a sentence that ends in one ends.

    `roles` belong to the whitespace words of `text`; what is split off or added gets the role `punct`.
    Raises BadRow if their number differs or [MASK] is part of a longer word.
    """
    words = text.split()
    check_count(words, roles)
    if _HAS_MARK.search(text):
        words, roles = _split(words, roles)
    if words and not _END.fullmatch(words[-1]) and not _SPACELESS.search(words[-1]):
        return [*words, "."], [*roles, PUNCT] if roles else []
    return words, list(roles)


def _split(words: list[str], roles: Sequence[str]) -> Words:
    parts, part_roles = [], []
    for index, word in enumerate(words):
        pieces = _pieces(word)
        parts += [piece for piece, _ in pieces]
        if roles:
            part_roles += [roles[index] if is_core else PUNCT for _, is_core in pieces]
    return parts, part_roles


def _pieces(word: str) -> list[tuple[str, bool]]:
    """Return a word's leading marks, core and trailing marks, and which of them is the core."""
    if is_spaceless(word):
        return [(word, True)]
    match = _WORD.fullmatch(word)
    before, core, after = match.groups() if match else ("", word, "")
    if not core:
        return [(word, True)]
    if MASK in word and core != MASK:
        raise BadRow("[MASK] is part of the word {!r}; it must be a word of its own", word)
    if _SPACELESS.search(word):
        return [(word, True)]
    return [(piece, piece is core) for piece in (before, core, after) if piece]


def check_count(words: Sequence[str], roles: Sequence[str]) -> None:
    """Raise BadRow if there are roles, but not one per word."""
    if roles and len(roles) != len(words):
        raise BadRow(
            "there are {} roles for {} whitespace words; each word needs one", len(roles), len(words)
        )


def read_roles(value: object) -> list[str]:
    """Return a row's roles, given as a list of names, one string with whitespace between names, or None.

    Raises BadRow for anything else, and for a name that does not fit into a route.
    """
    if value is None:
        return []
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list):
        raise BadRow("roles must be a list of names, one per whitespace word")
    for name in names:
        if not isinstance(name, str) or not _ROLE.fullmatch(name):
            raise BadRow(
                f"role {{!r}} must be 1 to {ROLE_WIDTH} printable ASCII characters without spaces, "
                "and must not end in a full stop",
                name,
            )
    return names
