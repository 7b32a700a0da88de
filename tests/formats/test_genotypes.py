"""Genotypes are read alike from text and BCF."""

import pysam
import pytest

from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.formats.genotypes import Genotype, genotype_of, sample_index
from dnabert_cli.formats.vcf import VariantRecord, open_variants
from dnabert_cli.formats.vcf_header import parse_header
from tests.formats.vcf_toys import COLUMNS, NASTY

META = """\
##fileformat=VCFv4.4
##contig=<ID=c,length=1000>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">
"""

GENOTYPES = {
    "0|1": Genotype((0, 1), is_phased=True),
    "2|1": Genotype((2, 1), is_phased=True),
    "0/1": Genotype((0, 1), is_phased=False),
    "1/2": Genotype((1, 2), is_phased=False),
    "1/1": Genotype((1, 1), is_phased=True),
    "0/0": Genotype((0, 0), is_phased=True),
    "1": Genotype((1,), is_phased=True),
    ".": Genotype((None,), is_phased=True),
    "./.": Genotype((None, None), is_phased=False),
    "./1": Genotype((None, 1), is_phased=False),
    ".|1": Genotype((None, 1), is_phased=True),
    "1|1|0": Genotype((1, 1, 0), is_phased=True),
    "0/1|1": Genotype((0, 1, 1), is_phased=False),
    "1/1/1": Genotype((1, 1, 1), is_phased=True),
    "|0|1": Genotype((0, 1), is_phased=True),
    "/0|1": Genotype((0, 1), is_phased=True),
    "/0/1": Genotype((0, 1), is_phased=False),
    "|1": Genotype((1,), is_phased=True),
}


def header_of(*samples):
    columns = "\t".join([COLUMNS, "FORMAT", *samples] if samples else [COLUMNS])
    return parse_header("a.vcf", [], columns)


def record_of(gt, keys="GT", alts=("C", "G")):
    line = "\t".join(["c", "10", ".", "A", ",".join(alts), ".", ".", ".", keys, "0|0", gt, "1|1"])
    return VariantRecord(7, "c", 9, ".", "A", alts, line)


def test_only_sample_needs_no_name():
    assert sample_index(header_of("son"), None) == 0


def test_sample_is_found_by_name():
    assert sample_index(header_of("mother", "son 1", "son"), "son") == 2


def test_file_without_samples_is_an_error():
    with pytest.raises(FormatError, match=r"^a.vcf: has no samples.*\(hint: .*phased VCF"):
        sample_index(header_of(), None)


def test_column_format_alone_is_no_sample():
    with pytest.raises(FormatError, match="has no samples"):
        sample_index(parse_header("a.vcf", [], f"{COLUMNS}\tFORMAT"), "x")


def test_several_samples_are_listed_when_none_is_named():
    with pytest.raises(DataError, match=r"a.vcf has 7 samples .*--sample: s0, s1, s2, s3, s4, …"):
        sample_index(header_of(*(f"s{number}" for number in range(7))), None)


def test_unknown_sample_is_an_error_with_near_names():
    with pytest.raises(DataError, match=r"a.vcf has no sample 'na12879' \(hint: near: NA12878\)"):
        sample_index(header_of("NA12878", "HG00096"), "na12879")


def test_unknown_sample_unlike_all_is_an_error_with_the_first_names():
    with pytest.raises(DataError, match=r"'x' \(hint: it has 2 samples: NA12878, HG00096\)"):
        sample_index(header_of("NA12878", "HG00096"), "x")


def test_name_of_two_samples_is_an_error():
    with pytest.raises(FormatError, match="two samples are named 'son'"):
        sample_index(header_of("son", "son"), "son")


@pytest.mark.parametrize("gt", GENOTYPES)
def test_genotype_of_text(gt):
    assert genotype_of(record_of(gt), 1, "a.vcf") == GENOTYPES[gt]


def test_sample_is_the_one_asked_for():
    found = [genotype_of(record_of("0|1"), sample, "a.vcf").alleles for sample in range(3)]
    assert found == [(0, 0), (0, 1), (1, 1)]


@pytest.mark.parametrize(
    ("keys", "values", "expected"),
    [
        ("GT:DP:PS", "0|1:30:500", "500"),
        ("GT:DP:PS", "0|1:30:.", None),
        ("GT:DP:PS", "0|1:30", None),
        ("GT:DP", "0|1:30", None),
        ("PS:GT", "x:0|1", "x"),
    ],
)
def test_phase_set_is_read_where_there_is_one(keys, values, expected):
    genotype = genotype_of(record_of(values, keys), 1, "a.vcf")
    assert (genotype.alleles, genotype.phase_set) == ((0, 1), expected)


@pytest.mark.parametrize("keys", ["DP", ".", "PS:DP"])
def test_record_without_gt_has_no_genotype(keys):
    assert genotype_of(record_of(".", keys), 1, "a.vcf") is None


@pytest.mark.parametrize("gt", ["", "|", "0|", "a|b", "0\\1", "-1|0", "0||1", "0 |1", "٣|1", "0,1"])
def test_malformed_genotype_is_named_with_its_record(gt):
    with pytest.raises(FormatError, match=r"^a.vcf: record 7 \(c, position 10\): GT .* malformed"):
        genotype_of(record_of(gt), 1, "a.vcf")


def test_long_malformed_genotype_is_cut_in_the_message():
    with pytest.raises(FormatError, match=r"GT 'x{20}…' of sample 2 is malformed"):
        genotype_of(record_of(500 * "x"), 1, "a.vcf")


def test_allele_beyond_those_of_the_record_is_an_error():
    with pytest.raises(FormatError, match=r"GT '0\|3' of sample 2 names allele 3, but ALT has 2"):
        genotype_of(record_of("0|3"), 1, "a.vcf")


def genotypes_of(path, sample):
    with open_variants(path) as reader:
        return [genotype_of(record, sample, path) for record in reader]


@pytest.fixture
def both(tmp_path, write):
    """Return a function that gives the genotypes of text, and of the same packed as BCF."""

    def read(text, sample):
        path = str(tmp_path / "a.bcf")
        with (
            pysam.VariantFile(plain := write(text.encode(), "a.vcf")) as source,
            pysam.VariantFile(path, "wb", header=source.header) as target,
        ):
            for record in source:
                target.write(record)
        return genotypes_of(plain, sample), genotypes_of(path, sample)

    return read


def test_bcf_gives_the_genotypes_of_the_text(both):
    values = [("GT", gt) for gt in GENOTYPES]
    values += [("GT:PS", "0|1:77"), ("GT:PS", "0|1:."), ("GT:DP", "0|1:9"), ("DP", "9")]
    rows = [f"c\t9\t.\tA\tC,G\t.\t.\t.\t{keys}\t.\t{value}\n" for keys, value in values]

    text, packed = both(f"{META}{COLUMNS}\tFORMAT\tmother\tson\n{''.join(rows)}", 1)

    assert text == packed
    assert text[: len(GENOTYPES)] == list(GENOTYPES.values())
    assert text[-4:] == [
        Genotype((0, 1), is_phased=True, phase_set="77"),
        *[Genotype((0, 1), is_phased=True)] * 2,
        None,
    ]


@pytest.mark.parametrize("sample", [0, 1])
def test_records_that_break_careless_tools_have_equal_genotypes(both, sample):
    text, packed = both(NASTY, sample)
    assert text == packed
    assert [genotype.alleles for genotype in text][:3] == (
        [(0, 1), (0, 1), (None, None)] if sample == 0 else [(0, 0), (1, 2), (0, 1)]
    )
