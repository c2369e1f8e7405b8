"""The drawing of an instance's patterns, against pictures drawn by hand."""

import pytest
from rich.cells import cell_len
from support.diagrams import pattern

from ipgraph.cli.text_diagram import draw
from ipgraph.graphstore.schema.labels import node_label
from ipgraph.queries.views.sentence import WordPattern

SKIP = None
TOKENS = ["a", "b", "c", "d"]


def attention(position: int, sign: int, *hops: tuple[int | None, int], total: float = 1.0) -> WordPattern:
    """Return a path of (head or SKIP, position) hops."""
    labels = [node_label("input", 0, position)]
    for layer, (head, to) in enumerate(hops, 1):
        labels.append(node_label("skip", layer, to) if head is SKIP else node_label("head", layer, to, head))
        labels.append(node_label("embedding", layer, to))
    return pattern("attention", position, sign * total, labels, [1.0] * len(labels))


def embedding(position: int, *to: int) -> WordPattern:
    labels = [node_label("embedding", layer, p) for layer, p in enumerate(to, 1)]
    labels = [node_label("input", 0, position), *labels]
    return pattern("embedding", position, 1.0, labels, [1.0] * len(labels))


def drawn(*paths: WordPattern, tokens: list[str] = TOKENS, width: int | None = None) -> str:
    return "\n".join(line.rstrip() for line in draw(tokens, paths, width).plain.split("\n"))


def picture(text: str) -> str:
    return "\n".join(line.partition("|")[2] for line in text.strip().split("\n"))


def test_skips_are_dashed_and_a_head_that_moves_is_numbered_from_1() -> None:
    expected = picture("""
        | 2     ·      ·      +      ·
        |                     ┆
        | 1     ·      ·      +      ·
        |       ╭───────────3─╯
        | 0     +      ·      ·      ·
        |       a      b      c      d
        |       0      1      2      3
        |    +1.000
        """)
    assert drawn(attention(0, 1, (3, 2), (SKIP, 2))) == expected


def test_a_head_that_stays_is_a_solid_line_with_its_number() -> None:
    expected = picture("""
        | 1     ·      -      ·      ·
        |              │12
        | 0     ·      -      ·      ·
        |       a      b      c      d
        |       0      1      2      3
        |           -1.000
        """)
    assert drawn(attention(1, -1, (12, 1))) == expected


def test_paths_of_both_signs_meet_in_a_node_of_both() -> None:
    expected = picture("""
        | 1     ·      ±      ·      ·
        |       ╭────1─┤
        | 0     -      +      ·      ·
        |       a      b      c      d
        |       0      1      2      3
        |    -1.000 +1.000
        """)
    assert drawn(attention(0, -1, (1, 1)), attention(1, 1, (SKIP, 1))) == expected


def test_words_that_use_one_head_share_a_line() -> None:
    expected = picture("""
        | 1     ·      ·      +      ·
        |       ╭──────┬────4─┴─4────╮
        | 0     +      +      ·      +
        |       a      b      c      d
        |       0      1      2      3
        |    +1.000 +1.000        +1.000
        """)
    paths = [attention(position, 1, (4, 2)) for position in (0, 1, 3)]
    assert drawn(*paths) == expected


def test_a_line_that_only_crosses_interrupts_the_other() -> None:
    expected = picture("""
        | 1     ·      +      +      ·
        |       ╭───────────1─╯
        | 0     +      +      ·      ·
        |       a      b      c      d
        |       0      1      2      3
        |    +1.000 +1.000
        """)
    assert drawn(attention(0, 1, (1, 2)), attention(1, 1, (SKIP, 1))) == expected


def test_a_line_out_of_a_position_lies_below_the_lines_into_it() -> None:
    expected = picture("""
        | 1     ·      +      ·      +
        |       ╭────1─╯             │
        |       │      ╭───────────2─╯
        | 0     +      +      ·      ·
        |       a      b      c      d
        |       0      1      2      3
        |    +1.000 +1.000
        """)
    assert drawn(attention(0, 1, (1, 1)), attention(1, 1, (2, 3))) == expected


