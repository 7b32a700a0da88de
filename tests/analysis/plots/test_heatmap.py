"""Heat maps: which colour stands where, what is named, and what the shared scale does."""

import dataclasses
import io
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex, to_rgba
from matplotlib.image import imread

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.heatmap import (
    MOST_LABELS,
    MOST_LETTERS,
    MOST_NAMED,
    HeatmapRow,
    draw_heatmap,
)

NAN = float("nan")
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
ONE = HeatmapRow("seq1", np.array([0.0, 0.5, 1.0, NAN]), 0.9834, "promoter", "ACGU")
ROWS = [
    HeatmapRow("seq1", np.array([0.0, 0.5, 1.0]), 0.75, "donor"),
    HeatmapRow("seq2", np.array([1.0, NAN]), None, None),
]


def drawn(*rows, positions=1, title="", marks=(), fmt="svg"):
    return draw_heatmap(
        rows, positions=positions, title=title, score_label="attention (share)",
        x_label="position (bases)", marks=marks, fmt=fmt,
    )  # fmt: skip


def many(number, **changes):
    return [dataclasses.replace(ROWS[0], name=f"seq{place}", **changes) for place in range(number)]


def words(svg):
    return [
        "".join(text.itertext())
        for text in ET.fromstring(svg.decode()).iter("{http://www.w3.org/2000/svg}text")
    ]


def colors(axis):
    """Return the cells of the panel, row by row."""
    return np.asarray(axis.images[0].get_array(), dtype=float)


@pytest.fixture
def figures(monkeypatch):
    """Let the functions return the figure in place of its bytes."""
    monkeypatch.setattr(canvas, "save", lambda figure, _: figure)


DRAWN = {
    "one": lambda fmt: drawn(ONE, title="t", marks=[(2, "TSS")], fmt=fmt),
    "some": lambda fmt: drawn(*ROWS, title="t", marks=[(2, "TSS")], fmt=fmt),
    "many": lambda fmt: drawn(*many(MOST_NAMED + 1), title="t", fmt=fmt),
}


@pytest.mark.parametrize("fmt", canvas.FORMATS)
@pytest.mark.parametrize("picture", DRAWN)
def test_equal_numbers_are_equal_bytes_of_the_format(picture, fmt):
    content = DRAWN[picture](fmt)

    assert content.startswith(SIGNATURES[fmt])
    assert content == DRAWN[picture](fmt)


@pytest.mark.parametrize("picture", DRAWN)
def test_no_text_is_smaller_than_seven_points(picture, figures):
    from matplotlib.text import Text

    assert min(text.get_fontsize() for text in DRAWN[picture]("svg").findobj(Text)) >= 7


def test_rows_names_labels_axes_and_marks_are_written():
    told = words(drawn(*ROWS, title="Splice sites", marks=[(2, "GT"), (9, "outside")]))

    assert {
        "Splice sites", "seq1", "seq2", "donor", "probability", "attention (share)",
        "position (bases)", "GT",
    } <= set(told)  # fmt: skip
    assert "outside" not in told


@pytest.mark.parametrize("name", ["a < b & c", "$x_1^2$ and $", "_hidden", "启动子"])
def test_names_are_shown_as_they_are(name):
    row = dataclasses.replace(ROWS[0], name=name, label=f"{name}!")
    several = words(drawn(row, ROWS[1], title=name, marks=[(1, name)]))
    strip = words(drawn(*many(MOST_NAMED + 1, label=name)))

    assert several.count(name) == 3
    assert f"{name}!" in several
    assert name in strip
    assert f"{name}, donor, probability 0.750" in words(
        drawn(dataclasses.replace(ROWS[0], name=name))
    )


def test_cells_have_the_colours_of_their_scores_from_the_top(figures):
    figure = drawn(*ROWS)
    cells = colors(figure.axes[0])
    scale = canvas.color_scale(np.array([0.0, 1.0]))

    assert cells.shape == (2, 3, 4)
    assert cells[0].tolist() == scale.to_rgba(ROWS[0].scores).tolist()
    assert cells[1, 0].tolist() == cells[0, 2].tolist()
    assert figure.axes[0].images[0].get_extent() == [0.5, 3.5, 1.5, -0.5]


