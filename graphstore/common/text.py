"""Text of others, as it may be shown: nothing in it moves the cursor, and no address tells a secret."""

import re

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
"""Control characters except tab and line break, and those that turn the direction of writing."""
_ADDRESS = re.compile(r"([A-Za-z][\w+.-]*://)(.*)", re.DOTALL)


def printable(text: str) -> str:
    r"""Return text with control and direction characters as Python writes them, such as `\x1b`."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def shown_address(text: str) -> str:
    """Return text with the address in it cut to scheme, host and port; with a login, to the scheme."""
    return _ADDRESS.sub(lambda match: match[1] + _host(match[2]), text)


def _host(rest: str) -> str:
    return "..." if "@" in rest else re.split(r"[/?#\s]", rest, maxsplit=1)[0]
