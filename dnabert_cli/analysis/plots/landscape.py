"""Where along the sequences a class of them scores high: mean and spread at every position."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.canvas import Floats, Mark

Doubles = npt.NDArray[np.float64]

MOST_CURVES = len(canvas.OKABE_ITO)
LOW, HIGH = 0.1, 0.9  # quantiles between which the band lies

_BAND = f"{100 * LOW:.0f} % to {100 * HIGH:.0f} % of the sequences"
_PANEL_INCHES = 1.9
_WIDTH_INCHES = canvas.COLUMN_INCHES - 0.6  # of the panel, about
_NAME_LETTERS = 30


@dataclass(frozen=True, eq=False)
class LandscapeCurve:
    """The scores of one class of sequences.

    Attributes:
        name: as the legend shows it.
        mean: `[L]`, over the sequences, at every base; NaN leaves a gap.
        low, high: `[L]`, the `LOW` and `HIGH` quantile.
        n: sequences.
    """

    name: str
    mean: Floats
    low: Floats
    high: Floats
    n: int


def landscape(scores: Sequence[Floats]) -> tuple[Doubles, Doubles, Doubles]:
    """Return mean, `LOW` and `HIGH` quantile of the scores at every base, NaN left out.

    Args:
        scores: of each sequence, `[L]`.

    Returns:
        three times `[L]`; NaN where no sequence has a score.

    Raises:
        ValueError: no sequence, or not all of one length.
    """
    if len(scores) == 0 or len({np.shape(row) for row in scores}) > 1:
        raise ValueError("a landscape needs at least one sequence, and all of one length")
    table = np.stack(scores).astype(np.float64)  # [N, L]
    if table.ndim != 2:
        raise ValueError(f"scores of a sequence are [L], not {table.shape[1:]}")
    found = np.full((3, table.shape[1]), np.nan)
    known = ~np.isnan(table).all(axis=0)
    found[0, known] = np.nanmean(table[:, known], axis=0)
    found[1:, known] = np.nanquantile(table[:, known], (LOW, HIGH), axis=0)
    return found[0], found[1], found[2]


@canvas.style()
def draw_landscape(
    curves: Sequence[LandscapeCurve],
    *,
    first: int,
    x_label: str,
    y_label: str,
    marks: Sequence[Mark],
    title: str,
    fmt: str,
) -> bytes:
    """Draw the mean of each class as a line, over a band that holds most of its sequences.

    Args:
        curves: 1 to `MOST_CURVES`; the first base of all is the same.
        first: number of the first base, relative to the anchor, for instance -249.
        x_label: what the numbers are relative to, with the unit.
        y_label: what the score is.
        marks: numbers of bases, and what stands above them.
        title: of the picture; may be empty.
        fmt: of `canvas.FORMATS`.

    Raises:
        ValueError: no curve or too many, or one whose parts differ in length.
    """
    _check(curves)
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    figure = canvas.new_figure(canvas.COLUMN_INCHES, canvas.COLUMN_INCHES)
    axis = figure.subplots()
    axis.grid(visible=True)
    axis.set(xlabel=x_label, ylabel=y_label)
    looks = zip(canvas.OKABE_ITO, canvas.LINE_STYLES, strict=True)
    entries: list[tuple[Any, str]] = []
    for (color, line), curve in zip(looks, curves, strict=False):
        _draw_curve(axis, curve, first, {"color": color, "linestyle": line})
        name = canvas.shortened(curve.name, _NAME_LETTERS)
        entries.append((Line2D([], [], color=color, linestyle=line), f"{name} (n = {curve.n:,})"))
    entries.append((Patch(facecolor="0.8"), _BAND))
    length = max(len(curve.mean) for curve in curves)
    axis.set_xlim(first - 0.5, first + length - 0.5)
    axis.locator_params(axis="y", nbins=6)
    canvas.number_bases(axis, _WIDTH_INCHES)
    canvas.draw_marks(axis, marks, _WIDTH_INCHES, behind=True)
    canvas.draw_legend(figure, entries)
    canvas.draw_title(figure, title)
    canvas.fit_height(figure, [axis], _PANEL_INCHES)
    return canvas.save(figure, fmt)


def _check(curves: Sequence[LandscapeCurve]) -> None:
    if not 1 <= len(curves) <= MOST_CURVES:
        raise ValueError(f"a picture holds 1 to {MOST_CURVES} curves, not {len(curves)}")
    for curve in curves:
        shapes = [np.shape(part) for part in (curve.mean, curve.low, curve.high)]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1 or shapes[0][0] == 0:
            raise ValueError(f"mean, low and high are [L] each, not {shapes}")


def _draw_curve(axis: Any, curve: LandscapeCurve, first: int, look: dict[str, Any]) -> None:
    places = first + np.arange(len(curve.mean))
    axis.fill_between(
        places, curve.low, curve.high, color=look["color"], alpha=0.15, linewidth=0, zorder=1
    )
    for edge in (curve.low, curve.high):  # bands that overlap, in black-and-white print too
        axis.plot(places, edge, **look, linewidth=0.4, alpha=0.7, zorder=2)
    mark = "." if len(places) == 1 else ""
    axis.plot(places, curve.mean, **look, marker=mark, zorder=3)
