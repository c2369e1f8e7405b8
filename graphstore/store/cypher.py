"""A query's text without what it quotes and comments: what is left is what a database acts on."""

import re
import unicodedata

from ipgraph.graphstore.common.errors import UsageError

BEGINNINGS = ("MATCH", "OPTIONAL", "UNWIND", "WITH", "RETURN", "CALL")
"""The words that a query which reads begins with."""
LONGEST_NUMBER = 100
"""Digits of a number in a query; no store holds more than a few dozen."""
_QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`"""
_COMMENT = r"//[^\n\r]*|/\*.*?\*/"
_SKIPPED = re.compile(f"(?P<quoted>{_QUOTED})|(?P<comment>{_COMMENT})", re.DOTALL)


def bare(cypher: str) -> str:
    """Return a query with '' for each quoted part and plain blanks for comments and unusual white space.

    Raises UsageError for an empty query, several statements, and a number of more than LONGEST_NUMBER digits.
    """
    text = _SKIPPED.sub(lambda match: "''" if match["quoted"] else " ", cypher)
    text = "".join(" " if unicodedata.category(sign)[0] in "ZC" else sign for sign in text).strip()
    if not text:
        raise UsageError("the query is empty")
    if ";" in text.removesuffix(";"):
        raise UsageError("one statement at a time: the query has a ';' before its end")
    if number := re.search(rf"\d{{{LONGEST_NUMBER + 1},}}", text):
        raise UsageError(f"the query has a number of {len(number[0])} digits, more than any store holds")
    return text


def require_beginning(text: str) -> None:
    """Raise UsageError unless a bare query begins as one that reads does."""
    if re.match(r"\w*", text)[0].upper() not in BEGINNINGS:  # type: ignore[index]  # always matches
        raise UsageError(
            f"only queries are run: they begin with {', '.join(BEGINNINGS[:-1])} or CALL function(...), "
            f"not with {text.split()[0][:40]!r}"
        )
