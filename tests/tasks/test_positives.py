"""Positives: each window lies at its anchor on either strand, and nothing is left out unsaid."""

import gzip

import pytest

from dnabert_cli.dataset_config import DatasetConfig
from dnabert_cli.errors import DataError, FormatError, OptionsError
from dnabert_cli.tasks.dropped import Dropped
from dnabert_cli.tasks.genome import Genome
from dnabert_cli.tasks.positives import read_positives, read_ready
from tests.dataset_toys import (
    letters,
    planted,
    read_on,
    site_bed,
    toy_records,
    transcript,
    write_fasta,
    write_rows,
)

RECORDS = toy_records()
INTRONS = {  # (chrom, strand): exons; the introns lie between them
    ("chr1", "+"): [(3_000, 3_100), (3_400, 3_500), (4_000, 4_200)],
    ("chr1", "-"): [(7_000, 7_100), (7_400, 7_500), (8_000, 8_200)],
}


@pytest.fixture
def genome(tmp_path):
    return Genome(write_fasta(tmp_path / "g.fa", RECORDS), max_unknown=0.0)


@pytest.fixture
def read(tmp_path, genome):
    """Write a source, read it, and return what was found and what was left out."""

    def call(rows, kind, name="source.bed", where=genome, **options):
        dropped = Dropped()
        source = write_rows(tmp_path / name, rows)
        found = read_positives(source, DatasetConfig(kind=kind, **options), where, dropped)
        return found, dropped.to_json()

    return call


def windows_by_hand(sites, window, anchor):
    """Each (chrom, position, strand) cut from the whole chromosome as read on its strand."""
    found = []
    for chrom, position, strand in sites:
        text = read_on(RECORDS, chrom, strand)
        index = position if strand == "+" else len(text) - 1 - position
        found.append(text[index - anchor : index - anchor + window])
    return found


def sequences(found):
    return [row.example.sequence for row in found.rows]


@pytest.mark.parametrize(
    ("options", "window", "anchor"),
    [({}, 300, 249), ({"window": 70}, 70, 34), ({"window": 90, "anchor": 7}, 90, 7)],
)
def test_a_promoter_has_its_start_site_at_the_anchor(read, options, window, anchor):
    rows = [
        ("chr1", 5_000, 5_030, "a", "0", "+"),
        ("chr1", 6_000, 6_030, "b", "0", "-"),
        ("chr1", 42_000, 42_001, "soft", "0", "-"),
    ]
    found, left_out = read(rows, "promoters", **options)
    sites = [("chr1", 5_000, "+"), ("chr1", 6_029, "-"), ("chr1", 42_000, "-")]
    assert sequences(found) == windows_by_hand(sites, window, anchor)
    assert left_out == {}


def test_the_place_of_a_row_is_where_its_sequence_lies(read):
    found, _ = read(site_bed(), "promoters")
    for example in (row.example for row in found.rows):
        text = read_on(RECORDS, example.chrom, example.strand)
        first = example.start if example.strand == "+" else len(text) - example.end
        assert example.sequence == text[first : first + 300]
        assert (example.label, example.source) == ("1", "source.bed")


def test_an_annotation_gives_the_promoters_that_a_bed_gives(read):
    lines = [
        *transcript("a", "chr1", "+", [(5_000, 5_100), (6_000, 6_100)]),
        *transcript("b", "chr2", "-", [(5_000, 5_100), (6_000, 6_100)]),
    ]
    bed = [("chr1", 5_000, 5_001, "a", "0", "+"), ("chr2", 6_099, 6_100, "b", "0", "-")]
    assert sequences(read(lines, "promoters", "a.gtf")[0]) == sequences(read(bed, "promoters")[0])


def test_a_peak_has_its_summit_at_the_anchor(read):
    rows = [
        ("chr1", 5_000, 5_400, "a", 0, ".", 1, 1, 1, 30),
        ("chr2", 6_000, 6_400, "b", 0, "-", 1, 1, 1, -1),
    ]
    found, _ = read(rows, "peaks", "a.narrowPeak")
    sites = [("chr1", 5_030, "+"), ("chr2", 6_200, "-")]
    assert sequences(found) == windows_by_hand(sites, 101, 50)


