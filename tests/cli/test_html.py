"""The HTML report in a real browser: it renders, its toggles work, it fetches nothing, it runs no data."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.browser import Page
from support.diagrams import SKIP, attention, embedding, sentence
from support.fixtures import make_run
from support.report_pages import count, edges, text

from ipgraph.cli.page.page import Illustration, Section, page
from ipgraph.graphstore.schema.records import Run
from ipgraph.queries.reports.tables import Table
from ipgraph.queries.views.sentence import Sentence

pytestmark = pytest.mark.xdist_group("chromium")

HOSTILE = "</script><script>window.pwned=1</script><img src=http://127.0.0.1:9/x onerror=window.pwned=2>"
ATTRIBUTE = "\"'><svg/onload=window.pwned=3> {{data}} &amp; \\u003c"

CLOSE = attention(0, 2.0, (SKIP, 0), (5, 3), influence=1.0)
FIRST = sentence(
    replace(CLOSE, margins=(None, None, None, 0.25, None), runner_ups=(None, None, None, 7, None)),
    attention(1, -1.0, (1, 3), (SKIP, 3), influence=-0.5),
    attention(2, 0.1, (SKIP, 2), (SKIP, 3), influence=0.05),
    embedding(0, 2.0, 0, 3),
    embedding(1, -1.0, 3, 3),
    embedding(2, 0.1, 2, 3),
)
SECOND = replace(
    sentence(attention(0, 1.0, (SKIP, 0), (8, 3)), embedding(0, 1.0, 0, 3), tokens="one two three four"),
    id="toy:2",
    condition="singular",
    is_correct=False,
)
THIRD = replace(
    sentence(attention(0, 1.0, (3, 3), (SKIP, 3)), tokens="x <i>y</i> z </script>"),
    id=ATTRIBUTE,
    name=HOSTILE,
    condition=HOSTILE,
    text=HOSTILE,
    correct=HOSTILE,
)
SENTENCES = (FIRST, SECOND, THIRD)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return replace(
        make_run(tmp_path_factory.mktemp("run")).run, dataset=HOSTILE, model_name=ATTRIBUTE, layers=2
    )


def report(run: Run, sentences: tuple[Sentence, ...] = SENTENCES) -> str:
    table = Table.of(HOSTILE, [ATTRIBUTE], [[HOSTILE]], ATTRIBUTE)
    figure = Illustration('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', HOSTILE)
    section = Section(HOSTILE, ATTRIBUTE, [replace(table, cypher=f"RETURN '{HOSTILE}'")])
    return page(run, section, [section], [figure, figure], sentences)


@pytest.fixture
def shown(window: Page, run: Run, tmp_path: Path) -> Page:
    """The report of the three sentences, freshly opened."""
    path = tmp_path / "report.html"
    path.write_text(report(run), encoding="utf-8")
    window.open(path)
    return window


def point(window: Page, selector: str) -> tuple[float, float]:
    """Move the mouse onto the middle of an element; return where that is."""
    script = f"""(() => {{
        const element = document.querySelector({json.dumps(selector)});
        element.scrollIntoView({{ block: "center" }});
        const box = element.getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2];
    }})()"""
    x, y = window.evaluate(script)
    window.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    return x, y


def click(window: Page, selector: str) -> None:
    x, y = point(window, selector)
    for kind in ("mousePressed", "mouseReleased"):
        window.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def press(window: Page, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        window.call("Input.dispatchKeyEvent", type=kind, key=key)


DRAWN = {
    "1-0-0-0 edge skip positive",
    "2-0-3-5 edge head positive",
    "1-1-3-1 edge head negative",
    "2-3-3-0 edge skip negative",
}


# ---- it renders


def test_the_first_instance_is_drawn(shown: Page) -> None:
    assert edges(shown) == DRAWN
    assert text(shown, "#sentence") == "a b c d"
    assert [text(shown, f'[data-word="{n}"] text') for n in range(4)] == ["a", "b", "c", "d"]
    assert count(shown, "#diagram .bar.total") == 3
    assert text(shown, '[data-edge="2-0-3-5"] text') == "5"
    assert (
        count(shown, ".skip path.line[stroke-dasharray]") == 2 == count(shown, "path.line[stroke-dasharray]")
    )
    assert "are, not is" in text(shown, "#numbers")
    assert "+1.25" in text(shown, "#numbers")


def test_no_head_number_lies_on_another_edge_or_number(window: Page, run: Run, tmp_path: Path) -> None:
    stops = [
        ((11, 4), (3, 3)),
        ((3, 4), (5, 3)),
        ((7, 0), (9, 3)),
        ((2, 3), (12, 3)),
        ((4, 2), (6, 3)),
        ((5, 5), (8, 3)),
    ]
    crossing = sentence(
        *(attention(at, (-1.0) ** at, *path) for at, path in enumerate(stops)),
        tokens="a b c d e f",
        roles="w w w w w w",
    )
    path_ = tmp_path / "busy.html"
    path_.write_text(report(run, (crossing,)), encoding="utf-8")
    window.open(path_)
    covered = """[...document.querySelectorAll('#diagram .edge text')].map(text => {
        const b = text.getBBox(), y = b.y + b.height / 2, half = 4;
        const inside = (p) => p.x > b.x && p.x < b.x + b.width && Math.abs(p.y - y) < half;
        const others = [...document.querySelectorAll('#diagram .edge')].filter(g => g !== text.parentNode);
        return others.filter(g => { const line = g.querySelector('.line'), n = line.getTotalLength();
            const on = Array.from({ length: 400 }, (_, i) => line.getPointAtLength(n * i / 399)).some(inside);
            const other = g.querySelector('text'), o = other && other.getBBox();
            const beside = o && o.x < b.x + b.width && b.x < o.x + o.width;
            return on || (beside && Math.abs(o.y - b.y) < 8); }).length; })"""
    found = window.evaluate(covered)
    assert len(found) == count(window, "#diagram .edge.head") == 12
    assert set(found) == {0}


@pytest.mark.parametrize(
    ("address", "sentence"),
    [("toy%3A2", "one two three four"), ("to%79:2", "one two three four"), ("100%", "a b c d")],
)
def test_an_instance_named_in_the_address_is_shown_first(
    window: Page, run: Run, tmp_path: Path, address: str, sentence: str
) -> None:
    path = tmp_path / "report.html"
    path.write_text(report(run), encoding="utf-8")
    window.open(path, f"#instance={address}")
    assert text(window, "#sentence") == sentence


# ---- the toggles


def test_a_word_is_shown_and_hidden_by_clicks_and_by_the_keyboard(shown: Page) -> None:
    click(shown, '[data-word="0"] text')
    assert edges(shown) == {edge for edge in DRAWN if "negative" in edge}
    click(shown, '[data-word="2"] text')
    assert {"1-2-2-0 edge skip positive", "2-2-3-0 edge skip positive"} < edges(shown)
    shown.evaluate("document.querySelector('[data-word=\"0\"]').focus()")
    press(shown, "Enter")
    assert edges(shown) > DRAWN
    assert shown.evaluate("document.activeElement.dataset.word") == "0"


def test_all_none_and_the_threshold_choose_words(shown: Page) -> None:
    click(shown, "#none")
    assert edges(shown) == set()
    click(shown, "#all")
    assert len(edges(shown)) == 6
    shown.evaluate(
        "(e => { e.value = 0.3; e.dispatchEvent(new Event('input')); })(document.getElementById('threshold'))"
    )
    assert len(edges(shown)) == 4  # |g| of 2, 1 and 0.1: the second has 32% of the sum
    assert text(shown, "#least") == "30.0%"


def test_the_level_is_a_choice(shown: Page) -> None:
    click(shown, 'input[value="embedding"]')
    assert edges(shown) == {
        "1-0-0-hop edge head positive",
        "2-0-3-hop edge head positive",
        "1-1-3-hop edge head negative",
        "2-3-3-hop edge head negative",
    }


def test_steps_lead_from_instance_to_instance(shown: Page) -> None:
    assert text(shown, "#count") == "1 of 3"
    click(shown, "#next")
    assert (text(shown, "#count"), text(shown, "#sentence")) == ("2 of 3", "one two three four")
    assert shown.evaluate("location.hash") == "#instance=toy%3A2"
    click(shown, "#previous")
    assert text(shown, "#count") == "1 of 3"
    shown.evaluate("document.activeElement.blur()")
    press(shown, "ArrowRight")
    press(shown, "ArrowRight")
    press(shown, "ArrowRight")
    assert text(shown, "#count") == "3 of 3"


def test_filters_narrow_the_instances(shown: Page) -> None:
    change = "(e => {{ e.value = {0}; e.dispatchEvent(new Event({1})); }})(document.getElementById({2}))"
    shown.evaluate(change.format("'wrong'", "'change'", "'verdict'"))
    assert (text(shown, "#count"), text(shown, "#sentence")) == ("1 of 1", "one two three four")
    shown.evaluate(change.format("'four five'", "'input'", "'search'"))
    assert (text(shown, "#count"), text(shown, "#sentence")) == ("none", "No instance fits.")
    shown.evaluate(change.format("''", "'change'", "'verdict'"))
    shown.evaluate(change.format("'A B'", "'input'", "'search'"))
    assert (text(shown, "#count"), text(shown, "#sentence")) == ("1 of 1", "a b c d")
    shown.evaluate(change.format("''", "'input'", "'search'"))
    values = shown.evaluate("[...document.getElementById('condition').options].map(o => o.value)")
    singular = next(value for value in values if "singular" in value)
    shown.evaluate(change.format(json.dumps(singular), "'change'", "'condition'"))
    assert (text(shown, "#count"), text(shown, "#sentence")) == ("1 of 1", "one two three four")


# ---- what is pointed at


def rows(window: Page) -> list[list[str]]:
    script = "[...document.querySelectorAll('#numbers tr')].map(r => [...r.cells].map(c => c.textContent))"
    found = window.evaluate(script)
    return [[str(cell) for cell in row] for row in found]


def test_a_node_tells_what_passes_it_and_lights_its_edges(shown: Page) -> None:
    point(shown, '[data-node="2-3"]')
    assert text(shown, "#numbers h3") == "layer 2, d (3, end)"
    assert rows(shown) == [
        ["pattern of", "through", "instead of", "influence", "of g", "margin"],
        ["a (0, det)", "head 5", "head 7", "+0.810", "40.5%", "0.25"],
        ["b (1, noun)", "skip", "–", "−0.405", "40.5%", "–"],
    ]
    lit = shown.evaluate("[...document.querySelectorAll('#diagram.some .edge.lit')].map(e => e.dataset.edge)")
    assert set(lit) == {"2-0-3-5", "2-3-3-0"}


def test_a_word_and_an_edge_tell_their_numbers(shown: Page) -> None:
    point(shown, '[data-word="1"] text')
    assert rows(shown) == [
        ["", "influence", "of g"],
        ["total g", "−1.00", ""],
        ["embedding pattern", "+0.500", "−50.0%"],
        ["attention pattern", "−0.405", "40.5%"],
    ]
    assert "attention pattern: head 1 to 3, skip to 3" in text(shown, "#numbers")
    shown.evaluate("document.querySelector('[data-edge=\"2-0-3-5\"]').focus()")
    assert text(shown, "#numbers h3") == "into layer 2"
    assert rows(shown)[1][:4] == ["a (0, det)", "head 5", "head 7", "+0.810"]


# ---- nothing is fetched, no data runs


def test_nothing_is_fetched_and_nothing_fails(shown: Page) -> None:
    click(shown, "#next")
    click(shown, "#next")
    point(shown, '[data-word="0"] text')
    urls = [event["request"]["url"] for event in shown.sent("Network.requestWillBeSent")]
    assert [url for url in urls if not url.startswith("data:")] == [
        shown.evaluate("location.href.split('#')[0]")
    ]
    assert shown.sent("Runtime.exceptionThrown") == []
    assert shown.sent("Log.entryAdded") == []
    assert shown.evaluate("performance.getEntriesByType('resource').length") == 0


def test_text_from_data_is_shown_as_it_is_and_never_runs(shown: Page) -> None:
    for _ in range(2):
        click(shown, "#next")
        point(shown, '[data-word="0"] text')
    assert text(shown, "#sentence") == HOSTILE
    assert text(shown, '[data-word="1"] text') == "<i>y</i>"
    assert text(shown, ".tables td") == HOSTILE
    assert text(shown, "figcaption") == HOSTILE
    model = ATTRIBUTE.split("/")[-1]  # a model folder is named by its last part
    assert text(shown, "h1") == f"{HOSTILE}, {model}: run {RUN_ID.search(text(shown, 'h1'))[1]}"  # type: ignore[index]
    assert text(shown, ".tables pre") == f"RETURN '{HOSTILE}'"
    assert shown.evaluate("typeof window.pwned") == "undefined"
    assert (count(shown, "script"), count(shown, "img"), count(shown, "main i")) == (2, 0, 0)


RUN_ID = re.compile(r"run (r[0-9a-f]+)$")


def test_the_policy_would_stop_a_script_that_got_in(shown: Page) -> None:
    shown.evaluate(
        """new Promise(done => { document.addEventListener('securitypolicyviolation', () => done(true));
        const script = document.createElement('script'); script.textContent = 'window.pwned = 4';
        document.body.append(script); setTimeout(() => done(false), 2000); })"""
    )
    assert shown.evaluate("typeof window.pwned") == "undefined"
    shown.evaluate("fetch('http://127.0.0.1:9/').then(() => { window.pwned = 5; }, () => {})")
    assert shown.evaluate("typeof window.pwned") == "undefined"


# ---- without a browser


def test_the_view_says_how_many_of_the_instances_it_holds(run: Run) -> None:
    assert "Patterns of the first 3 of 24 instances." in report(run)
    assert "Patterns of 3 instances." in report(replace(run, instances=3))
