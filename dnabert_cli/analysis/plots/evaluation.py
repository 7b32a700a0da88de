"""The pictures of an evaluation: ROC, precision-recall, calibration, thresholds, confusion."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.canvas import Line

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Estimate = tuple[float, float, float]
Entry = tuple[Mapping[str, Any], str]  # of a legend: how it is drawn, what it says

MOST_SYSTEMS = len(canvas.OKABE_ITO)

_NAME_LETTERS = 36
_CLASS_LETTERS = 16
_LETTER_INCHES = 0.06  # of the smallest text
_LABEL_INCHES = 0.4  # an axis label and the space around it
_CELL_INCHES, _SMALL_CELL_INCHES = 0.56, 0.15  # with and without a text in it
_MOST_CELLS = 10  # classes; more do not fit on a page with a text in each cell
_MARK_EVERY = 0.15  # of a panel's diagonal, along the line
_UNDEFINED = "undefined"
_ROUNDING = 1e-9  # of a threshold that was written as text and read again
_DARK = 0.71  # share from which white text has more contrast on its cell than black

_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_EVALUATION_PANELS = (
    ("ROC", "false positive rate", "recall (true positive rate)"),
    ("Precision-recall", "recall (true positive rate)", "precision"),
    ("Calibration", "predicted probability (mean of bin)", "observed share of positives"),
)
_SCAN_PANELS = (
    ("Precision-recall", "recall (true positive rate)", "precision"),
    ("Thresholds", "threshold (probability from which a call counts)", "precision, recall, F1"),
)
_GUESSING: dict[str, Any] = {"color": canvas.GREY, "linestyle": (0, (3, 2)), "linewidth": 0.8}
_PERFECT: dict[str, Any] = {"color": canvas.GREY, "linestyle": "solid", "linewidth": 0.8}
_RING: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 8, "color": "black"}
_RING |= {"fillstyle": "none"}
_BLANK: dict[str, Any] = {"linestyle": "none"}
_SCANNED: dict[str, Any] = {"precision": "solid", "recall": (0, (5, 1.5)), "F1": (0, (1, 1))}


@dataclass(frozen=True, eq=False)
class SystemCurves:
    """One system, or one class of it against the rest.

    Attributes:
        name: as the legend shows it.
        roc: false positive rate and recall, each `[P]`, from the highest score down.
        precision_recall: recall and precision, each `[P]`; in either direction.
        calibration: `[B, 4]`, per bin: mean probability, share of positives, and the low and
            high end of that share's 95 % interval.
        auroc: value, low and high end of the 95 % interval; NaN where undefined.
        auprc: the same of the average precision.
    """

    name: str
    roc: Line
    precision_recall: Line
    calibration: Floats
    auroc: Estimate
    auprc: Estimate


@dataclass(frozen=True, eq=False)
class ScanCurve:
    """What each threshold would give for one system.

    Attributes:
        name: as the legend shows it.
        thresholds: `[P]`, probabilities from which a call counts.
        precision, recall, f1: `[P]`; NaN where undefined.
        chosen: the threshold that was chosen, or `None`.
    """

    name: str
    thresholds: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    chosen: float | None


@canvas.style()
def draw_evaluation(
    systems: Sequence[SystemCurves], *, share_of_positives: float, title: str, fmt: str
) -> bytes:
    """Draw ROC, precision-recall and calibration side by side.

    Precision is drawn in steps: the area under the line is the average precision, while a
    straight line between two thresholds would promise what no threshold gives (Davis and
    Goadrich 2006, Proc. 23rd Int. Conf. Machine Learning, 233).

    Args:
        systems: 1 to `MOST_SYSTEMS`; with more than two classes one per class and system.
        share_of_positives: the precision of guessing; NaN leaves its line out.
        title: of the picture; may be empty.
        fmt: of `canvas.FORMATS`.

    Raises:
        ValueError: no system or too many.
    """
    _check_number(systems)
    figure = canvas.new_figure(canvas.PAGE_INCHES, canvas.PAGE_INCHES)
    roc, precision_recall, calibration = _panels(figure, _EVALUATION_PANELS)
    roc.plot([0, 1], [0, 1], **_GUESSING)
    calibration.plot([0, 1], [0, 1], **_PERFECT)
    if math.isfinite(share_of_positives):
        precision_recall.plot([0, 1], [share_of_positives] * 2, **_GUESSING)
    for look, system in zip(_looks(), systems, strict=False):
        line_look = look | {"marker": ""}
        _draw_line(roc, _from_origin(_finite(*system.roc)), line_look)
        _draw_line(precision_recall, _stepped(_finite(*system.precision_recall)), line_look)
        _draw_bins(calibration, system.calibration, look)
    _draw_legend(figure, _evaluation_columns(systems, share_of_positives))
    _draw_title(figure, title)
    canvas.make_square(figure)
    return canvas.save(figure, fmt)


@canvas.style()
def draw_scan(curves: Sequence[ScanCurve], *, title: str, fmt: str) -> bytes:
    """Draw what each threshold gives: precision against recall, and both against thresholds.

    Args:
        curves: 1 to `MOST_SYSTEMS`.
        title: of the picture; may be empty.
        fmt: of `canvas.FORMATS`.

    Raises:
        ValueError: no curve or too many.
    """
    _check_number(curves)
    figure = canvas.new_figure(canvas.PAGE_INCHES, canvas.PAGE_INCHES)
    trade, course = _panels(figure, _SCAN_PANELS)
    for look, curve in zip(_scan_looks(len(curves)), curves, strict=False):
        _draw_line(trade, _stepped(_finite(curve.recall, curve.precision)), look)
        for values, line_style in zip(_scanned(curve), _SCANNED.values(), strict=True):
            line = _finite(curve.thresholds, values)
            _draw_line(course, line, look | {"linestyle": line_style})
        _mark_chosen(trade, course, curve)
    _draw_legend(figure, _scan_columns(curves))
    _draw_title(figure, title)
    canvas.make_square(figure)
    return canvas.save(figure, fmt)


@canvas.style()
def draw_confusion(
    matrix: npt.NDArray[np.integer], classes: Sequence[str], *, title: str, fmt: str
) -> bytes:
    """Draw a confusion matrix: the darker a cell, the larger its share of the true class.

    Up to ten classes each cell states its count and the share of its row; beyond, a scale beside
    the matrix tells the shares.

    Args:
        matrix: `[K, K]` counts, one row per true class, one column per predicted class.
        classes: K names.
        title: of the picture; may be empty.
        fmt: of `canvas.FORMATS`.

    Raises:
        ValueError: matrix and names do not fit together.
    """
    n_classes = len(classes)
    if n_classes == 0 or matrix.shape != (n_classes, n_classes):
        raise ValueError(f"{n_classes} classes do not fit a matrix of shape {matrix.shape}")
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, matrix / np.maximum(totals, 1), np.nan)  # [K, K]
    has_text = n_classes <= _MOST_CELLS
    names = [canvas.shortened(name, _CLASS_LETTERS) for name in classes]
    beside = _LABEL_INCHES + max(map(len, names)) * _LETTER_INCHES
    cell = _CELL_INCHES if has_text else _SMALL_CELL_INCHES
    side = max(canvas.COLUMN_INCHES, beside + cell * n_classes)
    figure = canvas.new_figure(side, side)
    axis = figure.subplots()
    edges: dict[str, Any] = {"edgecolors": "white", "linewidth": 1.0} if has_text else {}
    cells = axis.pcolormesh(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1, **edges)
    if has_text:
        _write_cells(axis, matrix, shares)
    else:
        figure.colorbar(cells, ax=axis, label="share of the true class", shrink=0.6)
    _name_classes(axis, names, (side - beside) / n_classes)
    _draw_title(figure, title)
    canvas.make_square(figure)
    return canvas.save(figure, fmt)


def _check_number(systems: Sequence[Any]) -> None:
    if not 1 <= len(systems) <= MOST_SYSTEMS:
        raise ValueError(f"a picture holds 1 to {MOST_SYSTEMS} systems, not {len(systems)}")


def _looks() -> list[dict[str, Any]]:
    """Return colour, line style and marker of each system."""
    styles = zip(canvas.OKABE_ITO, canvas.LINE_STYLES, canvas.MARKERS, strict=True)
    return [{"color": color, "linestyle": line, "marker": mark} for color, line, mark in styles]


def _scan_looks(n_curves: int) -> list[dict[str, Any]]:
    """Return the looks of systems whose line style tells something else: marks tell them apart."""
    if n_curves == 1:
        return [look | {"marker": ""} for look in _looks()]
    return [look | {"linestyle": "solid"} for look in _looks()]


def _panels(figure: Any, texts: Sequence[tuple[str, str, str]]) -> list[Any]:
    """Return square panels side by side, both axes from 0 to 1.

    Args:
        figure: empty.
        texts: title, x label and y label of each.
    """
    axes = list(figure.subplots(1, len(texts)))
    for axis, (title, x_label, y_label) in zip(axes, texts, strict=True):
        axis.set(title=title, xlabel=x_label, ylabel=y_label, xticks=_TICKS, yticks=_TICKS)
        axis.set(xlim=(0, 1), ylim=(0, 1))
        axis.grid(visible=True)
    return axes


def _finite(x: Floats, y: Floats) -> Line:
    """Return the points of which both coordinates are numbers."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def _rising(line: Line) -> Line:
    """Return the line from left to right."""
    x, y = line
    return (x[::-1], y[::-1]) if len(x) and x[0] > x[-1] else line


