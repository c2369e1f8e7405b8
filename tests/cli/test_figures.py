"""Figures: what a diagram of one sentence or of many holds, counted by hand."""

import pytest
from support.diagrams import SKIP, TWO_WORDS, attention, embedding, sentence

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.queries.views.conditions import Choice, of_condition, of_difference
from ipgraph.queries.views.flow import finest, of_sentence
from ipgraph.queries.views.folding import folded


def test_hops_become_edges_with_heads_from_1_and_the_influence_so_far() -> None:
    drawn = of_sentence(TWO_WORDS)
    assert [(e.layer, e.source, e.target, e.through, e.sign) for e in drawn.edges] == [
        (1, 0, 0, "skip", 1),
        (1, 1, 3, "1", -1),
        (2, 0, 3, "5", 1),
        (2, 3, 3, "skip", -1),
    ]
    assert [e.weight for e in drawn.edges] == pytest.approx([0.9, 0.45, 0.81, 0.405])
    assert drawn.title == "plural   are − is = +1.25"


def test_the_embedding_level_has_no_heads() -> None:
    drawn = of_sentence(TWO_WORDS, "embedding")
    assert {(e.source, e.target, e.through) for e in drawn.edges if e.layer == 2} == {(0, 3, ""), (3, 3, "")}
    assert finest([TWO_WORDS]) == "attention"
    assert finest([sentence(embedding(0, 1.0, 0, 3))]) == "embedding"


def test_words_below_the_threshold_are_left_out_but_keep_their_bars() -> None:
    one = sentence(
        attention(0, 0.96, (SKIP, 0), (SKIP, 3)), attention(1, -0.04, (SKIP, 1), (SKIP, 3), influence=-0.01)
    )
    assert {e.source for e in of_sentence(one).edges if e.layer == 1} == {0}
    assert {e.source for e in of_sentence(one, threshold=0.04).edges if e.layer == 1} == {0, 1}
    bars = of_sentence(one).rows[1].bars
    assert bars == pytest.approx((-0.04, None, -0.01 * 0.9**2), nan_ok=True)


def test_patterns_of_one_sign_that_share_a_hop_share_an_edge() -> None:
    same = ((3, 3), (SKIP, 3))
    one = sentence(*(attention(at, g, *same) for at, g in ((0, 1.0), (1, 1.0), (2, -1.0))))
    last = [e for e in of_sentence(one).edges if e.layer == 2]
    assert [(e.sign, round(e.weight, 6)) for e in last] == [(-1, 0.405), (1, 0.81)]


def test_an_aggregate_weighs_share_times_mean_influence_and_names_rows_by_role_where_words_differ() -> None:
    path = ((SKIP, 0), (5, 3))
    group = [
        sentence(attention(0, 1.0, *path), attention(1, 1.0, (SKIP, 1), (5, 3)), tokens="a b c d"),
        sentence(attention(0, 1.0, *path), attention(1, 1.0, (SKIP, 1), (6, 3)), tokens="a x c d"),
        sentence(attention(0, -1.0, *path), attention(1, 1.0, (SKIP, 1), (5, 3)), tokens="a y c d"),
    ]
    drawn = of_condition(group, "plural", Choice(min_share=0))
    assert {(e.source, e.through, e.sign): e.weight for e in drawn.edges if e.layer == 2} == pytest.approx(
        {
            (0, "5", 1): 2 / 3 * 0.405,  # 2 of 3 sentences; I = .5 less a tenth at each of 2 hops
            (0, "5", -1): 1 / 3 * 0.405,
            (1, "5", 1): 2 / 3 * 0.405,
            (1, "6", 1): 1 / 3 * 0.405,
        }
    )
    assert [(row.label, row.is_role) for row in drawn.rows] == [
        ("a", False),
        ("noun", True),
        ("c", False),
        ("d", False),
    ]
    assert drawn.rows[0].bars[0] == pytest.approx(1 / 3)
    assert drawn.title == "plural   n = 3"
    often = of_condition(group, "plural", Choice(min_share=0.5))
    assert sorted({round(e.weight / 0.405, 9) for e in often.edges}) == pytest.approx([2 / 3, 1.0])


def test_words_of_one_sentence_that_share_an_edge_add_up_in_an_aggregate() -> None:
    same = ((3, 3), (SKIP, 3))
    both = sentence(attention(0, 1.0, *same), attention(1, 1.0, *same, influence=0.3))
    only = sentence(attention(0, 1.0, *same))
    last = [e for e in of_condition([both, only], "plural").edges if e.layer == 2]
    assert [e.weight for e in last] == pytest.approx([((0.5 + 0.3) + 0.5) * 0.81 / 2])


