"""What all pictures share: an empty figure, colours, line styles, sizes, and the way to bytes.

matplotlib is imported inside the functions: it takes a second to load, and a machine without it
can train. pyplot is never used, so that no window system is asked for.
"""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.floating]
Line = tuple[Floats, Floats]
Mark = tuple[float, str]  # a position on the x axis and what stands there

FORMATS = ("png", "svg", "pdf")

# Told apart with every kind of colour vision; ordered so that the palest comes last.
# Source: Okabe and Ito 2008, "Color Universal Design", jfly.uni-koeln.de/color.
OKABE_ITO = (
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#000000",  # black
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#F0E442",  # yellow
)
# One per colour, so that lines can be told apart in black-and-white print too.
LINE_STYLES: tuple[Any, ...] = (
    "solid",
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (2.5, 1)),
    (0, (6, 1.5, 1, 1.5, 1, 1.5)),
    (0, (9, 2)),
    (0, (1, 2.5)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
GREY = "0.55"
UNKNOWN = "0.75"  # the grey of a cell without a value
BASES = "ACGT"
BASE_COLORS = dict(zip(BASES, ("#009E73", "#0072B2", "#E69F00", "#D55E00"), strict=True))
BASE_FONT = "DejaVu Sans Mono"  # letters that stand in columns; matplotlib brings it along

COLUMN_INCHES, PAGE_INCHES = 3.4, 7.0  # widths of a journal's column and page
SMALL_POINTS, MEDIUM_POINTS, LARGE_POINTS = 7.0, 8.0, 9.0  # printed at full size: never smaller

LETTER_INCHES = 0.06  # of the smallest text
BAR_INCHES = 0.08  # how thick a colour bar is

MOST_POINTS = 2000  # of a line
TOLERANCE = 5e-4  # of a panel's side: a tenth of a line's width

_DPI = 300
_BAR_LENGTH = 2.4  # inches
_MARK_LETTERS = 24
_LEVEL_POINTS = 9.0  # from one line of small text to the next
_MOST_NUMBERS = 9  # along an axis
_BAR_NUMBERS = 5  # along a colour bar
_HASH_SALT = "dnabert"
_GRID = 2**20  # steps of a length; a power of two, since decimal halves are common lengths
# The parts of a user's own matplotlib settings that would change a picture.
_LOOKS = (
    "agg", "axes", "contour", "errorbar", "figure", "font", "grid", "hatch", "image", "legend",
    "lines", "markers", "mathtext", "patch", "path", "pdf", "savefig", "scatter", "svg", "text",
    "xaxis", "xtick", "yaxis", "ytick",
)  # fmt: skip
_STYLE: dict[str, Any] = {
    "font.size": SMALL_POINTS,
    "axes.labelsize": MEDIUM_POINTS,
    "axes.titlesize": MEDIUM_POINTS,
    "figure.titlesize": LARGE_POINTS,
    "legend.fontsize": SMALL_POINTS,
    "xtick.labelsize": SMALL_POINTS,
    "ytick.labelsize": SMALL_POINTS,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.3,
    "text.parse_math": False,  # a name with two dollars is a name, not a formula
    "svg.fonttype": "none",  # text stays text: it can be searched and edited
    "svg.hashsalt": _HASH_SALT,
    "pdf.fonttype": 42,  # whole outlines; many journals refuse the default, type 3
}
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),
    "pdf": dict.fromkeys(("CreationDate", "Creator", "Producer")),
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style, whatever a user's matplotlibrc says; also a decorator.

    The settings of matplotlib are put back at the end.
    """
    import matplotlib as mpl

    looks: dict[Any, Any] = {
        key: value for key, value in mpl.rcParamsDefault.items() if key.partition(".")[0] in _LOOKS
    }
    with mpl.rc_context(looks | _STYLE), warnings.catch_warnings():
        # a name in a script the font lacks: boxes in a PNG are enough said
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width_inches: float, height_inches: float, *, dpi: int = _DPI) -> "Figure":
    """Return an empty figure that belongs to no window; call it and what draws under `style`.

    Args:
        width_inches: at which the figure will be printed, `COLUMN_INCHES` or `PAGE_INCHES`.
        height_inches: the other side.
        dpi: pixels per inch of a PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def make_square(figure: "Figure") -> None:
    """Choose the height at which the panels, one row of equal ones, are square.

    A fixed aspect would do the same, but the layout then leaves room that nothing uses, because
    it does not know of it.
    """
    for _ in range(2):  # a legend or a long label may move a little the first time
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        panel = figure.axes[0].get_position()
        figure.set_figheight(_rounded(height + panel.width * width - panel.height * height))


