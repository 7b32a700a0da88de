"""What every substitution would do: the score of each mutant less that of the wild type."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.canvas import Floats

Doubles = npt.NDArray[np.float64]

MOST_BASES = 600
LINE_BASES = 100  # in one line, so that letters do not touch

_MAP_INCHES, _STRIP_INCHES = 0.56, 0.26
_COLUMN_BASES = 40  # as many as a journal's column holds
_SIDE_INCHES = 0.8
_DOTTED = 0.4  # of the largest change: from there on a rise is dotted
_REFERENCE = "0.92"
_STRIP_COLOR = "0.35"


@dataclass(frozen=True, eq=False)
class MutationMap:
    """A sequence and the score of each of its substitutions.

    Attributes:
        sequence: L letters.
        importance: `[L]`, a score of every base, drawn above the map, or `None`.
        wild_type: the score of the sequence as it is; `None` where `mutant` are changes already.
        mutant: `[L, 4]`, the score with A, C, G or T in place of each base; NaN for the letter
            that is there already, and where it is not known (grey).
    """

    sequence: str
    importance: Floats | None
    wild_type: float | None
    mutant: Floats


@canvas.style()
def draw_mutations(
    mutations: MutationMap, *, first: int, title: str, score_label: str, fmt: str
) -> bytes:
    """Draw every substitution: red raises the score, blue lowers it, white leaves it as it is.

    Long sequences go over several lines of at most `LINE_BASES`. Large rises carry a dot, so
    that they differ from falls in black-and-white print too.
    After Ji et al. 2021, Bioinformatics 37:2112, mutation maps.

    Args:
        mutations: the sequence, 1 to `MOST_BASES` bases, and its scores.
        first: number of the first base.
        title: of the picture; may be empty.
        score_label: what the score is.
        fmt: of `canvas.FORMATS`.

    Raises:
        ValueError: no or too many bases, or scores that do not fit them.
    """
    _check(mutations)
    wild_type = mutations.wild_type
    changes = np.asarray(mutations.mutant, dtype=np.float64) - (wild_type or 0.0)  # [L, 4]
    known = np.abs(changes[np.isfinite(changes)])
    limit = float(known.max()) if len(known) and known.max() > 0 else 1.0
    scale = canvas.color_scale(np.array([-limit, limit]))
    lines = canvas.lines_of(len(changes), LINE_BASES)
    width = canvas.COLUMN_INCHES if len(changes) <= _COLUMN_BASES else canvas.PAGE_INCHES
    figure = canvas.new_figure(width, width)
    strips, maps, bar = _panels(figure, len(lines), has_strips=mutations.importance is not None)
    for panel, (start, end) in zip(maps, lines, strict=True):
        left = first + start - 0.5
        _draw_map(panel, changes[start:end], mutations.sequence[start:end], left, scale)
        panel.set_xlim(left, left + lines[0][1])
        canvas.number_bases(panel, width - _SIDE_INCHES)
    maps[-1].set_xlabel("position (bases)")
    if mutations.importance is not None:
        _draw_strips(strips, mutations.importance, lines)
    is_change = wild_type is None
    shown = score_label if is_change else f"{score_label}: mutant less wild type"
    canvas.draw_color_bar(figure, bar, scale, shown)
    _draw_note(figure, "wild type" if is_change else f"wild type: {score_label} {wild_type:.3g}")
    canvas.draw_title(figure, title)
    canvas.fit_height(
        figure, [*strips, *maps], _MAP_INCHES * len(maps) + _STRIP_INCHES * len(strips)
    )
    return canvas.save(figure, fmt)


def _check(mutations: MutationMap) -> None:
    length = len(mutations.sequence)
    if not 1 <= length <= MOST_BASES:
        raise ValueError(f"a mutation map holds 1 to {MOST_BASES} bases, not {length}")
    if np.shape(mutations.mutant) != (length, 4):
        raise ValueError(f"{length} bases do not fit mutants of shape {mutations.mutant.shape}")
    if mutations.importance is not None and np.shape(mutations.importance) != (length,):
        shape = np.shape(mutations.importance)
        raise ValueError(f"{length} bases do not fit importance of shape {shape}")
    if mutations.wild_type is not None and not math.isfinite(mutations.wild_type):
        raise ValueError("the score of the wild type is not a number")


def _panels(figure: Any, n_lines: int, *, has_strips: bool) -> tuple[list[Any], list[Any], Any]:
    """Return strips (or none) and maps, in turn from the top, and the axis of the colour bar."""
    line = [_STRIP_INCHES, _MAP_INCHES] if has_strips else [_MAP_INCHES]
    heights = [*line * n_lines, canvas.BAR_INCHES]
    *panels, bar = figure.subplots(len(heights), 1, height_ratios=heights)
    if not has_strips:
        return [], panels, bar
    strips, maps = panels[::2], panels[1::2]
    for strip, panel in zip(strips, maps, strict=True):
        strip.sharex(panel)
    return strips, maps, bar


def _draw_map(axis: Any, changes: Doubles, sequence: str, left: float, scale: Any) -> None:
    """Draw changes `[L, 4]` as four rows of cells, with the letters that are there in theirs."""
    from matplotlib.colors import to_rgba

    colors = scale.to_rgba(changes.T)  # [4, L, 4]
    letters = sequence.upper().replace("U", "T")
    for place, letter in enumerate(letters):
        row = canvas.BASES.find(letter)
        if row >= 0:
            colors[row, place] = to_rgba(_REFERENCE)
            axis.text(
                left + place + 0.5, row, letter, ha="center", va="center_baseline",
                family=canvas.BASE_FONT,
            )  # fmt: skip
    axis.imshow(
        colors, aspect="auto", interpolation="nearest",
        extent=(left, left + len(changes), 3.5, -0.5),
    )  # fmt: skip
    rises = np.argwhere(np.nan_to_num(changes, nan=0.0) >= _DOTTED * scale.norm.vmax)
    rises = rises[[canvas.BASES.find(letters[place]) != row for place, row in rises]]
    axis.plot(
        left + 0.5 + rises[:, 0], rises[:, 1], linestyle="none", marker="o", markersize=1.4,
        color="white", markeredgewidth=0,
    )  # fmt: skip
    axis.set_yticks(range(4), list(canvas.BASES), family=canvas.BASE_FONT)
    axis.tick_params(axis="y", length=0)
    axis.spines[:].set_linewidth(0.4)


def _draw_strips(
    strips: Sequence[Any], importance: Floats, lines: Sequence[tuple[int, int]]
) -> None:
    """Draw the importance as bars above the maps, all on one scale."""
    known = np.append(importance[np.isfinite(importance)], 0.0)
    low, high = float(known.min()), float(known.max())
    if low == high:
        high = 1.0
    for strip, (start, end) in zip(strips, lines, strict=True):
        left = strip.get_xlim()[0]
        strip.stairs(
            np.nan_to_num(importance[start:end], nan=0.0), left + np.arange(end - start + 1),
            fill=True, color=_STRIP_COLOR,
        )  # fmt: skip
        strip.set_ylim(low, high)
        strip.set_yticks((low, high))
        strip.yaxis.set_major_formatter(lambda value, _: f"{value:.2g}")
        strip.axhline(0, color="black", linewidth=0.4)
        strip.tick_params(axis="x", bottom=False, labelbottom=False)
        strip.spines[["top", "right", "bottom"]].set_visible(False)
    strips[0].set_title("bars: importance", loc="left", fontsize=canvas.SMALL_POINTS, pad=3)


def _draw_note(figure: Any, told: str) -> None:
    """Say below the colour bar what the wild type scores and what a dot is."""
    from matplotlib.lines import Line2D

    grey = Line2D([], [], linestyle="none", marker="s", markersize=6, color=_REFERENCE)
    dot = Line2D(
        [], [], linestyle="none", marker="o", markersize=6, markerfacecolor="white",
        markeredgewidth=3, color="#B2182B",
    )  # fmt: skip
    canvas.draw_legend(
        figure,
        [
            (grey, told),
            (dot, f"rise of {100 * _DOTTED:.0f} % of the scale or more"),
        ],
    )
