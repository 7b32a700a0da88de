"""Mutation maps of a saturation: which score stands in which cell, and what each file can hold."""

import base64
import logging
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError, DnabertError, OptionsError
from dnabert_cli.explain_config import ExplainConfig
from dnabert_cli.formats.units import Units
from dnabert_cli.formats.vcf import VariantRecord
from dnabert_cli.progress import SILENT
from dnabert_cli.records import Interval
from dnabert_cli.tasks import saturation_pictures as module
from dnabert_cli.tasks.base_importance import explain
from dnabert_cli.tasks.saturation_pictures import (
    MOST_MAPS,
    MutationMaps,
    check_maps,
    map_format,
    place_of,
    strongest,
)
from tests.toys import save_bert
from tests.viz_toys import FP32, TASK, random_sequence, save_motif_finder

NAN = float("nan")
HOSTILE = "<b>&"
GENOME = {"chr1": random_sequence(1, 60), "chr2": random_sequence(2, 60)}
LATE, EARLY, OTHER = (
    Interval("chr1", 30, 42),
    Interval("chr1", 10, 20, HOSTILE, "-"),
    Interval("chr2", 30, 34),
)
SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}


def letters(region):
    return GENOME[region.chrom][region.start : region.end]


def record(chrom, position, alt, ref=None):
    ref = GENOME[chrom][position] if ref is None else ref
    return VariantRecord(1, chrom, position, ".", ref, (alt,), "")


def maps(*regions, channels=("prom",)):
    return MutationMaps(regions, letters, channels)


@pytest.fixture
def drawn(monkeypatch):
    """What is handed to the drawing function, in place of pictures."""
    calls = []

    def take(mutations, **options):
        calls.append((mutations, options))
        return b"<svg/>"

    monkeypatch.setattr(module, "draw_mutations", take)
    return calls


def test_each_score_stands_in_its_region_channel_and_cell(tmp_path, drawn):
    found = maps(LATE, EARLY, OTHER, channels=("donor", "acceptor"))
    for chrom, position, alt, values in [
        ("chr1", 10, "A", (0.1, NAN)),
        ("chr1", 19, "T", (0.2, 0.3)),
        ("chr1", 30, "C", (0.4, 0.5)),
        ("chr2", 33, "G", (0.6, 0.7)),
    ]:
        found.add(record(chrom, position, alt, ref="N"), values)

    found.write(str(tmp_path / "x.html"), title="t", force=False)

    cells = [
        {
            (*cell,): round(float(one.mutant[*cell]), 4)
            for cell in np.argwhere(one.mutant == one.mutant)
        }
        for one, _ in drawn
    ]
    assert cells == [
        {(0, 1): 0.4}, {(0, 1): 0.5},
        {(0, 0): 0.1, (9, 3): 0.2}, {(9, 3): 0.3},
        {(3, 2): 0.6}, {(3, 2): 0.7},
    ]  # fmt: skip
    assert [one.sequence for one, _ in drawn[::2]] == [
        letters(each) for each in (LATE, EARLY, OTHER)
    ]
    assert {one.wild_type for one, _ in drawn} == {None}
    assert [options["first"] for _, options in drawn[::2]] == [31, 11, 31]
    labels = [options["score_label"] for _, options in drawn[:2]]
    assert [label.split(":")[0] for label in labels] == ["S of donor", "S of acceptor"]


@pytest.mark.parametrize(
    ("chrom", "position", "ref", "alt"),
    [
        ("chr1", 9, "A", "C"),
        ("chr1", 20, "A", "C"),
        ("chr3", 12, "A", "C"),
        ("chr1", 12, "AC", "A"),
        ("chr1", 12, "A", "AC"),
    ],
)
def test_what_is_no_substitution_in_a_region_is_passed_over(
    tmp_path, drawn, chrom, position, ref, alt
):
    found = maps(EARLY)
    found.add(record(chrom, position, alt, ref), [0.5])
    found.write(str(tmp_path / "x.png"), title="", force=False)
    assert np.isnan(drawn[0][0].mutant).all()


