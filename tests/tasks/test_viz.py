"""What `viz` reads, refuses before the long part, and holds in memory."""

import itertools
import logging

import numpy as np
import pytest

from dnabert_cli.errors import DataError, FormatError, OptionsError
from dnabert_cli.explain_config import ExplainConfig, VizConfig
from dnabert_cli.records import Example
from dnabert_cli.tasks import viz as module
from dnabert_cli.tasks.viz import (
    VizCounts,
    VizInputs,
    check,
    format_of,
    group_names,
    read_rows,
    shown_at_once,
    shown_in_parts,
    tell_without_scores,
)
from tests.viz_toys import FP32, example, random_sequence, shown

LONG = random_sequence(2, 100)


def config(*, explain=None, **changes):
    return VizConfig(compute=FP32, explain=ExplainConfig(**explain or {}), **changes)


def at_once(model, *sequences, fmt="png", **changes):
    inputs = VizInputs([], [str(model)], sequences)
    return shown_at_once(inputs, config(**changes), fmt, counts=VizCounts())


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize(
    ("output", "fmt", "expected"),
    [
        ("-", None, "tsv"),
        ("x.bdg", None, "bedgraph"),
        ("x.bedGraph.gz", None, "bedgraph"),
        ("x.bw", None, "bigwig"),
        ("x.SVG", None, "svg"),
        ("x.htm", None, "html"),
        ("x.html", "tsv", "tsv"),
        ("a.b/x", None, "tsv"),
        ("x.doc", None, "doc"),
    ],
)
def test_the_suffix_names_the_format_unless_it_is_named(output, fmt, expected):
    assert format_of(output, fmt) == expected


