"""The page of `dnabert viz`: what it holds, and what it does in a real browser."""

import json
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dnabert_cli.analysis.pages.viz_page import (
    MOST_LABELS,
    HeadAttention,
    VizSequence,
    mean_scores,
    viz_page,
)
from tests.chromium import wait_for

HOSTILE = "</script><script>document.title = 'broken'</script><img src=x onerror=alert(1)>"
TEXTS = {
    "title": "Toy",
    "method": "made up",
    "score_label": "score",
    "model_text": "none",
}
# Rows of layer 0, head 0 from [CLS]: weights 10, 4, 3, 2, 1 over 20.
CLS_ROW = [10, 4, 3, 2, 1]


def viz_sequence(name="one", sequence="ACGTA", scores=None, **fields):
    scores = np.arange(len(sequence)) / 10 if scores is None else np.array(scores, float)
    return VizSequence(name=name, sequence=sequence, scores=scores, **fields)


def toy_attention():
    """Two layers of two heads over [CLS] ACG CGT GTA [SEP]; uniform but for one row."""
    weights = np.full((2, 2, 5, 5), 0.2)
    weights[0, 0, 0] = np.array(CLS_ROW) / 20
    return HeadAttention.from_weights(
        ["[CLS]", "ACG", "CGT", "GTA", "[SEP]"], [-1, 0, 1, 2, -1], weights
    )


def toy_page(**changes):
    mutations = np.full((5, 4), 0.25)
    mutations[np.arange(5), ["ACGT".index(base) for base in "ACGTA"]] = np.nan
    sequences = [
        viz_sequence("b", probability=0.25, label="no", chrom="chr1", start=100, strand="-"),
        viz_sequence(HOSTILE, probability=0.75, label="yes", chrom="chr2", start=7),
        viz_sequence("a", "ACG", [0.5, np.nan, -0.5], label="no"),
        viz_sequence("d", probability=0.5, mutations=mutations),
    ]
    return viz_page(sequences, **TEXTS | {"anchor": 2, "attention": {1: toy_attention()}} | changes)


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_equal_content_gives_equal_text():
    assert toy_page() == toy_page()


def test_a_hundred_sequences_of_300_bases_fit_in_400_kb():
    rng = np.random.default_rng(1)
    sequences = [
        viz_sequence(f"chr1:{i}-{i + 300}", "".join(rng.choice(list("ACGT"), 300)), rng.random(300))
        for i in range(100)
    ]

    assert len(viz_page(sequences, **TEXTS).encode()) < 400_000


def test_no_sequences_give_a_sentence_and_no_scripts():
    page = viz_page([], **TEXTS)

    assert "There are no sequences to show." in page
    assert "<script" not in page


def test_scores_are_rounded_and_missing_ones_are_null():
    page = viz_page([viz_sequence("x", "ACG", [0.123456, np.nan, -2])], **TEXTS)

    assert data_of(page)["sequences"][0]["scores"] == [0.1235, None, -2]


def test_a_sequence_wants_a_score_for_each_base():
    with pytest.raises(ValueError, match=r"x: 3 bases, scores \(2,\)"):
        viz_sequence("x", "ACG", [1, 2])


def test_a_sequence_wants_four_mutations_for_each_base():
    with pytest.raises(ValueError, match=r"x: 3 bases, mutations \(4, 3\)"):
        viz_sequence("x", "ACG", mutations=np.zeros((4, 3)))


def test_mutations_lie_in_the_data_base_by_base():
    mutations = np.array([[np.nan, 1, 2, 3], [4, np.nan, 5, 6]])
    page = viz_page([viz_sequence("x", "AC", mutations=mutations)], **TEXTS)

    assert data_of(page)["sequences"][0]["mutations"] == [[None, 4], [1, None], [2, 5], [3, 6]]
    assert data_of(viz_page([viz_sequence()], **TEXTS))["mutationLimit"] is None


def test_means_count_only_the_sequences_that_reach_a_position():
    lines, left_out = mean_scores(
        [
            viz_sequence("x", "ACG", [1, 2, 3], label="u"),
            viz_sequence("y", "AC", [3, np.nan], label="u"),
            viz_sequence("z", "A", [8], label="v"),
        ]
    )

    assert [line["label"] for line in lines] == [None, "u", "v"]
    assert [line["mean"] for line in lines] == [[4, 2, 3], [2, 2, 3], [8]]
    assert [line["count"] for line in lines] == [[3, 1, 1], [2, 1, 1], [1]]
    assert left_out == 0