def test_regions_stay_as_they_are(read):
    found, _ = read([("chr1", 10, 60), ("chr2", 10, 60, "b", 0, "-")], "regions")
    by_hand = windows_by_hand([("chr1", 10, "+"), ("chr2", 59, "-")], 50, 0)
    assert sequences(found) == by_hand


def test_regions_of_any_length_become_windows_around_their_middles(read):
    found, _ = read([("chr1", 1_000, 1_400), ("chr2", 2_000, 2_100)], "regions", window=80)
    sites = [("chr1", 1_200, "+"), ("chr2", 2_050, "+")]
    assert sequences(found) == windows_by_hand(sites, 80, 40)


def test_regions_of_several_lengths_need_a_window(read):
    with pytest.raises(OptionsError, match=r"2 lengths, from 50 to 90 bases .*--window"):
        read([("chr1", 10, 60), ("chr1", 10, 100)], "regions")


def test_an_anchor_outside_the_regions_is_refused(read):
    with pytest.raises(OptionsError, match="--anchor 50 lies outside the regions of 50 bases"):
        read([("chr1", 10, 60)], "regions", anchor=50)


def splice_lines(feature="exon"):
    return [
        line
        for (chrom, strand), exons in INTRONS.items()
        for line in transcript(f"t{strand}", chrom, strand, exons, feature)
    ]


def splice_sites():
    """(kind, chrom, position, strand) of the introns, by hand."""
    return [
        ("donor", "chr1", 3_100, "+"),
        ("acceptor", "chr1", 3_400, "+"),
        ("donor", "chr1", 3_500, "+"),
        ("acceptor", "chr1", 4_000, "+"),
        ("acceptor", "chr1", 7_099, "-"),
        ("donor", "chr1", 7_399, "-"),
        ("acceptor", "chr1", 7_499, "-"),
        ("donor", "chr1", 7_999, "-"),
    ]


@pytest.mark.parametrize("feature", ["exon", "CDS"])
def test_a_splice_site_stands_at_the_anchor(read, feature):
    found, _ = read(splice_lines(feature), "splice", "a.gtf", canonical=False)
    by_hand = windows_by_hand([site[1:] for site in splice_sites()], 400, 200)
    expected = zip((site[0] for site in splice_sites()), by_hand, strict=True)
    assert {(row.example.label, row.example.sequence) for row in found.rows} == set(expected)


def test_splice_sites_without_gt_or_ag_are_left_out_and_counted(read, tmp_path):
    # the donors read GT, the acceptors stand behind TT: forward, and as AC on the other strand
    places = {("chr1", p): "GT" for p in (3_100, 3_500)} | {
        ("chr1", p): "AC" for p in (7_398, 7_998)
    }
    places |= {("chr1", p): "TT" for p in (3_398, 3_998)} | {
        ("chr1", p): "AA" for p in (7_100, 7_500)
    }
    path = write_fasta(tmp_path / "planted.fa", planted(RECORDS, places))
    found, left_out = read(splice_lines(), "splice", "a.gtf", Genome(path, 0.0))
    assert [row.example.label for row in found.rows] == ["donor"] * 4
    assert left_out == {"without GT or AG (--all-junctions keeps them)": 4}


def test_junctions_between_untranslated_exons_are_known_places_of_a_coding_set(read):
    lines = [
        *splice_lines(),
        *transcript("t+", "chr1", "+", [(3_000, 3_100), (3_400, 3_500)], "CDS"),
    ]
    found, _ = read(lines, "splice", "a.gtf", canonical=False, junctions="cds")
    assert len(found.rows) == 2
    starts = {(place.start + 200, place.strand) for place in found.places if place.strand == "+"}
    assert starts == {(3_100, "+"), (3_400, "+"), (3_500, "+"), (4_000, "+")}


