"""Whitespace words of a sentence: punctuation split off, a final full stop, roles kept beside the words.

Case stays as written: whether words are lowercased is the tokenizer's business.
"""

import re
from collections.abc import Sequence

from ipgraph.extractor.datasets.example import MASK
from ipgraph.extractor.datasets.rows import BadRow
from ipgraph.graphstore.schema.labels import ROLE_WIDTH

PUNCT = "punct"
"""Role of punctuation that a loader split off or added."""

# Apostrophes and hyphens are not among them: they belong to their words (it 's, farmers', twenty-three).
_MARKS = r"""[.,;:!?"()\[\]{}“”„«»…]"""
_HAS_MARK = re.compile(_MARKS)
_WORD = re.compile(rf"({_MARKS}*?)({re.escape(MASK)}|(?!{_MARKS}).*?)({_MARKS}*)", re.DOTALL)
_END = re.compile(rf"{_MARKS}*[.!?…]{_MARKS}*")
_ROLE = re.compile(rf"[!-~]{{0,{ROLE_WIDTH - 1}}}[!-\-/-~]")

Words = tuple[list[str], list[str]]
"""Words and their roles, one each; the roles are empty where the row is unlabelled."""


def split_words(text: str, roles: Sequence[str] = ()) -> Words:
    """Return a sentence's words with punctuation as words of its own and a final `.` where none ends it.

    `roles` align with the whitespace words of `text`; what is split off or added gets the role `punct`.
    Raises BadRow where their number differs or [MASK] is part of a longer word.
    """
    words = text.split()
    check_count(words, roles)
    if _HAS_MARK.search(text):
        words, roles = _split(words, roles)
    if words and not _END.fullmatch(words[-1]):
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
    found = _WORD.fullmatch(word)
    before, core, after = found.groups() if found else ("", word, "")
    if not core:
        return [(word, True)]
    if MASK in word and core != MASK:
        raise BadRow(f"{MASK} is part of the word {word!r}; it must be a word by itself")
    return [(piece, piece is core) for piece in (before, core, after) if piece]


def check_count(words: Sequence[str], roles: Sequence[str]) -> None:
    """Raise BadRow where there are roles, but not one a word."""
    if roles and len(roles) != len(words):
        raise BadRow(f"{len(roles)} roles for {len(words)} whitespace words; one each is needed")


def read_roles(value: object) -> list[str]:
    """Return a row's roles: a list of names, or one string of names apart by whitespace; none is no roles.

    Raises BadRow for anything else, and for a name that a route cannot hold.
    """
    if value is None:
        return []
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list):
        raise BadRow("roles must be a list of names, one a whitespace word")
    for name in names:
        if not isinstance(name, str) or not _ROLE.fullmatch(name):
            raise BadRow(
                f"role {name!r} must be 1 to {ROLE_WIDTH} printable ASCII characters without spaces, "
                "the last of them no full stop"
            )
    return names
