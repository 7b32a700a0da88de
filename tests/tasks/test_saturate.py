"""Saturation: every allele of one base, once, in an order that can be indexed."""

import gzip
import logging
from itertools import pairwise

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.formats.vcf import SortOrder, open_variants
from dnabert_cli.formats.vcf_writer import open_annotated
from dnabert_cli.records import Interval
from dnabert_cli.tasks import saturate as module
from dnabert_cli.tasks.saturate import Saturation

# R cannot stand in REF, and without its only base c2 is nothing.
GENOME = ">c1 first\nAAcGNTTGRA\n>c2\nG\n"
WITH_DELETIONS = """\
c1	1	.	A	C	.	.	.
c1	1	.	A	G	.	.	.
c1	1	.	A	T	.	.	.
c1	1	.	AA	A	.	.	.
c1	2	.	A	C	.	.	.
c1	2	.	A	G	.	.	.
c1	2	.	A	T	.	.	.
c1	2	.	AC	A	.	.	.
c1	3	.	C	A	.	.	.
c1	3	.	C	G	.	.	.
c1	3	.	C	T	.	.	.
c1	3	.	CG	C	.	.	.
c1	4	.	G	A	.	.	.
c1	4	.	G	C	.	.	.
c1	4	.	G	T	.	.	.
c1	5	.	NT	N	.	.	.
c1	6	.	T	A	.	.	.
c1	6	.	T	C	.	.	.
c1	6	.	T	G	.	.	.
c1	7	.	T	A	.	.	.
c1	7	.	T	C	.	.	.
c1	7	.	T	G	.	.	.
c1	7	.	TG	T	.	.	.
c1	8	.	G	A	.	.	.
c1	8	.	G	C	.	.	.
c1	8	.	G	T	.	.	.
c1	10	.	A	C	.	.	.
c1	10	.	A	G	.	.	.
c1	10	.	A	T	.	.	.
c2	1	.	G	A	.	.	.
c2	1	.	G	C	.	.	.
c2	1	.	G	T	.	.	.
"""


@pytest.fixture
def saturation(tmp_path):
    """Saturate a genome given as text within rows of a BED file given as text."""

    def make(genome=GENOME, bed=None, *, deletions=False):
        (tmp_path / "g.fa").write_text(genome)
        if bed is not None:
            (tmp_path / "r.bed").write_text(bed)
        regions = None if bed is None else str(tmp_path / "r.bed")
        return Saturation(str(tmp_path / "g.fa"), regions, deletions=deletions)

    return make


def lines(found):
    return "".join(f"{record.source}\n" for record in found.records())


def alleles(found):
    return [(one.position, one.ref, *one.alts) for one in found.records()]


def test_every_base_of_every_sequence_is_replaced_and_left_out(saturation):
    found = saturation(deletions=True)
    assert lines(found) == WITH_DELETIONS
    assert (found.n_alleles, found.n_unknown) == (32, 2)


def test_without_deletions_there_are_substitutions_only(saturation):
    expected = [row for row in WITH_DELETIONS.splitlines() if len(row.split("\t")[3]) == 1]
    found = saturation()
    assert lines(found).splitlines() == expected
    assert found.n_alleles == len(expected)


def test_records_say_what_their_lines_say_and_can_be_gone_through_again(saturation, tmp_path):
    found = saturation(deletions=True)
    path = tmp_path / "x.vcf"
    path.write_text("\n".join([*found.header.meta, found.header.columns, lines(found)]))

    with open_variants(str(path), require_sorted=True) as reader:
        assert list(reader) == list(found.records())
        assert reader.header.meta == found.header.meta
    assert [record.number for record in found.records()] == list(range(1, 33))


def test_the_header_names_the_genome_and_its_sequences(saturation, tmp_path):
    header = saturation(bed="c1\t0\t1\n").header
    assert header.reference == header.path == str(tmp_path / "g.fa")
    assert header.contigs == {"c1": 10, "c2": 1}
    assert header.meta[0] == "##fileformat=VCFv4.3"


@pytest.mark.parametrize("name", ["x.vcf.gz", "x.bcf"])
def test_what_is_written_is_sorted_and_indexed(saturation, tmp_path, name):
    found, path = saturation(deletions=True), str(tmp_path / name)

    with open_annotated(path, found.header, [], force=False) as writer:
        for record in found.records():
            writer.write(record, {})

    with pysam.VariantFile(path) as file:
        assert [(one.pos, one.ref, *one.alts) for one in file.fetch("c1", 4, 5)] == [(5, "NT", "N")]


def test_bcftools_finds_every_record_in_its_normal_form(saturation, tmp_path):
    import pysam.bcftools

    found, path = saturation(deletions=True), tmp_path / "x.vcf"
    path.write_text("\n".join([*found.header.meta, found.header.columns, lines(found)]))

    options = ("--check-ref", "e", "--rm-dup", "exact", "-f", str(tmp_path / "g.fa"))
    normal = pysam.bcftools.norm(*options, str(path))

    assert "".join(row + "\n" for row in normal.splitlines() if row[0] != "#") == lines(found)


def test_regions_that_overlap_are_one_and_others_stay_apart(saturation):
    bed = "c2\t0\t1\tz\nc1\t5\t7\td\t0\t-\nc1\t2\t4\tb\t0\t+\nc1\t0\t3\ta\t0\t-\nc1\t4\t5\n"
    found = saturation(bed=bed + "c1\t1\t2\ta\t0\t+\n")
    assert found.regions == (
        Interval("c1", 0, 4, "a,b", "."),
        Interval("c1", 4, 5),
        Interval("c1", 5, 7, "d", "-"),
        Interval("c2", 0, 1, "z"),
    )
    assert len(set(alleles(found))) == found.n_alleles == 3 * 7


