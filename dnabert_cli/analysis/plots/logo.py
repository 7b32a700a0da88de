"""Sequence logos: letters as high as scores, or as the information of a motif's columns."""

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.canvas import Floats
from dnabert_cli.dna import IUPAC

if TYPE_CHECKING:
    from matplotlib.path import Path

Doubles = npt.NDArray[np.float64]

MOST_BASES = 600  # of a score logo
MOST_COLUMNS = 100  # of a matrix logo
LINE_BASES = 80  # of a score logo, in one line

_COLUMN_BASES = 40  # as many as a journal's column holds
_LINE_INCHES = 0.8
_MATRIX_INCHES = 1.1
_BASE_INCHES = 0.28  # width of a matrix logo's letter, where there is room
_SIDE_INCHES = 0.6  # numbers and label beside a panel
_LETTER_WIDTH = 0.92  # of a base's room
_MOST_BITS = 2.0
SVG_BASE, _SVG_BIT, _SVG_LEFT, _SVG_EDGE = 16, 30, 22, 4  # pixels
_SVG_GRID = 100  # steps across a letter
_SVG_LEAST = 0.3  # pixels; lower letters cannot be seen


@canvas.style()
def draw_score_logo(
    sequence: str,
    scores: Floats,
    *,
    first: int,
    title: str,
    y_label: str,
    fmt: str,
    x_label: str = "position (bases)",
) -> bytes:
    """Draw a sequence with letters as high as their scores; negative ones hang below the axis.

    Args:
        sequence: IUPAC letters, 1 to `MOST_BASES`; in lines of at most `LINE_BASES`.
        scores: `[L]`; NaN leaves the letter out.
        first: number of the first base.
        title: of the picture; may be empty.
        y_label: what the score is.
        fmt: of `canvas.FORMATS`.
        x_label: what the numbers are.

    Raises:
        ValueError: no or too many bases, other letters, or not one score per base.
    """
    _check_scores(sequence, scores)
    width = canvas.COLUMN_INCHES if len(sequence) <= _COLUMN_BASES else canvas.PAGE_INCHES
    lines = canvas.lines_of(len(sequence), LINE_BASES)
    figure = canvas.new_figure(width, width)
    panels = list(figure.subplots(len(lines), 1, squeeze=False)[:, 0])
    limits = _score_limits(scores)
    for panel, (start, end) in zip(panels, lines, strict=True):
        for place in range(start, end):
            if math.isfinite(scores[place]):
                bottom, top = sorted((0.0, float(scores[place])))
                _draw_letter(panel, sequence[place].upper(), first + place, (bottom, top))
        left = first + start - 0.5
        panel.set(xlim=(left, left + lines[0][1]), ylim=limits)
        panel.axhline(0, color="black", linewidth=0.5, zorder=1)
        panel.spines[["top", "right"]].set_visible(False)
        panel.locator_params(axis="y", nbins=4)
        canvas.number_bases(panel, width - _SIDE_INCHES)
    panels[-1].set_xlabel(x_label)
    figure.supylabel(y_label, fontsize=canvas.MEDIUM_POINTS)
    canvas.draw_title(figure, title)
    canvas.fit_height(figure, panels, _LINE_INCHES * len(lines))
    return canvas.save(figure, fmt)


