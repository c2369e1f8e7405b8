"""Recognises what others keep in the database under the names of this schema, so that nothing is mixed."""

from collections.abc import Iterator

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.schema import tables
from ipgraph.graphstore.schema.tables import Table
from ipgraph.graphstore.server.connection import Connection

_CONSTRAINTS = (
    "SHOW CONSTRAINTS YIELD name, labelsOrTypes, properties "
    "WHERE any(label IN labelsOrTypes WHERE label IN $labels) RETURN name, labelsOrTypes, properties"
)
_INDEXES = (
    "SHOW INDEXES YIELD name, labelsOrTypes, properties, owningConstraint, type "
    "WHERE owningConstraint IS NULL AND type = 'RANGE' AND properties = ['id'] "
    "AND any(label IN labelsOrTypes WHERE label IN $labels) RETURN name, labelsOrTypes, properties"
)


_SIGNS = {
    "Run": ("model", "settings", "schema_version"),
    "Instance": ("dataset", "text"),
    "Node": ("model", "kind", "position"),
    "Pattern": ("run", "instance", "route"),
    "Measure": ("metric", "value"),
}
"""Properties by which our own nodes are known, beside their id."""


def require_own(connection: Connection) -> None:
    """Raise UsageError, before anything is written, where the database holds others' data under our names."""
    for what in foreign(connection):
        raise UsageError(f"{connection.location} holds {what}; use a database of its own (NEO4J_DATABASE)")


def foreign(connection: Connection) -> Iterator[str]:
    """Say which nodes, constraints and indexes under the schema's labels are not of this package."""
    for table in tables.nodes():
        text = f"MATCH (n:{table.name}) WHERE {_unlike(table)} RETURN 1 LIMIT 1"
        if connection.read(text).records:
            yield f"nodes labelled {table.name} that are not ipgraph's"
    labels = [table.name for table in tables.nodes()]
    for kind, text in (("constraint", _CONSTRAINTS), ("index", _INDEXES)):
        for row in connection.read(text, {"labels": labels}).records:
            if kind == "index" or row["properties"] != ["id"]:
                yield (
                    f"the {kind} {row['name']} on {row['labelsOrTypes'][0]}({', '.join(row['properties'])}), "
                    "which is not ipgraph's"
                )


def _unlike(table: Table) -> str:
    """Return the condition on a node `n` that lacks a property which every row of the table has."""
    return " OR ".join(f"n.{name} IS NULL" for name in ("id", *_SIGNS.get(table.name, ())))