@pytest.mark.parametrize("fmt", SIGNATURES)
def test_a_picture_is_a_file_of_its_kind(tmp_path, fmt):
    path = tmp_path / f"x.{fmt}"
    found = maps(EARLY)
    found.add(record("chr1", 12, "A", ref="C"), [0.5])

    found.write(str(path), title="", force=False)

    assert path.read_bytes().startswith(SIGNATURES[fmt])


def test_a_picture_says_region_place_and_score(tmp_path, drawn):
    maps(EARLY).write(str(tmp_path / "x.PNG"), title="unused", force=False)
    (_, options) = drawn[0]
    assert (options["title"], options["fmt"]) == (f"{HOSTILE}, chr1:11-20, prom", "png")


def pictures(page):
    return [base64.b64decode(one).decode() for one in re.findall(r"svg\+xml;base64,([^\"]+)", page)]


def rows(page):
    return [
        re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in re.findall(r"<tr>(<td.*?)</tr>", page)
    ]


def test_a_page_holds_every_map_and_asks_for_nothing_else(tmp_path):
    path = tmp_path / "x.html"
    found = maps(EARLY, OTHER, channels=("donor", "acceptor"))
    found.write(str(path), title="T & t", force=False, facts=[("Model", HOSTILE)])
    page = path.read_text("utf-8")

    assert ["S of donor" in one for one in pictures(page)] == [True, False] * 2
    assert "<h1>T &amp; t</h1>" in page
    assert "<dd>&lt;b&gt;&amp;</dd>" in page
    assert re.findall("<h2>(.*)</h2>", page) == ["&lt;b&gt;&amp;, chr1:11-20", "chr2:31-34"]
    assert page.count("No substitution of this region has a score.") == 2
    assert "<script" not in page
    assert set(re.findall(r"src=\"(\w+:)", page)) == {"data:"}


def test_a_page_lists_the_strongest_substitutions_of_each_region(tmp_path, drawn):
    path = tmp_path / "x.html"
    found = maps(EARLY, OTHER, channels=("donor", "acceptor"))
    for chrom, position, values in [
        ("chr1", 10, (0.1, NAN)), ("chr1", 12, (-0.0625, 0.25)), ("chr2", 30, (0.0, 1e-4)),
    ]:  # fmt: skip
        other = next(each for each in "ACGT" if each != GENOME[chrom][position])
        found.add(record(chrom, position, other), values)
    found.write(str(path), title="t", force=False)

    changes = [
        f"{there}&gt;{'C' if there == 'A' else 'A'}"
        for there in (GENOME["chr1"][12], GENOME["chr1"][10], GENOME["chr2"][30])
    ]
    assert rows(path.read_text("utf-8")) == [
        ["13", changes[0], "\N{MINUS SIGN}0.0625", "+0.250"],
        ["11", changes[1], "+0.100", "-"],
        ["31", changes[2], "+0.00", "+0.000100"],
    ]


def test_strongest_are_furthest_from_0_in_any_channel_and_the_first_of_equals():
    scores = np.full((2, 5, 4), NAN)
    scores[0, :4, 1] = [0.1, -0.3, 0.2, 0.2]
    scores[1, :4, 1] = [0.0, 0.0, NAN, -0.5]
    assert strongest(scores) == [(3, 1), (1, 1), (2, 1), (0, 1)]
    assert (
        strongest(np.ones((1, 5, 4))) == [(place, i) for place in (0, 1, 2) for i in range(4)][:10]
    )


def test_importance_is_that_of_each_region_on_its_strand(tmp_path, tiny_model, drawn):
    other = save_bert(tmp_path / "other", TASK, seed=9)
    found = maps(LATE, EARLY, channels=("a", "b", "none"))
    models = {"a": [str(tiny_model)], "b": [str(other)], "none": []}

    found.explain(models, FP32, units=Units())
    found.write(str(tmp_path / "x.html"), title="t", force=False)

    assert [one.importance is None for one, _ in drawn] == [False, False, True] * 2
    texts = [letters(LATE), reverse_complement(letters(EARLY))]
    for column, channel in enumerate("ab"):
        late, early = explain(texts, models[channel], ExplainConfig(), FP32, SILENT).scores
        assert drawn[column][0].importance == pytest.approx(late, abs=1e-6)
        assert drawn[3 + column][0].importance == pytest.approx(early[::-1], abs=1e-6)
    assert "Bars above a map" in (tmp_path / "x.html").read_text("utf-8")