def fit_height(figure: "Figure", panels: Sequence[Any], inches: float) -> None:
    """Choose the figure's height at which the panels, one above another, are so high together.

    What is written around them then costs them nothing.
    """
    for _ in range(3):  # the space between panels grows a little with them
        figure.draw_without_rendering()
        height = figure.get_figheight()
        drawn = sum(panel.get_position().height for panel in panels) * height
        figure.set_figheight(_rounded(height + inches - drawn))


def draw_title(figure: "Figure", title: str) -> None:
    """Write a title above all panels, cut to the figure's width; nothing if it is empty."""
    if title:
        n_letters = int(figure.get_figwidth() / LETTER_INCHES * 0.7)
        figure.suptitle(shortened(title, n_letters))


def draw_legend(figure: "Figure", entries: Sequence[tuple["Artist", str]]) -> None:
    """Write a legend below the panels, in as many columns as the longest text lets fit."""
    longest = max(len(label) for _, label in entries)
    n_fit = int(figure.get_figwidth() / (longest * LETTER_INCHES + 0.5))
    legend = figure.legend(
        [handle for handle, _ in entries], [" "] * len(entries),
        ncols=min(max(n_fit, 1), len(entries)), loc="outside lower center", frameon=False,
        handlelength=2.8, labelspacing=0.35, columnspacing=1.2,
    )  # fmt: skip
    # afterwards, because a legend leaves out labels that begin with an underscore
    for text, (_, label) in zip(legend.get_texts(), entries, strict=True):
        text.set_text(label)


def draw_marks(
    axis: Any, marks: Sequence[Mark], width_inches: float, *, behind: bool = False
) -> int:
    """Draw a line down the panel at each mark and its text above; marks outside are left out.

    Call it after the limits of the x axis are set.

    Args:
        axis: the panel.
        marks: positions on the x axis, and texts.
        width_inches: about the width of the panel, to tell which texts would overlap.
        behind: draw the lines behind curves, in place of over colours.

    Returns:
        lines of text above the panel; texts too close to each other stand in different lines.
    """
    from matplotlib.patheffects import withStroke

    first, last = axis.get_xlim()
    halo = [] if behind else [withStroke(linewidth=2, foreground="white")]
    ends: list[float] = []  # of the text that came last in each line
    for position, text in sorted(marks):
        if not first <= position <= last:
            continue
        axis.axvline(
            position, color="black", linewidth=0.8, linestyle=(0, (3, 2)), path_effects=halo,
            zorder=0.9 if behind else 4,
        )  # fmt: skip
        label = shortened(text, _MARK_LETTERS)
        middle = (position - first) / (last - first) * width_inches
        half = (len(label) + 1) * LETTER_INCHES / 2
        level = next((at for at, end in enumerate(ends) if end <= middle - half), len(ends))
        ends[level : level + 1] = [middle + half]
        axis.annotate(
            label, (position, 1), xycoords=axis.get_xaxis_transform(), ha="center", va="bottom",
            xytext=(0, 2 + _LEVEL_POINTS * level), textcoords="offset points",
            annotation_clip=False,
        )  # fmt: skip
    return len(ends)


def number_bases(axis: Any, width_inches: float) -> None:
    """Write whole, round base numbers along the x axis, as many as fit.

    Call it after the limits of the x axis are set.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    longest = max(len(base_number(place)) for place in axis.get_xlim())
    n_fit = int(width_inches / ((longest + 2) * LETTER_INCHES))
    n_bins = min(max(n_fit, 1), _MOST_NUMBERS)
    axis.xaxis.set_major_locator(MaxNLocator(n_bins, integer=True, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda place, _: base_number(place)))


def base_number(place: float) -> str:
    """Return the number of a base as an axis shows it."""
    return f"{place:,.0f}".replace("-", "\N{MINUS SIGN}")


def lines_of(length: int, most: int) -> list[tuple[int, int]]:
    """Cut a sequence into as few lines as needed, all but the last equally long.

    Args:
        length: bases, at least 1.
        most: bases in a line.

    Returns:
        first base and end (half-open) of each line.
    """
    step = math.ceil(length / math.ceil(length / most))
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def color_scale(values: Floats, *, clipped: float = 0.0) -> "ScalarMappable":
    """Return a scale from white or pale (zero) to dark that prints well in black and white.

    Where there are negative values, blue is negative, white zero and red positive, equally far
    to both sides. Values that are not numbers become `UNKNOWN`.

    Args:
        values: any shape.
        clipped: share of the largest values that may share the darkest colour, so that a few of
            them do not make all others pale; the colour bar then ends in an arrow.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    sizes = np.abs(known) if len(known) else np.ones(1)
    limit = float(np.quantile(sizes, 1 - clipped)) or float(sizes.max()) or 1.0
    is_signed = bool((known < 0).any())
    colors: Any = colormaps["RdBu_r" if is_signed else "YlGnBu"].with_extremes(bad=UNKNOWN)
    if sizes.max() > limit:
        ends = {(True, True): "both", (True, False): "min"}
        colors.colorbar_extend = ends.get((known.min() < -limit, known.max() > limit), "max")
    return ScalarMappable(Normalize(-limit if is_signed else 0.0, limit), colors)