def test_more_labels_than_colours_are_left_out_and_told():
    sequences = [viz_sequence(str(i), label=f"label {i}") for i in range(MOST_LABELS + 2)]

    lines, left_out = mean_scores(sequences)

    assert (len(lines), left_out) == (MOST_LABELS + 1, 2)
    assert len({line["colour"] for line in lines}) == len(lines)
    assert "2 more are left out" in viz_page(sequences, **TEXTS)


def test_a_single_giant_does_not_set_the_deepest_colour():
    scores = np.append(np.ones(999), 1000.0)

    data = data_of(viz_page([viz_sequence("x", "A" * 1000, scores)], **TEXTS))

    assert data["limit"] == 1


@pytest.mark.parametrize(
    ("scores", "limit"), [([0, 0], 1), ([np.nan, np.nan], 1), ([-3, 0], 2.985)]
)
def test_colours_have_a_limit_whatever_the_scores(scores, limit):
    data = data_of(viz_page([viz_sequence("x", "AC", scores)], **TEXTS))

    assert data["limit"] == limit
    assert data["isSigned"] == (min(scores) < 0)


def test_list_of_sequences_can_be_read_without_scripts():
    page = viz_page(
        [viz_sequence("x", "ACG", [1, 9, np.nan], chrom="chr1", start=5, probability=0.5)], **TEXTS
    )

    assert (
        '<th scope="row">x</th><td>-</td><td>0.5</td><td>chr1:5-8 (+)</td>'
        "<td>3</td><td>9</td><td>1</td>" in page
    )


def test_weights_are_kept_to_a_255th_of_their_row():
    rng = np.random.default_rng(2)
    weights = rng.dirichlet(np.ones(7) / 3, size=(2, 3, 7))

    heads = HeadAttention.from_weights(list("ABCDEFG"), [-1] * 7, weights)

    largest = weights.max(-1, keepdims=True)
    assert (np.abs(heads.weights * heads.scale[..., None] - weights) <= largest / 509).all()
    assert (heads.weights.max(-1) == 255).all()
    assert list(heads.layers) == [0, 1]


def test_rows_of_zeros_stay_zeros():
    heads = HeadAttention.from_weights(["A", "C"], [0, 1], np.zeros((1, 1, 2, 2)))

    assert_allclose(heads.weights, 0)


def test_weights_of_other_tokens_are_refused():
    with pytest.raises(ValueError, match="weights"):
        HeadAttention.from_weights(["A"], [0], np.ones((1, 1, 2, 2)))


@pytest.fixture
def page(browser, tmp_path):
    """The toy page in the browser; at the end nothing has gone wrong and nothing been fetched."""
    path = tmp_path / "page.html"
    path.write_text(toy_page(), encoding="utf-8")
    browser.open(path)
    yield browser
    assert browser.problems == []
    fetched = [url for url in browser.requests if not url.startswith(("data:", "blob:"))]
    assert fetched == [path.as_uri()]


def test_a_hostile_name_stays_a_name(page):
    assert page.evaluate("document.title") == "Toy"
    assert page.evaluate("document.images.length") == 0
    assert page.text("#selected-name") == HOSTILE


def test_keys_move_over_the_heatmap_and_say_what_is_there(page):
    page.focus("#heatmap")
    page.press("Home", "ArrowUp", "ArrowRight")

    assert page.text("#status") == (
        "b, C at position 1 (anchor -1), score 0.1, chr1:103-104 (-), probability 0.25, label no"
    )

    page.press("ArrowDown", "ArrowDown")

    assert page.text("#status").startswith("a, C at position 1 (anchor -1), score -, label no")


def test_mouse_over_the_heatmap_says_what_is_there(page):
    page.hover("#heatmap", 0.5, 0.3)
    first = page.text("#status")
    page.hover("#heatmap", 0.7, 0.3)

    assert first.startswith("b, G at position 2 (the anchor)")
    assert page.text("#status").startswith("b, T at position 3")


