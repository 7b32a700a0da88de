"""Logos: letters as high as they should be, in the right place, order and colour."""

import io
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.colors import to_hex
from matplotlib.image import imread
from matplotlib.patches import PathPatch

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.logo import (
    LINE_BASES,
    MOST_BASES,
    draw_matrix_logo,
    draw_score_logo,
    letter_heights,
    logo_svg,
)

NAN = float("nan")
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
SVG = "{http://www.w3.org/2000/svg}"
SCORES = np.array([0.5, -0.25, 1.0, 0.0, NAN, 0.125])
MATRIX = np.array([[0, 0, 1, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]])


def scored(sequence="ACGTAC", scores=SCORES, first=1, title="", fmt="svg"):
    return draw_score_logo(
        sequence, scores, first=first, title=title, y_label="attention (share)", fmt=fmt
    )


def words(svg):
    return ["".join(text.itertext()) for text in ET.fromstring(svg.decode()).iter(f"{SVG}text")]


def letters(axis):
    """Return middle, bottom, top and colour of each letter, to 6 decimals."""
    found = []
    for patch in axis.patches:
        assert isinstance(patch, PathPatch)
        box = patch.get_path().get_extents()
        numbers = ((box.x0 + box.x1) / 2, box.y0, box.y1)
        found.append((*(round(float(n), 6) for n in numbers), to_hex(patch.get_facecolor())))
    return found


@pytest.fixture
def figures(monkeypatch):
    """Let the functions return the figure in place of its bytes."""
    monkeypatch.setattr(canvas, "save", lambda figure, _: figure)


DRAWN = {
    "scores": lambda fmt: scored(title="t", fmt=fmt),
    "matrix": lambda fmt: draw_matrix_logo(MATRIX, title="t", fmt=fmt),
}


@pytest.mark.parametrize("fmt", canvas.FORMATS)
@pytest.mark.parametrize("picture", DRAWN)
def test_equal_numbers_are_equal_bytes_of_the_format(picture, fmt):
    content = DRAWN[picture](fmt)

    assert content.startswith(SIGNATURES[fmt])
    assert content == DRAWN[picture](fmt)


def test_letters_are_as_high_as_scores_and_negative_ones_hang_below(figures):
    a, c, g = "#009e73", "#0072b2", "#e69f00"

    assert letters(scored(first=-2).axes[0]) == [
        (-2, 0, 0.5, a), (-1, -0.25, 0, c), (0, 0, 1, g), (3, 0, 0.125, c),
    ]  # fmt: skip


def test_all_letters_fit_on_the_axis(figures):
    low, high = scored().axes[0].get_ylim()

    assert low < -0.25
    assert high > 1


def test_scores_that_are_never_negative_stand_on_the_frame(figures):
    assert scored(scores=np.abs(SCORES)).axes[0].get_ylim()[0] == 0


@pytest.mark.parametrize("scores", [np.zeros(6), np.full(6, NAN)])
def test_a_logo_without_letters_is_drawn(scores, figures):
    axis = scored(scores=scores).axes[0]

    assert letters(axis) == []
    assert axis.get_ylim() == (0, 1)


def test_u_looks_like_t_lower_case_like_upper_and_other_letters_are_grey(figures):
    colors = [letter[3] for letter in letters(scored("tUaANx"[:5], np.ones(5)).axes[0])]

    assert colors == ["#d55e00", "#d55e00", "#009e73", "#009e73", to_hex(canvas.GREY)]


def test_title_label_and_numbers_are_written():
    told = words(scored(first=-3, title="a < b & $x_1^2$"))

    assert {"a < b & $x_1^2$", "attention (share)", "position (bases)", "0"} <= set(told)


def test_long_sequences_go_over_lines_of_equal_scale(figures):
    length = 2 * LINE_BASES + 1
    figure = scored("A" * length, np.linspace(0, 1, length), first=11)

    ends = [axis.get_xlim() for axis in figure.axes]
    assert ends == [(10.5, 64.5), (64.5, 118.5), (118.5, 172.5)]
    assert len({axis.get_ylim() for axis in figure.axes}) == 1
    drawn = [letter[0] for axis in figure.axes for letter in letters(axis)]
    assert drawn == list(range(12, 172))  # the first has height 0


