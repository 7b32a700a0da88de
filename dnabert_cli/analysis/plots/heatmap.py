"""Scores of every base as colours: a row per sequence, or one sequence with its letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.canvas import Floats, Mark

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

Doubles = npt.NDArray[np.float64]

MOST_NAMED = 45  # rows; more are too thin to be named
MOST_LETTERS = 120  # bases of a single sequence; longer ones are drawn without letters
LINE_LETTERS = 100  # in one line, so that letters do not touch
MOST_LABELS = len(canvas.OKABE_ITO)  # told apart by colour where rows are too thin for names

_ROW_INCHES, _STRIP_INCHES, _THIN_INCHES = 0.14, 0.4, 4.5  # a row, one sequence, all thin rows
_LEAST_INCHES = 0.5  # of a panel
_SIDE_INCHES = 0.6  # of the probabilities
_LABEL_STRIP_INCHES = 0.12
_NAME_LETTERS, _LABEL_LETTERS = 26, 16
_CLIPPED = 0.005  # of the scores of many sequences
_MOST_SHARP = (900, 1400)  # rows and columns; of more, neighbours share a dot and are averaged
_BAR_COLOR = "0.35"
_UNNAMED = "no label"


@dataclass(frozen=True, eq=False)
class HeatmapRow:
    """One sequence.

    Attributes:
        name: as it stands beside the row.
        scores: `[L]`; NaN is drawn grey.
        probability: of the model for this sequence, or `None`.
        label: its class, or `None`.
        sequence: its L letters, or `None`; shown where the picture holds this sequence only.
    """

    name: str
    scores: Floats
    probability: float | None
    label: str | None
    sequence: str | None = None


@canvas.style()
def draw_heatmap(
    rows: Sequence[HeatmapRow],
    *,
    positions: int | None,
    title: str,
    score_label: str,
    x_label: str,
    marks: Sequence[Mark],
    fmt: str,
) -> bytes:
    """Draw scores as colours, one row per sequence from the top, aligned at their first base.

    Up to `MOST_NAMED` rows are named; of more, labels become a strip of colours. A single
    sequence of at most `MOST_LETTERS` bases has its letters below. With several sequences the
    highest 0.5 % of the scores share the last colour.

    Args:
        rows: 1 or more, in the order in which they are drawn; may differ in length.
        positions: number of the first base, `None` for no numbers (marks then count from 1).
        title: of the picture; may be empty.
        score_label: of the colour bar.
        x_label: what the numbers are.
        marks: numbers of bases, and what stands above them.
        fmt: of `canvas.FORMATS`.

    Raises:
        ValueError: no rows, or a row without scores or with letters that do not fit them.
    """
    _check(rows)
    scale = canvas.color_scale(
        np.concatenate([row.scores for row in rows]), clipped=_CLIPPED if len(rows) > 1 else 0.0
    )
    figure = canvas.new_figure(canvas.PAGE_INCHES, canvas.PAGE_INCHES)
    axis_text = (1 if positions is None else positions, x_label)
    draw = _draw_rows if len(rows) > 1 else _draw_single
    panels, bar, inches = draw(figure, rows, scale, axis_text, marks)
    if positions is None:
        for panel in panels:
            panel.set_xticks([])
    canvas.draw_color_bar(figure, bar, scale, score_label)
    canvas.draw_title(figure, title)
    canvas.fit_height(figure, panels, inches)
    return canvas.save(figure, fmt)


def _check(rows: Sequence[HeatmapRow]) -> None:
    if len(rows) == 0:
        raise ValueError("a heat map needs at least one sequence")
    for row in rows:
        shape = np.shape(row.scores)
        if len(shape) != 1 or shape[0] == 0:
            raise ValueError(f"the scores of {row.name!r} are [L], L from 1 on, not {shape}")
        if row.sequence is not None and len(row.sequence) != shape[0]:
            raise ValueError(f"{row.name!r}: {len(row.sequence)} letters, {shape[0]} scores")


def _draw_single(
    figure: "Figure",
    rows: Sequence[HeatmapRow],
    scale: "ScalarMappable",
    axis_text: tuple[int, str],
    marks: Sequence[Mark],
) -> tuple[list[Any], Any, float]:
    """Draw one sequence as a strip, with its letters where they fit.

    Returns:
        strips, the axis for the colour bar, and how high the strips are together, inches.
    """
    row, (first, x_label) = rows[0], axis_text
    letters = (row.sequence or "") if len(row.scores) <= MOST_LETTERS else ""
    lines = canvas.lines_of(len(row.scores), LINE_LETTERS if letters else len(row.scores))
    heights = [_STRIP_INCHES] * len(lines) + [canvas.BAR_INCHES]
    *panels, bar = figure.subplots(len(heights), 1, height_ratios=heights)
    for panel, (start, end) in zip(panels, lines, strict=True):
        left = first + start - 0.5
        _draw_colors(panel, scale.to_rgba(row.scores[None, start:end]), left)
        panel.set(xlim=(left, left + lines[0][1]), yticks=[])
        panel.spines[["top", "left", "right", "bottom"]].set_visible(False)
        canvas.number_bases(panel, canvas.PAGE_INCHES)
        n_levels = canvas.draw_marks(panel, marks, canvas.PAGE_INCHES)
        if letters:
            panel.tick_params(axis="x", length=0, pad=10)
            _write_letters(panel, letters[start:end], first + start)
        if start == 0:
            panel.set_title(
                _told(row), loc="left", fontsize=canvas.SMALL_POINTS, pad=4 + 9 * n_levels
            )
    panels[-1].set_xlabel(x_label)
    return list(panels), bar, _STRIP_INCHES * len(lines)


def _told(row: HeatmapRow) -> str:
    parts = [canvas.shortened(row.name, 2 * _NAME_LETTERS)]
    if row.label is not None:
        parts.append(canvas.shortened(row.label, _LABEL_LETTERS))
    if row.probability is not None and np.isfinite(row.probability):
        parts.append(f"probability {row.probability:.3f}")
    return ", ".join(parts)


def _write_letters(axis: Any, letters: str, first: int) -> None:
    """Write the bases below the strip, in the colours of the logos."""
    for place, letter in enumerate(letters.upper(), start=first):
        axis.annotate(
            letter, (place, 0), xycoords=axis.get_xaxis_transform(), xytext=(0, -2),
            textcoords="offset points", ha="center", va="top", family=canvas.BASE_FONT,
            color=canvas.BASE_COLORS.get(letter.replace("U", "T"), "black"),
        )  # fmt: skip


def _draw_rows(
    figure: "Figure",
    rows: Sequence[HeatmapRow],
    scale: "ScalarMappable",
    axis_text: tuple[int, str],
    marks: Sequence[Mark],
) -> tuple[list[Any], Any, float]:
    """Draw many sequences; what is returned is that of `_draw_single`."""
    first, x_label = axis_text
    is_named = len(rows) <= MOST_NAMED
    inches = max(_ROW_INCHES * len(rows), _LEAST_INCHES) if is_named else _THIN_INCHES
    has_sides = any(row.probability is not None for row in rows)
    has_strip = not is_named and any(row.label is not None for row in rows)
    widths = [0.0, *[_LABEL_STRIP_INCHES] * has_strip, *[_SIDE_INCHES] * has_sides]
    widths[0] = canvas.PAGE_INCHES - 0.5 - sum(widths) - 1.2 * is_named
    grid = figure.add_gridspec(
        2, len(widths), width_ratios=widths, height_ratios=[inches, canvas.BAR_INCHES]
    )
    panel, *sides = [figure.add_subplot(grid[0, column]) for column in range(len(widths))]
    table = _padded(rows)
    colors = scale.to_rgba(table)
    lengths = np.array([len(row.scores) for row in rows])
    colors[np.arange(table.shape[1]) >= lengths[:, None], 3] = 0.0  # nothing there: no grey
    _draw_colors(panel, colors, first - 0.5)
    canvas.number_bases(panel, widths[0])
    canvas.draw_marks(panel, marks, widths[0])
    panel.set_xlabel(x_label)
    if has_sides:
        _draw_probabilities(sides[-1], rows)
    if has_strip:
        _draw_labels(figure, sides[0], rows)
    _name_rows(panel, sides, rows)
    return [panel], figure.add_subplot(grid[1, 0]), inches


def _padded(rows: Sequence[HeatmapRow]) -> Doubles:
    """Return all scores, `[N, L of the longest]`, NaN on the right of the others."""
    table = np.full((len(rows), max(len(row.scores) for row in rows)), np.nan)
    for place, row in enumerate(rows):
        table[place, : len(row.scores)] = row.scores
    return table


def _draw_colors(axis: Any, colors: Doubles, left: float) -> None:
    """Draw cells `[N, L, 4]` from the top, the first one at the left end."""
    n_rows, length = colors.shape[:2]
    is_sharp = n_rows <= _MOST_SHARP[0] and length <= _MOST_SHARP[1]
    axis.imshow(
        colors, aspect="auto", extent=(left, left + length, n_rows - 0.5, -0.5),
        interpolation="nearest" if is_sharp else "antialiased",
    )  # fmt: skip


def _draw_probabilities(axis: Any, rows: Sequence[HeatmapRow]) -> None:
    """Draw a bar from 0 towards 1 for each row; none where the probability is not known."""
    lengths = np.array([row.probability or 0.0 for row in rows], dtype=np.float64)
    lengths[~np.isfinite(lengths)] = 0.0
    if len(rows) <= MOST_NAMED:
        axis.barh(np.arange(len(rows)), lengths, height=0.7, color=_BAR_COLOR)
    else:
        edges = np.arange(len(rows) + 1) - 0.5
        axis.stairs(lengths, edges, orientation="horizontal", fill=True, color=_BAR_COLOR)
    axis.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), xlabel="probability", yticks=[])
    axis.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
    axis.grid(visible=True, axis="x")


def _draw_labels(figure: "Figure", axis: Any, rows: Sequence[HeatmapRow]) -> None:
    """Draw a strip with a colour per label, and say below which is which.

    Beyond `MOST_LABELS` labels, the later ones share a grey.
    """
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    names = list(dict.fromkeys(row.label for row in rows if row.label is not None))
    looks = dict(zip(names, canvas.OKABE_ITO, strict=False))
    strip = [to_rgba(looks.get(row.label or "", canvas.UNKNOWN)) for row in rows]
    _draw_colors(axis, np.array(strip)[:, None, :], 0.0)
    axis.set(xticks=[], yticks=[])
    entries: list[tuple[Any, str]] = [
        (Patch(color=color), canvas.shortened(name, _LABEL_LETTERS))
        for name, color in looks.items()
    ]
    if len(names) > MOST_LABELS:
        entries.append((Patch(color=canvas.UNKNOWN), f"{len(names) - MOST_LABELS} other labels"))
    elif any(row.label is None for row in rows):
        entries.append((Patch(color=canvas.UNKNOWN), _UNNAMED))
    canvas.draw_legend(figure, entries)


def _name_rows(panel: Any, sides: Sequence[Any], rows: Sequence[HeatmapRow]) -> None:
    """Write names on the left and labels on the right, or how many rows there are."""
    if len(rows) > MOST_NAMED:
        panel.set_yticks([])
        panel.set_ylabel(f"{len(rows):,} sequences")
        return
    panel.set_yticks(range(len(rows)), [canvas.shortened(row.name, _NAME_LETTERS) for row in rows])
    panel.tick_params(axis="y", length=0)
    if any(row.label is not None for row in rows):
        right = sides[-1] if sides else panel.twinx()
        right.set_ylim(len(rows) - 0.5, -0.5)
        right.yaxis.tick_right()
        right.tick_params(axis="y", length=0)
        labels = [canvas.shortened(row.label or "", _LABEL_LETTERS) for row in rows]
        right.set_yticks(range(len(rows)), labels)
