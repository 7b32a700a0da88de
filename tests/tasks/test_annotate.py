"""Alleles are found however either side writes them, and nothing else is."""

import io
import logging
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings

from dnabert_cli.analysis.strong_weak import EnrichmentRow
from dnabert_cli.errors import FormatError
from dnabert_cli.sequence.alleles import Change, normalised
from dnabert_cli.tasks import annotate
from dnabert_cli.tasks.annotate import Annotator, rightmost_end
from dnabert_cli.tasks.variant_enrichment import write_enrichment
from tests.formats.annotation_toys import bed, table, vcf
from tests.sequence.test_alleles import changes, reader, with_allele, writings

GENOME = "GGGCACACACAGGGTTTTACGTAC"
TOY = "##fileformat=VCFv4.2\n{contigs}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def looked_up(path, variants, fields=None, genome=GENOME, chrom="chr1"):
    """Return the values of the first field for variants (position from 0, ref, alt)."""
    annotator = Annotator(path, fields)
    letters = reader(genome)
    forms = [one and normalised(*one, letters) for one in variants]
    found = annotator.values(chrom, len(genome), forms, letters)
    return found[annotator.tags[0].id]


def test_alleles_of_one_record_have_their_own_values(tmp_path):
    rows = ["chr1 4 rs1 C A,G AF=0.1,0.2;GENE=x", "chr1 5 rs2 A T AF=0.3"]
    annotator = Annotator(vcf(tmp_path, rows), ["AF", "GENE"])
    asked = [Change(3, "C", "G"), None, Change(3, "C", "A"), Change(3, "C", "T"), Change(4, "", "")]

    found = annotator.values("chr1", 24, asked, reader(GENOME))

    assert found == {
        "AF": ["0.2", None, "0.1", None, None],
        "GENE": ["x", None, "x", None, None],
    }
    assert (annotator.n_matched, annotator.n_alleles) == (2, 3)


@pytest.mark.parametrize(
    "row",
    [
        "chr1 3 rs1 GCA G .",  # leftmost
        "chr1 9 rs1 ACA A .",  # rightmost
        "chr1 10 rs1 CAG G .",  # padded on the right
        "chr1 1 rs1 GGGCACACACAGGG GGGCACACAGGG .",
        "chr1 6 rs1 caca T,ca .",
        "chr1 9 rs1 RCA A .",  # an IUPAC code that stands for the base, among others
    ],
)
@pytest.mark.parametrize("asked", [(3, "CA", ""), (9, "CA", ""), (6, "ACA", "A")])
def test_deletion_in_a_repeat_is_found_however_it_is_written(tmp_path, row, asked):
    assert looked_up(vcf(tmp_path, [row]), [asked]) == ["rs1"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=changes())
def test_every_way_to_write_a_change_is_found_and_no_other_change(tmp_path, drawn):
    genome, variant = drawn
    alternative = with_allele(genome, variant)
    ways = [way for way in writings(genome, alternative) if way[1] and way[2]]
    ways.sort()
    rows = [f"chr1 {at + 1} {number} {ref} {alt} ." for number, (at, ref, alt) in enumerate(ways)]
    meta = TOY.format(contigs="")
    asked = normalised(*variant, reader(genome))
    other = {"A": "C"}.get(genome[0], "A")
    snv = Change(0, genome[0], other)

    found = looked_up(vcf(tmp_path, rows, meta=meta), [asked, snv], genome=genome)

    assert found[0] == "|".join(map(str, range(len(ways))))
    assert found[1] == (found[0] if asked == snv else None)


@given(changes())
def test_rightmost_end_is_that_of_the_rightmost_shortest_writing(drawn):
    genome, variant = drawn
    change = normalised(*variant, reader(genome))
    ways = writings(genome, with_allele(genome, variant))
    n_letters = min(len(ref) + len(alt) for _, ref, alt in ways)
    last = max(at + len(ref) for at, ref, alt in ways if len(ref) + len(alt) == n_letters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annotate, "_CHUNK", 3)
        assert rightmost_end(change, len(genome), reader(genome)) == last


def test_search_in_a_long_repeat_ends():
    genome = "G" + "CA" * 10_000
    asked = []

    def letters(start, end):
        asked.append(end - start)
        return genome[start:end]

    assert rightmost_end(Change(1, "", "CA"), len(genome), letters) == 10_001
    assert sum(asked) == 10_000


