import resource
from pathlib import Path

import pysam
import pysam.bcftools
import pytest

from dnabert_cli.errors import DnabertError, FormatError
from tests.formats.vcf_toys import COLUMNS, HEADER, annotate

PLACE = "chr1\t5\t.\tA\tG\t.\t"


@pytest.fixture
def converted(tmp_path):
    """Return a function that writes records as BCF and returns the first one as text."""

    def convert(row, columns=COLUMNS):
        (tmp_path / "in.vcf").write_text(f"{HEADER}{columns}\n{row}\n")
        annotate(tmp_path / "in.vcf", tmp_path / "out.bcf", (), {})
        with pysam.VariantFile(str(tmp_path / "out.bcf")) as variants:
            return str(next(variants)).rstrip("\n")

    return convert


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("PASS\t.;DB", "PASS\tDB"),
        ("PASS\tDB;.;AF=0.5", "PASS\tDB;AF=0.5"),
        ("PASS\t.;.", "PASS\t."),
        (".;q10\tDB", "q10\tDB"),
        ("\tDB", ".\tDB"),
    ],
)
def test_empty_entries_do_not_keep_a_record_out_of_bcf(converted, given, kept):
    """`.;DB` is fine in text; bcftools refuses it, and nothing was written."""
    assert converted(PLACE + given) == PLACE + kept


@pytest.mark.parametrize("ref", ["-", ".", "<x>"])
def test_reference_allele_that_is_no_dna_passes(converted, ref):
    row = f"chr1\t5\t.\t{ref}\tG\t.\tPASS\tDB"
    assert converted(row) == row


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("chr1\t99999999999\t.\tA\tG\t.\t.\tDB", "Data at chr1:99999999999 contains 64-bit"),
        (f"{PLACE}.\tA<B=3", "Could not add dummy header for INFO 'A<B' at chr1:5"),
        (f"{PLACE}.\tDB\tGT\tx/y", "Couldn't read GT data: .* at chr1:5"),
    ],
)
def test_record_that_does_not_fit_is_named_as_bcftools_names_it(converted, tmp_path, row, said):
    """The message said that the disk is full, or a record does not fit, and named nothing."""
    columns = COLUMNS + ("\tFORMAT\ts" if "GT" in row else "")
    with pytest.raises(FormatError, match=f"in.vcf: does not fit into BCF: {said}") as caught:
        converted(row, columns)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.vcf"]


def refuse(*_, **__):
    raise pysam.SamtoolsError("bcftools returned with error -1: stdout=None, stderr=Oh: no\n\n")


def test_own_words_of_bcftools_are_told_where_htslib_says_nothing(converted, monkeypatch):
    monkeypatch.setattr(pysam.bcftools, "annotate", refuse)
    with pytest.raises(FormatError, match=r"does not fit into BCF: Oh: no \(hint"):
        converted(f"{PLACE}.\tDB")


def test_full_disk_is_told_as_such(converted, monkeypatch, tmp_path):
    """It was told together with a record that does not fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(*arguments, **named):
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
        refuse()

    monkeypatch.setattr(pysam.bcftools, "annotate", fill)
    try:
        with pytest.raises(DnabertError, match=r"cannot write .*out.bcf: File too large"):
            converted(f"{PLACE}.\tDB")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["in.vcf"]


def test_folder_of_a_killed_run_is_no_hindrance(converted, tmp_path, monkeypatch):
    """It was `.dnabert.XXXX`, which nothing ever removed."""
    monkeypatch.setattr("os.getpid", lambda: 7)
    Path(tmp_path / ".out.bcf.7.folder.part").mkdir()
    (tmp_path / ".out.bcf.7.folder.part" / "header").write_text("old")
    converted(f"{PLACE}.\tDB")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.vcf", "out.bcf", "out.bcf.csi"]