def test_unknown_scores_are_grey_and_short_rows_end_blank(figures):
    cells = colors(drawn(*ROWS).axes[0])

    assert tuple(cells[1, 1]) == to_rgba(canvas.UNKNOWN)
    assert cells[1, 2, 3] == 0
    assert (cells[0, :, 3] == 1).all()


def test_a_row_of_unknown_scores_alone_is_drawn(figures):
    axis = drawn(HeatmapRow("x", np.full(3, NAN), NAN, None)).axes[0]

    assert {to_hex(cell) for cell in colors(axis)[0]} == {to_hex(to_rgba(canvas.UNKNOWN))}
    assert axis.get_title(loc="left") == "x"


def test_probabilities_are_bars_and_none_where_they_are_not_known(figures):
    bars = drawn(*ROWS).axes[1].patches

    assert [bar.get_width() for bar in bars] == [0.75, 0]


def test_without_any_probability_there_is_no_panel_for_them():
    assert "probability" not in words(drawn(ROWS[1], ROWS[1]))


def test_thin_rows_are_counted_and_their_labels_are_a_strip_of_colours(figures):
    rows = many(MOST_NAMED, label="donor") + many(2, label=None)
    panel, strip, *_ = drawn(*rows).axes

    cells = colors(strip)
    assert panel.get_ylabel() == f"{MOST_NAMED + 2} sequences"
    assert panel.get_yticks().tolist() == []
    assert to_hex(cells[0, 0]) == canvas.OKABE_ITO[0].lower()
    assert to_hex(cells[-1, 0]) == to_hex(to_rgba(canvas.UNKNOWN))


def test_labels_beyond_the_colours_are_counted():
    rows = [HeatmapRow("x", np.ones(3), None, f"class {n}") for n in range(MOST_NAMED + 1)]

    told = words(drawn(*rows))

    assert f"{MOST_NAMED + 1 - MOST_LABELS} other labels" in told
    assert f"class {MOST_LABELS - 1}" in told
    assert f"class {MOST_LABELS}" not in told


def test_thousands_of_rows_fit_a_page():
    rows = [HeatmapRow("x", np.ones(50), 0.5, "a")] * 5000

    height, width, _ = imread(io.BytesIO(drawn(*rows, fmt="png"))).shape

    assert width == 300 * canvas.PAGE_INCHES
    assert height < 300 * 8


def test_one_sequence_tells_its_name_label_and_probability_and_has_letters_below():
    told = words(drawn(ONE, title="One", positions=-1))

    assert {"One", "seq1, promoter, probability 0.983", "A", "C", "G", "U"} <= set(told)


def test_letters_stand_below_their_bases_and_do_not_touch(figures):
    sequence = "ACGT" * (MOST_LETTERS // 4)
    row = HeatmapRow("x", np.ones(MOST_LETTERS), None, None, sequence)
    figure = drawn(row, positions=101)
    figure.draw_without_rendering()

    written = {}
    for axis in figure.axes[:-1]:
        boxes = [text.get_window_extent() for text in axis.texts]
        assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
        assert max(box.y1 for box in boxes) <= axis.get_window_extent().y0
        written |= {text.xy[0]: text.get_text() for text in axis.texts}
    assert written == dict(enumerate(sequence, start=101))


def test_long_sequences_and_several_have_no_letters():
    long = HeatmapRow("x", np.ones(MOST_LETTERS + 1), None, None, "N" * (MOST_LETTERS + 1))

    assert "N" not in words(drawn(long))
    assert "U" not in words(drawn(ONE, ONE))


def test_without_numbers_the_axis_has_none_and_marks_count_from_1(figures):
    axis = drawn(*ROWS, positions=None, marks=[(2, "GT")]).axes[0]

    assert axis.get_xticks().tolist() == []
    assert list(axis.get_lines()[0].get_xdata()) == [2, 2]


def test_genomic_positions_are_written_whole():
    rows = [HeatmapRow("x", np.ones(200), None, None)] * 2

    assert "50,000,100" in words(drawn(*rows, positions=50_000_001))


def test_marks_close_to_each_other_stand_in_different_lines(figures):
    rows = [HeatmapRow("x", np.ones(300), None, None)] * 2
    figure = drawn(*rows, marks=[(100, "first"), (103, "second"), (200, "third")])
    figure.draw_without_rendering()

    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 3
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])
    assert boxes[0].y0 == boxes[2].y0