@pytest.mark.parametrize(
    ("inputs", "changes", "fmt", "message"),
    [
        ({}, {}, "doc", r"o.doc: format 'doc' is unknown; known: tsv, .*html.*--format"),
        ({}, {"plot": "logo"}, "tsv", r"--plot logo is a picture, and the output is tsv"),
        ({}, {"plot": "context"}, "html", r"--plot context is a picture, and the output is html"),
        ({}, {"token": 3}, "png", "--token belongs to --plot context"),
        ({"genome": "-"}, {}, "bigwig", "standard input is read only once"),
        ({"paths": ["-", "-"]}, {}, "tsv", "only one input can be standard input"),
        ({"paths": ["-"], "genome": "-"}, {}, "tsv", "only one input can be standard input"),
        ({"paths": []}, {}, "tsv", "there is nothing to show"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(inputs, changes, fmt, message):
    given = VizInputs(**{"paths": ["in.fa"], "models": ["m"]} | inputs)
    with pytest.raises(OptionsError, match=message):
        check(given, config(**changes), fmt, f"o.{fmt}")


def test_a_bigwig_on_standard_output_is_refused():
    with pytest.raises(OptionsError, match="cannot write bigWig to standard output"):
        check(VizInputs(["in.fa"], ["m"]), config(), "bigwig", "-")


def test_a_missing_pybigwig_is_told_before_anything_is_read(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(OptionsError, match="bigWig needs the package pyBigWig"):
        check(VizInputs(["in.fa"], ["m"]), config(), "bigwig", "o.bw")


def test_a_picture_on_a_terminal_is_refused(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(OptionsError, match="a png is no text for a terminal"):
        check(VizInputs(["in.fa"], ["m"]), config(), "png", "-")


def test_rows_come_in_the_order_of_the_inputs_with_groups_and_names(write):
    paths = [
        write("up.fa", ">a\nACGU\n>b x\nacg\n"),
        write("down.x.tsv", "sequence\tlabel\tname\nACC\tone\t.\nACT\ttwo\tt\n"),
    ]

    rows = list(read_rows(VizInputs(paths, ["m"], ["AC GT"]), None))

    assert [(row.name, row.sequence, row.label) for row in rows] == [
        ("seq1", "ACGT", None),
        ("a", "ACGT", "up"),
        ("b", "acg", "up"),
        ("seq4", "ACC", "down.x"),
        ("t", "ACT", "down.x"),
    ]


def test_a_single_table_keeps_its_labels(write):
    path = write("x.tsv", "sequence\tlabel\nACC\tone\nACT\ttwo\n")
    assert [row.label for row in read_rows(VizInputs([path], ["m"]), None)] == ["one", "two"]


def test_files_of_one_name_are_groups_by_their_paths():
    assert group_names(["-"]) == [None]
    assert group_names(["a.pos.fa.gz", "-"]) == ["a.pos", "stdin"]
    assert group_names(["a/x.fa", "b/x.fa"]) == ["a/x.fa", "b/x.fa"]


def test_each_input_gives_its_first_rows(write, caplog):
    caplog.set_level(logging.INFO)
    paths = [write(f"{name}.fa", f">{name}1\nAC\n>{name}2\nAC\n") for name in "xy"]

    rows = list(read_rows(VizInputs(paths, ["m"], ["ACG"]), 1))

    assert [row.name for row in rows] == ["seq1", "x1", "y1"]
    assert [line.split(": ", 1)[1] for line in caplog.messages] == [
        "the first 1 sequences are shown (--max-sequences)"
    ] * 2


def test_a_long_file_is_not_read_to_its_end(monkeypatch):
    endless = (Example("ACGT", name=f"s{i}") for i in itertools.count())
    monkeypatch.setattr(module, "read_sequences", lambda *_: endless)
    assert len(list(read_rows(VizInputs(["x"], ["m"]), 5))) == 5
    assert next(endless).name == "s6"  # one more tells that there is more


@pytest.mark.parametrize(
    ("sequences", "error", "message"),
    [
        ([""], DataError, "--sequence: sequence 1 has no letters"),
        (["ACG", " "], DataError, "--sequence: sequence 2 has no letters"),
        (["ACGX"], FormatError, "--sequence: 'X' in sequence 1 is not a DNA letter"),
        (["ACé"], FormatError, "'é' in sequence 1 is not a DNA letter"),
        (["AC\udcff"], FormatError, r"'\?' in sequence 1 is not a DNA letter"),
    ],
)
def test_letters_that_are_none_are_refused(sequences, error, message):
    with pytest.raises(error, match=message):
        list(read_rows(VizInputs([], ["m"], sequences), None))


def test_every_file_is_opened_before_the_first_row(write):
    paths = [write("x.fa", ">a\nACGT\n"), "missing.fa"]
    with pytest.raises(FormatError, match=r"missing\.fa: no such file"):
        read_rows(VizInputs(paths, ["m"]), None)


def test_a_table_without_rows_is_refused(write):
    path = write("x.tsv", "sequence\tlabel\n")
    with pytest.raises(DataError, match=r"x\.tsv holds no sequences"):
        list(read_rows(VizInputs([path], ["m"]), None))


@pytest.mark.parametrize(
    ("sequences", "changes", "error", "message"),
    [
        (["ACGT"] * 2, {"plot": "logo"}, OptionsError, "shows one sequence, and 2 are given"),
        (["ACGT"] * 3, {"plot": "context"}, OptionsError, "and 3 are given.*--max-sequences 1"),
        (["ACGT"] * 2, {"plot": "mutations"}, OptionsError, "shows one sequence"),
        (["ACGT", "ACG"], {"plot": "landscape"}, OptionsError, "one length; these have 3 to 4"),
        (["A" * 601], {"plot": "logo"}, DataError, "holds 600 bases, and the sequence has 601"),
        (["A" * 601], {"plot": "mutations"}, DataError, "holds 600 bases"),
        (["ACGT"], {"anchor": 4}, OptionsError, "--anchor 4: the longest sequence has 4 bases"),
    ],
)
def test_rows_a_picture_cannot_hold_are_refused_before_the_model_is_asked(
    monkeypatch, sequences, changes, error, message
):
    monkeypatch.setattr(module, "Explainer", None)
    with pytest.raises(error, match=message):
        at_once("m", *sequences, **changes)


def test_more_groups_than_curves_are_refused(write, monkeypatch):
    monkeypatch.setattr(module, "Explainer", None)
    path = write("x.tsv", "sequence\tlabel\n" + "".join(f"ACGT\tg{i}\n" for i in range(9)))
    with pytest.raises(DataError, match="landscape holds 8 groups, and there are 9"):
        shown_at_once(VizInputs([path], ["m"]), config(plot="landscape"), "png", counts=VizCounts())


@pytest.mark.parametrize("plot", ["mutations", "faithfulness"])
def test_plots_that_change_a_sequence_take_no_longer_one_than_the_model_reads(tiny_model, plot):
    with pytest.raises(DataError, match="the model reads 30 bases at once, and the longest has 31"):
        at_once(tiny_model, LONG[:31], plot=plot)


def test_nothing_to_draw_is_told(tiny_model):
    with pytest.raises(DataError, match="nothing to draw: shorter than a k-mer"):
        at_once(tiny_model, "AC")
    with pytest.raises(DataError, match=r"nothing to draw: .* without A, C, G and T"):
        at_once(tiny_model, "NNNNN", explain={"method": "ism"})


def test_the_anchor_is_that_of_the_model_where_rows_have_its_window(tiny_model):
    assert at_once(tiny_model, LONG[:30]).anchor == 10
    assert at_once(tiny_model, LONG[:30], LONG[:29]).anchor == 0
    assert at_once(tiny_model, LONG[:30], anchor=4).anchor == 4


def test_records_without_letters_are_left_out_of_a_picture(tiny_model, write):
    inputs = VizInputs([write("x.fa", f">a\n>b\n{LONG[:30]}\n")], [str(tiny_model)])
    found = shown_at_once(inputs, config(), "png", counts=VizCounts())
    assert [row.name for row in found.rows] == ["b"]


@pytest.mark.parametrize("legacy", [False, True])
def test_parts_are_the_whole(tiny_model, monkeypatch, legacy):
    texts = [LONG[:30], LONG, "AC", LONG[5:20]]
    whole = at_once(tiny_model, *texts, explain={"legacy": legacy})
    monkeypatch.setattr(module, "CHUNK", 2)
    counts = VizCounts()
    inputs = VizInputs([], [str(tiny_model)], texts)

    parts = list(shown_in_parts(inputs, config(explain={"legacy": legacy}), counts=counts))

    assert [len(part.rows) for part in parts] == [2, 2]
    assert (counts.n_rows, counts.n_without_scores) == (4, 1)
    for one, other in zip(
        whole.scores, [scores for part in parts for scores in part.scores], strict=True
    ):
        assert one == pytest.approx(other, abs=1e-6, nan_ok=True)


def test_a_track_reads_no_further_than_the_part_it_is_at(tiny_model, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 3)
    endless = (Example(LONG[:30], name=f"s{i}") for i in itertools.count())
    monkeypatch.setattr(module, "read_sequences", lambda *_: endless)

    parts = shown_in_parts(VizInputs(["x"], [str(tiny_model)]), config(), counts=VizCounts())

    assert [row.name for row in next(parts).rows] == ["s0", "s1", "s2"]
    assert next(endless).name == "s3"
    parts.close()


def test_sequences_without_scores_are_told_with_the_reason(caplog):
    counts = VizCounts()
    counts.add([np.array([np.nan, np.nan]), np.array([1, np.nan]), np.array([])])
    tell_without_scores(counts, ExplainConfig())
    assert caplog.messages == ["2 of 3 sequences have no scores: shorter than a k-mer"]


def test_nothing_is_told_where_all_have_scores(caplog):
    tell_without_scores(VizCounts(3, 0), ExplainConfig())
    assert caplog.messages == []


def test_probabilities_are_those_of_the_called_class_where_they_are_any():
    rows = [(example("AC"), [0, 0])] * 2
    found = shown(*rows, probabilities=[[0.75, 0.25], [np.nan, np.nan]])
    assert found.called()[0] == 0.25
    assert found.called_probabilities() == [0.25, None]