def draw_color_bar(figure: "Figure", axis: Any, scale: "ScalarMappable", label: str) -> None:
    """Draw a colour bar that lies along the middle of its panel, `BAR_INCHES` high."""
    from matplotlib.ticker import MaxNLocator

    axis.set_box_aspect(BAR_INCHES / _BAR_LENGTH)
    bar = figure.colorbar(
        scale, cax=axis, orientation="horizontal", label=label, ticks=MaxNLocator(_BAR_NUMBERS)
    )
    bar.outline.set_linewidth(0.4)


@style()
def save(figure: "Figure", fmt: str) -> bytes:
    """Return the picture as a file's content: equal figures give equal bytes, without a date.

    Args:
        figure: of `new_figure`.
        fmt: of `FORMATS`.

    Raises:
        ValueError: another format.
    """
    if fmt not in FORMATS:
        raise ValueError(f"pictures are {', '.join(FORMATS)}, not {fmt!r}")
    _settle(figure)
    content = io.BytesIO()
    figure.savefig(content, format=fmt, metadata=_METADATA[fmt])
    return content.getvalue()


def _settle(figure: "Figure") -> None:
    """Fix the layout: its solver's last digits differ from run to run, and a PDF shows them."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis in figure.axes:
        ends = axis.get_position(original=True).extents
        axis.set_position(Bbox.from_extents(*(_rounded(end) for end in ends)))


def _rounded(length: float) -> float:
    """Return the length without the digits in which two runs may differ."""
    return round(float(length) * _GRID) / _GRID


def ring(axis: Any, x: float, y: float, label: str | None = None) -> None:
    """Draw a ring around the point that was chosen."""
    axis.plot(
        [x], [y], "o", markersize=8, fillstyle="none", color="black", clip_on=False, zorder=5,
        label=label,
    )  # fmt: skip


def shortened(text: str, most: int) -> str:
    """Return text that fits: cut in the middle, since names often differ at an end.

    Characters that no picture can show (line ends, control characters) become blanks.

    Args:
        text: any.
        most: characters, at least 3.
    """
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    if len(plain) <= most:
        return plain
    tail = (most - 1) // 2
    return plain[: most - 1 - tail] + "…" + plain[-tail:]


def thinned(line: Line) -> Line:
    """Return the line with fewer points, its ends among them.

    Where the line bends most, points are kept first, until none that is left out lies further
    than `TOLERANCE` from the line drawn, or `MOST_POINTS` are kept.

    Args:
        line: x and y, `[P]`, in units of the panel's side.

    Source: Ramer 1972, Comput. Graph. Image Process. 1:244; Douglas and Peucker 1973,
    Cartographica 10:112.
    """
    x, y = line
    if len(x) < 3:
        return line
    kept = {0, len(x) - 1}
    stretches = [_farthest(x, y, 0, len(x) - 1)]
    while stretches and len(kept) < MOST_POINTS:
        distance, first, middle, last = heappop(stretches)
        if -distance <= TOLERANCE:
            break
        kept.add(middle)
        for start, end in ((first, middle), (middle, last)):
            if end - start > 1:
                heappush(stretches, _farthest(x, y, start, end))
    chosen = np.array(sorted(kept))
    return x[chosen], y[chosen]


def _farthest(x: Floats, y: Floats, first: int, last: int) -> tuple[float, int, int, int]:
    """Find the point between two others that lies farthest from the straight line joining them.

    Returns:
        minus the distance (the heap gives the smallest first), `first`, the point, `last`.
    """
    to_x, to_y = x[first + 1 : last] - x[first], y[first + 1 : last] - y[first]
    along_x, along_y = x[last] - x[first], y[last] - y[first]
    square = along_x**2 + along_y**2
    share = np.clip((to_x * along_x + to_y * along_y) / square, 0, 1) if square > 0 else 0.0
    distances = np.hypot(to_x - share * along_x, to_y - share * along_y)
    middle = int(distances.argmax())
    return -float(distances[middle]), first, first + 1 + middle, last
