"""Refuses what the embedded store would still execute on a database that is open for reading only."""

import re

from ipgraph.graphstore.common.errors import UsageError

_BEGINNINGS = ("MATCH", "OPTIONAL", "UNWIND", "WITH", "RETURN", "CALL")
_QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`"""
_COMMENT = r"//[^\n]*|/\*.*?\*/"
_INQUIRIES = re.compile(r"show_\w+|\w+_info|\w+_version|current_setting", re.IGNORECASE)
"""Functions that tell about the database; others read files (and may crash), or make graphs of their own."""
_SPACE = "\u180e"
"""White space to the database, as to Unicode once, and not to Python."""
_SKIPPED = re.compile(f"(?P<quoted>{_QUOTED})|(?P<comment>{_COMMENT})", re.DOTALL)


def require_read(cypher: str) -> None:
    """Raise UsageError unless `cypher` is one statement that reads the graph and nothing else.

    Refused are several statements, those that begin otherwise than a query does (COPY, EXPORT, INSTALL,
    ATTACH, CHECKPOINT, ...: some write files even on a read-only database), settings by `CALL x=...`,
    functions that do not tell about the database, and LOAD FROM, which reads files. The database itself
    refuses CREATE, MERGE, SET and DELETE.
    """
    bare = _SKIPPED.sub(lambda match: "''" if match["quoted"] else " ", cypher)
    bare = bare.replace(_SPACE, " ").strip()
    if not bare:
        raise UsageError("the query is empty")
    if ";" in bare.removesuffix(";"):
        raise UsageError("one statement at a time: the query has a ';' before its end")
    word = re.match(r"\w*", bare)[0].upper()  # type: ignore[index]  # always matches
    if word not in _BEGINNINGS or re.match(r"CALL\b(?!\s*\w+\s*\()", bare, re.IGNORECASE):
        raise UsageError(
            f"only queries are run: they begin with {', '.join(_BEGINNINGS[:-1])} or CALL function(...), "
            f"not with {bare.split()[0]!r}"
        )
    for function in re.findall(r"(?<![.\w])CALL\s+(\w+)\s*\(", bare, re.IGNORECASE):
        if not _INQUIRIES.fullmatch(function):
            raise UsageError(
                f"a query reads the store only: CALL {function} is refused; CALL takes show_...(), "
                "..._info(), ..._version() and current_setting()"
            )
    if load := re.search(r"\bLOAD\s+(?:FROM|WITH|EXTENSION)\b", bare, re.IGNORECASE):
        raise UsageError(f"a query reads the store only: {load[0].upper()} is refused")