@canvas.style()
def draw_matrix_logo(
    matrix: Floats, *, title: str, fmt: str, small_sample_n: int | None = None
) -> bytes:
    """Draw a motif: columns as high as their information, in bits, the commonest letter on top.

    Args:
        matrix: `[W, 4]`, probabilities or counts of A, C, G, T; W up to `MOST_COLUMNS`.
        title: of the picture; may be empty.
        fmt: of `canvas.FORMATS`.
        small_sample_n: sequences the matrix was counted from, to correct the information for
            their small number; `None` leaves it uncorrected.

    Raises:
        ValueError: another shape, or a column that is no distribution.
    """
    heights = letter_heights(matrix, small_sample_n)
    n_columns = len(heights)
    width = min(max(_SIDE_INCHES + _BASE_INCHES * n_columns, 1.8), canvas.PAGE_INCHES)
    figure = canvas.new_figure(width, width)
    axis = figure.subplots()
    for column, row in enumerate(heights, start=1):
        for base, bottom, top in _stacked(row):
            _draw_letter(axis, base, column, (bottom, top))
    axis.set(xlim=(0.5, n_columns + 0.5), ylim=(0, _MOST_BITS), yticks=(0, 1, 2))
    axis.set(xlabel="position (bases)", ylabel="information (bits)")
    axis.spines[["top", "right"]].set_visible(False)
    if n_columns * _BASE_INCHES <= canvas.PAGE_INCHES - _SIDE_INCHES:
        axis.set_xticks(range(1, n_columns + 1))
    else:
        canvas.number_bases(axis, width - _SIDE_INCHES)
    canvas.draw_title(figure, title)
    canvas.fit_height(figure, [axis], _MATRIX_INCHES)
    return canvas.save(figure, fmt)


def logo_svg(matrix: Floats, *, small_sample_n: int | None = None) -> str:
    """Return a motif's logo as an `<svg>` element to stand inside a page of HTML.

    Letters are outlines, so that they need no font, and carry no ids, so that a page can hold
    many logos.

    Args:
        matrix: `[W, 4]`, probabilities or counts of A, C, G, T.
        small_sample_n: as in `draw_matrix_logo`.

    Raises:
        ValueError: as in `draw_matrix_logo`.
    """
    heights = letter_heights(matrix, small_sample_n)
    width = _SVG_LEFT + SVG_BASE * len(heights) + _SVG_EDGE
    floor = _SVG_EDGE + _SVG_BIT * int(_MOST_BITS)
    most_common = "".join(canvas.BASES[place] for place in np.argmax(matrix, axis=1))
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {floor + _SVG_EDGE}" '
        f'width="{width}" height="{floor + _SVG_EDGE}" role="img" '
        f'aria-label="sequence logo of {most_common}">'
    )
    parts = [opening, _svg_axis(floor, width)]
    for column, row in enumerate(heights):
        left = _SVG_LEFT + SVG_BASE * (column + (1 - _LETTER_WIDTH) / 2)
        for base, bottom, top in _stacked(row):
            if (top - bottom) * _SVG_BIT >= _SVG_LEAST:
                scale_x = SVG_BASE * _LETTER_WIDTH / _SVG_GRID
                scale_y = (top - bottom) * _SVG_BIT / _SVG_GRID
                parts.append(
                    f'<path fill="{canvas.BASE_COLORS[base]}" d="{_svg_outline(base)}" transform='
                    f'"matrix({scale_x:.4g} 0 0 {-scale_y:.4g} {left:.5g} '
                    f'{floor - bottom * _SVG_BIT:.5g})"/>'
                )
    return "".join([*parts, "</svg>"])