def test_rows_without_roles_are_named_by_their_commonest_words() -> None:
    path = attention(0, 1.0, (SKIP, 0), (5, 3))
    words = ["x", "y", "y", "z", "z", "z"]
    group = [sentence(path, tokens=f"a {word} c d", roles="other other verb end") for word in words]
    rows = of_condition(group, "plural").rows
    assert [(row.label, row.is_role) for row in rows[:2]] == [("a", False), ("z/y/…", False)]


def test_a_difference_has_the_sign_and_size_of_what_one_condition_uses_more() -> None:
    up, down = attention(0, 1.0, (SKIP, 0), (5, 3)), attention(0, -1.0, (SKIP, 0), (6, 3))
    first, second = [sentence(up), sentence(up)], [sentence(up), sentence(down)]
    drawn = of_difference(first, second, ("A", "B"))
    assert drawn.signs == ("more in A", "more in B")
    assert {(e.layer, e.through, e.sign): e.weight for e in drawn.edges} == pytest.approx(
        {(2, "5", 1): 0.405 / 2, (2, "6", -1): 0.405 / 2}  # both use the skip alike, whatever the word's sign
    )
    assert drawn.title == "A − B   n = 2 and 2"
    assert drawn.rows[0].bars[0] == pytest.approx(1.0)  # 1 less the mean of 1 and -1
    alike = of_difference(first, first, ("A", "B"))
    assert (alike.edges, alike.empty) == ((), "both conditions use every edge alike")
    with pytest.raises(UsageError, match="B: no instance"):
        of_difference(first, [], ("A", "B"))


def test_a_diagram_without_an_edge_says_why() -> None:
    assert of_sentence(sentence()).empty == "no word of this sentence has a pattern"
    assert (
        of_sentence(TWO_WORDS, threshold=0.9).empty
        == "no word has 90% of the sum of |g|; the greatest has 66.7%"
    )
    group = [sentence(attention(0, 1.0, (head, 3), (SKIP, 3))) for head in (1, 2, 3)]
    few = of_condition(
        [sentence(attention(at, 1.0, (1, at), (2, at))) for at in (0, 1, 2)], "x", Choice(min_share=0.5)
    )
    assert few.empty == "no edge is used by 50% of the sentences; the commonest by 33%"
    assert of_condition(group, "x").empty == ""
    none = of_condition([sentence(), sentence()], "x")
    assert none.empty == "no word of any sentence has a pattern and 5% of the sum of |g|"


def test_the_caption_says_how_many_sentences_a_drawn_edge_covers() -> None:
    group = [sentence(attention(0, 1.0, (head, 3), (SKIP, 3))) for head in (1, 2)]
    assert of_condition([*group, sentence()], "x").title == "x   n = 3 (2 with a drawn edge)"
    assert "at least 10% of the sentences" in of_condition(group, "x").note


def test_a_classifiers_title_names_its_classes() -> None:
    from dataclasses import replace

    review = replace(TWO_WORDS, correct="", wrong="", toward="POSITIVE", against="NEGATIVE")
    assert of_sentence(review).title == "plural   POSITIVE − NEGATIVE = +1.25"
    assert of_sentence(replace(review, against="")).title == "plural   POSITIVE = +1.25"


def test_runs_of_unused_positions_fold_in_long_sentences_only() -> None:
    assert [list(g) for g in folded(17, {0, 2, 16})] == [[0], [1], [2], list(range(3, 16)), [16]]
    assert folded(16, {0}) == [range(at, at + 1) for at in range(16)]
    assert folded(3, set(), longest=0) == [range(3)]


def test_an_aggregate_refuses_sentences_of_several_structures_and_none() -> None:
    other = sentence(attention(0, 1.0, (SKIP, 0), (SKIP, 3)), roles="det noun other end")
    with pytest.raises(UsageError, match=r"are of 2 structures \(1, 1\), which differ in roles, so"):
        of_condition([TWO_WORDS, other], "plural")
    with pytest.raises(UsageError, match="no instance"):
        of_condition([], "plural")


def test_a_level_that_a_run_lacks_is_an_error() -> None:
    with pytest.raises(UsageError, match="no patterns at the embedding level in this run; it has attention"):
        of_sentence(sentence(attention(0, 1.0, (SKIP, 3))), "embedding")
