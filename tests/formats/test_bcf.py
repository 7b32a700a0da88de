import gzip
import re
from dataclasses import replace

import pysam
import pytest

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.bcf import BcfTagger, read_bcf_bytes, read_bcf_header
from dnabert_cli.formats.files import open_binary
from dnabert_cli.formats.info_tags import InfoTag
from dnabert_cli.formats.vcf import open_variants
from tests.formats.vcf_toys import COLUMNS, HEADER, NASTY, SCORE, WHY, annotate, rows

INDEX = re.compile(r",IDX=(\d+)>$")
TEXT = f"{HEADER}{COLUMNS}\nchr1\t5\t.\tA\tG\t.\tPASS\tDB;AF=0.5\n"


@pytest.fixture
def packed(tmp_path):
    """Return a function that packs text as BCF and returns the path."""

    def save(text, name="in.bcf"):
        (tmp_path / "in.vcf").write_text(text)
        annotate(tmp_path / "in.vcf", tmp_path / name, (), {})
        return tmp_path / name

    return save


def view(path):
    with pysam.VariantFile(str(path)) as variants:
        return [str(record).rstrip("\n") for record in variants]


def test_record_without_tags_is_the_bytes_read(packed):
    path = packed(NASTY)
    with open_variants(str(path)) as reader:
        tagger = BcfTagger(reader.header.stored, reader.header.meta, [SCORE])
        written = b"".join(tagger.tagged(record.source, [])[0] for record in reader)
    assert gzip.decompress(path.read_bytes()).endswith(written)
    assert len(written) > 10_000


def test_bytes_of_every_record_are_found(packed):
    with open_binary(str(packed(NASTY))) as stream:
        assert read_bcf_header(stream)[0] == "##fileformat=VCFv4.3"
        assert len(list(read_bcf_bytes(stream))) == 8


END_ROWS = [
    "chr1\t5\t.\tA\t<DEL>\t.\tPASS\tDB",  # pysam would add END=5
    "chr1\t6\t.\tAC\tG\t.\tPASS\tEND=7;DB",  # pysam would remove END
    "chr1\t7\t.\tAC\t.\t.\tPASS\tDB;END=70",
]


def test_end_in_info_is_neither_set_nor_removed(packed, tmp_path):
    path = packed(f"{HEADER}{COLUMNS}\n" + "".join(f"{row}\n" for row in END_ROWS))
    assert view(path) == END_ROWS
    annotate(path, tmp_path / "out.bcf", [WHY], {"DB_WHY": "x"})
    assert view(tmp_path / "out.bcf") == [f"{row};DB_WHY=x" for row in END_ROWS]
    annotate(path, tmp_path / "out.vcf", values={})
    assert rows((tmp_path / "out.vcf").read_text()) == END_ROWS


def test_tag_gets_the_next_free_index_and_no_other_moves(packed, tmp_path):
    path = packed(TEXT)
    annotate(path, tmp_path / "out.bcf")
    with open_binary(str(path)) as old, open_binary(str(tmp_path / "out.bcf")) as new:
        before, after = read_bcf_header(old), read_bcf_header(new)
    assert set(before) < set(after)
    indices = [int(n) for line in before if "contig" not in line for n in INDEX.findall(line)]
    (ours,) = (line for line in after if "DB_SCORE" in line)
    assert INDEX.findall(ours) == [str(max(indices) + 1)]


def test_header_without_indices_is_counted_through(packed, tmp_path):
    data = gzip.decompress(packed(TEXT).read_bytes())
    size = int.from_bytes(data[5:9], "little")
    text = re.sub(rb",IDX=\d+", b"", data[9 : 9 + size])
    plain = data[:5] + len(text).to_bytes(4, "little") + text + data[9 + size :]
    (tmp_path / "plain.bcf").write_bytes(plain)
    annotate(tmp_path / "plain.bcf", tmp_path / "out.bcf")
    assert view(tmp_path / "out.bcf") == [TEXT.splitlines()[-1] + ";DB_SCORE=0.142857"]


def test_tag_named_like_an_entry_of_format_shares_its_index(packed, tmp_path):
    tag = InfoTag("GT", "1", "String", "")
    annotate(packed(TEXT), tmp_path / "out.bcf", [tag], {"GT": "x"})
    assert view(tmp_path / "out.bcf") == [TEXT.splitlines()[-1] + ";GT=x"]


@pytest.mark.parametrize("n_keys", [100, 200, 40_000])
def test_any_number_of_keys_can_stand_before_ours(packed, tmp_path, n_keys):
    keys = "".join(f'##INFO=<ID=K{n},Number=0,Type=Flag,Description="">\n' for n in range(n_keys))
    row = f"chr1\t5\t.\tA\tG\t.\tPASS\tK0;K{n_keys - 1}"
    path = packed(f"{HEADER}{keys}{COLUMNS}\n{row}\n")
    annotate(path, tmp_path / "one.bcf")
    annotate(tmp_path / "one.bcf", tmp_path / "two.bcf")
    assert view(tmp_path / "two.bcf") == [f"{row};DB_SCORE=0.142857"]


@pytest.mark.parametrize("n_letters", [1, 14, 15, 16, 300, 70_000])
def test_text_of_any_length_is_stored_and_replaced(packed, tmp_path, n_letters):
    row = TEXT.splitlines()[-1]
    annotate(packed(TEXT), tmp_path / "one.bcf", [WHY], {"DB_WHY": "x" * n_letters})
    assert view(tmp_path / "one.bcf") == [f"{row};DB_WHY={'x' * n_letters}"]
    annotate(tmp_path / "one.bcf", tmp_path / "two.bcf", [WHY], {"DB_WHY": "y"})
    assert view(tmp_path / "two.bcf") == [f"{row};DB_WHY=y"]


def test_values_between_others_are_taken_out_alone(packed, tmp_path):
    path = packed(TEXT.replace("DB;", "DB_WHY=a,b;DB;"))
    annotate(path, tmp_path / "out.bcf", [WHY], {})
    assert view(tmp_path / "out.bcf") == [TEXT.splitlines()[-1]]


def test_index_of_a_key_that_goes_is_left_out_and_no_other_moves(packed, tmp_path):
    """Entries of an earlier run, written no more, stayed beside the new ones."""
    path = packed(TEXT.replace("DB;", "DB;DB_WHY=old;"))
    writer = annotate(path, tmp_path / "out.bcf", stale=["DB_WHY", "NEVER"])
    assert view(tmp_path / "out.bcf") == [TEXT.splitlines()[-1] + ";DB_SCORE=0.142857"]
    assert writer.replaced == {"DB_WHY"}
    with open_binary(str(tmp_path / "out.bcf")) as stream:
        assert not any("DB_WHY" in line for line in read_bcf_header(stream))
    annotate(tmp_path / "out.bcf", tmp_path / "again.bcf", [WHY], {"DB_WHY": "new"})
    assert view(tmp_path / "again.bcf")[0].endswith(";DB_SCORE=0.142857;DB_WHY=new")


def test_entry_that_is_not_ours_to_replace_is_an_error(packed, tmp_path):
    mine = replace(WHY, replaces=False)
    path = packed(TEXT.replace("DB;", "DB;DB_WHY=KEEPME;"))
    with pytest.raises(FormatError, match="record 1: INFO has DB_WHY already"):
        annotate(path, tmp_path / "out.bcf", [mine], {})
