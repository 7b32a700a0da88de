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


@pytest.mark.parametrize(
    "name", ["CM000683.2", "GL000192.1", "KI270706.1", "NT_187361.1", "NZ_CP012345.1", "U00096.3"]
)
def test_accessions_of_any_database_go_by_length(name):
    """Only NC_ was known: all records of an assembly of GenBank were of unknown sequences."""
    assert normalise_contig(name, UCSC, 1200) == "chr12"
    assert normalise_contig("chr12", {"c": 7, name: 1200}, 1200) == name
    assert normalise_contig(name, UCSC, 77) is None
    assert normalise_contig(name, UCSC) is None
    assert normalise_contig(name, {"a": 5, "b": 5}, 5) is None


@pytest.mark.parametrize("name", ["chr21", "21", "scaffold_12345.1", "HLA-A*01:01", "12345.1"])
def test_other_names_do_not_go_by_length(name):
    assert normalise_contig(name, {"chr1": 1200}, 1200) is None


def test_name_that_fits_two_sequences_is_not_guessed():
    assert normalise_contig("chrM", {"M": 16_569, "MT": 16_569}) is None


def test_length_that_fits_two_sequences_is_not_guessed():
    assert normalise_contig("NC_000067.7", {"a": 5, "b": 5}, 5) is None
