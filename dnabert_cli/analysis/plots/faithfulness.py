"""Do the scores name the bases that matter: the prediction while ever more are shuffled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.canvas import Floats

MOST_CURVES = len(canvas.OKABE_ITO)

_PANEL_INCHES = 1.9
_NAME_LETTERS = 40


@dataclass(frozen=True, eq=False)
class FaithfulnessCurve:
    """What remains of the prediction when some of the bases are shuffled.

    Attributes:
        name: which bases, as the legend shows it.
        shares: `[P]`, shares of the bases that were shuffled, 0 to 1.
        mean: `[P]`, of the prediction over the sequences; NaN leaves a gap.
        low, high: `[P]`, ends of the interval drawn around it; NaN where there is none.
    """

    name: str
    shares: Floats
    mean: Floats
    low: Floats
    high: Floats


@canvas.style()
def draw_faithfulness(
    curves: Sequence[FaithfulnessCurve], *, y_label: str, title: str, fmt: str
) -> bytes:
    """Draw how the prediction falls with the share of bases shuffled, one line per choice of them.

    The faster the line of the top-scored bases falls below that of random ones, the better the
    scores tell what the model looks at.

    Args:
        curves: 1 to `MOST_CURVES`.
        y_label: what the prediction is.
        title: of the picture; may be empty.
        fmt: of `canvas.FORMATS`.

    Raises:
        ValueError: no curve or too many, parts of different length, or shares outside 0 to 1.
    """
    _check(curves)
    from matplotlib.lines import Line2D

    figure = canvas.new_figure(canvas.COLUMN_INCHES, canvas.COLUMN_INCHES)
    axis = figure.subplots()
    axis.grid(visible=True)
    axis.set(xlabel="share of the bases shuffled", ylabel=y_label)
    looks = zip(canvas.OKABE_ITO, canvas.LINE_STYLES, canvas.MARKERS, strict=True)
    entries: list[tuple[Any, str]] = []
    for (color, line, marker), curve in zip(looks, curves, strict=False):
        look = {"color": color, "linestyle": line, "marker": marker}
        order = np.argsort(curve.shares, kind="stable")
        shares, mean, low, high = (
            np.asarray(part, dtype=np.float64)[order]
            for part in (curve.shares, curve.mean, curve.low, curve.high)
        )
        axis.fill_between(shares, low, high, color=color, alpha=0.15, linewidth=0, zorder=1)
        axis.plot(shares, mean, **look, clip_on=False, zorder=3)
        entries.append((Line2D([], [], **look), canvas.shortened(curve.name, _NAME_LETTERS)))
    axis.set_xlim(0, max(float(np.max(curve.shares)) for curve in curves) or 1.0)
    axis.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
    canvas.draw_legend(figure, entries)
    canvas.draw_title(figure, title)
    canvas.fit_height(figure, [axis], _PANEL_INCHES)
    return canvas.save(figure, fmt)


def _check(curves: Sequence[FaithfulnessCurve]) -> None:
    if not 1 <= len(curves) <= MOST_CURVES:
        raise ValueError(f"a picture holds 1 to {MOST_CURVES} curves, not {len(curves)}")
    for curve in curves:
        parts = (curve.shares, curve.mean, curve.low, curve.high)
        shapes = [np.shape(part) for part in parts]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1 or shapes[0][0] == 0:
            raise ValueError(f"shares, mean, low and high are [P] each, not {shapes}")
        if not ((curve.shares >= 0) & (curve.shares <= 1)).all():
            raise ValueError("shares of bases lie between 0 and 1")
