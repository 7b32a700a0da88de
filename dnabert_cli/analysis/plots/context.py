"""What one token looks at: the attention of every head of a layer, as arcs along the sequence."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.plots import canvas
from dnabert_cli.analysis.plots.canvas import Floats

if TYPE_CHECKING:
    from matplotlib.path import Path

Doubles = npt.NDArray[np.float64]
Arc = tuple[int, int, float]  # head, key, weight

_PANEL_INCHES = 1.9
_WIDTH_INCHES = canvas.PAGE_INCHES - 0.4  # of the panel, about
_LABEL_INCHES = 0.125  # from one upright label to the next
_TOKEN_LETTERS = 12
_THIN, _THICK = 0.5, 3.0  # points
_SELF_SHARE = 0.012  # of the panel's width: half the width of a token's arc to itself
_LOWEST = 0.25  # height of the shortest arc; the longest one's is 1
_SPREAD, _LEVELS = 0.3, 12  # arcs to one key: how much lower the last of so many heads' is


@canvas.style()
def draw_context(
    tokens: Sequence[str],
    attention: Floats,
    *,
    query: int,
    cutoff: float,
    bases: Sequence[int | None],
    title: str,
    fmt: str,
) -> bytes:
    """Draw arcs from one token to every token that a head gives at least so much attention.

    Each head has its colour and line style; the wider an arc, the larger the weight. Where not
    all tokens can be written, the query and the keys with the largest weights come first.
    After Ji et al. 2021, Bioinformatics 37:2112, figure 4e.

    Args:
        tokens: T, special ones such as [CLS] included.
        attention: `[H, T, T]` of one layer: head, query, key; 0 to 1.
        query: which token.
        cutoff: least weight that is drawn.
        bases: number of the first base of each token, `None` for special tokens.
        title: of the picture; may be empty.
        fmt: of `canvas.FORMATS`.

    Raises:
        ValueError: sizes that do not fit together, a query that is none of the tokens, or a
            cut-off outside 0 to 1.
    """
    _check(tokens, attention, query, cutoff, bases)
    weights = np.asarray(attention[:, query, :], dtype=np.float64)  # [H, T]
    arcs = [
        (int(head), int(key), float(weights[head, key]))
        for head, key in np.argwhere(weights >= cutoff)
    ]
    figure = canvas.new_figure(canvas.PAGE_INCHES, canvas.PAGE_INCHES)
    axis = figure.subplots()
    axis.set(xlim=(-0.8, len(tokens) - 0.2), ylim=(0, 1.04), yticks=[])
    axis.spines[["top", "left", "right"]].set_visible(False)
    scale = (cutoff, max((weight for _, _, weight in arcs), default=cutoff))
    farthest = max((abs(key - query) for _, key, _ in arcs), default=0)
    for head in range(len(weights)):
        paths = [
            _path(query, key, len(tokens) * _SELF_SHARE, _height(key - query, farthest, head))
            for own, key, _ in arcs
            if own == head
        ]
        widths = [_width(weight, scale) for own, _, weight in arcs if own == head]
        _draw_arcs(axis, paths, widths, _look(head))
    if not arcs:
        axis.text(
            0.5, 0.5, f"no attention of {cutoff:.3g} or more", transform=axis.transAxes, ha="center"
        )
    _name_tokens(axis, tokens, bases, query, arcs)
    canvas.draw_legend(figure, _entries(arcs, scale, len(weights)))
    canvas.draw_title(figure, title)
    canvas.fit_height(figure, [axis], _PANEL_INCHES)
    return canvas.save(figure, fmt)


def _check(
    tokens: Sequence[str],
    attention: Floats,
    query: int,
    cutoff: float,
    bases: Sequence[int | None],
) -> None:
    n_tokens, shape = len(tokens), np.shape(attention)
    if n_tokens == 0 or len(shape) != 3 or shape[0] == 0 or shape[1:] != (n_tokens, n_tokens):
        raise ValueError(f"{n_tokens} tokens do not fit attention of shape {shape}, not [H, T, T]")
    if len(bases) != n_tokens:
        raise ValueError(f"{n_tokens} tokens, but {len(bases)} numbers of their first bases")
    if not 0 <= query < n_tokens:
        raise ValueError(f"token {query} is none of 0 to {n_tokens - 1}")
    if not 0 <= cutoff <= 1:
        raise ValueError(f"attention is cut off between 0 and 1, not at {cutoff}")


def _look(head: int) -> dict[str, Any]:
    """Return colour and line style: the same pair for no two of 56 heads."""
    colors = canvas.OKABE_ITO[:-1]  # the last one, yellow, is too pale for a thin arc
    style = canvas.LINE_STYLES[head % len(canvas.LINE_STYLES)]  # 8 styles and 7 colours
    return {"color": colors[head % len(colors)], "linestyle": style}


def _width(weight: float, scale: tuple[float, float]) -> float:
    """Return the width of an arc, in points: thin at the cut-off, thick at the largest weight."""
    low, high = scale
    share = (weight - low) / (high - low) if high > low else 1.0
    return _THIN + (_THICK - _THIN) * share


def _height(distance: int, farthest: int, head: int) -> float:
    """Return how high an arc is, 0 to 1: far keys' highest, a later head's a little lower."""
    top = _LOWEST + (1 - _LOWEST) * abs(distance) / max(farthest, 1)
    return top * (1 - _SPREAD * (head % _LEVELS) / _LEVELS)


def _path(query: int, key: int, aside: float, height: float) -> "Path":
    """Return the arc from query to key.

    Args:
        query: the token that looks.
        key: the token looked at.
        aside: half the width, in tokens, of an arc from the query to itself.
        height: of the arc's top.
    """
    from matplotlib.path import Path

    out = aside if key == query else 0.0
    top = height / 0.75  # a cubic curve rises to three quarters of its control points
    corners = [(query, 0.0), (query - out, top), (key + out, top), (key, 0.0)]
    return Path(corners, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])


def _draw_arcs(
    axis: Any, paths: Sequence["Path"], widths: Sequence[float], look: dict[str, Any]
) -> None:
    """Draw the arcs of one head."""
    from matplotlib.collections import PathCollection

    if paths:
        axis.add_collection(
            PathCollection(
                paths, facecolors="none", edgecolors=look["color"],
                linestyles=[look["linestyle"]], linewidths=widths, capstyle="butt", alpha=0.85,
            )
        )  # fmt: skip


def _name_tokens(
    axis: Any,
    tokens: Sequence[str],
    bases: Sequence[int | None],
    query: int,
    arcs: Sequence[Arc],
) -> None:
    """Write tokens and the numbers of their first bases upright below the panel."""
    strongest = {query: np.inf}
    for _, key, weight in arcs:
        strongest[key] = max(strongest.get(key, 0.0), weight)
    wanted = sorted(range(len(tokens)), key=lambda token: (-strongest.get(token, 0.0), token))
    room = _LABEL_INCHES / (_WIDTH_INCHES / (len(tokens) + 0.6))  # in tokens
    shown: list[int] = []
    for token in wanted:
        if all(abs(token - other) >= room for other in shown):
            shown.append(token)
    shown.sort()
    texts = []
    for token in shown:
        base = bases[token]
        name = canvas.shortened(tokens[token], _TOKEN_LETTERS)
        texts.append(name if base is None else f"{canvas.base_number(base)}  {name}")
    axis.set_xticks(shown, texts, rotation=90, family=canvas.BASE_FONT)
    axis.get_xticklabels()[shown.index(query)].set_fontweight("bold")
    axis.plot([query], [0], marker="v", color="black", markersize=6, clip_on=False, zorder=5)
    has_numbers = any(base is not None for base in bases)
    axis.set_xlabel("token" + (", with the number of its first base" if has_numbers else ""))


def _entries(
    arcs: Sequence[Arc], scale: tuple[float, float], n_heads: int
) -> list[tuple[Any, str]]:
    """Return the legend: heads with arcs, heads without (from 0), and what the widths mean."""
    from matplotlib.lines import Line2D

    drawn = sorted({head for head, _, _ in arcs})
    entries = [(Line2D([], [], **_look(head)), f"head {head}") for head in drawn]
    silent = _ranges([head for head in range(n_heads) if head not in drawn])
    if drawn and silent:
        entries.append((Line2D([], [], linestyle="none"), f"no arcs: {silent}"))
    entries += [
        (Line2D([], [], color="black", linewidth=_width(weight, scale)), f"weight {weight:.2g}")
        for weight in sorted(set(scale) if arcs else ())
    ]
    entries.append((Line2D([], [], linestyle="none", marker="v", color="black"), "query"))
    return entries


def _ranges(numbers: Sequence[int]) -> str:
    """Return rising numbers as text, neighbours joined: `1, 4-6`."""
    breaks = [place for place, (low, high) in enumerate(pairwise(numbers), 1) if high - low > 1]
    parts = []
    for start, end in pairwise([0, *breaks, len(numbers)]):
        if end > start:
            low, high = numbers[start], numbers[end - 1]
            parts.append(f"{low}" if low == high else f"{low}-{high}")
    return ", ".join(parts)