def test_distinct_values_of_several_rows_are_joined(tmp_path):
    rows = [
        "chr1 4 rs1 C A GENE=a|b", "chr1 4 rs2 CA AA GENE=b", "chr1 4 rs3 C A,T .",
        "chr1 4 rs4 C A GENE=c",
    ]  # fmt: skip

    assert looked_up(vcf(tmp_path, rows), [(3, "C", "A")], ["GENE"]) == ["a|b|c"]


def test_what_is_no_sequence_matches_nothing(tmp_path):
    rows = [f"chr1 4 rs{n} C {alt} ." for n, alt in enumerate(("<DEL>", "*", ".", "C[chr1:9["))]

    assert looked_up(vcf(tmp_path, rows), [(3, "C", ""), (3, "C", "A")]) == [None, None]


def test_row_with_another_ref_is_not_matched_and_counted(tmp_path, caplog):
    rows = ["chr1 3 rs0 T A .", "chr1 4 rs1 CT AT .", "chr1 5 rs2 A C .", "chr1 24 rs3 CC C ."]
    annotator = Annotator(vcf(tmp_path, rows))
    asked = [Change(2, "G", "A"), Change(3, "C", "A"), Change(4, "A", "C"), Change(23, "C", "A")]
    for change in asked:
        found = annotator.values("chr1", 24, [change], reader(GENOME))["ID"]
        assert found == ["rs2" if change.position == 4 else None]

    with caplog.at_level(logging.INFO):
        annotator.log()

    assert "1 of 4 alleles found" in caplog.text
    assert "3 of the 4 rows looked at have another REF than the genome" in caplog.text
    assert "(first: chr1:3 T)" in caplog.text


def test_nothing_is_said_of_ref_where_all_agree(tmp_path, caplog):
    annotator = Annotator(vcf(tmp_path, ["chr1 4 rs1 C A ."]))
    annotator.values("chr1", 24, [Change(3, "C", "A")], reader(GENOME))
    annotator.log()

    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("name", ["1", "NC_000001.11"])
def test_sequences_are_found_by_other_names_and_said_once(tmp_path, caplog, name):
    meta = TOY.format(contigs=f"##contig=<ID={name},length=24>\n")
    path = vcf(tmp_path, [f"{name} 4 rs1 C A .", f"{name} 5 rs2 A C ."], meta=meta)
    annotator = Annotator(path)

    with caplog.at_level(logging.INFO):
        for change in (Change(3, "C", "A"), Change(4, "A", "C")):
            assert annotator.values("chr1", 24, [change], reader(GENOME))["ID"] != [None]

    assert caplog.text.count(f"{name} of {path} is read as chr1") == 1


def test_sequence_the_file_lacks_gives_nothing_and_is_counted(tmp_path, caplog):
    annotator = Annotator(vcf(tmp_path, ["chr1 4 rs1 C A ."]))

    found = annotator.values("chr2", 24, [Change(3, "C", "A"), None], reader(GENOME))
    annotator.log()

    assert found == {"ID": [None, None]}
    assert "1 on sequences" in caplog.text
    assert "(first: chr2:4)" in caplog.text


def test_sequence_of_another_length_is_not_looked_at(tmp_path, caplog):
    meta = TOY.format(contigs="##contig=<ID=chr1,length=99>\n")

    assert looked_up(vcf(tmp_path, ["chr1 4 rs1 C A ."], meta=meta), [(3, "C", "A")]) == [None]
    assert "chr1 with 99 bases, the genome has 24: it is of another assembly" in caplog.text


def test_places_that_overlap_the_changed_bases_match(tmp_path):
    path = bed(tmp_path, ["chr1 0 22 wide", "chr1 4 6 a", "chr1 6 7 b", "chr1 9 10 c"])
    variants = [(5, "C", "T"), (4, "ACA", "TTT"), (5, "", "T"), (7, "", "T"), (22, "A", "G")]

    assert looked_up(path, variants) == ["wide|a", "wide|a|b", "wide|a", "wide|b", None]


def test_table_by_allele_finds_padded_rows_by_their_start(tmp_path):
    rows = ["chrom pos ref alt score", "chr1 2 GGCACACACAG GGCACACAG 0.5", "chr1 12 G A 0.7"]
    variants = [(9, "CA", ""), (11, "G", "A"), (11, "G", "C")]

    assert looked_up(table(tmp_path, rows), variants, ["score"]) == ["0.5", "0.7", None]


def test_table_without_alleles_matches_by_place(tmp_path):
    path = table(tmp_path, ["chr pos trait", "chr1 4 height,weight", "chr1 9 x"])

    assert looked_up(path, [(3, "C", "A"), (4, "A", "C")], ["trait"]) == ["height,weight", None]


