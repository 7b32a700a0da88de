"""What all pictures share: an empty figure, colours, line styles, sizes, and the way to bytes.

matplotlib is imported inside the functions: it takes a second to load, and a machine without it
can train. pyplot is never used, so that no window system is asked for.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.floating]
Line = tuple[Floats, Floats]

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

COLUMN_INCHES, PAGE_INCHES = 3.4, 7.0  # widths of a journal's column and page
SMALL_POINTS, MEDIUM_POINTS, LARGE_POINTS = 7.0, 8.0, 9.0  # printed at full size: never smaller

MOST_POINTS = 2000  # of a line
TOLERANCE = 5e-4  # of a panel's side: a tenth of a line's width

_DPI = 300
_HASH_SALT = "dnabert"
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
        figure.set_figheight(float(height + panel.width * width - panel.height * height))


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
    content = io.BytesIO()
    figure.savefig(content, format=fmt, metadata=_METADATA[fmt])
    return content.getvalue()


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