@pytest.mark.parametrize(
    ("order", "rows"),
    [("input", "0 1 2 3"), ("probability", "1 3 0 2"), ("name", "1 2 0 3"), ("label", "0 2 1 3")],
)
def test_heatmap_is_ordered_as_asked(page, order, rows):
    page.choose("#order", order)

    assert page.evaluate("document.querySelector('#heatmap').dataset.order") == rows


def test_enter_shows_the_row_below(page):
    page.focus("#heatmap")
    page.press("ArrowDown", "ArrowDown", "Enter")

    assert page.text("#selected-name") == "d"
    assert page.evaluate("document.querySelectorAll('#letters text').length") == 5 + 1 + 4
    assert page.text("#context-missing").startswith("The attention of this sequence is not in")


def test_landscape_tells_the_means(page):
    page.focus("#landscape svg")
    page.press("Home")

    assert page.text("#status") == (
        "position 0 (anchor -2), mean (sequences): all 0.125 (4), no 0.25 (2), yes 0 (1)"
    )


def test_letters_tell_scores_and_mutations(page):
    page.choose("#selected", "3")
    page.focus("#letters svg")
    page.press("End")

    assert page.text("#status") == (
        "d, A at position 4 (anchor +2), score 0.4, change with C 0.25, G 0.25, T 0.25, "
        "probability 0.5"
    )


def test_table_of_scores_fills_when_opened(page):
    assert page.evaluate("document.querySelector('#numbers-body').rows.length") == 0

    page.click("#numbers summary", 0.1)

    cells = (
        "Array.from(document.querySelector('#numbers-body').rows[4].cells, (c) => c.textContent)"
    )
    wait_for(lambda: page.evaluate("document.querySelector('#numbers-body').rows.length"))
    assert page.evaluate(cells) == ["4", "A", "0.4", "11"]


def test_cut_off_layer_and_head_change_the_arcs(page):
    n_arcs = "Number(document.querySelector('#context').dataset.arcs)"
    page.choose("#layer", "0")
    counts = []
    for cut_off in ("0", "25", "35", "100"):
        page.choose("#cutoff", cut_off)
        counts.append(page.evaluate(n_arcs))

    assert counts == [5, 3, 2, 1]

    page.choose("#head", "1")

    assert page.evaluate(n_arcs) == 5
    assert page.evaluate("document.querySelectorAll('#context [data-token]').length") == 5


def test_keys_step_through_queries_and_arcs(page):
    page.choose("#layer", "0")
    page.choose("#cutoff", "35")
    page.focus("#context svg")
    page.press("ArrowDown", "ArrowDown")
    assert page.text("#status") == "[CLS] → ACG at 0: weight 0.2 (2 of 2 arcs)"

    page.press("ArrowRight", "ArrowRight")

    assert page.text("#status") == "arcs from CGT at 1: 5"
    assert page.evaluate("document.activeElement.parentElement.id") == "context"


def test_a_click_on_a_letter_asks_from_its_kmer(page):
    page.click("#letters svg", (44 + 11 * 1.5) / (44 + 55 + 4), 0.5)  # the second base

    assert page.evaluate("document.querySelector('#context').dataset.query") == "1"
    assert "from ACG at 0:" in page.text("#context-query")


def test_all_scores_can_be_saved(page):
    page.click("#save-all")

    saved = page.folder / "scores.tsv"
    wait_for(saved.exists)
    lines = wait_for(saved.read_text).split("\n")
    assert lines[0] == "#name\tposition\tbase\tscore\tchrom\tstart\tend\tstrand"
    assert lines[1] == "b\t0\tA\t0\tchr1\t104\t105\t-"
    assert "a\t1\tC\t.\t.\t.\t.\t." in lines
    assert len(lines) == 1 + 5 + 5 + 3 + 5 + 1


def test_print_leaves_out_what_is_there_to_click(page):
    controls = [".controls", "#status", "#numbers", ".screen-only"]
    page.focus("#heatmap")
    assert [page.is_visible(selector) for selector in controls] == [True] * 4

    page.media("print")

    assert [page.is_visible(selector) for selector in controls] == [False] * 4
    assert page.is_visible("#heatmap")
    page.media("")


def test_nothing_is_wider_than_a_telephone(page):
    page.resize(420)

    wait_for(lambda: page.evaluate("document.querySelector('#landscape svg').clientWidth") < 420)
    assert page.evaluate("document.documentElement.scrollWidth") == 420