def _from_origin(line: Line) -> Line:
    """Let a ROC curve begin where nothing is called."""
    x, y = _rising(line)
    return (np.append(0.0, x), np.append(0.0, y)) if len(x) else line


def _stepped(line: Line) -> Line:
    """Return precision as steps over rising recall, from recall 0 on.

    Between two thresholds the precision of the lower one holds, as in the average precision.

    Args:
        line: recall and precision, `[P]`; recall rises or falls.
    """
    recall, precision = _rising(line)
    if len(recall) == 0:
        return line
    return np.append(0.0, np.repeat(recall, 2)[:-1]), np.repeat(precision, 2)


def _draw_line(axis: Any, line: Line, look: Mapping[str, Any]) -> None:
    """Draw a curve over the frame, so that it is whole where it runs along 0 or 1."""
    x, y = canvas.thinned(line)
    if len(x) > 0:  # an empty line upsets the layout
        axis.plot(x, y, **look, markevery=_MARK_EVERY, clip_on=False, zorder=3)


def _draw_bins(axis: Any, bins: Floats, look: Mapping[str, Any]) -> None:
    """Draw a point per bin and its 95 % bar, joined by a thin line."""
    bins = np.asarray(bins, dtype=np.float64).reshape(-1, 4)
    mean, share = bins[:, 0], bins[:, 1]
    drawn = np.isfinite(mean) & np.isfinite(share)
    if not drawn.any():
        return
    axis.plot(
        mean[drawn], share[drawn], **look, linewidth=0.7, markersize=3, clip_on=False, zorder=3
    )
    barred = bins[drawn & np.isfinite(bins).all(axis=1)]
    axis.vlines(barred[:, 0], barred[:, 2], barred[:, 3], colors=look["color"], linewidth=0.8)