def letter_heights(matrix: Floats, small_sample_n: int | None = None) -> Doubles:
    """Return how high each letter of a motif's logo is: its share of the column's information.

    The information of a column is 2 bits less its entropy, less `3 / (2 ln(2) n)` when it was
    counted from n sequences, and at least 0.

    Args:
        matrix: `[W, 4]`, probabilities or counts of A, C, G, T.
        small_sample_n: sequences it was counted from, or `None`.

    Returns:
        `[W, 4]`, bits.

    Raises:
        ValueError: another shape, too many columns, a column that is no distribution, or no
            sequences.

    Source: Schneider and Stephens 1990, Nucleic Acids Res. 18:6097, equations 1 to 3.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[1] != 4 or not 1 <= len(counts) <= MOST_COLUMNS:
        raise ValueError(f"a motif is [1 to {MOST_COLUMNS}, 4], not {list(counts.shape)}")
    totals = counts.sum(axis=1, keepdims=True)
    if not np.isfinite(counts).all() or (counts < 0).any() or (totals <= 0).any():
        raise ValueError("every column of a motif needs numbers from 0 on, not all of them 0")
    if small_sample_n is not None and small_sample_n < 1:
        raise ValueError(f"a motif is counted from 1 or more sequences, not {small_sample_n}")
    shares = counts / totals
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    correction = 0.0 if small_sample_n is None else 3 / (2 * math.log(2) * small_sample_n)
    information = _MOST_BITS + (shares * logs).sum(axis=1, keepdims=True) - correction
    heights: Doubles = shares * np.maximum(information, 0.0)
    return heights


def _check_scores(sequence: str, scores: Floats) -> None:
    if not 1 <= len(sequence) <= MOST_BASES:
        raise ValueError(f"a logo holds 1 to {MOST_BASES} bases, not {len(sequence)}")
    if np.shape(scores) != (len(sequence),):
        raise ValueError(f"{len(sequence)} bases do not fit scores of shape {np.shape(scores)}")
    other = sorted(set(sequence.upper()) - set(IUPAC))
    if other:
        raise ValueError(f"no letters of DNA: {' '.join(map(repr, other))}")


def _score_limits(scores: Floats) -> tuple[float, float]:
    """Return the ends of the y axis: zero is always among them."""
    known = np.append(np.asarray(scores)[np.isfinite(scores)], 0.0)
    low, high = float(known.min()), float(known.max())
    room = 0.04 * (high - low)
    return (low - room if low < 0 else 0.0, high + room) if high > low else (0.0, 1.0)


def _stacked(row: Doubles) -> list[tuple[str, float, float]]:
    """Return letter, bottom and top of a column, the highest letter last and on top.

    Equal letters stand in the order of the alphabet from the top.
    """
    stack, floor = [], 0.0
    for place in sorted(range(4), key=lambda place: (row[place], -place)):
        if row[place] > 0:
            stack.append((canvas.BASES[place], floor, floor + float(row[place])))
            floor += float(row[place])
    return stack


def _draw_letter(axis: Any, letter: str, place: int, ends: tuple[float, float]) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    bottom, top = ends
    if bottom == top:
        return
    outline = _outline(letter)
    corner = np.array([place - _LETTER_WIDTH / 2, bottom])
    vertices = corner + np.asarray(outline.vertices) * [_LETTER_WIDTH, top - bottom]
    color = canvas.BASE_COLORS.get(letter.replace("U", "T"), canvas.GREY)
    axis.add_patch(PathPatch(Path(vertices, outline.codes), color=color, linewidth=0, zorder=2))


@lru_cache(maxsize=len(IUPAC))
def _outline(letter: str) -> "Path":
    """Return the outline of a letter that fills the square from 0 to 1."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path
    from matplotlib.textpath import TextPath

    bold = FontProperties(family="DejaVu Sans", weight="bold")
    outline = TextPath((0, 0), letter, size=100, prop=bold)
    box = outline.get_extents()
    return Path((np.asarray(outline.vertices) - box.min) / box.size, outline.codes)


@lru_cache(maxsize=4)
def _svg_outline(letter: str) -> str:
    """Return the outline in SVG's words, on a grid of `_SVG_GRID` steps."""
    from matplotlib.path import Path

    words = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}
    drawn = []
    for points, code in _outline(letter).iter_segments(simplify=False):
        if code == Path.CLOSEPOLY:
            drawn.append("Z")
        else:
            drawn.append(words[code] + " ".join(f"{_SVG_GRID * point:.0f}" for point in points))
    return "".join(drawn)


def _svg_axis(floor: int, width: int) -> str:
    """Return the base line and a scale of bits."""
    left = _SVG_LEFT - 2
    ticks = "".join(f"M{left - 3} {floor - bits * _SVG_BIT}H{left}" for bits in range(3))
    numbers = "".join(
        f'<text x="{left - 5}" y="{floor - bits * _SVG_BIT + 3}" text-anchor="end">{bits}</text>'
        for bits in range(3)
    )
    middle = floor - _SVG_BIT
    return (
        f'<path d="M{left} {_SVG_EDGE}V{floor}H{width - _SVG_EDGE}{ticks}" fill="none" '
        'stroke="currentColor" stroke-width="0.7"/>'
        f'<g font-family="sans-serif" font-size="8" fill="currentColor">{numbers}'
        f'<text transform="translate(7 {middle}) rotate(-90)" text-anchor="middle">bits</text></g>'
    )
