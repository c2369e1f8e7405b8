"""What the tests of the HTML report ask the browser's window about the page it shows."""

import json

from support.browser import Page


def count(window: Page, selector: str) -> int:
    found = window.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length")
    assert isinstance(found, int)
    return found


def text(window: Page, selector: str) -> str:
    return str(window.evaluate(f"document.querySelector({json.dumps(selector)}).textContent"))


def edges(window: Page) -> set[str]:
    """Return the edges of the diagram with their classes, but for that of what is pointed at."""
    script = "[...document.querySelectorAll('#diagram .edge')].map(e => [e.dataset.edge, ...e.classList])"
    return {" ".join(name for name in edge if name != "lit") for edge in window.evaluate(script)}