def _scanned(curve: ScanCurve) -> tuple[Floats, Floats, Floats]:
    """Return what is drawn against the threshold, in the order of `_SCANNED`."""
    return curve.precision, curve.recall, curve.f1


def _mark_chosen(trade: Any, course: Any, curve: ScanCurve) -> None:
    """Ring what the chosen threshold gives: what the next threshold at or above it gives."""
    if curve.chosen is None or not math.isfinite(curve.chosen):
        return
    course.axvline(curve.chosen, **_GUESSING)
    above = np.flatnonzero(np.asarray(curve.thresholds) >= curve.chosen - _ROUNDING)
    if len(above) == 0:
        return  # nothing is called
    place = above[np.asarray(curve.thresholds)[above].argmin()]
    points = [(trade, float(curve.recall[place]), float(curve.precision[place]))]
    points += [(course, curve.chosen, float(values[place])) for values in _scanned(curve)]
    for axis, x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            canvas.ring(axis, x, y)


def _evaluation_columns(
    systems: Sequence[SystemCurves], share_of_positives: float
) -> list[list[Entry]]:
    names: list[Entry] = [(_BLANK, "")]
    areas: list[list[Entry]] = [
        [(_BLANK, "AUROC (95 % interval)")],
        [(_BLANK, "AUPRC (95 % interval)")],
    ]
    for look, system in zip(_looks(), systems, strict=False):
        names.append((look, canvas.shortened(system.name, _NAME_LETTERS)))
        pairs = ((system.roc, system.auroc), (system.precision_recall, system.auprc))
        for column, (line, estimate) in zip(areas, pairs, strict=True):
            is_drawn = len(_finite(*line)[0]) > 0
            column.append((_BLANK, _told(estimate) if is_drawn else _UNDEFINED))
    names += [(_GUESSING, "guessing"), (_PERFECT, "perfect calibration")]
    areas[0].append((_BLANK, "0.500"))
    if math.isfinite(share_of_positives):
        areas[1].append((_BLANK, f"{share_of_positives:.3f}"))
    return [names, *areas]


