"""Refuses what a Neo4j server would do in a read transaction beside reading the graph."""

import re

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.store.cypher import bare, require_beginning

PROCEDURES = (
    "db.info",
    "db.labels",
    "db.relationshipTypes",
    "db.propertyKeys",
    "db.schema.visualization",
    "db.schema.nodeTypeProperties",
    "db.schema.relTypeProperties",
    "db.ping",
    "dbms.components",
)
"""Procedures that tell about the graph; others read files or addresses, run other Cypher or administer."""
_ESCAPE = re.compile(r"\\u+[0-9a-fA-F]{4}")
"""What the server replaces by a character before it reads the statement, quotes included."""
_CALL = re.compile(r"(?<![.$:\w])CALL\s*(?P<name>[^\s({;][^({;]*)?", re.IGNORECASE)
_REFUSED = re.compile(r"(?<![.$:\w])(?:LOAD\s+CSV\b|USE\s+(?=[\w']))", re.IGNORECASE)


def require_read(cypher: str) -> None:
    """Raise UsageError unless `cypher` is one statement that reads the graph and nothing else.

    Refused are several statements, those that begin otherwise than a query does (SHOW, CREATE, DROP, ALTER,
    GRANT, `:use`, ...), LOAD CSV, USE, and procedures beside PROCEDURES. The server itself refuses to write.
    """
    if escape := _ESCAPE.search(cypher):
        raise UsageError(
            f"the query has the escape {escape[0]}; write the character itself, or bind a parameter"
        )
    text = bare(cypher)
    require_beginning(text)
    if refused := _REFUSED.search(text):
        word = " ".join(refused[0].upper().split())
        raise UsageError(
            f"a query reads the store's own graph only: {word} is refused (a name is written in backticks)"
        )
    for call in _CALL.finditer(text):
        _require_procedure(call["name"])


def _require_procedure(words: str | None) -> None:
    """Raise UsageError unless what follows CALL is a subquery (nothing), or a procedure of the list."""
    if words is None:
        return
    name = re.match(r"[\w']+(?:\s*\.\s*[\w']+)*", words)
    spelt = re.sub(r"\s", "", name[0]) if name else words.split()[0]
    if spelt not in PROCEDURES:
        raise UsageError(
            f"a query reads the store only: CALL {spelt[:60]} is refused; CALL takes {', '.join(PROCEDURES)}"
        )