def test_the_longest_sequence_fits_a_page(figures):
    figure = scored("ACGT" * (MOST_BASES // 4), np.ones(MOST_BASES))
    figure.draw_without_rendering()

    assert figure.get_figwidth() == canvas.PAGE_INCHES
    assert figure.get_figheight() < 10
    for axis in figure.axes:
        assert figure.bbox.x0 <= axis.get_tightbbox().x0 <= axis.get_tightbbox().x1
        assert axis.get_tightbbox().x1 <= figure.bbox.x1


@pytest.mark.parametrize("length", [0, MOST_BASES + 1])
def test_no_or_too_many_bases_are_refused(length):
    with pytest.raises(ValueError, match=f"1 to 600 bases, not {length}"):
        scored("A" * length, np.ones(length))


@pytest.mark.parametrize("scores", [np.ones(5), np.ones((6, 1))])
def test_scores_that_do_not_fit_are_refused(scores):
    with pytest.raises(ValueError, match="6 bases do not fit scores of shape"):
        scored(scores=scores)


def test_letters_that_are_no_dna_are_refused():
    with pytest.raises(ValueError, match="no letters of DNA: '1' 'Z'"):
        scored("AC1ZAC")


def test_heights_of_a_motif_by_hand():
    heights = letter_heights(MATRIX)

    assert heights[0].tolist() == [0, 0, 2, 0]
    assert heights[1].tolist() == [0.5, 0.5, 0, 0]
    assert heights[2].tolist() == [0, 0, 0, 0]
    entropy = -sum(p * math.log2(p) for p in MATRIX[3])
    assert heights[3] == pytest.approx(MATRIX[3] * (2 - entropy))


def test_few_sequences_tell_less():
    # e(n) of Schneider and Stephens: (4 - 1) / (2 ln 2 n)
    assert letter_heights(MATRIX, 10)[0, 2] == pytest.approx(2 - 3 / (20 * math.log(2)))
    assert letter_heights(MATRIX, 1).tolist() == np.zeros((4, 4)).tolist()


@given(arrays(np.float64, (3, 4), elements=st.floats(0.01, 100)), st.none() | st.integers(1, 1000))
def test_columns_are_0_to_2_bits_and_counts_equal_shares(counts, n):
    heights = letter_heights(counts, n)

    assert ((heights >= 0) & (heights.sum(axis=1, keepdims=True) <= 2 + 1e-9)).all()
    shares = counts / counts.sum(axis=1, keepdims=True)
    assert heights == pytest.approx(letter_heights(shares, n), abs=1e-9)


def test_columns_stand_on_the_axis_with_the_commonest_letter_on_top(figures):
    axis = draw_matrix_logo(np.array([[4, 1, 2, 1]]), title="", fmt="svg").axes[0]

    heights = letter_heights(np.array([[4, 1, 2, 1]]))[0]
    found = letters(axis)
    colors = [canvas.BASE_COLORS[base].lower() for base in "TCGA"]
    assert [letter[3] for letter in found] == colors
    tops = np.cumsum(heights[[3, 1, 2, 0]])
    assert [letter[2] for letter in found] == pytest.approx(tops, abs=1e-6)
    assert [letter[1] for letter in found] == pytest.approx([0, *tops[:-1]], abs=1e-6)
    assert axis.get_ylim() == (0, 2)


def test_a_matrix_logo_is_labelled_and_numbered_from_1():
    told = words(draw_matrix_logo(MATRIX, title="x < y & _z", fmt="svg"))

    assert {"x < y & _z", "information (bits)", "position (bases)", "1", "4"} <= set(told)


@pytest.mark.parametrize("n_columns", [1, 24, 100])
def test_a_matrix_logo_is_no_wider_than_a_page(n_columns):
    content = draw_matrix_logo(np.tile([8, 1, 1, 1], (n_columns, 1)), title="", fmt="png")

    assert imread(io.BytesIO(content)).shape[1] <= 300 * canvas.PAGE_INCHES


BAD = [
    (np.ones((3, 3)), "a motif is"),
    (np.ones(4), "a motif is"),
    (np.ones((0, 4)), "a motif is"),
    (np.ones((101, 4)), "a motif is"),
    (np.zeros((2, 4)), "every column"),
    (np.array([[1.5, -0.5, 0, 0]]), "every column"),
    (np.array([[NAN, 1, 0, 0]]), "every column"),
]


@pytest.mark.parametrize(("matrix", "message"), BAD)
def test_what_is_no_motif_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        draw_matrix_logo(matrix, title="", fmt="svg")
    with pytest.raises(ValueError, match=message):
        logo_svg(matrix)


def test_a_motif_of_no_sequences_is_refused():
    with pytest.raises(ValueError, match="1 or more sequences, not 0"):
        draw_matrix_logo(MATRIX, title="", fmt="svg", small_sample_n=0)


def test_the_inline_logo_is_one_svg_element_without_header_or_ids():
    logo = logo_svg(MATRIX)

    assert logo.startswith("<svg ")
    assert ET.fromstring(logo).tag == f"{SVG}svg"
    assert "id=" not in logo
    assert 'aria-label="sequence logo of GAAT"' in logo
    assert logo == logo_svg(MATRIX.copy())


def test_the_inline_logo_of_24_columns_is_small():
    matrix = np.random.default_rng(0).dirichlet([2] * 4, 24)

    assert len(logo_svg(matrix)) < 30_000


def test_letters_of_the_inline_logo_are_as_high_as_their_bits():
    drawn = list(ET.fromstring(logo_svg(MATRIX)).iter(f"{SVG}path"))[1:]

    found = []
    for path in drawn:
        numbers = re.findall(r"-?[\d.e-]+", path.get("transform"))
        scale, floor = float(numbers[3]), float(numbers[5])
        points = np.array(re.findall(r"(-?\d+) (-?\d+)", path.get("d")), dtype=float)
        assert points.min() == 0
        assert points.max() == 100
        found.append((path.get("fill"), -100 * scale / 30, (64 - floor) / 30))
    heights = letter_heights(MATRIX)
    assert [color for color, _, _ in found[:3]] == ["#E69F00", "#0072B2", "#009E73"]
    assert [height for _, height, _ in found] == pytest.approx([2, 0.5, 0.5, *heights[3]], rel=1e-3)
    assert [bottom for _, _, bottom in found[:3]] == [0, 0, 0.5]


def test_the_inline_logo_takes_the_number_of_sequences_into_account():
    assert logo_svg(MATRIX) != logo_svg(MATRIX, small_sample_n=10)
