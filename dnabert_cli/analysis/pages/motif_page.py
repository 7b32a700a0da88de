"""The page of `dnabert motifs --report`: a table of motifs that sorts, with logos and places."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dnabert_cli.analysis.pages.page import definitions, escaped, render_page, svg_image

N_BINS = 20  # of a histogram of places

_WIDTH, _HEIGHT, _AXIS = 170, 46, 14  # of a histogram and the numbers under it, in pixels
_SMALLEST = 1e-300  # p-values nearer to zero are no longer told apart
# (heading, kind of the values by which it sorts, or "")
_COLUMNS = (
    ("Motif", "text"),
    ("Instances", "number"),
    ("Positive sequences", "number"),
    ("Negative sequences", "number"),
    ("p", "number"),
    ("q", "number"),
    ("Places", ""),
    ("Members", ""),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportMotif:
    """One motif as it stands in the page; all texts are plain, pictures are SVG files.

    Attributes:
        name: of the motif.
        consensus: its letters.
        logo_svg: its logo.
        n_positive: positive sequences with the most significant member.
        n_negative: negative sequences with it.
        n_instances: windows in positive sequences that the matrix was counted from.
        p_value: of the difference between the two; NaN where there is none.
        q_value: the same, corrected for the number of candidates.
        positions: where each instance lies, in the unit of the page's `place_range`.
        members: the stretches or k-mers the motif was made of.
        match_name: the nearest motif of a database, or None.
        match_q: q-value of that match.
        match_logo_svg: its logo, with columns as wide as those of `logo_svg`.
        match_shift_pixels: how far it must move right for columns to agree; less than 0, left.
        reverse_logo_svg: the logo of the other strand, shown on demand.
    """

    name: str
    consensus: str
    logo_svg: str
    n_positive: int
    n_negative: int
    n_instances: int
    p_value: float
    q_value: float
    positions: Sequence[float] = ()
    members: Sequence[str] = ()
    match_name: str | None = None
    match_q: float | None = None
    match_logo_svg: str | None = None
    match_shift_pixels: int = 0
    reverse_logo_svg: str | None = None


def motif_page(
    motifs: Sequence[ReportMotif],
    *,
    title: str,
    summary: Sequence[tuple[str, str]] = (),
    sentence: str | None = None,
    place_label: str = "place within the sequence, from its start (0) to its end (1)",
    place_range: tuple[float, float] = (0.0, 1.0),
) -> str:
    """Return the page as the text of an HTML file.

    Args:
        motifs: in the order in which they are shown first.
        title: plain text.
        summary: (name, text) of what belongs to the whole run, plain.
        sentence: why there are no motifs, or what else stands above the table.
        place_label: what the axis of the histograms is.
        place_range: first and last number of that axis.
    """
    parts = [definitions(summary)]
    if sentence is not None:
        parts.append(f"<p>{escaped(sentence)}</p>\n")
    if motifs:
        parts.append(_table(motifs, place_range))
        parts.append(
            '<p class="quiet">Sequences, p and q are those of the most significant member. '
            f"Places: {escaped(place_label)}.</p>\n"
        )
    elif sentence is None:
        parts.append("<p>No motif was found.</p>\n")
    return render_page(title, "".join(parts), scripts=("motifs.js",) if motifs else ())


def scientific(value: float | None) -> str:
    """Return a p- or q-value as `1.2e-10`; `-` where there is none."""
    if value is None or math.isnan(value):
        return "-"
    if value < _SMALLEST:
        return f"<{_SMALLEST:.0e}"
    return f"{value:.1e}"


def histogram(positions: Sequence[float], place_range: tuple[float, float]) -> str:
    """Return bars of how often each part of the axis is hit, as an SVG element.

    Args:
        positions: what is counted; numbers off the axis count at its ends.
        place_range: first and last number of the axis.
    """
    counts = _counts(positions, place_range)
    first, last = place_range
    step = (last - first) / N_BINS
    peak = max(range(N_BINS), key=counts.__getitem__)
    described = (
        f"{len(positions)} instances, most of them ({counts[peak]}) "
        f"between {first + peak * step:.4g} and {first + (peak + 1) * step:.4g}"
    )
    width = _WIDTH / N_BINS
    highest = max(1, counts[peak])
    bars = "".join(
        f'<rect x="{index * width:g}" y="{_HEIGHT - height:.2f}" width="{width - 1:g}" '
        f'height="{height:.2f}"><title>{first + index * step:.4g} to '
        f"{first + (index + 1) * step:.4g}: {count}</title></rect>"
        for index, count in enumerate(counts)
        if (height := _HEIGHT * count / highest) > 0
    )
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT + _AXIS}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT + _AXIS}" role="img" aria-label="{described}">'
        f'<g fill="#0072b2">{bars}</g>'
        f'<path d="M0 {_HEIGHT}.5H{_WIDTH}" stroke="#1a1a1a"/>'
        f'<g font-size="11" fill="#1a1a1a"><text x="0" y="{_HEIGHT + _AXIS - 2}">{first:g}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT + _AXIS - 2}" text-anchor="end">{last:g}</text></g></svg>'
    )


def _counts(positions: Sequence[float], place_range: tuple[float, float]) -> list[int]:
    first, last = place_range
    counts = [0] * N_BINS
    for position in positions:
        place = (position - first) / (last - first)
        counts[min(N_BINS - 1, max(0, int(place * N_BINS)))] += 1
    return counts


def _table(motifs: Sequence[ReportMotif], place_range: tuple[float, float]) -> str:
    headings = "".join(
        f'<th scope="col"{_sort(kind)}{_number(kind)}>{heading}</th>' for heading, kind in _COLUMNS
    )
    rows = "".join(_row(motif, place_range) for motif in motifs)
    return (
        f'<table class="motifs">\n<thead><tr>{headings}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table>\n"
    )


def _sort(kind: str) -> str:
    return f' data-sort="{kind}"' if kind else ""


def _number(kind: str) -> str:
    return ' class="number"' if kind == "number" else ""


def _row(motif: ReportMotif, place_range: tuple[float, float]) -> str:
    numbers = (
        (motif.n_instances, str(motif.n_instances)),
        (motif.n_positive, str(motif.n_positive)),
        (motif.n_negative, str(motif.n_negative)),
        (motif.p_value, scientific(motif.p_value)),
        (motif.q_value, scientific(motif.q_value)),
    )
    cells = "".join(
        f'<td class="number" data-heading="{heading}" data-value="{_value(value)}">'
        f"{escaped(text)}</td>"
        for (heading, _), (value, text) in zip(_COLUMNS[1:6], numbers, strict=True)
    )
    return (
        f'<tr><th scope="row" data-value="{escaped(motif.name)}">{_motif(motif)}</th>{cells}'
        f"<td>{histogram(motif.positions, place_range)}</td><td>{_members(motif)}</td></tr>\n"
    )


def _value(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _motif(motif: ReportMotif) -> str:
    """Return name, consensus and logo, and below them the match, column under column."""
    parts = [
        f'<span class="name">{escaped(motif.name)}</span> ',
        f'<span class="consensus">{escaped(motif.consensus)}</span>',
        '<div class="logos">',
        _logos(motif),
    ]
    if motif.match_name is not None:
        parts.append(f'<div class="match">nearest: {escaped(motif.match_name)}')
        if motif.match_q is not None:
            parts.append(f' <span class="nowrap">(q {escaped(scientific(motif.match_q))})</span>')
        parts.append("</div>")
        if motif.match_logo_svg is not None:
            parts.append(
                svg_image(
                    motif.match_logo_svg,
                    f"logo of {motif.match_name}",
                    max(0, motif.match_shift_pixels),
                )
            )
    return "".join([*parts, "</div>"])


def _logos(motif: ReportMotif) -> str:
    shift = max(0, -motif.match_shift_pixels)  # the match begins first: the motif moves
    forward = svg_image(motif.logo_svg, f"logo of {motif.name}, {motif.consensus}", shift)
    if motif.reverse_logo_svg is None:
        return forward
    reverse = svg_image(motif.reverse_logo_svg, f"logo of {motif.name}, reverse complement", shift)
    return (
        f'<div class="two-strands"><div class="strand">{forward}</div>'
        f'<div class="strand" hidden>{reverse}</div></div>'
    )


def _members(motif: ReportMotif) -> str:
    if not motif.members:
        return "-"
    items = "".join(f"<li>{escaped(member)}</li>" for member in motif.members)
    shown = "1 member" if len(motif.members) == 1 else f"{len(motif.members)} members"
    return f'<details><summary class="nowrap">{shown}</summary><ul>{items}</ul></details>'
