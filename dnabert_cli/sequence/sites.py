"""Transcription starts and splice sites from transcripts, and the windows around them.

The position of a site is the base that its window has at index `anchor`, counted on the strand:
of a start the first transcribed base, of a donor the first base of the intron (the G of GT), of
an acceptor the first base of the exon (behind the G of AG).
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from dnabert_cli.dna import to_dna
from dnabert_cli.records import Site, Transcript

START, DONOR, ACCEPTOR = "tss", "donor", "acceptor"
MIN_INTRON = 30  # bases; what is shorter is a frame shift or a gap of an alignment

PARTS = ("exon", "cds")  # what introns lie between

_STRANDED = ("+", "-")


def start_sites(transcripts: Iterable[Transcript]) -> list[Site]:
    """Return the transcription start of every transcript with exons and a strand.

    A start that several transcripts share comes once, with the name of the first of them. Sites
    are ordered by sequence (first appearance among the transcripts), position and strand.
    """
    listed = list(transcripts)
    return _in_order(listed, (_start(one) for one in listed if one.exons))


def junctions(
    transcripts: Iterable[Transcript], part: str, min_intron: int = MIN_INTRON
) -> list[Site]:
    """Return the donor and the acceptor of every intron of transcripts with a strand.

    A site that several transcripts share comes once, with the name of the first of them. Sites
    are ordered by sequence (first appearance among the transcripts), position, strand and kind.

    Args:
        transcripts: with exons and coding parts.
        part: `exon`: introns between the exons; `cds`: those between the coding parts only.
        min_intron: gaps of fewer bases are no introns.
    """
    assert part in PARTS, f"part {part!r}"
    listed = list(transcripts)
    return _in_order(
        listed, (site for one in listed for site in _splice_sites(one, part, min_intron))
    )


def is_canonical(sequence: str, anchor: int, kind: str, *, allow_gc: bool = False) -> bool:
    """Tell whether a window shows the usual bases of its splice site.

    Args:
        sequence: letters of the window, read on the strand of the site, in either case.
        anchor: 0-based index of the site's position in the window.
        kind: `donor`: GT begins at the anchor; `acceptor`: AG ends before it.
        allow_gc: whether GC will do at a donor.
    """
    assert kind in {DONOR, ACCEPTOR}, f"kind {kind!r}"
    first = anchor if kind == DONOR else anchor - 2
    found = to_dna(sequence[first : first + 2]).upper()  # no two letters where first is negative
    if kind == ACCEPTOR:
        return found == "AG"
    return found == "GT" or (allow_gc and found == "GC")


def window_of(site: Site, window: int, anchor: int) -> tuple[int, int]:
    """Return (start, end) of the window of a site on the forward strand, 0-based half-open.

    It may reach beyond either end of the sequence; the start is negative then.

    Args:
        site: with strand `+` or `-`.
        window: bases.
        anchor: 0-based index, counted on the strand of the site, of its position in the window.
    """
    assert site.strand in _STRANDED, f"strand {site.strand!r}"
    start = site.position - (anchor if site.strand == "+" else window - 1 - anchor)
    return start, start + window


def _start(transcript: Transcript) -> Site:
    is_forward = transcript.strand == "+"
    position = transcript.exons[0][0] if is_forward else transcript.exons[-1][1] - 1
    return Site(transcript.chrom, position, transcript.strand, START, transcript.name)


def _splice_sites(transcript: Transcript, part: str, min_intron: int) -> Iterator[Site]:
    ranges = transcript.exons if part == "exon" else transcript.coding
    for (_, intron_start), (intron_end, _) in pairwise(ranges):
        if intron_end - intron_start < min_intron:
            continue
        if transcript.strand == "+":
            donor, acceptor = intron_start, intron_end
        else:
            donor, acceptor = intron_end - 1, intron_start - 1
        for kind, position in ((DONOR, donor), (ACCEPTOR, acceptor)):
            yield Site(transcript.chrom, position, transcript.strand, kind, transcript.name)


def _in_order(transcripts: Iterable[Transcript], sites: Iterable[Site]) -> list[Site]:
    """Return the sites that have a strand, once each, in order."""
    rank: dict[str, int] = {}
    for transcript in transcripts:
        rank.setdefault(transcript.chrom, len(rank))
    unique: dict[tuple[int, int, str, str], Site] = {}
    for site in sites:
        if site.strand in _STRANDED:
            key = (rank[site.chrom], site.position, site.strand, site.kind)
            unique.setdefault(key, site)
    return [unique[key] for key in sorted(unique)]
