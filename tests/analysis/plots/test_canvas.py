"""What every picture shares: bytes that repeat, colours, and lines with fewer points."""

import io
import os
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from dnabert_cli.analysis.plots import canvas

SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
DRAW = """
import sys
from hashlib import sha256
from dnabert_cli.analysis.plots import canvas
hash_of = lambda content: sha256(content).hexdigest()
with canvas.style():
    figure = canvas.new_figure(3.4, 3.4)
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], marker="o", clip_on=False, label="one")
    axis.set(xlabel="$x$", ylabel="y_1")
    figure.legend()
"""


def drawn(label="x"):
    with canvas.style():
        figure = canvas.new_figure(canvas.COLUMN_INCHES, 2)
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], marker="o", clip_on=False)
        axis.set_xlabel(label)
    return figure


@pytest.mark.parametrize("fmt", canvas.FORMATS)
def test_equal_figures_are_equal_bytes_of_the_format(fmt):
    content = canvas.save(drawn(), fmt)

    assert content.startswith(SIGNATURES[fmt])
    assert content == canvas.save(drawn(), fmt)
    assert content != canvas.save(drawn("another"), fmt)


@pytest.mark.parametrize("fmt", canvas.FORMATS)
def test_a_picture_tells_neither_a_date_nor_the_program_that_drew_it(fmt):
    content = canvas.save(drawn(), fmt)

    for word in (b"tEXt", b"Date", b"<dc:", b"/Producer", b"/Creator", b"matplotlib.org"):
        assert word not in content


def test_pictures_are_equal_in_every_process():
    code = f"{DRAW}\nfor fmt in canvas.FORMATS: print(hash_of(canvas.save(figure, fmt)))"
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip

    assert len(set(printed[0].split())) == len(canvas.FORMATS)
    assert printed[0] == printed[1]


def test_another_format_is_refused():
    with pytest.raises(ValueError, match="png, svg, pdf, not 'jpg'"):
        canvas.save(drawn(), "jpg")


def test_a_users_own_settings_change_nothing_and_are_put_back():
    expected = canvas.save(drawn(), "png")
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 30, "savefig.dpi": 10}):
        before = dict(mpl.rcParams)
        assert canvas.save(drawn(), "png") == expected
        assert dict(mpl.rcParams) == before


def test_a_png_has_as_many_pixels_as_its_inches_need():
    assert imread(io.BytesIO(canvas.save(drawn(), "png"))).shape == (600, 1020, 4)


def test_text_stays_text_and_dollars_stay_dollars():
    content = canvas.save(drawn("a < b & $x_1^2$"), "svg").decode()

    assert ">a &lt; b &amp; $x_1^2$<" in content


def test_pdf_fonts_are_outlines_not_type_3():
    content = canvas.save(drawn(), "pdf")

    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_pyplot_and_its_windows_stay_out_and_importing_loads_no_matplotlib():
    code = (
        "import sys; import dnabert_cli.analysis.plots.evaluation; "
        "print('matplotlib' in sys.modules)\n"
        f"{DRAW}\ncanvas.save(figure, 'png'); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nFalse\n"


def test_every_system_has_its_own_colour_line_and_mark():
    n_systems = len(set(canvas.OKABE_ITO))

    assert n_systems == 8
    assert len({str(line) for line in canvas.LINE_STYLES}) == len(canvas.LINE_STYLES) == n_systems
    assert len(set(canvas.MARKERS)) == len(canvas.MARKERS) == n_systems


def test_the_colours_are_those_of_okabe_and_ito():
    published = {
        (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115),
        (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    }  # fmt: skip
    assert {
        tuple(round(255 * part) for part in to_rgb(color)) for color in canvas.OKABE_ITO
    } == published


@pytest.mark.parametrize("n_panels", [1, 3])
def test_panels_become_square_whatever_is_written_around_them(n_panels):
    with canvas.style():
        figure = canvas.new_figure(canvas.PAGE_INCHES, 5)
        axes = np.atleast_1d(figure.subplots(1, n_panels))
        axes[0].set(xlabel="two\nlines", ylabel="y", title="title")
        figure.suptitle("above")
        figure.legend(axes[0].plot([0, 1], [0, 1]), ["below"], loc="outside lower center")
        canvas.make_square(figure)
        figure.draw_without_rendering()

    width, height = figure.get_size_inches()
    assert width == canvas.PAGE_INCHES
    for axis in axes:
        place = axis.get_position()
        assert place.width * width == pytest.approx(place.height * height, abs=0.005)


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("short", 5, "short"),
        ("abcdefghij", 5, "ab…ij"),
        ("abcdefghij", 6, "abc…ij"),
        ("abcdefghij", 3, "a…j"),
        ("", 5, ""),
        ("two\nlines\x00\udcff", 20, "two lines  "),
    ],
)
def test_long_names_are_cut_in_the_middle(text, most, expected):
    assert canvas.shortened(text, most) == expected


def distances(points, line):
    """Return how far each point lies from a polyline: the slow way, segment by segment."""
    x, y = points
    nearest = np.full(len(x), np.inf)
    for start in range(len(line[0]) - 1):
        (x0, x1), (y0, y1) = line[0][start : start + 2], line[1][start : start + 2]
        square = (x1 - x0) ** 2 + (y1 - y0) ** 2
        share = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / square if square else 0.0
        share = np.clip(share, 0, 1)
        away = np.hypot(x - x0 - share * (x1 - x0), y - y0 - share * (y1 - y0))
        nearest = np.minimum(nearest, away)
    return nearest


def test_points_on_a_straight_line_are_left_out_and_bends_are_kept():
    x = np.array([0, 0.1, 0.2, 0.3, 0.3, 0.3, 0.7, 1])
    y = np.array([0, 0, 0, 0, 0.5, 1, 1, 1])

    assert np.stack(canvas.thinned((x, y))).T.tolist() == [[0, 0], [0.3, 0], [0.3, 1], [1, 1]]


@given(arrays(np.float64, (2, 30), elements=st.floats(0, 1, width=16)))
def test_no_point_lies_further_from_the_thinned_line_than_the_tolerance(points):
    thin = canvas.thinned((points[0], points[1]))

    assert (distances(points, thin) <= canvas.TOLERANCE * 1.001).all()
    assert [line[0] for line in thin] == points[:, 0].tolist()
    assert [line[-1] for line in thin] == points[:, -1].tolist()


def test_a_noisy_line_of_many_points_becomes_short_and_keeps_ends_and_extremes():
    rng = np.random.default_rng(0)
    x, y = np.linspace(0, 1, 100_000), rng.random(100_000)
    y[70_000], y[30_000] = -1, 2

    thin_x, thin_y = canvas.thinned((x, y))

    assert len(thin_x) == canvas.MOST_POINTS
    assert (thin_x[0], thin_x[-1]) == (0, 1)
    assert (thin_y.min(), thin_y.max()) == (-1, 2)
    assert (np.diff(thin_x) > 0).all()


@pytest.mark.parametrize("n_points", [0, 1, 2])
def test_short_lines_stay_as_they_are(n_points):
    line = (np.zeros(n_points), np.ones(n_points))

    assert [len(part) for part in canvas.thinned(line)] == [n_points, n_points]


def test_a_line_that_does_not_move_is_its_two_ends():
    assert len(canvas.thinned((np.zeros(1000), np.ones(1000)))[0]) == 2