def _scan_columns(curves: Sequence[ScanCurve]) -> list[list[Entry]]:
    names: list[Entry] = [(_BLANK, "")]
    chosen: list[Entry] = [(_RING, "chosen threshold")]
    for look, curve in zip(_scan_looks(len(curves)), curves, strict=False):
        names.append((look, canvas.shortened(curve.name, _NAME_LETTERS)))
        is_drawn = len(_finite(curve.recall, curve.precision)[0]) > 0
        value = "none" if curve.chosen is None else f"{curve.chosen:.4g}"
        chosen.append((_BLANK, value if is_drawn else _UNDEFINED))
    quantities: list[Entry] = [(_BLANK, "right panel")]
    quantities += [({"color": "black", "linestyle": line}, name) for name, line in _SCANNED.items()]
    if all(curve.chosen is None for curve in curves):
        return [names, quantities]
    return [names, chosen, quantities]


def _told(estimate: Estimate) -> str:
    value, low, high = estimate
    if not math.isfinite(value):
        return _UNDEFINED
    has_interval = math.isfinite(low) and math.isfinite(high)
    return f"{value:.3f}" + (f" ({low:.3f} to {high:.3f})" if has_interval else "")


def _draw_legend(figure: Any, columns: Sequence[list[Entry]]) -> None:
    """Write a table below the panels, where it hides no curve."""
    from matplotlib.lines import Line2D

    n_rows = max(map(len, columns))
    entries = [
        entry for column in columns for entry in column + [(_BLANK, "")] * (n_rows - len(column))
    ]
    legend = figure.legend(
        [Line2D([], [], **look) for look, _ in entries], [" "] * len(entries),
        ncols=len(columns), loc="outside lower center", frameon=False,
        handlelength=2.8, labelspacing=0.35, columnspacing=1.0,
    )  # fmt: skip
    # afterwards, because a legend leaves out labels that begin with an underscore
    for text, (_, label) in zip(legend.get_texts(), entries, strict=True):
        text.set_text(label)


def _draw_title(figure: Any, title: str) -> None:
    if title:
        n_letters = int(figure.get_figwidth() / _LETTER_INCHES * 0.7)
        figure.suptitle(canvas.shortened(title, n_letters))


def _write_cells(axis: Any, matrix: npt.NDArray[np.integer], shares: Doubles) -> None:
    for (row, column), count in np.ndenumerate(matrix):
        share = shares[row, column]
        told = f"{100 * share:.1f} %" if math.isfinite(share) else "no rows"
        color = "white" if share > _DARK else "black"
        axis.text(
            column + 0.5, row + 0.5, f"{count:,}\n{told}", color=color, ha="center", va="center"
        )


def _name_classes(axis: Any, names: Sequence[str], cell_inches: float) -> None:
    """Write the names beside rows and columns, aslant where a column is too narrow for them."""
    places = [place + 0.5 for place in range(len(names))]
    axis.set_xticks(places, names)
    axis.set_yticks(places, names)
    axis.set(xlabel="predicted class", ylabel="true class")
    axis.invert_yaxis()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    if max(map(len, names)) * _LETTER_INCHES > cell_inches:
        for text in axis.get_xticklabels():
            text.set(rotation=45, ha="right", rotation_mode="anchor")
