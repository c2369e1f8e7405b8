"""Figures: what of a diagram or a plot is in the file that is drawn, counted by hand."""

import re
import sys
from collections import Counter
from math import hypot
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Patch
from matplotlib.path import Path as Path_
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from support.diagrams import SKIP, TWO_WORDS, attention, sentence
from support.drawings import SVG, extent, looks, parts, svg, texts

from ipgraph.cli.figures import flow, plots, style
from ipgraph.cli.figures.scatter import Scatter, scatter
from ipgraph.graphstore.common.errors import IpgraphError, UsageError
from ipgraph.queries.views.charts import HeadMap, Point, Series
from ipgraph.queries.views.conditions import of_condition
from ipgraph.queries.views.flow import of_sentence
from ipgraph.queries.views.sentence import Sentence

BLUE, ORANGE = "#0072b2", "#d55e00"


# ---- diagrams


def test_every_edge_is_drawn_skips_dashed_in_the_colour_of_their_sign() -> None:
    root = svg(flow.draw([of_sentence(TWO_WORDS)]))
    edges = {name: looks(path) for name, path in parts(root, "edge-").items()}
    assert set(edges) == {
        "a-edge-1-0-0-skip-positive",
        "a-edge-1-1-3-1-negative",
        "a-edge-2-0-3-5-positive",
        "a-edge-2-3-3-skip-negative",
    }
    for name, look in edges.items():
        assert ("stroke-dasharray" in look) == ("skip" in name)
        assert look["stroke"] == (BLUE if name.endswith("positive") else ORANGE)


def test_the_wider_the_more_influence_and_bars_are_to_scale() -> None:
    root = svg(flow.draw([of_sentence(TWO_WORDS)]))
    widths = {name: float(looks(p).get("stroke-width", 1)) for name, p in parts(root, "edge-").items()}
    weights = {f"a-edge-{e.layer}-{e.source}": e.weight for e in of_sentence(TWO_WORDS).edges}
    ranked = sorted(widths, key=lambda name: widths[name])
    assert ranked == sorted(widths, key=lambda name: weights["-".join(name.split("-")[:4])])
    assert max(widths.values()) == pytest.approx(3.2)
    bars = parts(root, "bar-")
    assert set(bars) == {f"a-bar-{row}-{n}" for row in (0, 1) for n in range(3)}
    width = {name: extent(path) for name, path in bars.items()}
    assert width["a-bar-0-0"] == pytest.approx(2 * width["a-bar-1-0"], rel=1e-3)
    assert width["a-bar-0-2"] == pytest.approx(width["a-bar-0-0"] * 0.81 / 2, rel=1e-3)


def test_labels_are_text_words_as_they_are_and_heads_numbered_from_1() -> None:
    tokens = r"$a$ <b> c\alpha d_1"
    root = svg(flow.draw([of_sentence(sentence(*TWO_WORDS.patterns, tokens=tokens))]))
    words = Counter(texts(root))
    assert all(words[token] == 1 for token in tokens.split())
    assert words["5"] == 1  # the head
    assert words["skip"] == words["head (number)"] == 1
    assert not list(root.iter(f"{SVG}image"))


def test_two_diagrams_stand_side_by_side_on_one_scale_and_fit_a_page() -> None:
    drawn = of_sentence(TWO_WORDS)
    one, two = flow.draw([drawn]), flow.draw([drawn, drawn])
    assert one.get_figwidth() <= style.COLUMN
    assert one.get_figwidth() < two.get_figwidth() <= style.TEXT
    root = svg(two)
    assert Counter(name[0] for name in parts(root, "-edge-")) == {"a": 4, "b": 4}
    assert {"(a)  plural   are − is = +1.25", "(b)  plural   are − is = +1.25"} <= set(texts(root))


def test_a_figure_takes_the_width_asked_for_or_says_what_it_needs() -> None:
    drawn = of_sentence(TWO_WORDS)
    assert flow.draw([drawn], 3.0).get_figwidth() == pytest.approx(3.0)
    with pytest.raises(UsageError, match=r"needs a width of at least 1\.\d inches, not 0\.5"):
        flow.draw([drawn], 0.5)