BAD = [
    ([], "at least one sequence"),
    ([HeatmapRow("x", np.ones((2, 2)), None, None)], r"scores of 'x' are \[L\]"),
    ([HeatmapRow("x", np.array([]), None, None)], r"scores of 'x' are \[L\]"),
    ([HeatmapRow("x", np.ones(3), None, None, "AC")], "'x': 2 letters, 3 scores"),
]


@pytest.mark.parametrize(("rows", "message"), BAD)
def test_rows_that_cannot_be_drawn_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        drawn(*rows)


def test_scores_from_zero_on_get_darker_all_the_way():
    scale = canvas.color_scale(np.array([0.0, 2.0]))
    lightness = scale.to_rgba(np.linspace(0, 2, 20))[:, :3] @ [0.2126, 0.7152, 0.0722]

    assert scale.get_clim() == (0, 2)
    assert (np.diff(lightness) < 0).all()


def test_a_scale_with_negative_scores_is_white_at_zero_and_equal_to_both_sides():
    scale = canvas.color_scale(np.array([-1.0, 3.0, NAN]))

    assert scale.get_clim() == (-3, 3)
    zero, low, high = scale.to_rgba(np.array([0.0, -3.0, 3.0]))[:, :3]
    assert zero.min() > 0.95
    assert low[2] > low[0]
    assert high[0] > high[2]


@pytest.mark.parametrize(
    ("values", "ends"),
    [([1.0] * 99 + [9], "max"), ([-1.0] * 99 + [-9], "min"), ([1.0] * 98 + [9, -9], "both")],
)
def test_a_few_very_large_scores_share_the_last_colour_and_an_arrow_says_so(values, ends):
    scale = canvas.color_scale(np.array(values), clipped=0.05)

    assert scale.get_clim()[1] == 1
    assert scale.cmap.colorbar_extend == ends


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [NAN]])
def test_a_scale_of_nothing_reaches_from_0_to_1(values):
    assert canvas.color_scale(np.array(values)).get_clim() == (0, 1)


def test_where_most_scores_are_zero_nothing_is_clipped():
    assert canvas.color_scale(np.array([0.0] * 99 + [5]), clipped=0.05).get_clim() == (0, 5)


@given(st.integers(1, 700), st.integers(1, 120))
def test_lines_follow_each_other_and_are_as_few_and_as_equal_as_can_be(length, most):
    lines = canvas.lines_of(length, most)

    assert [base for start, end in lines for base in range(start, end)] == list(range(length))
    sizes = [end - start for start, end in lines]
    assert max(sizes) <= most
    assert len(lines) <= -(-length // most)
    assert len(set(sizes[:-1])) <= 1
    assert sizes[-1] <= sizes[0]


def test_the_layout_of_a_saved_picture_has_no_digits_in_which_two_runs_may_differ():
    with canvas.style():
        figure = canvas.new_figure(canvas.COLUMN_INCHES, 2)
        for axis in figure.subplots(2, 3).flat:
            axis.set(xlabel="x", ylabel="y", title="t")
        canvas.fit_height(figure, figure.axes[::3], 3)
    canvas.save(figure, "pdf")

    lengths = [figure.get_figheight(), *(axis.get_position().extents for axis in figure.axes)]
    steps = 2.0**20 * np.hstack(lengths)
    assert steps == pytest.approx(np.round(steps), abs=1e-5)


def test_panels_become_as_high_as_asked_for():
    with canvas.style():
        figure = canvas.new_figure(canvas.COLUMN_INCHES, 2)
        panels = figure.subplots(2, 1)
        panels[1].set_xlabel("two\nlines")
        canvas.fit_height(figure, panels, 3)
        figure.draw_without_rendering()

    height = sum(panel.get_position().height for panel in panels) * figure.get_figheight()
    assert height == pytest.approx(3, abs=0.02)
