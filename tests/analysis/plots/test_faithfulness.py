"""The picture of shuffled bases: what is drawn where, and every word of it."""

import dataclasses
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.faithfulness import (
    MOST_CURVES,
    FaithfulnessCurve,
    draw_faithfulness,
)

NAN = float("nan")
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
CURVE = FaithfulnessCurve(
    name="attention, top bases",
    shares=np.array([0.0, 0.25, 0.5]),
    mean=np.array([0.9, 0.5, 0.3]),
    low=np.array([0.8, 0.4, 0.2]),
    high=np.array([0.95, 0.6, 0.4]),
)


def drawn(*curves, title="", fmt="svg"):
    return draw_faithfulness(curves, y_label="mean probability", title=title, fmt=fmt)


def words(svg):
    return [
        "".join(text.itertext())
        for text in ET.fromstring(svg.decode()).iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.fixture
def figures(monkeypatch):
    """Let the functions return the figure in place of its bytes."""
    monkeypatch.setattr(canvas, "save", lambda figure, _: figure)


@pytest.mark.parametrize("fmt", canvas.FORMATS)
def test_equal_numbers_are_equal_bytes_of_the_format(fmt):
    content = drawn(CURVE, title="t", fmt=fmt)

    assert content.startswith(SIGNATURES[fmt])
    assert content == drawn(CURVE, title="t", fmt=fmt)


def test_everything_is_named_and_shares_are_percent():
    told = words(drawn(CURVE, dataclasses.replace(CURVE, name="random bases"), title="Shuffled"))

    assert {
        "Shuffled", "share of the bases shuffled", "mean probability", "attention, top bases",
        "random bases", "0 %", "50 %",
    } <= set(told)  # fmt: skip


@pytest.mark.parametrize("name", ["a < b & c", "$x_1^2$ and $", "_hidden", "启动子"])
def test_names_are_shown_as_they_are(name):
    assert words(drawn(dataclasses.replace(CURVE, name=name), title=name)).count(name) == 2


def test_shares_in_any_order_make_one_line_from_left_to_right(figures):
    turned = FaithfulnessCurve(
        "turned", *(part[[2, 0, 1]] for part in dataclasses.astuple(CURVE)[1:])
    )

    line, back = drawn(CURVE, turned).axes[0].get_lines()

    assert line.get_xdata().tolist() == back.get_xdata().tolist() == [0, 0.25, 0.5]
    assert line.get_ydata().tolist() == back.get_ydata().tolist() == [0.9, 0.5, 0.3]


def test_the_band_lies_between_low_and_high(figures):
    corners = drawn(CURVE).axes[0].collections[0].get_paths()[0].vertices.tolist()

    for ends in (CURVE.low, CURVE.high):
        assert all([x, y] in corners for x, y in zip(CURVE.shares, ends, strict=True))


def test_curves_differ_in_colour_line_style_and_mark(figures):
    lines = drawn(*[CURVE] * MOST_CURVES).axes[0].get_lines()

    assert [line.get_color() for line in lines] == list(canvas.OKABE_ITO)
    assert [line.get_marker() for line in lines] == list(canvas.MARKERS)
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == MOST_CURVES


def test_means_that_are_not_known_leave_a_gap_and_no_interval_is_no_band(figures):
    nans = np.full(3, NAN)
    curve = dataclasses.replace(CURVE, mean=np.array([0.9, NAN, 0.3]), low=nans, high=nans)

    axis = drawn(curve).axes[0]

    assert np.isnan(axis.get_lines()[0].get_ydata()).tolist() == [False, True, False]
    assert axis.collections[0].get_paths() == []


def test_nothing_shuffled_is_drawn_too():
    assert "attention, top bases" in words(
        drawn(FaithfulnessCurve(CURVE.name, np.zeros(1), *[np.ones(1)] * 3))
    )


@pytest.mark.parametrize("n_curves", [0, MOST_CURVES + 1])
def test_no_or_too_many_curves_are_refused(n_curves):
    with pytest.raises(ValueError, match=f"1 to 8 curves, not {n_curves}"):
        drawn(*[CURVE] * n_curves)


@pytest.mark.parametrize("mean", [np.zeros(2), np.zeros((3, 1))])
def test_parts_of_different_length_are_refused(mean):
    with pytest.raises(ValueError, match=r"are \[P\] each"):
        drawn(dataclasses.replace(CURVE, mean=mean))


@pytest.mark.parametrize("share", [-0.1, 1.5, 25.0, NAN])
def test_shares_outside_0_to_1_are_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        drawn(dataclasses.replace(CURVE, shares=np.array([0.0, 0.25, share])))