def test_two_positions_that_swap_are_drawn_all_the_same() -> None:
    text = drawn(attention(0, 1, (1, 1)), attention(1, 1, (2, 0)))
    assert "1" in text.split("\n")[1] + text.split("\n")[2]
    assert text.split("\n")[0].split() == ["1", "+", "+", "·", "·"]


def test_an_embedding_path_carries_no_head_numbers() -> None:
    expected = picture("""
        | 2     ·      ·      +      ·
        |                     │
        | 1     ·      ·      +      ·
        |       ╭─────────────╯
        | 0     +      ·      ·      ·
        |       a      b      c      d
        |       0      1      2      3
        |    +1.000
        """)
    assert drawn(embedding(0, 2, 2)) == expected


def test_what_is_too_wide_folds_positions_without_a_path_and_shortens_words() -> None:
    tokens = ["extraordinarily", "b", "c", "d"]
    lines = drawn(attention(0, 1, (1, 3)), tokens=tokens, width=20).split("\n")
    assert [line.split() for line in lines] == [
        ["1", "·", "+"],
        ["╭───────1─╯"],
        ["0", "+", "·"],
        ["ext…", "…2", "d"],
        ["0", "3"],
    ]
    assert max(map(len, lines)) <= 20


def test_a_long_sentence_folds_its_unused_words_and_says_how_many() -> None:
    words = drawn(attention(5, 1, (3, 20)), tokens=[f"w{n}" for n in range(40)]).split("\n")[-3]
    assert words.split() == ["…5", "w5", "…14", "w20", "…19"]


def test_the_number_of_a_head_covers_no_line_that_its_lane_crosses() -> None:
    """Four heads stay at position 1, side by side, where a lane comes in from the right."""
    staying = [attention(1, 1, (head, 1)) for head in (1, 2, 3, 4)]
    picture_ = drawn(*staying, attention(3, 1, (12, 1))).split("\n")
    lane, below = picture_[1], picture_[2]
    at = lane.index("12")
    assert below.count("│") == 5
    assert all(below[column : column + 1] in ("", " ") or below[column].isdigit() for column in (at, at + 1))


def test_where_there_is_less_room_columns_draw_nearer_and_totals_that_would_meet_are_left_out() -> None:
    expected = picture("""
        | 1    ·   ·   +   ·
        |      ╭───┬─3─┴─3─╮
        | 0    +   +   ·   +
        |      a   b   c   d
        |      0   1   2   3
        """)
    paths = [attention(0, 1, (3, 2)), attention(1, 1, (3, 2)), attention(3, 1, (3, 2))]
    assert drawn(*paths, width=20) == expected


def test_heads_that_stay_and_long_totals_have_room() -> None:
    staying = [attention(1, 1, (head, 1), total=123.456) for head in (9, 10, 11, 12)]
    beside = attention(2, 1, (SKIP, 2), total=12.345)
    lines = drawn(*staying, beside).split("\n")
    assert lines[1].split() == ["│9│10│11│12", "┆"]
    assert lines[-1].split() == ["+123.456", "+12.345"]


def test_wide_letters_and_accents_take_the_columns_that_a_terminal_gives_them() -> None:
    tokens = ["农民", "e\u0301te\u0301", "c", "喜欢喜欢喜欢"]
    words, numbers = drawn(attention(0, 1, (3, 2)), tokens=tokens).split("\n")[-3:-1]

    def column(line: str, text: str) -> int:
        return cell_len(line[: line.index(text)]) + cell_len(text) // 2

    for position, token in enumerate(tokens):
        assert column(words, token) == column(numbers, str(position))
    cut = drawn(attention(0, 1, (3, 3)), tokens=tokens, width=22).split("\n")[-2]
    assert cut.split() == ["农民", "…2", "喜欢…"]


@pytest.mark.parametrize(("sign", "style"), [(1, "blue"), (-1, "dark_orange")])
def test_signs_have_colours(sign: int, style: str) -> None:
    text = draw(TOKENS, [attention(0, sign, (1, 2))])
    coloured = {text.plain[span.start : span.end]: span.style for span in text.spans if span.style}
    assert coloured["╭"] == coloured["╯"] == style