def test_a_model_of_many_layers_and_a_long_word_still_fit() -> None:
    stays = [(SKIP, 0)] * 11
    word = "Donaudampfschifffahrtsgesellschaft"
    long = sentence(attention(0, 1.0, *stays, (12, 3)), tokens=f"{word} b c d")
    figure = flow.draw([of_sentence(long), of_sentence(long)])
    assert figure.get_figwidth() < 1.2 * style.TEXT
    shown = [text for text in texts(svg(figure)) if text.startswith("Donau")]
    assert len(shown) == 2
    assert all(text.endswith("…") and len(text) > 8 for text in shown)


@pytest.mark.parametrize("panels", [1, 2])
def test_the_width_that_a_refusal_names_is_enough_and_panels_stack_in_it(panels: int) -> None:
    drawn = [of_sentence(TWO_WORDS)] * panels
    with pytest.raises(UsageError) as caught:
        flow.draw(drawn, 1.5)
    needed = float(re.findall(r"at least ([\d.]+) inches", str(caught.value))[0])
    figure = flow.draw(drawn, needed)
    assert figure.get_figwidth() == pytest.approx(needed)
    words = [t for t in figure.axes[0].texts if "-word-0" in (t.get_gid() or "")]
    assert len({round(t.get_position()[0], 6) for t in words}) == 1
    assert len({round(t.get_position()[1], 6) for t in words}) == panels


def busy(seed: int) -> Sentence:
    """A sentence of many words whose patterns wander through heads of one or two digits."""
    import random

    draw = random.Random(seed)  # noqa: S311
    count, layers = 12, 5
    words = []
    for at in range(count):
        stops = [(draw.choice([SKIP, 3, 11]), draw.randrange(count)) for _ in range(layers - 1)]
        words.append(attention(at, draw.choice((-1.0, 1.0)), *stops, (draw.randrange(1, 13), 3)))
    return sentence(*words, tokens=" ".join("abcdefghijkl"), roles=" ".join(["w"] * count))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("width", [None, 3.3])
def test_no_head_number_touches_another_edge_a_node_or_another_number(seed: int, width: float | None) -> None:
    figure = flow.draw([of_sentence(busy(seed), threshold=0)], width)
    figure.set_dpi(300)  # as it is written
    figure.draw_without_rendering()
    axes = figure.axes[0]
    numbers = [text for text in axes.texts if (text.get_gid() or "").startswith("a-number-")]
    boxes = [Text.get_window_extent(text).shrunk(1, 0.75) for text in numbers]  # digits have no descenders
    assert len(numbers) == sum(
        e.through not in ("", "skip") for e in of_sentence(busy(seed), threshold=0).edges
    )
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
    edges = [patch for patch in axes.patches if "-edge-" in (patch.get_gid() or "")]
    for text, box in zip(numbers, boxes, strict=True):
        touched = [str(patch.get_gid()) for patch in edges if crosses(patch, box)]
        own = [gid for gid in touched if f"-{text.get_text()}-" in gid]
        assert len(touched) <= 1, (text.get_text(), touched)
        assert touched == own


def test_numbers_without_any_room_are_left_out_and_counted() -> None:
    drawn = of_condition([busy(seed) for seed in range(4)], "x")
    axes = flow.draw([drawn], 2.5).axes[0]
    numbers = [text for text in axes.texts if (text.get_gid() or "").startswith("a-number-")]
    said = next(text.get_text() for text in axes.texts if text.get_text().startswith("layer ("))
    left_out = int(said.removeprefix("layer (").split()[0])
    assert left_out + len(numbers) == sum(e.through not in ("", "skip") for e in drawn.edges)


def crosses(patch: Patch, box: Bbox) -> bool:
    """Tell whether an edge's line, as wide as it is drawn, meets a box: points along it, in pixels."""
    line = patch.get_path().interpolated(1).to_polygons(patch.get_transform(), closed_only=False)[0]
    figure = patch.get_figure(root=True)
    assert figure is not None
    wide = patch.get_linewidth() * figure.dpi / 72 / 2
    grown = Bbox.from_extents(box.x0 - wide, box.y0 - wide, box.x1 + wide, box.y1 + wide)
    return bool(Path_(line).intersects_bbox(grown, filled=False))


def test_long_sentences_fold_unused_words_alike_in_all_panels() -> None:
    tokens = " ".join(f"w{n}" for n in range(40))
    both = [
        sentence(
            attention(at, 1.0, (SKIP, at), (5, 20)), tokens=tokens, roles=" ".join(["r"] * 40), target=20
        )
        for at in (3, 30)
    ]
    figure = flow.draw(list(map(of_sentence, both)))
    for panel in "ab":
        rows = [
            t.get_text()
            for t in figure.axes[0].texts
            if re.match(f"{panel}-(word|folded)-", t.get_gid() or "")
        ]
        assert rows == ["… 3 words", "w3", "… 16 words", "w20", "… 9 words", "w30", "… 9 words"]


