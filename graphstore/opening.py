"""Opening a store: by path an embedded one, by URI a Neo4j server."""

import re
from pathlib import Path

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.graphstore.common.suggested import default_location
from ipgraph.graphstore.store.protocol import Store

_URI = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
"""What looks like a URI; a single letter is a drive."""
_ADDRESS = re.compile(r"(bolt|neo4j)(\+s|\+ssc)?:|[^/\\]+:\d+$", re.IGNORECASE)
"""What looks like a server's address without all of its scheme."""
NEO4J_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")


def is_server(location: str) -> bool:
    """Tell whether a store's location is a Neo4j URI rather than a path."""
    return location.partition("://")[0] in NEO4J_SCHEMES and "://" in location


def open_store(location: str | Path | None = None) -> Store:
    """Open a store by path (embedded) or URI (Neo4j); by default `IPGRAPH_STORE`, else `./ipgraph.db`.

    A path that does not exist yet is an empty store that the first `add` creates. Raises UsageError for a URI
    that is not Neo4j's.
    """
    where = str(location or default_location()).strip()
    if is_server(where):
        from ipgraph.graphstore.server.store import Neo4jStore

        return Neo4jStore(where)
    if _URI.match(where):
        schemes = ", ".join(f"{scheme}://" for scheme in NEO4J_SCHEMES)
        raise UsageError(
            f"no store is at an address that begins with {where.partition(':')[0]}:/; a store is a file, by "
            f"its path, or a Neo4j server, whose address begins with one of {schemes}"
        )
    if _ADDRESS.match(where):
        raise UsageError(
            "the store looks like a server's address, which begins with bolt:// or neo4j://; a file of that "
            "name is written with ./ before it"
        )
    from ipgraph.graphstore.embedded.store import EmbeddedStore

    return EmbeddedStore(Path(where))