def test_importance_is_read_among_the_bases_around(tmp_path, tiny_model, drawn):
    """It used to be that of the region alone, and changed with where the region ends."""
    wider = partial(replace, start=0, end=len(GENOME["chr1"]))
    found = MutationMaps([LATE, EARLY], letters, ["a"], wider)

    found.explain({"a": [str(tiny_model)]}, FP32, units=Units())
    found.write(str(tmp_path / "x.html"), title="t", force=False)

    whole = GENOME["chr1"]
    texts = [whole, reverse_complement(whole)]
    late, early = explain(texts, [str(tiny_model)], ExplainConfig(), FP32, SILENT).scores
    assert drawn[0][0].importance == pytest.approx(late[LATE.start : LATE.end])
    assert drawn[1][0].importance == pytest.approx(early[::-1][EARLY.start : EARLY.end])


def test_channels_of_one_model_ask_it_once(tiny_model, monkeypatch):
    asked = []
    monkeypatch.setattr(
        module, "explain", lambda *given, **_: asked.append(given[1]) or explain(*given)
    )
    models = [str(tiny_model)]
    maps(OTHER, channels=("a", "b")).explain({"a": models, "b": models}, FP32, units=Units())
    assert asked == [tuple(models)]


def test_models_without_attention_leave_the_bars_out(tmp_path, drawn, caplog):
    found, finder = maps(EARLY), save_motif_finder(tmp_path / "finder")
    with caplog.at_level(logging.WARNING, logger=module.__name__):
        found.explain({"prom": [str(finder)]}, FP32, units=Units())
    found.write(str(tmp_path / "x.html"), title="t", force=False)
    assert drawn[0][0].importance is None
    assert caplog.messages[0].startswith("no importance above the maps of prom: ")
    assert "Bars above a map" not in (tmp_path / "x.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("path", "fmt"),
    [("a.png", "png"), ("a.b.SVG", "svg"), ("a.pdf", "pdf"), ("a.htm", "html"), ("a.html", "html"),
     ("a.vcf.gz", None), ("-", None), ("png", None)],
)  # fmt: skip
def test_the_suffix_says_what_is_drawn(path, fmt):
    assert map_format(path) == fmt


def test_places_are_written_as_samtools_writes_them():
    assert place_of(Interval("chr1", 1000, 2000)) == "chr1:1001-2000"


@pytest.mark.parametrize("regions", [(EARLY, LATE), (EARLY,)])
def test_a_picture_of_several_maps_is_refused_with_the_cure(tmp_path, regions):
    channels = ("prom", "tata")[: 3 - len(regions)]
    with pytest.raises(OptionsError, match=r"x.png holds one mutation map, .*\(prom.*\.html"):
        check_maps(str(tmp_path / "x.png"), regions, channels, force=False)


def test_a_page_of_too_many_maps_is_refused(tmp_path):
    path, regions = str(tmp_path / "x.html"), [OTHER] * (MOST_MAPS // 2)
    check_maps(path, regions, ("a", "b"), force=False)
    with pytest.raises(OptionsError, match=r"up to 100 .*regions: 51, .*: 2 .*\.tsv"):
        check_maps(path, [*regions, OTHER], ("a", "b"), force=False)


def test_a_region_longer_than_a_map_is_refused(tmp_path):
    path = str(tmp_path / "x.html")
    check_maps(path, [Interval("c", 1, 601)], ("a",), force=False)
    with pytest.raises(DataError, match=r"c:1-601 has 601 bases, .* up to 600 .*\.vcf\.gz"):
        check_maps(path, [Interval("c", 0, 601)], ("a",), force=False)


def test_other_suffixes_and_existing_files_are_refused(tmp_path):
    with pytest.raises(OptionsError, match=r"x.gif: mutation maps are \.png"):
        check_maps("x.gif", [EARLY], ("a",), force=False)
    path = tmp_path / "x.svg"
    path.write_text("mine")
    with pytest.raises(DnabertError, match="exists already"):
        maps(EARLY).write(str(path), title="", force=False)
    assert path.read_text() == "mine"