def test_a_panel_without_an_edge_says_why_within_its_bounds() -> None:
    figure = flow.draw([of_sentence(TWO_WORDS, threshold=0.9)])
    said = [t.get_text() for t in figure.axes[0].texts if "-reason-" in (t.get_gid() or "")]
    assert " ".join(said) == "no word has 90% of the sum of |g|; the greatest has 66.7%"


@pytest.mark.parametrize("width", [None, 2.5, 3.3])
def test_no_text_of_a_diagram_is_clipped_or_lies_on_another(width: float | None) -> None:
    group = [busy(seed) for seed in range(4)]
    drawn = [
        of_condition(group, "a condition of a long name"),
        of_condition(group[:2], "another long condition"),
    ]
    figure = flow.draw(drawn, width)
    figure.set_dpi(300)  # as it is written
    figure.draw_without_rendering()
    boxes = [(t.get_text(), Text.get_window_extent(t)) for t in figure.axes[0].texts if t.get_text().strip()]
    for index, (text, box) in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, text
        assert not [
            other for other, b in boxes[:index] if b.shrunk(0.9, 0.8).overlaps(box.shrunk(0.9, 0.8))
        ], text


def test_edges_that_join_the_same_nodes_do_not_cover_each_other() -> None:
    both = sentence(attention(0, 1.0, (SKIP, 0), (SKIP, 3)), attention(0, -1.0, (2, 0), (SKIP, 3)))
    drawn = [path.get("d") for path in parts(svg(flow.draw([of_sentence(both)])), "edge-").values()]
    assert len(set(drawn)) == len(drawn) == 4


# ---- files


@pytest.mark.parametrize("ending", style.FORMATS)
def test_a_figure_is_the_same_file_every_time_whatever_the_users_settings(
    ending: str, tmp_path: Path
) -> None:
    import matplotlib as mpl

    style.save(flow.draw([of_sentence(TWO_WORDS)]), tmp_path / f"one.{ending}", "run r1")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "x", "savefig.dpi": 30}):
        style.save(flow.draw([of_sentence(TWO_WORDS)]), tmp_path / f"two.{ending}", "run r1")
    written = (tmp_path / f"one.{ending}").read_bytes()
    assert written == (tmp_path / f"two.{ending}").read_bytes()
    assert b"CreationDate" not in written
    assert b"<dc:date>" not in written


def test_text_stays_text_in_pdf(tmp_path: Path) -> None:
    style.save(flow.draw([of_sentence(TWO_WORDS)]), tmp_path / "one.pdf", "run r1")
    written = (tmp_path / "one.pdf").read_bytes()
    assert b"/FontFile2" in written  # TrueType, embedded
    assert b"/Type3" not in written
    assert b"(run r1)" in written


def test_another_ending_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"one\.gif: .* must end in \.svg, \.pdf, \.png"):
        style.check_format(tmp_path / "one.gif")
    with pytest.raises(UsageError, match=r"the folder .*absent does not exist"):
        style.check_format(tmp_path / "absent" / "one.svg")


def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(IpgraphError) as caught:
        flow.draw([of_sentence(TWO_WORDS)])
    assert str(caught.value).startswith("figures need matplotlib: run ")
    assert str(caught.value).endswith("-m pip install 'ipgraph[plot]'")


# ---- plots


def test_skip_share_has_one_line_per_group_with_its_intervals() -> None:
    lines = [
        Series(name, tuple(Point(n, v, v - 0.1, v + 0.05) for n, v in enumerate((0.5, 0.7), 1)))
        for name in ("one", "two")
    ]
    figure = plots.skip_share(lines)
    intervals = figure.axes[0].collections
    assert len(intervals) == 2
    segments = intervals[0].get_segments()  # type: ignore[attr-defined]
    assert segments[0][:, 1] == pytest.approx([0.4, 0.55])
    assert {"one", "two", "layer", "skip share"} <= set(texts(svg(figure)))


