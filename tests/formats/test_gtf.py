import gzip
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import FormatError
from dnabert_cli.formats.gtf import read_transcripts
from dnabert_cli.formats.indexed_fasta import IndexedFasta
from dnabert_cli.records import Interval, Transcript
from dnabert_cli.sequence.sites import is_canonical, junctions, start_sites, window_of

GTF = """\
#!genome-build toy
chr1\tx\tgene\t11\t90\t.\t+\t.\tgene_id "g1";
chr1\tx\texon\t11\t20\t.\t+\t.\tgene_id "g1"; transcript_id "t1"; note "a; b"; n 1;
chr1\tx\texon\t61\t90\t.\t+\t.\tgene_id "g1"; transcript_id "t1";
chr1\tx\tCDS\t61\t77\t.\t+\t0\tgene_id "g1"; transcript_id "t1";
chr1\tx\tCDS\t15\t20\t.\t+\t0\tgene_id "g1"; transcript_id "t1";
chr1\tx\tstop_codon\t78\t80\t.\t+\t0\tgene_id "g1"; transcript_id "t1";
chr2\tx\tCDS\t5\t9\t.\t-\t0\ttranscript_id "t2"
"""
GTF_TRANSCRIPTS = [
    Transcript("t1", "g1", "chr1", "+", ((10, 20), (60, 90)), ((14, 20), (60, 80))),
    Transcript("t2", ".", "chr2", "-", (), ((4, 9),)),
]
GFF3 = """\
##gff-version 3
1\tx\texon\t61\t90\t.\t-\t.\tParent=transcript:t1,transcript:t2
1\tx\tgene\t11\t90\t.\t-\t.\tID=gene:g1;Name=a
1\tx\tmRNA\t11\t90\t.\t-\t.\tID=transcript:t1;Parent=gene:g1
1\tx\texon\t11\t20\t.\t-\t.\tID=e2;Parent=transcript:t1
1\tx\tCDS\t15\t20\t.\t-\t0\tID=c; Parent=transcript:t1;
1\tx\tstop_codon\t12\t14\t.\t-\t0\tParent=transcript:t1
##FASTA
>1
ACGT
"""
GFF3_TRANSCRIPTS = [
    Transcript("t1", "g1", "1", "-", ((10, 20), (60, 90)), ((14, 20),)),
    Transcript("t2", ".", "1", "-", ((60, 90),), ()),
]


@pytest.fixture
def save(write):
    return lambda text: write(text.encode(), "genes.gtf")


def gtf_row(start=1, end=9, feature="exon", strand="+", name="t", chrom="c"):
    attributes = f'gene_id "g"; transcript_id "{name}";'
    return f"{chrom}\tx\t{feature}\t{start}\t{end}\t.\t{strand}\t.\t{attributes}\n"


def gff_row(start=1, end=9, feature="exon", strand="+", attributes="Parent=t", chrom="c"):
    return f"{chrom}\tx\t{feature}\t{start}\t{end}\t.\t{strand}\t.\t{attributes}\n"


def test_gtf_is_read_with_the_stop_codon_joined_to_the_cds(save):
    assert read_transcripts(save(GTF)) == GTF_TRANSCRIPTS


def test_gff3_is_read_with_the_gene_named_anywhere_in_the_file(save):
    assert read_transcripts(save(GFF3)) == GFF3_TRANSCRIPTS


def test_gff3_is_known_without_its_first_line(save):
    assert read_transcripts(save(GFF3.split("\n", 1)[1])) == GFF3_TRANSCRIPTS


def test_gzip_bgzip_crlf_and_standard_input_are_read(write, bgzipped, feed):
    data = gzip.compress(GTF.replace("\n", "\r\n").encode())
    assert read_transcripts(write(data)) == GTF_TRANSCRIPTS
    assert read_transcripts(bgzipped(GFF3)) == GFF3_TRANSCRIPTS
    feed(data)
    assert read_transcripts("-") == GTF_TRANSCRIPTS


def test_attributes_decide_against_a_wrong_first_line(save):
    assert read_transcripts(save("##gff-version 3\n" + GTF)) == GTF_TRANSCRIPTS


def test_attributes_without_a_key_do_not_decide(save):
    text = gff_row(feature="gene", attributes="g1") + gtf_row()
    assert [one.name for one in read_transcripts(save(text))] == ["t"]


def test_transcripts_come_in_order_of_first_appearance(save):
    text = "".join(gtf_row(name=name, start=start) for name, start in ("b1", "a2", "b3"))
    assert [one.name for one in read_transcripts(save(text))] == ["b", "a"]


@pytest.mark.parametrize("other", [{"chrom": "chrY"}, {"strand": "-"}])
def test_one_name_in_two_places_is_two_transcripts(save, other):
    found = read_transcripts(save(gtf_row() + gtf_row(**other) + gtf_row(20, 30)))
    assert [one.exons for one in found] == [((0, 9), (19, 30)), ((0, 9),)]


@pytest.mark.parametrize("strand", [".", "?"])
def test_transcript_without_strand_is_kept(save, strand):
    assert [one.strand for one in read_transcripts(save(gtf_row(strand=strand)))] == [strand]


def test_escaped_names_are_decoded(save):
    text = gff_row(chrom="c%3B1", attributes="Note=x%3By;Parent=a%2Cb,c")
    found = read_transcripts(save(text))
    assert [(one.chrom, one.name) for one in found] == [("c;1", "a,b"), ("c;1", "c")]


def test_protein_is_no_transcript(save):
    text = gff_row(feature="protein", attributes="ID=p") + gff_row(attributes="Parent=t,p")
    assert [one.name for one in read_transcripts(save(text))] == ["t"]


