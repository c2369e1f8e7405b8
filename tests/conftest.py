"""Fixtures for every test file."""

from servers import neo4j_server, session_server

__all__ = ["neo4j_server", "session_server"]
