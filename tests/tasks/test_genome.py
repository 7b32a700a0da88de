"""Windows of a genome: names, edges, strands and N, and what is refused is counted."""

import gzip
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.records import Interval
from dnabert_cli.tasks import genome as module
from dnabert_cli.tasks.dropped import Dropped
from dnabert_cli.tasks.genome import Genome, overlap, unknown_share
from tests.dataset_toys import letters, read_on, write_fasta

RECORDS = {
    "chr1": letters(300, 1) + "NNNNN" + letters(100, 2).lower() + "NR" + letters(93, 3),
    "2": letters(200, 4),
}


@pytest.fixture
def path(tmp_path):
    return write_fasta(tmp_path / "g.fa", RECORDS)


@pytest.fixture
def genome(path):
    return Genome(path, max_unknown=0.0)


@pytest.mark.parametrize(
    ("asked", "name"), [("chr1", "chr1"), ("1", "chr1"), ("chr2", "2"), ("2", "2"), ("chrX", None)]
)
def test_names_match_with_and_without_chr(genome, asked, name):
    assert genome.resolve(asked) == name


def test_a_name_read_as_another_is_told_once(genome, caplog):
    for name in ("1", "1", "chr2", "chr1"):
        genome.resolve(name)
    (message,) = caplog.messages
    assert message.endswith("g.fa has no 1: chr1 is read instead, and so on")


def test_a_source_without_a_common_name_is_refused(genome):
    with pytest.raises(
        DataError, match=r"a.bed and .*g.fa have no sequence in common: X, Y against"
    ):
        genome.check_names({"X", "Y"}, "a.bed")
    genome.check_names({"X", "1"}, "a.bed")


@pytest.mark.parametrize(
    ("chrom", "start", "end", "reason"),
    [
        ("chr1", 0, 500, None),
        ("chr1", -1, 10, "past the end of the sequence"),
        ("chr1", 490, 501, "past the end of the sequence"),
        ("2", 190, 200, None),
        ("X", 0, 10, "on a sequence the genome lacks"),
    ],
)
def test_what_cannot_be_cut_is_counted_by_reason(genome, chrom, start, end, reason):
    dropped = Dropped()
    cut = genome.cut(Interval(chrom, start, end), dropped)
    assert (cut is None) == (reason is not None)
    assert dropped.to_json() == ({} if reason is None else {reason: 1})


def test_a_place_gets_the_name_of_the_genome_and_keeps_the_rest(genome):
    assert genome.cut(Interval("1", 3, 9, "a", "-"), Dropped()) == Interval("chr1", 3, 9, "a", "-")


@pytest.mark.parametrize(("start", "end"), [(10, 50), (305, 405), (2, 3)])
def test_the_reverse_strand_is_the_reverse_complement_of_the_whole(genome, start, end):
    whole = read_on(RECORDS, "chr1", "-")
    found = genome.sequence(Interval("chr1", start, end, strand="-"))
    assert found == whole[500 - end : 500 - start]
    forward = genome.sequence(Interval("chr1", start, end))
    assert forward == RECORDS["chr1"][start:end]  # soft-masked letters stay lower case


def test_more_unknown_letters_than_allowed_are_refused_and_counted(path):
    place, less = Interval("chr1", 280, 305), Interval("chr1", 281, 305)
    genome, dropped = Genome(path, max_unknown=0.2), Dropped()
    assert genome.sequence(place, dropped) == RECORDS["chr1"][280:305]  # 5 of 25
    assert genome.sequence(less, dropped) is None
    assert dropped.summary() == "1 with too many N (first: chr1:281-305)"


def test_the_unknown_share_counts_everything_but_acgt():
    assert unknown_share("ACGTacgtNRn-") == 4 / 12
    assert unknown_share("") == 0


@pytest.mark.parametrize("piece", [7, 100, 1 << 22])
def test_known_stretches_lie_between_the_n_wherever_pieces_end(genome, monkeypatch, piece):
    monkeypatch.setattr(module, "_PIECE", piece)
    assert genome.known_stretches(94) == {"chr1": [(0, 300), (305, 405)], "2": [(0, 200)]}


def test_known_stretches_lie_within_the_regions_asked_for(genome):
    found = genome.known_stretches(50, {"chr1": [(100, 200), (260, 380)]})
    assert found == {"chr1": [(100, 200), (305, 380)]}


def test_regions_are_merged_clipped_and_what_is_outside_is_told(genome, caplog):
    caplog.set_level(logging.WARNING)
    regions = [("2", 150, 900), ("chr1", 5, 9), ("chr1", 8, 20), ("2", 300, 400), ("X", 1, 2)]
    found = genome.clipped([Interval(*each) for each in regions], "r.bed")
    assert found == {"chr1": [(5, 20)], "2": [(150, 200)]}
    assert caplog.messages[-1] == (
        "regions of r.bed left out: 1 past the end of the sequence (first: 2:300-400); "
        "1 on a sequence the genome lacks (first: X:1-2)"
    )


def test_plain_gzip_and_a_stream_are_refused_with_the_cure(tmp_path, path):
    packed = tmp_path / "g.fa.gz"
    packed.write_bytes(gzip.compress(Path(path).read_bytes()))
    with pytest.raises(FormatError, match=r"g\.fa\.gz: gzip cannot be read at random .*bgzip"):
        Genome(str(packed), 0.0)
    with pytest.raises(FormatError, match=r"standard input.*name a file"):
        Genome("-", 0.0)


PLACES = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=6)


@given(drawn=PLACES, start=st.integers(0, 70), length=st.integers(1, 15))
def test_overlap_equals_looking_at_every_base(drawn, start, length):
    covered = {base for low, size in drawn for base in range(low, low + size)}
    firsts = sorted(base for base in covered if base - 1 not in covered)
    behind = sorted(base + 1 for base in covered if base + 1 not in covered)
    inside = {base in covered for base in range(start, start + length)}
    expected = None if len(inside) == 2 else inside.pop()
    places = {"a": list(zip(firsts, behind, strict=True))}
    assert overlap(places, "a", start, start + length) is expected


def test_a_sequence_without_places_overlaps_nothing():
    assert overlap({"a": [(0, 9)]}, "b", 0, 9) is False
