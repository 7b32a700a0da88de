"""Mutation maps: which colour stands where, what is marked, and what is written."""

import dataclasses
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.mutations import (
    LINE_BASES,
    MOST_BASES,
    MutationMap,
    draw_mutations,
)

NAN = float("nan")
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
MUTANT = np.array(
    [
        [NAN, 0.1, 0.5, 0.9],  # A
        [0.5, 0.5, 0.5, NAN],  # t; its own letter is not known
        [0.3, 0.7, NAN, NAN],  # G; T is not known
    ]
)
MAP = MutationMap("AtG", np.array([0.0, NAN, 2.0]), 0.5, MUTANT)


def drawn(mutations=MAP, first=-1, title="", fmt="svg"):
    return draw_mutations(mutations, first=first, title=title, score_label="probability", fmt=fmt)


def long(length):
    sequence = ("ACGT" * length)[:length]
    return MutationMap(sequence, np.ones(length), 0.5, np.full((length, 4), 0.4))


def words(svg):
    return [
        "".join(text.itertext())
        for text in ET.fromstring(svg.decode()).iter("{http://www.w3.org/2000/svg}text")
    ]


def maps(figure):
    """Return the panels with four rows of cells."""
    return [axis for axis in figure.axes if axis.images]


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


def test_cells_have_the_colour_of_mutant_less_wild_type(figures):
    (axis,) = maps(drawn())
    cells = np.asarray(axis.images[0].get_array())
    scale = canvas.color_scale(np.array([-0.4, 0.4]))

    assert cells.shape == (4, 3, 4)
    for base, place, change in [(1, 0, -0.4), (2, 0, 0.0), (3, 0, 0.4), (0, 2, -0.2)]:
        assert cells[base, place] == pytest.approx(scale.to_rgba(change), abs=0.01)
    assert cells[2, 0, :3].min() > 0.95  # no change is white


def test_scores_that_are_changes_are_drawn_as_they_are(figures):
    changes = dataclasses.replace(MAP, wild_type=None, mutant=MUTANT - 0.5)
    (axis,), (of_changes,) = maps(drawn()), maps(drawn(changes))

    assert np.array_equal(of_changes.images[0].get_array(), axis.images[0].get_array())


def test_the_colour_bar_of_changes_says_no_wild_type():
    changes = dataclasses.replace(MAP, wild_type=None)
    text = " ".join(text for text in words(draw_mutations(
        changes, first=0, title="", score_label="S", fmt="svg")))  # fmt: skip

    assert "less" not in text
    assert "wild type:" not in text


def test_cells_that_are_not_known_are_grey_but_not_those_of_the_letters_there(figures):
    (axis,) = maps(drawn())
    cells = np.asarray(axis.images[0].get_array())

    assert tuple(cells[3, 2]) == to_rgba(canvas.UNKNOWN)
    assert tuple(cells[0, 0]) == tuple(cells[3, 1]) == tuple(cells[2, 2]) == to_rgba("0.92")


def test_the_letters_that_are_there_are_written_in_their_cells(figures):
    (axis,) = maps(drawn(first=-1))

    assert [(*text.get_position(), text.get_text()) for text in axis.texts] == [
        (-1, 0, "A"), (0, 3, "T"), (1, 2, "G"),
    ]  # fmt: skip


def test_an_unknown_letter_marks_no_cell(figures):
    (axis,) = maps(drawn(dataclasses.replace(MAP, sequence="ANG")))

    assert [text.get_text() for text in axis.texts] == ["A", "G"]


def test_large_rises_carry_a_dot_and_falls_none(figures):
    (axis,) = maps(drawn(first=-1))

    assert np.stack(axis.get_lines()[0].get_data()).T.tolist() == [[-1, 3], [1, 1]]


def test_importance_is_a_bar_above_each_base_and_none_where_it_is_not_known(figures):
    strip, panel, *_ = drawn().axes

    values, edges, _ = strip.patches[0].get_data()
    assert values.tolist() == [0, 0, 2]
    assert edges.tolist() == [-1.5, -0.5, 0.5, 1.5]
    assert strip.get_xlim() == panel.get_xlim() == (-1.5, 1.5)
    assert strip.get_ylim() == (0, 2)


def test_without_importance_there_are_no_bars():
    assert "bars: importance" in words(drawn())
    assert "bars: importance" not in words(drawn(dataclasses.replace(MAP, importance=None)))


@pytest.mark.parametrize("importance", [np.zeros(3), np.full(3, NAN), np.array([-1.0, 0, 1])])
def test_any_importance_is_drawn(importance):
    assert "bars: importance" in words(drawn(dataclasses.replace(MAP, importance=importance)))


def test_title_wild_type_scale_and_rows_are_written():
    told = words(drawn(title="a < b & $x_1^2$"))

    assert {
        "a < b & $x_1^2$", "wild type: probability 0.5", "probability: mutant less wild type",
        "position (bases)", "rise of 40 % of the scale or more",
    } <= set(told)  # fmt: skip
    assert [told.count(base) for base in "ACGT"] == [2, 1, 2, 2]


@pytest.mark.parametrize("mutant", [np.full((3, 4), NAN), np.full((3, 4), 0.5)])
def test_a_map_without_changes_is_drawn(mutant, figures):
    (axis,) = maps(drawn(dataclasses.replace(MAP, mutant=mutant)))

    assert len(axis.get_lines()[0].get_xdata()) == 0


def test_long_sequences_go_over_lines_and_no_letters_touch(figures):
    figure = drawn(long(2 * LINE_BASES), first=1)
    figure.draw_without_rendering()

    panels = maps(figure)
    assert [panel.get_xlim() for panel in panels] == [(0.5, 100.5), (100.5, 200.5)]
    for panel in panels:
        rows = {}
        for text in panel.texts:
            rows.setdefault(text.get_position()[1], []).append(text.get_window_extent())
        for boxes in rows.values():
            assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
        widths = [text.get_window_extent().width for text in panel.texts]
        assert max(widths) <= panel.get_window_extent().width / LINE_BASES


def test_the_longest_sequence_fits_a_page(figures):
    figure = drawn(long(MOST_BASES))

    assert figure.get_figwidth() == canvas.PAGE_INCHES
    assert figure.get_figheight() < 10
    assert len(maps(figure)) == 6


BAD = [
    ({"sequence": ""}, "1 to 600 bases, not 0"),
    ({"sequence": "A" * 601}, "1 to 600 bases, not 601"),
    ({"mutant": MUTANT.T}, "3 bases do not fit mutants of shape"),
    ({"sequence": "AC"}, "2 bases do not fit mutants of shape"),
    ({"importance": np.ones(4)}, r"3 bases do not fit importance of shape \(4,\)"),
    ({"wild_type": NAN}, "wild type is not a number"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_what_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        drawn(dataclasses.replace(MAP, **changes))
