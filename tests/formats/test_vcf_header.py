import logging

import pytest

from dnabert_cli import __version__
from dnabert_cli.formats.info_tags import InfoTag
from dnabert_cli.formats.vcf_header import annotated_header, meta_id, parse_header

TAG = InfoTag("X", "A", "Float", "new")
LINE = '##INFO=<ID=X,Number=A,Type=Float,Description="new">'
OLD = '##INFO=<ID=X,Number=1,Type=String,Description="old">'
VERSION = f"##dnabert_version={__version__}"
COMMAND = "##dnabert_command=dnabert variants a.vcf"
OTHER = '##INFO=<ID=A,Number=1,Type=String,Description="a">'


def annotated(*meta):
    header = parse_header("a.vcf", list(meta), "#CHROM")
    return annotated_header(header, [TAG], "dnabert variants a.vcf")[:-1]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('##INFO=<ID=AC,Number=A,Description="x,ID=Y">', ("INFO", "AC")),
        ("##contig=<length=5,ID=c:1>", ("contig", "c:1")),
        ("##contig=<ID=c1>", ("contig", "c1")),
        ("##source=ID=5", None),
        ('##META=<Description="x,ID=Y">', None),
    ],
)
def test_line_tells_its_kind_and_id(line, found):
    assert meta_id(line) == found


def test_tags_come_behind_the_info_lines():
    assert annotated("##f", OTHER, "##contig=<ID=c>") == [
        "##f", OTHER, LINE, "##contig=<ID=c>", VERSION, COMMAND,
    ]  # fmt: skip


def test_tags_come_last_where_there_are_no_info_lines():
    assert annotated("##f", "##g") == ["##f", "##g", LINE, VERSION, COMMAND]


def test_line_of_an_older_run_is_replaced_where_it_stands():
    assert annotated("##f", OLD, OTHER) == ["##f", LINE, OTHER, VERSION, COMMAND]


def test_lines_of_older_runs_are_told_of_once(caplog):
    """Each had a line of its own in the log: dozens, with several models."""
    header = parse_header("a.vcf", ["##f", OLD, OTHER], "#CHROM")
    with caplog.at_level(logging.INFO, "dnabert_cli"):
        lines = annotated_header(header, [TAG], "", stale=["A"])
    assert lines == ["##f", LINE, VERSION, "#CHROM"]
    (told,) = [record.message for record in caplog.records]
    assert told == "a.vcf: replaced in its header: INFO lines of X, A"


@pytest.mark.parametrize("meta", [("##f",), ("##f", OTHER, "##g"), (OLD, OTHER)])
def test_header_of_the_same_run_again_is_the_same(meta):
    assert annotated(*annotated(*meta)) == annotated(*meta)


def test_command_takes_one_line_and_may_be_left_out():
    header = parse_header("a.vcf", ["##f"], "#CHROM")
    assert annotated_header(header, [], "a\nb")[1:-1] == [VERSION, "##dnabert_command=a b"]
    assert annotated_header(header, [], "")[1:-1] == [VERSION]
