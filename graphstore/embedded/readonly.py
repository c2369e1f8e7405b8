"""Refuses what the embedded store would still execute on a database that is open for reading only."""

import re

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.store.cypher import bare, require_beginning

_INQUIRIES = re.compile(r"show_\w+|\w+_info|\w+_version|current_setting", re.IGNORECASE)
"""Functions that tell about the database; others read files (and may crash), or make graphs of their own."""


def require_read(cypher: str) -> None:
    """Raise UsageError unless `cypher` is one statement that reads the graph and nothing else.

    Refused are several statements, those that begin otherwise than a query does (COPY, EXPORT, INSTALL,
    ATTACH, CHECKPOINT, ...: some write files even on a read-only database), settings by `CALL x=...`,
    functions that do not tell about the database, and LOAD FROM, which reads files. The database itself
    refuses CREATE, MERGE, SET and DELETE.
    """
    text = bare(cypher)
    require_beginning(text)
    if re.match(r"CALL\b(?!\s*\w+\s*\()", text, re.IGNORECASE):
        raise UsageError(
            "only queries are run: CALL takes a function that tells about the store, in parentheses"
        )
    for function in re.findall(r"(?<![.\w])CALL\s+(\w+)\s*\(", text, re.IGNORECASE):
        if not _INQUIRIES.fullmatch(function):
            raise UsageError(
                f"a query reads the store only: CALL {function} is refused; CALL takes show_...(), "
                "..._info(), ..._version() and current_setting()"
            )
    if load := re.search(r"\bLOAD\s+(?:FROM|WITH|EXTENSION)\b", text, re.IGNORECASE):
        raise UsageError(f"a query reads the store only: {load[0].upper()} is refused")