def test_rows_left_out_are_counted_by_reason(read):
    rows = [
        ("chr1", 5_000, 5_001, "kept", 0, "+"),
        ("chr1", 5_000, 5_001, "again", 0, "+"),
        ("chr1", 20_500, 20_501, "n", 0, "+"),
        ("chr1", 100, 101, "edge", 0, "+"),
        ("chr2", 39_990, 39_991, "edge", 0, "+"),
        ("chr2", 99_990, 99_991, "far", 0, "-"),
        ("chrX", 5_000, 5_001, "alien", 0, "+"),
        ("chr1", 9_000, 9_001, "strand", 0, "."),
    ]
    found, left_out = read(rows, "promoters")
    assert [row.example.name for row in found.rows] == ["kept"]
    assert left_out == {
        "past the end of the sequence": 3,
        "the same place again": 1,
        "with too many N": 1,
        "on a sequence the genome lacks": 1,
        "of unknown strand": 1,
    }


def test_one_place_on_both_strands_is_two_rows(read):
    found, _ = read([("chr1", 5_000, 5_001, "a", 0, strand) for strand in "+-"], "peaks")
    assert len(found.rows) == 2


def test_negatives_stay_away_from_sites_that_were_left_out_too(read):
    rows = [
        ("chr1", 20_500, 20_501, "n", 0, "+"),
        ("chr1", 9_000, 9_001, "strand", 0, "."),
        ("chr2", 39_990, 39_991, "edge", 0, "+"),
        ("chrX", 9_000, 9_001, "alien", 0, "+"),
    ]
    found, _ = read(rows, "promoters")
    places = [(place.chrom, place.start, place.end) for place in found.places]
    assert places == [("chr1", 20_251, 20_551), ("chr1", 9_000, 9_001), ("chr2", 39_741, 40_041)]


@pytest.mark.parametrize("kind", ["promoters", "splice"])
def test_transcripts_of_unknown_strand_are_counted(read, kind):
    lines = [*splice_lines(), *transcript("lost", "chr2", ".", [(10, 90), (500, 600)])]
    _, left_out = read(lines, kind, "a.gtf", **({"canonical": False} if kind == "splice" else {}))
    assert left_out == {"transcripts of unknown strand": 1}


def test_transcripts_without_exons_have_no_start_and_are_counted(read):
    lines = [*splice_lines(), *transcript("coding", "chr2", "+", [(10, 90)], "CDS")]
    _, left_out = read(lines, "promoters", "a.gtf")
    assert left_out == {"transcripts without exons": 1}


@pytest.mark.parametrize(
    ("kind", "lines", "message"),
    [
        ("splice", transcript("a", "chr1", "+", [(10, 900)]), "no junction between two exons"),
        (
            "promoters",
            transcript("a", "chr1", "+", [(10, 900)], "CDS"),
            "no exon on a known strand",
        ),
        ("promoters", transcript("a", "chr1", ".", [(10, 900)]), "no exon on a known strand"),
    ],
)
def test_an_annotation_without_sites_is_refused(read, kind, lines, message):
    with pytest.raises(DataError, match=f"a.gtf holds {message}"):
        read(lines, kind, "a.gtf")


@pytest.mark.parametrize(("wanted", "n"), [("tata", 1), ("nontata", 2), ("all", 3)])
def test_a_column_says_which_promoters_have_a_tata_box(read, wanted, n):
    rows = [
        ("chr1", 5_000 + 900 * i, 5_001 + 900 * i, "a", kind, "+")
        for i, kind in enumerate(["TATA", "nonTATA", "none"])
    ]
    found, left_out = read(rows, "promoters", promoters=wanted, class_column=5)
    assert len(found.rows) == n
    assert left_out == ({f"not {wanted}": 3 - n} if n < 3 else {})


@pytest.mark.parametrize(("wanted", "kept"), [("tata", ["box"]), ("nontata", ["none", "away"])])
def test_without_a_column_the_box_itself_decides(tmp_path, read, wanted, kept):
    places = {("chr1", 4_700): "C" * 310, ("chr1", 5_700): "C" * 310, ("chr1", 7_700): "C" * 310}
    boxes = {("chr1", 4_970): "TATAAAA", ("chr1", 5_800): "TATAAAA"}
    records = planted(planted(RECORDS, places), boxes)
    genome = Genome(write_fasta(tmp_path / "planted.fa", records), 0.0)
    rows = [
        ("chr1", site, site + 1, name, 0, "+")
        for name, site in (("box", 5_000), ("none", 8_000), ("away", 6_000))
    ]
    found, _ = read(rows, "promoters", where=genome, promoters=wanted)
    assert [row.example.name for row in found.rows] == kept


