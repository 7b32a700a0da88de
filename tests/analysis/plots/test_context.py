"""The arcs of attention: which are drawn, from where to where, how wide, and what is written."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.context import draw_context

SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
TOKENS = ["[CLS]", "ACG", "CGT", "GTT", "[SEP]"]
BASES = [None, -1, 0, 1, None]
ATTENTION = np.zeros((3, 5, 5))
ATTENTION[0, 2] = [0.1, 0.2, 0.3, 0.4, 0.0]
ATTENTION[2, 2] = [0.6, 0.0, 0.0, 0.2, 0.2]
ATTENTION[1, 3] = [1.0, 0.0, 0.0, 0.0, 0.0]


def drawn(
    tokens=TOKENS, attention=ATTENTION, query=2, cutoff=0.2, bases=BASES, title="", fmt="svg"
):
    return draw_context(
        tokens, attention, query=query, cutoff=cutoff, bases=bases, title=title, fmt=fmt
    )


def words(svg):
    return [
        "".join(text.itertext())
        for text in ET.fromstring(svg.decode()).iter("{http://www.w3.org/2000/svg}text")
    ]


def arcs(axis):
    """Return from, to and width of each head's arcs, head by head."""
    return [
        [
            (path.vertices[0, 0], path.vertices[-1, 0], round(float(width), 3))
            for path, width in zip(heads.get_paths(), heads.get_linewidths(), strict=True)
        ]
        for heads in axis.collections
    ]


@pytest.fixture
def figures(monkeypatch):
    """Let the functions return the figure in place of its bytes."""
    monkeypatch.setattr(canvas, "save", lambda figure, _: figure)


@pytest.mark.parametrize("fmt", canvas.FORMATS)
def test_equal_numbers_are_equal_bytes_of_the_format(fmt):
    content = drawn(title="t", fmt=fmt)

    assert content.startswith(SIGNATURES[fmt])
    assert content == drawn(title="t", fmt=fmt)


def test_no_text_is_smaller_than_seven_points(figures):
    from matplotlib.text import Text

    assert min(text.get_fontsize() for text in drawn(title="t").findobj(Text)) >= 7


def test_arcs_lead_from_the_query_to_the_keys_at_or_above_the_cutoff(figures):
    first, third = arcs(drawn().axes[0])

    assert [arc[:2] for arc in first] == [(2, 1), (2, 2), (2, 3)]
    assert [arc[:2] for arc in third] == [(2, 0), (2, 3), (2, 4)]


def test_arcs_are_wider_the_larger_the_weight(figures):
    widths = {
        weight: width
        for own, head in zip(arcs(drawn().axes[0]), (0, 2), strict=True)
        for (_, key, width), weight in [(arc, ATTENTION[head, 2, int(arc[1])]) for arc in own]
    }

    assert widths == {0.2: 0.5, 0.3: 1.125, 0.4: 1.75, 0.6: 3.0}


def test_arcs_rise_from_the_axis_and_stay_in_the_panel(figures):
    axis = drawn().axes[0]

    for heads in axis.collections:
        for path in heads.get_paths():
            box = path.get_extents()
            assert box.y0 == 0
            assert 0.1 < box.y1 <= axis.get_ylim()[1]


def test_every_head_has_a_look_of_its_own(figures):
    attention = np.tile(np.eye(5)[[3] * 5], (16, 1, 1))
    heads = drawn(attention=attention).axes[0].collections

    looks = {(str(head.get_edgecolor()), str(head._us_linestyles)) for head in heads}
    assert len(heads) == len(looks) == 16


def test_heads_weights_title_and_tokens_with_their_first_base_are_written():
    told = words(drawn(title="Layer 12"))

    assert {
        "Layer 12", "head 0", "head 2", "no arcs: 1", "weight 0.2", "weight 0.6", "query",
        "[CLS]", "\N{MINUS SIGN}1  ACG", "0  CGT", "1  GTT", "[SEP]",
        "token, with the number of its first base",
    } <= set(told)  # fmt: skip
    assert "head 1" not in told


def test_silent_heads_are_told_as_ranges():
    attention = np.zeros((9, 5, 5))
    attention[[1, 7], 2, 0] = 1

    assert "no arcs: 0, 2-6, 8" in words(drawn(attention=attention))


def test_nothing_above_the_cutoff_is_said():
    told = words(drawn(cutoff=0.7))

    assert "no attention of 0.7 or more" in told
    assert not any(word.startswith(("head", "weight")) for word in told)


def test_unknown_weights_draw_no_arc(figures):
    attention = ATTENTION.copy()
    attention[2] = np.nan

    assert len(arcs(drawn(attention=attention).axes[0])) == 1


def test_of_many_tokens_query_and_strongest_keys_are_named_and_no_names_touch(figures):
    n_tokens = 400
    attention = np.zeros((1, n_tokens, n_tokens))
    attention[0, 200, [10, 11, 390]] = 0.3, 0.4, 0.3
    tokens = [f"{token:06}" for token in range(n_tokens)]

    figure = drawn(tokens, attention, 200, 0.1, [*range(n_tokens)])
    figure.draw_without_rendering()

    labels = figure.axes[0].get_xticklabels()
    shown = {int(label.get_text().split()[1]) for label in labels}
    assert {200, 11, 390} <= shown
    assert 10 not in shown
    assert 25 <= len(shown) < 60
    boxes = [label.get_window_extent() for label in labels]
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
    bold = [label.get_text() for label in labels if label.get_fontweight() == "bold"]
    assert bold == ["200  000200"]


@pytest.mark.parametrize("name", ["a < b & c", "$x_1^2$ and", "_hidden"])
def test_tokens_and_titles_are_shown_as_they_are(name):
    told = words(drawn([name, *TOKENS[1:]], title=name))

    assert told.count(name) == 2


def test_a_single_token_looks_at_itself(figures):
    assert arcs(drawn(["[CLS]"], np.ones((1, 1, 1)), 0, 0.5, [None]).axes[0]) == [[(0, 0, 3.0)]]


BAD = [
    ({"tokens": []}, "0 tokens do not fit attention"),
    ({"attention": ATTENTION[0]}, "5 tokens do not fit attention"),
    ({"attention": ATTENTION[:, :4]}, "5 tokens do not fit attention"),
    ({"attention": ATTENTION[:0]}, "5 tokens do not fit attention"),
    ({"bases": [None]}, "5 tokens, but 1 numbers"),
    ({"query": 5}, "token 5 is none of 0 to 4"),
    ({"query": -1}, "token -1 is none of 0 to 4"),
    ({"cutoff": 1.5}, "between 0 and 1, not at 1.5"),
    ({"cutoff": float("nan")}, "between 0 and 1, not at nan"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_what_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        drawn(**changes)