def test_gff3_part_without_parent_is_left_out_and_counted(save, caplog):
    with caplog.at_level(logging.WARNING):
        found = read_transcripts(save(gff_row(attributes="ID=e") + gff_row(20, 30)))
    assert [one.exons for one in found] == [((19, 30),)]
    assert "1 exon or CDS line(s) without Parent" in caplog.text


def test_gff3_part_without_attributes_is_left_out(save):
    text = "##gff-version 3\n" + gff_row(attributes=".") + gff_row(20, 30)
    assert [one.exons for one in read_transcripts(save(text))] == [((19, 30),)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "c x exon 1 9 . + . t\n",
            r"expected nine columns separated by tabs, found 1 .*GTF or GFF",
        ),
        ("c\tx\texon\t1\t9\t.\t+\t.\n", r"found 8"),
        (gtf_row(0), r"coordinate '0' is not a whole number of 1 or more .*count from 1"),
        (gtf_row("1.5"), r"coordinate '1\.5' is not"),
        (gtf_row(1, "1,000"), r"coordinate '1,000' is not"),
        (gtf_row(9, 8), r"start 9 lies behind end 8 .*smaller of the two"),
        (gtf_row(strand="1"), r"strand '1' is not one of"),
        (gtf_row(chrom=""), r"name of the sequence is missing"),
        (gtf_row(name=""), r"exon without transcript_id .*transcript_id \"NAME\";"),
        (gff_row(feature="CDS", attributes='gene_id "g";'), r"CDS without transcript_id"),
    ],
)
def test_broken_line_is_reported_with_its_number(save, row, message):
    with pytest.raises(FormatError, match=r"genes\.gtf:3: .*" + message):
        read_transcripts(save("# toy\n" + gtf_row() + row))


def test_ignored_features_may_have_odd_coordinates(save):
    text = gtf_row(0, -1, feature="gene", strand="x") + gtf_row()
    assert len(read_transcripts(save(text))) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (gtf_row(feature="gene") * 2 + gtf_row(feature="UTR"), r"found gene \(2\), UTR \(1\) "),
        (gtf_row(feature="stop_codon"), r"no exon and no CDS; found stop_codon \(1\)"),
        (">chr1\nACGT\n", r"no feature at all \(the file looks like FASTA\)"),
        ("", r"no exon and no CDS; found nothing"),
        (gff_row(feature="CDS", attributes="ID=c"), r"none of the 1 exon and CDS lines has a Par"),
    ],
)
def test_file_without_parts_is_an_error_that_tells_what_it_holds(save, text, message):
    with pytest.raises(FormatError, match=message):
        read_transcripts(save(text))


def slow_ranges(ranges):
    """Overlapping or touching ranges joined, by marking bases."""
    bases = sorted({base for start, end in ranges for base in range(start, end)})
    starts = [base for base in bases if base - 1 not in bases]
    ends = [base + 1 for base in bases if base + 1 not in bases]
    return tuple(zip(starts, ends, strict=True))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), min_size=1, max_size=8))
def test_parts_that_overlap_or_touch_are_one(tmp_path_factory, drawn):
    ranges = [(start, start + n_bases) for start, n_bases in drawn]
    path = tmp_path_factory.mktemp("gtf") / "a.gtf"
    path.write_text("".join(gtf_row(start + 1, end) for start, end in ranges))
    assert [one.exons for one in read_transcripts(str(path))] == [slow_ranges(ranges)]


@pytest.fixture
def genome(real_data, tmp_path):
    """Open a real genome by a link, so that its index is built outside the data."""

    def opened(name):
        link = tmp_path / f"{name}.fa.gz"
        link.symlink_to(real_data / "reference" / f"{name}.fa.gz")
        return IndexedFasta(str(link))

    return opened


def canonical_share(transcripts, part, fasta, kind):
    n_canonical = n_sites = 0
    for site in junctions(transcripts, part):
        if site.kind == kind:
            window = fasta.fetch(Interval(site.chrom, *window_of(site, 20, 10))).sequence
            letters = window if site.strand == "+" else reverse_complement(window)
            n_canonical += is_canonical(letters, 10, kind)
            n_sites += 1
    return n_canonical / n_sites


ANNOTATIONS = [  # file, transcripts, start sites, part, genome or none
    ("ensembl_chr1_CDS.in_blocks.gtf.gz", 211, 0, "cds", "hg38.mini"),
    ("celegans_1pct.gff3.gz", 427, 365, "exon", "celegans_1pct"),
    ("dmelanogaster_1pct.gff3.gz", 285, 160, "exon", "dmelanogaster_1pct"),
    # 497, and three proteins that reach beyond the piece and have no line of their own
    ("athaliana_1pct.gff3.gz", 500, 445, "exon", "athaliana_1pct"),
    ("yeast_genes.gtf.gz", 204, 203, "exon", None),  # ten introns, two of them no real ones
    ("ensembl84_chr21.gff3.gz", 2414, 2187, "exon", None),
]


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "n_transcripts", "n_starts", "part", "reference"), ANNOTATIONS)
def test_real_annotations_are_read(
    real_data, genome, name, n_transcripts, n_starts, part, reference
):
    transcripts = read_transcripts(str(real_data / "annotation" / name))
    assert (len(transcripts), len(start_sites(transcripts))) == (n_transcripts, n_starts)
    if reference is not None:
        fasta = genome(reference)
        for kind in ("donor", "acceptor"):
            assert canonical_share(transcripts, part, fasta, kind) > 0.95