def test_a_class_column_beyond_the_row_is_named_with_its_line(read):
    with pytest.raises(DataError, match=r"source.bed:1: there is no column 9 .*counts from 1"):
        read(site_bed(), "promoters", promoters="tata", class_column=9)


def test_a_class_column_of_an_annotation_is_refused(read):
    with pytest.raises(OptionsError, match=r"--class-column: .*a\.gtf is no BED"):
        read(splice_lines(), "promoters", "a.gtf", class_column=5)


@pytest.mark.parametrize("kind", ["bed", "gtf"])
def test_names_without_chr_find_their_sequence(read, kind):
    lines = site_bed() if kind == "bed" else splice_lines()
    bare = [(row[0].removeprefix("chr"), *row[1:]) for row in lines]
    found, expected = (read(each, "promoters", f"a.{kind}")[0] for each in (bare, lines))
    assert sequences(found) == sequences(expected)
    assert {row.example.chrom for row in found.rows} <= {"chr1", "chr2"}


@pytest.mark.parametrize("kind", ["promoters", "peaks", "regions"])
def test_a_source_without_rows_is_refused(read, kind):
    with pytest.raises(DataError, match=r"source\.bed holds no rows"):
        read([], kind)


def test_a_packed_annotation_is_known_by_its_rows(tmp_path, genome):
    text = "".join("\t".join(map(str, line)) + "\n" for line in splice_lines())
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"#!genome\n\n" + text.encode()))
    config = DatasetConfig(kind="promoters")
    assert len(read_positives(str(path), config, genome, Dropped()).rows) == 2


def write_records(path, texts):
    return write_fasta(path, {f"s{i}": text for i, text in enumerate(texts)})


def test_the_first_file_of_sequences_is_positive_the_second_negative(tmp_path):
    paths = [write_records(tmp_path / f"{i}.fa", [letters(80, i)]) for i in range(2)]
    rows = read_ready(paths, DatasetConfig(kind="sequences"))
    found = [(row.example.sequence, row.example.label) for row in rows]
    assert found == [(letters(80, 0), "1"), (letters(80, 1), "0")]


def test_three_files_of_sequences_are_refused(tmp_path):
    paths = [write_records(tmp_path / f"{i}.fa", [letters(80, i)]) for i in range(3)]
    with pytest.raises(OptionsError, match="one file of positives, one of negatives"):
        read_ready(paths, DatasetConfig(kind="sequences"))


def test_a_table_keeps_its_labels_and_places_and_undoes_k_mers(tmp_path):
    plain = tmp_path / "plain.tsv"
    plain.write_text("sequence\tlabel\tchrom\tstart\tend\nACGTA\tyes\tchr1\t5\t10\n")
    kmers = tmp_path / "kmers.tsv"
    kmers.write_text("sequence\tlabel\nACG CGT GTA\tno\n")
    rows = read_ready([str(plain), str(kmers)], DatasetConfig(kind="table"))
    found = [(row.example.sequence, row.example.label, row.example.start) for row in rows]
    assert found == [("ACGTA", "yes", 5), ("ACGTA", "no", None)]


def test_a_table_row_without_label_is_named(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("sequence\tlabel\nACGTA\tyes\nACGTC\t.\n")
    with pytest.raises(DataError, match=r"t\.tsv: row 2 has no label .*dataset sequences"):
        read_ready([str(path)], DatasetConfig(kind="table"))


def test_an_empty_file_of_sequences_is_refused(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("sequence\tlabel\n")
    with pytest.raises(DataError, match=r"t\.tsv holds no rows"):
        read_ready([str(path)], DatasetConfig(kind="table"))
    with pytest.raises(FormatError, match="no such file"):
        read_ready([str(tmp_path / "none.fa")], DatasetConfig(kind="sequences"))


def test_a_file_of_several_labels_is_no_file_of_positives(tmp_path):
    """Labelled negatives became positives without a word."""
    path = tmp_path / "rows.tsv"
    path.write_text("sequence\tlabel\nACGT\t1\nACGA\t0\n")

    with pytest.raises(DataError, match=r"has 2 labels.*dataset table"):
        read_ready([str(path)], DatasetConfig(kind="sequences"))
