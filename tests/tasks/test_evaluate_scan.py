"""Calls of a scan held against start sites, counted by hand."""

import math

import pytest

from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.tasks.evaluate import evaluate
from dnabert_cli.tasks.systems import Run
from tests.evaluation_toys import (
    config,
    write_bed,
    write_calls,
)


@pytest.fixture
def scanned(tmp_path):
    """Two sites inside the regions, one outside; three calls inside, one outside."""
    calls = [("c1", 1100, "+", 0.9), ("c1", 5000, "+", 0.8), ("c1", 7900, "+", 0.7),
             ("c1", 50_000, "+", 0.99)]  # fmt: skip
    sites = [("c1", 1000, 1001, "g", 0, "+"), ("c1", 8000, 8001, "g", 0, "-"),
             ("c1", 50_000, 50_001, "g", 0, "+"), ("c1", 1000, 1001, "t2", 0, "+")]  # fmt: skip
    regions = [("c1", 0, 6000), ("c1", 5000, 10_000), ("c2", 0, 10_000)]
    return (
        write_calls(tmp_path / "calls.bed", calls),
        write_bed(tmp_path / "tss.bed", sites),
        write_bed(tmp_path / "regions.bed", regions),
    )


def scan_values(result):
    return {one.name: one.value for one in result.systems[0].figures}


def test_calls_are_right_where_a_site_of_their_strand_is_near(scanned):
    calls, tss, regions = scanned

    result = evaluate([calls], config(), Run(tss=tss, regions=regions))

    assert (result.n_sites, result.n_sites_left_out) == (2, 1)
    assert (result.systems[0].n_calls, result.systems[0].n_left_out) == (3, 1)
    found = scan_values(result)
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["recall"] == pytest.approx(1 / 2)
    assert result.megabases == pytest.approx(0.02)
    assert found["calls_per_mb"] == pytest.approx(3 / 0.02)


def test_any_strand_lets_a_call_find_the_site_behind_it(scanned):
    calls, tss, regions = scanned

    result = evaluate([calls], config(any_strand=True), Run(tss=tss, regions=regions))

    assert scan_values(result)["recall"] == 1


def test_reach_is_inclusive(scanned):
    calls, tss, regions = scanned

    for within, recall in ((99, 0), (100, 0.5)):
        result = evaluate([calls], config(within=within), Run(tss=tss, regions=regions))
        assert scan_values(result)["recall"] == recall


def test_without_regions_everything_counts_and_there_is_no_rate(scanned):
    calls, tss, _ = scanned

    result = evaluate([calls], config(), Run(tss=tss))

    assert (result.n_sites, result.systems[0].n_calls) == (3, 4)
    assert math.isnan(scan_values(result)["calls_per_mb"])


def test_figures_by_threshold_are_those_of_the_calls_above_it(scanned):
    calls, tss, regions = scanned

    (system,) = evaluate([calls], config(), Run(tss=tss, regions=regions)).systems

    assert [(at.threshold, at.n_calls, at.recall) for at in system.thresholds] == [
        (0.9, 1, 0.5),
        (0.8, 2, 0.5),
        (0.7, 3, 0.5),
    ]


def test_a_scan_without_calls_has_no_precision(scanned, tmp_path):
    (tmp_path / "none.bed").write_text("#chrom\tstart\tend\n")

    result = evaluate([str(tmp_path / "none.bed")], config(), Run(tss=scanned[1]))

    assert math.isnan(scan_values(result)["precision"])
    assert scan_values(result)["recall"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c1\t0\t9\tp\t9\t+\n", "calls have 9 columns, found 6"),
        ("c1\t0\t9\tp\t9\t+\t1.5\t3\t1\n", "'1.5' is no probability"),
        ("c1\t0\t9\tp\t9\t+\t0.5\tx\t1\n", "coordinate 'x'"),
    ],
)
def test_bed_that_no_scan_wrote_is_refused(scanned, tmp_path, text, message):
    (tmp_path / "x.bed").write_text(text)

    with pytest.raises(FormatError, match=message):
        evaluate([str(tmp_path / "x.bed")], config(), Run(tss=scanned[1]))


def test_sequences_named_otherwise_are_refused(scanned, tmp_path):
    tss = write_bed(tmp_path / "other.bed", [("chr1", 5, 6)])

    with pytest.raises(DataError, match="no sequence in common"):
        evaluate([scanned[0]], config(), Run(tss=tss))


def test_regions_without_sites_are_refused(scanned, tmp_path):
    regions = write_bed(tmp_path / "far.bed", [("c9", 0, 10)])

    with pytest.raises(DataError, match="holds no start site in"):
        evaluate([scanned[0]], config(), Run(tss=scanned[1], regions=regions))


def test_the_site_of_an_interval_on_the_reverse_strand_is_its_last_base(tmp_path):
    """Genes as BED were taken to start at their end."""
    calls = write_calls(tmp_path / "calls.bed", [("c1", 8999, "-", 0.9)])
    tss = write_bed(tmp_path / "genes.bed", [("c1", 2000, 9000, "g", 0, "-")])

    assert scan_values(evaluate([calls], config(), Run(tss=tss)))["recall"] == 1


def test_sites_on_sequences_without_a_call_are_told_of(tmp_path, caplog):
    """A scan of one chromosome was held against the sites of all, without a word."""
    calls = write_calls(tmp_path / "calls.bed", [("c1", 1100, "+", 0.9)])
    places = [("c1", 1000), ("c2", 1000), ("c3", 1000)]
    tss = write_bed(tmp_path / "tss.bed", [(c, at, at + 1, "g", 0, "+") for c, at in places])

    evaluate([calls], config(), Run(tss=tss))

    assert "2 of 3 sites lie on sequences without a call" in caplog.text
