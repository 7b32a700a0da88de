"""Alleles on a genome: a change in its one form, or the reason why there is none."""

import gzip
import logging
import random

import pytest

from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.formats.vcf import VariantRecord
from dnabert_cli.sequence.alleles import Change
from dnabert_cli.tasks import variant_genome as module
from dnabert_cli.tasks.variant_genome import REASONS, Allele, VariantGenome
from tests.variant_toys import fasta

#           0123456789
LETTERS = "ACGTNaccgR"


@pytest.fixture
def genome(tmp_path):
    return VariantGenome(fasta(tmp_path, chr1=LETTERS, chr2="ACGTACGTACGT"))


def record(position, ref, *alts, chrom="chr1", number=1):
    return VariantRecord(number, chrom, position, ".", ref, alts, "")


def reasons(genome, *arguments, **more):
    return [one.reason for one in genome.alleles(record(*arguments, **more))]


@pytest.mark.parametrize(
    ("alleles", "reason"),
    [
        ((-1, "A", "C"), "telomere"),
        ((10, "A", "C"), "past_the_end"),
        ((9, "RA", "R"), "past_the_end"),
        ((10**12, "A", "C"), "past_the_end"),
        ((0, "C", "A"), "ref_mismatch"),
        ((0, "CC", "<DEL>"), "ref_mismatch"),
        ((0, "A", "<DEL>"), "symbolic"),
        ((0, "A", "A]chr2:4]"), "breakend"),
        ((0, "A", "A."), "breakend"),
        ((0, "A", "*"), "spanning_deletion"),
        ((0, "A", "."), "missing"),
        ((0, "A", "J"), "invalid"),
        ((0, "-", "G"), "invalid"),
        ((0, "<x>", "<DEL>"), "invalid"),
        ((9, "R--", "A"), "invalid"),
        ((-1, "-", "A"), "telomere"),
        ((0, ".", "A"), "missing"),
        ((0, "A", "R"), "ambiguous"),
        ((0, "A", "a"), "same_as_reference"),
        ((4, "A", "N"), "same_as_reference"),
    ],
)
def test_what_cannot_be_scored_has_one_reason(genome, alleles, reason):
    (found,) = genome.alleles(record(*alleles))
    assert (found.reason, found.change) == (reason, None)
    assert reason in REASONS


def test_a_sequence_that_the_genome_lacks_is_the_reason(genome):
    assert (
        genome.alleles(record(0, "A", "C", "G", chrom="chr9"))
        == [Allele("chr9", 0, None, "unknown_sequence")] * 2
    )


def test_each_allele_of_a_record_stands_for_itself(genome):
    found = genome.alleles(record(1, "CG", "TG", "*", "C", "<INS>", "CTG"))

    assert [one.reason for one in found] == ["", "spanning_deletion", "", "symbolic", ""]
    assert [one.change for one in found if one.change] == [
        Change(1, "C", "T"),
        Change(2, "G", ""),
        Change(2, "", "T"),
    ]
    assert {(one.chrom, one.n_bases) for one in found} == {("chr1", 10)}


def test_a_record_without_alternatives_has_no_alleles(genome):
    assert genome.alleles(record(0, "A")) == []


@pytest.mark.parametrize(
    ("position", "ref"),
    [(5, "A"), (0, "a"), (5, "ACCG"), (0, "acgt"), (4, "T"), (4, "N"), (0, "R"), (1, "N"),
     (9, "G"), (9, "A"), (9, "W"), (3, "U"), (3, "u")],
)  # fmt: skip
def test_ref_agrees_in_either_case_and_as_far_as_codes_go(genome, position, ref):
    assert reasons(genome, position, ref, "<DEL>") == ["symbolic"]


@pytest.mark.parametrize(("position", "ref"), [(9, "C"), (9, "Y"), (0, "Y"), (0, "AG"), (5, "c")])
def test_ref_that_shares_no_base_with_the_genome_is_a_mismatch(genome, position, ref):
    assert reasons(genome, position, ref, "<DEL>") == ["ref_mismatch"]


def test_the_letters_of_the_genome_count_where_ref_is_a_code(genome):
    (found,) = genome.alleles(record(0, "NN", "TC"))
    assert found.change == Change(0, "A", "T")


def test_a_code_that_stands_for_the_reference_gives_its_change(genome):
    found = genome.alleles(record(0, "N", "A", "G"))
    assert [one.reason for one in found] == ["same_as_reference", ""]


def test_ref_that_is_no_dna_is_no_mismatch(tmp_path):
    """The reader stopped the run at such a record; it has a reason like all others."""
    genome = VariantGenome(fasta(tmp_path, chr1=LETTERS), on_mismatch="error")
    assert reasons(genome, 0, "-", "A", "*") == ["invalid", "invalid"]


