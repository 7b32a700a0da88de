"""Attention landscapes: mean and quantiles by hand, and what is drawn where."""

import dataclasses
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.landscape import (
    MOST_CURVES,
    LandscapeCurve,
    draw_landscape,
    landscape,
)

NAN = float("nan")
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
CURVE = LandscapeCurve(
    name="promoter",
    mean=np.array([0.1, 0.3, 0.2]),
    low=np.array([0.0, 0.2, 0.1]),
    high=np.array([0.2, 0.5, 0.3]),
    n=1234,
)


def drawn(*curves, first=-1, title="", marks=(), fmt="svg"):
    return draw_landscape(
        curves, first=first, x_label="position relative to the TSS (bases)",
        y_label="attention (share)", marks=marks, title=title, fmt=fmt,
    )  # fmt: skip


def words(svg):
    return [
        "".join(text.itertext())
        for text in ET.fromstring(svg.decode()).iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.fixture
def figures(monkeypatch):
    """Let the functions return the figure in place of its bytes."""
    monkeypatch.setattr(canvas, "save", lambda figure, _: figure)


def test_mean_and_quantiles_of_a_toy():
    scores = [np.array([float(number), 1.0]) for number in range(11)]

    mean, low, high = landscape(scores)

    assert (mean.tolist(), low.tolist(), high.tolist()) == ([5, 1], [1, 1], [9, 1])


def test_scores_that_are_not_known_are_left_out_and_a_base_without_any_is_nan():
    found = landscape([np.array([1.0, NAN, NAN]), np.array([3.0, 2.0, NAN])])

    assert [part[:2].tolist() for part in found] == [[2, 2], [1.2, 2], [2.8, 2]]
    assert all(np.isnan(part[2]) for part in found)


@given(arrays(np.float64, (7, 4), elements=st.floats(-9, 9) | st.just(NAN)))
def test_every_base_is_judged_alone(table):
    for place, (mean, low, high) in enumerate(zip(*landscape(list(table)), strict=True)):
        known = sorted(value for value in table[:, place] if not np.isnan(value))
        if known:
            assert mean == pytest.approx(sum(known) / len(known))
            assert low == pytest.approx(np.quantile(known, 0.1))
            assert high == pytest.approx(np.quantile(known, 0.9))
        else:
            assert np.isnan([mean, low, high]).all()


@pytest.mark.parametrize("scores", [[], [np.zeros(3), np.zeros(4)]])
def test_sequences_of_different_length_have_no_landscape(scores):
    with pytest.raises(ValueError, match="at least one sequence, and all of one length"):
        landscape(scores)


def test_scores_per_head_have_no_landscape():
    with pytest.raises(ValueError, match=r"are \[L\], not \(2, 3\)"):
        landscape([np.zeros((2, 3))])


@pytest.mark.parametrize("fmt", canvas.FORMATS)
def test_equal_numbers_are_equal_bytes_of_the_format(fmt):
    content = drawn(CURVE, title="t", marks=[(0, "TSS")], fmt=fmt)

    assert content.startswith(SIGNATURES[fmt])
    assert content == drawn(CURVE, title="t", marks=[(0, "TSS")], fmt=fmt)


def test_everything_is_named():
    told = words(drawn(CURVE, title="Landscape", marks=[(0, "TSS"), (400, "outside")]))

    assert {
        "Landscape", "position relative to the TSS (bases)", "attention (share)", "TSS",
        "promoter (n = 1,234)", "10 % to 90 % of the sequences",
    } <= set(told)  # fmt: skip
    assert "outside" not in told


@pytest.mark.parametrize("name", ["a < b & c", "$x_1^2$ and $", "_hidden", "启动子"])
def test_names_are_shown_as_they_are(name):
    curve = dataclasses.replace(CURVE, name=name)

    told = words(drawn(curve, title=name, marks=[(0, name)]))

    assert {f"{name} (n = 1,234)", name} <= set(told)
    assert told.count(name) == 2


def test_positions_count_from_the_first_base(figures):
    axis = drawn(CURVE, first=-1).axes[0]

    assert axis.get_lines()[-1].get_data()[0].tolist() == [-1, 0, 1]
    assert axis.get_lines()[-1].get_data()[1].tolist() == [0.1, 0.3, 0.2]
    assert axis.get_xlim() == (-1.5, 1.5)


def test_the_band_lies_between_the_quantiles(figures):
    corners = drawn(CURVE).axes[0].collections[0].get_paths()[0].vertices.tolist()

    assert all([x, y] in corners for x, y in zip([-1, 0, 1], CURVE.low, strict=True))
    assert all([x, y] in corners for x, y in zip([-1, 0, 1], CURVE.high, strict=True))


def test_classes_differ_in_colour_and_line_style(figures):
    lines = drawn(*[CURVE] * MOST_CURVES).axes[0].get_lines()[2::3]

    assert [line.get_color() for line in lines] == list(canvas.OKABE_ITO)
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == MOST_CURVES


def test_bases_without_scores_leave_a_gap(figures):
    gap = np.array([0.1, NAN, 0.2])
    axis = drawn(dataclasses.replace(CURVE, mean=gap, low=gap, high=gap)).axes[0]

    assert np.isnan(axis.get_lines()[-1].get_ydata()).tolist() == [False, True, False]


@pytest.mark.parametrize("n_curves", [0, MOST_CURVES + 1])
def test_no_or_too_many_curves_are_refused(n_curves):
    with pytest.raises(ValueError, match=f"1 to 8 curves, not {n_curves}"):
        drawn(*[CURVE] * n_curves)


@pytest.mark.parametrize("mean", [np.zeros(2), np.zeros((3, 1))])
def test_parts_of_different_length_are_refused(mean):
    with pytest.raises(ValueError, match=r"mean, low and high are \[L\] each"):
        drawn(dataclasses.replace(CURVE, mean=mean))


def test_a_curve_of_no_bases_is_refused():
    with pytest.raises(ValueError, match=r"are \[L\] each"):
        drawn(LandscapeCurve("x", *[np.array([])] * 3, n=0))