def test_however_many_lines_each_looks_its_own_way_and_stays_at_its_layer() -> None:
    lines = [Series(f"c{n}", (Point(1, 0.5), Point(2, 0.7))) for n in range(20)]
    axes = plots.skip_share(lines).axes[0]
    drawn = [line for line in axes.lines if line.get_marker() not in ("_", "None")]
    looks = {(str(line.get_color()), line.get_marker()) for line in drawn}
    dashes = {(str(line.get_color()), str(line._unscaled_dash_pattern)) for line in drawn}  # type: ignore[attr-defined]
    assert len(looks) == len(dashes) == len(drawn) == 20
    aside = np.concatenate([np.asarray(line.get_xdata(), float) for line in drawn])
    assert np.abs(aside - aside.round()).max() < 0.3


def test_letters_that_the_font_lacks_are_refused_in_pictures_and_left_to_the_reader_in_svg(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    figure = plots.skip_share([Series("农民 plural", (Point(1, 0.5), Point(2, 0.7)))])
    for kind in ("png", "pdf"):
        with pytest.raises(UsageError, match=r"the font of figures lacks 农 民; write an \.svg file"):
            style.save(figure, tmp_path / f"a.{kind}")
    style.save(figure, tmp_path / "a.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
    assert "农民" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert not [str(w.message) for w in recwarn if "Glyph" in str(w.message)]


def test_a_legend_says_names_as_they_are() -> None:
    names = ["costs $5", "costs $\\six$", "_hidden", "$x_1$"]
    figure = plots.skip_share([Series(name, (Point(1, 0.5), Point(2, 0.7))) for name in names])
    assert [text for text in texts(svg(figure)) if text in names] == names


def test_a_map_of_heads_numbers_its_cells_in_percent_from_head_1() -> None:
    figure = plots.head_maps([HeadMap("subject", ((0.25, 0.0), (0.0, 0.004)))])
    root = svg(figure)
    cells = [g.get("id") for g in root.iter(f"{SVG}g") if "-head-" in g.get("id", "")]
    assert cells == ["a-head-1-1"]  # what rounds to 0 has no number
    assert {"25", "subject", "share of patterns"} <= set(texts(root))
    assert not list(root.iter(f"{SVG}image"))


def test_margins_of_a_layer_look_the_same_at_both_levels() -> None:
    def lines(count: int) -> list[Series]:
        return [Series(str(n), (Point(0.1, 0.2), Point(1, 1))) for n in range(1, count + 1)]

    figure = plots.margins([("embedding level", lines(2)), ("attention level", lines(3))])
    left, right = ([line.get_color() for line in axes.lines] for axes in figure.axes)
    assert left == right[:2]
    assert len(set(map(str, right))) == 3
    legends = [axes.get_legend() for axes in figure.axes]
    assert [legend and [text.get_text() for text in legend.get_texts()] for legend in legends] == [
        None,
        ["1", "2", "3"],
    ]


def test_labels_of_points_that_lie_together_stand_apart() -> None:
    points = tuple(
        Point(1 + dx / 50, 1 + dy / 50, label=f"word{dx}{dy}", is_marked=dx == 0)
        for dx in (0, 1)
        for dy in (0, 1)
    )
    figure = scatter([[Scatter("x", "H", (Series("gpr", (*points, Point(3, 3, label="far"))),))]])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    shared = [Bbox.intersection(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert (
        sum(box.width * box.height for box in shared if box is not None)
        < 0.05 * boxes[0].width * boxes[0].height
    )
    assert {"attractor", "far"} <= set(texts(svg(figure)))


def test_a_label_that_stands_nearer_another_point_is_led_to_its_own() -> None:
    """Points in a row, so close that no label has room beside its own."""
    points = tuple(Point(1 + n / 100, 1.0, label=f"a long label {n}") for n in range(6))
    figure = scatter([[Scatter("x", "H", (Series("gpr", (*points, Point(3, 3, label="far"))),))]])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    at = {p.label: axes.transData.transform((p.x, p.value)) for p in points}
    led = {}
    for text in axes.texts:
        box = Text.get_window_extent(text)
        if text.get_text() in at:
            apart = {
                name: hypot(max(box.x0 - x, 0, x - box.x1), max(box.y0 - y, 0, y - box.y1))
                for name, (x, y) in at.items()
            }
            if apart[text.get_text()] > min(apart.values()):
                led[text.get_text()] = text.arrow_patch.get_visible()  # type: ignore[attr-defined]
    assert led
    assert all(led.values())