def test_the_deletion_at_the_start_of_a_region_comes_before_its_substitutions(saturation):
    found = saturation(bed="c1\t2\t3\n", deletions=True)
    assert alleles(found)[0] == (1, "AC", "A")


@pytest.mark.parametrize("bed", ["c1\t2\t4\nc1\t4\t6\n", "c1\t2\t3\nc1\t5\t6\n"])
def test_a_run_that_two_regions_share_is_shortened_once(saturation, bed):
    found = saturation(">c1\nGATTTTG\n", bed, deletions=True)
    assert [one for one in alleles(found) if len(one[1]) == 2] == [(1, "AT", "A")]


def test_a_run_that_began_before_the_region_is_shortened_in_it(saturation):
    found = saturation(">c1\nGATTTTG\n", "c1\t0\t1\nc1\t4\t6\n", deletions=True)
    assert alleles(found)[4:] == [
        (3, "TT", "T"),
        *((place, "T", other) for place in (4, 5) for other in "ACG"),
    ]


@given(
    sequence=st.text("ACGTacgtN", min_size=2, max_size=14),
    cuts=st.sets(st.integers(0, 14), max_size=6),
    piece=st.integers(1, 5),
)
def test_all_haplotypes_of_one_change_come_once_and_sorted(tmp_path_factory, sequence, cuts, piece):
    """Against every change made in the letters themselves; few bases are read at a time."""
    folder = tmp_path_factory.mktemp("g")
    (folder / "g.fa").write_text(f">c\n{sequence}\n")
    ends = [0, *sorted(cut for cut in cuts if 0 < cut < len(sequence)), len(sequence)]
    regions = list(pairwise(ends))[:: 1 + len(cuts) % 2]
    (folder / "r.bed").write_text("".join(f"c\t{low}\t{high}\n" for low, high in regions))
    text = sequence.upper()
    inside = [place for low, high in regions for place in range(low, high) if text[place] != "N"]
    expected = {
        text[:place] + other + text[place + 1 :]
        for place in inside
        for other in (*"ACGT", "")
        if other != text[place]
    }

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE", piece)
        try:
            found = Saturation(str(folder / "g.fa"), str(folder / "r.bed"), deletions=True)
        except DataError:
            assert not inside
            return
        written = alleles(found)

    made = [text[:at] + alt + text[at + len(ref) :] for at, ref, alt in written]
    assert set(made) == expected
    assert len(made) == len(expected) == found.n_alleles
    order = SortOrder()
    assert all(order.follows("c", position) for position, _, _ in written)
    assert found.n_unknown == sum(high - low for low, high in regions) - len(inside)


def test_letters_are_upper_case_dna(saturation):
    assert saturation(">c\nacguRn\n").sequence(Interval("c", 1, 6)) == "CGTRN"


def test_the_first_base_is_not_left_out_in_front_of_a_code_that_vcf_lacks(saturation):
    assert [one[1] for one in alleles(saturation(">c\nGRA\n", deletions=True))] == [*"GGGAAA"]
    assert alleles(saturation(">c\nGNA\n", deletions=True))[3] == (0, "GN", "N")


def test_packed_genomes_are_read(tmp_path):
    path = str(tmp_path / "g.fa.gz")
    with pysam.BGZFile(path, "w") as handle:
        handle.write(b">c\nAC\n")
    assert Saturation(path, None, deletions=False).n_alleles == 6


def test_a_wider_region_ends_with_the_sequence(saturation):
    found = saturation()
    (first, *_) = found.regions
    wide = found.wider(first, 1000)
    assert (wide.start, wide.end) == (0, found.header.contigs[first.chrom])
    assert found.wider(first, 0) == first


def test_what_there_is_to_do_is_told(saturation, caplog):
    with caplog.at_level(logging.INFO, logger=module.__name__):
        saturation(deletions=True)
    expected = "alleles: 32, bases: 11, regions: 2; bases that are no A, C, G or T: 2"
    assert caplog.messages == [expected]


@pytest.mark.parametrize(
    ("bed", "error", "message"),
    [
        ("c1\t0\t1\nc9\t0\t1\n", DataError, r"r.bed:2: .*no sequence named 'c9'"),
        ("c1\t0\t1\nc1\t3\t19\n", DataError, r"r.bed:2: c1:3-19 .* which has 10 bases"),
        ("c1\t4\t5\n", DataError, r"r.bed: there is no A, C, G or T to replace"),
        ("c1\t4\n", FormatError, r"r.bed:1: not BED"),
        ("# nothing\n", DataError, r"r.bed holds no regions"),
    ],
)
def test_bad_regions_are_refused_at_once(saturation, bed, error, message):
    with pytest.raises(error, match=message):
        saturation(bed=bed)


def test_a_name_that_breaks_a_header_is_refused_where_it_is_used(saturation):
    genome = ">a,b\nAC\n>c\nAC\n"
    with pytest.raises(DataError, match=r"g.fa: the name 'a,b' cannot stand in a VCF"):
        saturation(genome)
    assert saturation(genome, "c\t0\t1\n").header.contigs == {"c": 2}


def test_genomes_that_cannot_be_read_at_random_are_refused(tmp_path):
    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(b">c\nAC\n"))
    for name, message in [(str(path), "pack it with bgzip"), ("-", "name a file")]:
        with pytest.raises(FormatError, match=message):
            Saturation(name, None, deletions=False)
    with pytest.raises(FormatError, match="no such file"):
        Saturation(str(tmp_path / "none.fa"), None, deletions=False)