def test_a_mismatch_can_be_an_error_that_names_record_and_genome(tmp_path):
    genome = VariantGenome(fasta(tmp_path, chr1=LETTERS), on_mismatch="error")

    with pytest.raises(DataError) as caught:
        genome.alleles(record(0, "CC", "A", number=7))

    told = str(caught.value)
    assert "record 7 (chr1, position 1): REF is CC, " in told
    assert "genome.fa has AC" in told
    assert "--on-mismatch skip" in told


def test_a_mismatch_error_shows_no_long_alleles(tmp_path):
    genome = VariantGenome(fasta(tmp_path, chr1="A" * 20_000), on_mismatch="error")
    with pytest.raises(DataError, match=r"REF is C{20}…, .* has A{20}… "):
        genome.alleles(record(0, "C" * 10_000, "A"))


NAMES = {
    "chr1": ["1", "chr1", "NC_000001.11", "CHR1"],
    "1": ["1", "chr1", "NC_000001.10"],
    "NC_000001.11": ["NC_000001.11"],
    "chrM": ["MT", "M", "chrM", "chrMT"],
    "X": ["chrX", "NC_000023.11"],
}


@pytest.mark.parametrize("name", NAMES)
def test_sequences_are_found_by_their_other_names(tmp_path, name):
    genome = VariantGenome(fasta(tmp_path, **{name: "ACGT", "zz": "A"}))
    assert {genome.name_of(asked) for asked in NAMES[name]} == {name}


@pytest.mark.parametrize(("length", "name"), [(12, "chr7"), (13, None), (None, None)])
def test_an_accession_of_another_species_is_found_by_its_length(tmp_path, length, name):
    genome = VariantGenome(fasta(tmp_path, chr7="ACGT" * 3, chr8="ACGT"))
    (found,) = genome.alleles(record(0, "A", "C", chrom="NC_000073.7"), length)
    assert (found.chrom, found.reason) == (
        (name, "") if name else ("NC_000073.7", "unknown_sequence")
    )


def test_another_name_is_told_once(tmp_path, caplog):
    genome = VariantGenome(fasta(tmp_path, chr1="ACGT", chr2="ACGT"))
    with caplog.at_level(logging.INFO, "dnabert_cli"):
        for name in ("1", "2", "1"):
            genome.name_of(name)
    told = [one.message for one in caplog.records if "read as" in one.message]
    assert len(told) == 1
    assert told[0].startswith("1 is read as chr1 of ")


def test_a_length_that_differs_is_told(genome, caplog):
    genome.check_contigs("in.vcf", {"chr1": 10, "2": 11, "chr9": 5, "chr2": None})
    (told,) = [one.message for one in caplog.records]
    assert told.startswith("in.vcf declares 2 with 11 bases, ")
    assert told.endswith("genome.fa has 12: is it the same assembly?")


def test_lengths_that_agree_are_not_told(genome, caplog):
    genome.check_contigs("in.vcf", {"chr1": 10, "2": 12})
    assert caplog.records == []


def test_standard_input_is_called_so_where_a_length_differs(genome, caplog):
    genome.check_contigs("-", {"chr1": 11})
    assert caplog.records[0].message.startswith("standard input declares chr1")


def test_letters_across_blocks_equal_those_read_directly(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 7)
    monkeypatch.setattr(module, "_N_BLOCKS", 2)
    rng = random.Random(3)
    texts = {name: "".join(rng.choices("ACGTNacgt", k=n)) for name, n in (("a", 35), ("b", 29))}
    genome = VariantGenome(fasta(tmp_path, **texts))
    readers = {name: genome.letters(name) for name in texts}

    for name, text in texts.items():
        places = [(0, 0), (0, 7), (6, 8), (7, 14), (0, 35), (28, 29), (len(text),) * 2, (-5, 3)]
        places += [(20, 99), *(sorted(rng.choices(range(len(text)), k=2)) for _ in range(100))]
        for start, end in places:
            assert readers[name](start, end) == text[max(start, 0) : end], (name, start, end)


def test_few_blocks_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 5)
    genome = VariantGenome(fasta(tmp_path, chr1="ACGTT" * 40))
    genome.letters("chr1")(0, 200)
    assert len(genome._blocks) == module._N_BLOCKS


def test_a_genome_without_random_access_says_what_to_do(tmp_path):
    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(b">chr1\nACGT\n"))
    with pytest.raises(FormatError, match=r"cannot be read at random \(hint: pack it with bgzip"):
        VariantGenome(str(path))
