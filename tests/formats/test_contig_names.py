import pytest

from dnabert_cli.formats.contig_names import normalise_contig

UCSC = {"chr1": 1000, "chr12": 1200, "chrX": 900, "chrM": 16_569, "chrUn_1": 5}
ENSEMBL = {"1": 1000, "12": 1200, "X": 900, "MT": 16_569}
REFSEQ = {"NC_000001.11": 1000, "NC_000023.11": 900, "NC_012920.1": 16_569}


@pytest.mark.parametrize(
    ("name", "genome", "found"),
    [
        ("chr1", UCSC, "chr1"),
        ("1", UCSC, "chr1"),
        ("chr1", ENSEMBL, "1"),
        ("X", UCSC, "chrX"),
        ("MT", UCSC, "chrM"),
        ("M", UCSC, "chrM"),
        ("chrM", ENSEMBL, "MT"),
        ("NC_000001.10", UCSC, "chr1"),
        ("NC_000012.12", ENSEMBL, "12"),
        ("NC_000023.11", UCSC, "chrX"),
        ("NC_012920.1", UCSC, "chrM"),
        ("chr1", REFSEQ, "NC_000001.11"),
        ("MT", REFSEQ, "NC_012920.1"),
        ("2", UCSC, None),
        ("NC_000067.7", UCSC, None),
        ("", UCSC, None),
    ],
)
def test_names_of_three_kinds_find_each_other(name, genome, found):
    assert normalise_contig(name, genome) == found


@pytest.mark.parametrize(
    ("name", "length", "found"),
    [
        ("NC_000001.11", 1000, "chr1"),
        ("NC_000001.10", 999, None),  # another assembly
        ("NC_000067.7", 1200, "chr12"),  # not human: by length alone
        ("NC_000067.7", 77, None),
        ("MT", 16_569, "chrM"),
        ("MT", 16_571, None),
        ("1", 999, "chr1"),  # the caller compares lengths, and can say that they differ
    ],
)
def test_length_decides_about_accessions_and_mitochondria(name, length, found):
    assert normalise_contig(name, UCSC, length) == found


def test_name_that_fits_two_sequences_is_not_guessed():
    assert normalise_contig("chrM", {"M": 16_569, "MT": 16_569}) is None


def test_length_that_fits_two_sequences_is_not_guessed():
    assert normalise_contig("NC_000067.7", {"a": 5, "b": 5}, 5) is None