def test_tags_say_what_was_asked_of_which_file(tmp_path):
    by_allele = Annotator(vcf(tmp_path, ["chr1 4 rs1 C A ."]), ["meaning:=SIG"]).tags
    by_place = Annotator(bed(tmp_path, ["chr1 0 2 a"])).tags

    assert [(tag.id, tag.number, tag.type) for tag in (*by_allele, *by_place)] == [
        ("meaning", "A", "String"),
        ("name", "A", "String"),
    ]
    assert [tag.description for tag in (*by_allele, *by_place)] == [
        'SIG of the same allele in known.vcf.gz: Meaning "for" people',
        "name of the same place in known.bed.gz",
    ]
    assert not any(tag.replaces for tag in (*by_allele, *by_place))


@pytest.fixture(scope="module")
def dense():
    """A genome with an SNV of every base, and which of them a file knows."""
    genome = GENOME * 40
    rows = [
        f"chr1 {at + 1} rs{at} {base} {'ACGT'[('ACGT'.index(base) + 1) % 4]} ."
        for at, base in enumerate(genome)
        if at % 3
    ]
    return genome, rows


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("n_together", [1, 7, 1000])
def test_calls_and_their_order_change_nothing(tmp_path, dense, order, n_together):
    genome, rows = dense
    annotator = Annotator(vcf(tmp_path, rows, meta=TOY.format(contigs="")))
    asked = [
        Change(at, base, "ACGT"[("ACGT".index(base) + 1) % 4]) for at, base in enumerate(genome)
    ][::order]
    found = []
    for first in range(0, len(asked), n_together):
        some = asked[first : first + n_together]
        found += annotator.values("chr1", len(genome), some, reader(genome))["ID"]

    assert found == [f"rs{one.position}" if one.position % 3 else None for one in asked]
    assert annotator.n_matched == len(rows)


def test_neighbours_share_what_was_read(tmp_path, dense, monkeypatch):
    genome, rows = dense
    annotator = Annotator(vcf(tmp_path, rows, meta=TOY.format(contigs="")))
    source, n_reads = annotator._source, []
    read = type(source).records
    monkeypatch.setattr(
        type(source), "records", lambda *place: n_reads.append(place[2:]) or read(*place)
    )
    asked = [Change(at, genome[at], "N") for at in range(0, 960, 2)]
    for one in asked:
        annotator.values("chr1", len(genome), [one], reader(genome))

    assert len(n_reads) < len(asked) / 10
    assert all(end - start < 100 for start, end in n_reads)


def test_damage_is_an_error(tmp_path):
    path = vcf(tmp_path, ["chr1 4 rs1 C A ."])
    annotator = Annotator(path)
    annotator._source._rows.file.close()

    with pytest.raises(FormatError, match="truncated or damaged"):
        annotator.values("chr1", 24, [Change(3, "C", "A")], reader(GENOME))


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="not installed: bcftools")
def test_substitutions_agree_with_bcftools_annotate(tmp_path, dense):
    genome, rows = dense
    meta = TOY.format(contigs=f"##contig=<ID=chr1,length={len(genome)}>\n")
    known = vcf(tmp_path, rows[::2], meta=meta)
    asked = [(at, genome[at], alt) for at in range(400) for alt in "ACGT" if alt != genome[at]]
    lines = [f"chr1 {at + 1} . {ref} {alt} ." for at, ref, alt in asked]
    command = ["bcftools", "annotate", "--pair-logic", "exact", "-c", "ID", "-a", known]
    done = subprocess.run(
        [*command, vcf(tmp_path, lines, "asked.vcf.gz", meta=meta)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    cells = [row.split("\t") for row in done.stdout.splitlines() if row[0] != "#"]
    expected = {(int(row[1]) - 1, *row[3:5]): row[2] for row in cells}

    found = looked_up(known, asked, genome=genome)

    assert {one: text or "." for one, text in zip(asked, found, strict=True)} == expected
    assert 100 < sum(map(bool, found)) < 200


def test_write_enrichment():
    handle = io.StringIO()
    nan = float("nan")
    row = EnrichmentRow("SIG", "bad one", 3, 10, 0, 20, 12.345678, 0.03, nan)

    write_enrichment([row], handle, header=True)

    assert handle.getvalue().splitlines() == [
        "#field\tvalue\tn_strong_with\tn_strong\tn_weak_with\tn_weak\todds_ratio\tp_value\tq_value",
        "SIG\tbad one\t3\t10\t0\t20\t12.3457\t0.03\t.",
    ]
