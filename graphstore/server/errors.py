"""What a Neo4j server or its driver complains about, in one sentence that says what to do."""

import logging

from neo4j.exceptions import (
    AuthError,
    ClientError,
    ConfigurationError,
    ConstraintError,
    CypherSyntaxError,
    DriverError,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
)

from ipgraph.graphstore.common.errors import IpgraphError, UsageError

log = logging.getLogger(__name__)
_TOO_LARGE = ("MemoryPoolOutOfMemoryError", "TransactionOutOfMemoryError", "OutOfMemoryError")


class TooLargeError(IpgraphError):
    """A transaction takes more memory than the server gives it: smaller ones may do."""


def is_too_large(error: Neo4jError) -> bool:
    """Tell whether a server's error is that a transaction takes too much of its memory."""
    return (error.code or "").rpartition(".")[2] in _TOO_LARGE


def as_sentence(error: Neo4jError | DriverError, location: str, database: str | None) -> IpgraphError:
    """Return the error to show instead of one from the driver, for a database at a location."""
    if isinstance(error, Neo4jError):
        return _from_server(error, location, database)
    if isinstance(error, ServiceUnavailable | SessionExpired):
        log.debug("%s", error)
        return IpgraphError(f"no Neo4j server answers at {location}: is it running, and is the URI right?")
    if isinstance(error, ConfigurationError):
        return UsageError(f"{location} cannot be connected to: {_line(error)}")
    return IpgraphError(f"the connection to {location} failed: {_line(error)}")


def _from_server(error: Neo4jError, location: str, database: str | None) -> IpgraphError:
    message = (error.message or str(error)).strip()
    if is_too_large(error):
        return TooLargeError(
            f"{location} has too little memory for one transaction: raise db.memory.transaction.max or the "
            f"server's heap ({_line(message)})"
        )
    match (error.code or "").rpartition(".")[2]:
        case "AuthenticationRateLimit":
            return UsageError(f"{location} takes no login after too many wrong passwords: wait a few seconds")
        case "CredentialsExpired":
            return UsageError(f"the password at {location} must be changed before its first use")
        case "DatabaseNotFound":
            return UsageError(f"{location} has no database {database!r}: unset NEO4J_DATABASE or correct it")
        case "AccessMode":
            return UsageError("the statement writes, and only reading is allowed here")
    if isinstance(error, AuthError):
        return UsageError(
            f"{location} refused the user name or password: set NEO4J_USERNAME and NEO4J_PASSWORD"
        )
    if isinstance(error, ConstraintError):
        return IpgraphError(f"{location} already holds something under a key to be written: {_line(message)}")
    if isinstance(error, CypherSyntaxError):
        return UsageError(f"the statement does not parse: {_line(message)}")
    if isinstance(error, ClientError):
        return UsageError(f"{location} refused the statement: {_line(message)}")
    return IpgraphError(f"{location} could not do it: {_line(message)} ({error.code})")


def _line(text: object) -> str:
    return " ".join(str(text).split())
