"""Calls against start sites: each rule on a toy, all rules against a slow twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis.start_sites import (
    MAX_THRESHOLDS,
    AtThreshold,
    Calls,
    Sites,
    by_threshold,
    match,
    scan_figures,
)

TINY = {"abs": 1e-12, "nan_ok": True}


def calls_of(*rows):
    """Rows are (summit, probability[, strand[, chromosome]])."""
    rows = [(*row, *("+", "chr1")[len(row) - 2 :]) for row in rows]
    summits, probabilities, strands, chroms = zip(*rows, strict=True) if rows else [[]] * 4
    summits = np.array(summits, dtype=np.int64)
    return Calls(list(chroms), summits, list(strands), np.array(probabilities, dtype=np.float64))


def sites_of(*rows):
    """Rows are (position[, strand[, chromosome]])."""
    rows = [(*row, *("+", "chr1")[len(row) - 1 :]) for row in rows]
    positions, strands, chroms = zip(*rows, strict=True) if rows else [[]] * 3
    return Sites(list(chroms), np.array(positions, dtype=np.int64), list(strands))


def credited(calls, sites, **options):
    return match(calls, sites, **options).site_of_call.tolist()


@pytest.mark.parametrize(
    ("summit", "right"), [(499, False), (500, True), (1500, True), (1501, False)]
)
def test_a_call_within_500_bases_is_right(summit, right):
    found = match(calls_of((summit, 0.9)), sites_of((1000,)))
    assert found.site_of_call.tolist() == [0 if right else -1]
    assert found.call_near.tolist() == found.site_near.tolist() == [right]


def test_the_reach_can_be_chosen():
    calls, sites = calls_of((990, 0.9)), sites_of((1000,))
    assert credited(calls, sites, within=10) == [0]
    assert credited(calls, sites, within=9) == [-1]
    assert credited(calls, sites_of((990,)), within=0) == [0]


def test_a_site_counts_once_and_goes_to_the_most_probable_call():
    found = match(calls_of((1000, 0.6), (1400, 0.9)), sites_of((1000,)))
    assert found.site_of_call.tolist() == [-1, 0]
    assert found.call_near.tolist() == [True, True]


def test_a_call_takes_the_nearest_site():
    assert credited(calls_of((1000, 0.9)), sites_of((800,), (1100,))) == [1]


def test_a_call_takes_the_next_site_where_the_nearest_is_taken():
    found = match(calls_of((1000, 0.9), (1010, 0.8)), sites_of((1005,), (1300,)))
    assert found.site_of_call.tolist() == [0, 1]
    assert found.site_found.tolist() == [True, True]


def test_greedy_credit_may_leave_a_call_without_a_site():
    """The best call takes the only site that the other one could have had."""
    found = match(calls_of((1000, 0.9), (1450, 0.8)), sites_of((990 - 400,), (1010,)))
    assert found.site_of_call.tolist() == [1, -1]
    assert found.site_found.tolist() == [False, True]
    assert found.site_near.tolist() == [True, True]


def test_of_equally_probable_calls_the_left_one_chooses_first():
    assert credited(calls_of((1200, 0.9), (800, 0.9)), sites_of((1000,))) == [-1, 0]


def test_of_calls_in_one_place_that_of_a_known_strand_chooses_first():
    calls = calls_of((1000, 0.9, "."), (1000, 0.9, "+"))
    assert credited(calls, sites_of((1000, "+"), (1100, "-"))) == [1, 0]


def test_of_equally_near_sites_the_left_one_is_taken():
    assert credited(calls_of((1000, 0.9)), sites_of((1100,), (900,))) == [1]


def test_strands_must_agree_unless_told_otherwise():
    calls, sites = calls_of((1000, 0.9, "-")), sites_of((1000, "+"))
    assert credited(calls, sites) == [-1]
    assert not match(calls, sites).call_near.any()
    assert credited(calls, sites, stranded=False) == [0]


@pytest.mark.parametrize(
    ("call", "site"), [(".", "+"), (".", "-"), ("+", "."), ("-", "."), (".", ".")]
)
def test_a_dot_fits_both_strands(call, site):
    assert credited(calls_of((1000, 0.9, call)), sites_of((1000, site))) == [0]


def test_a_call_passes_over_a_nearer_site_of_the_other_strand():
    assert credited(calls_of((1000, 0.9, "-")), sites_of((1000, "+"), (1200, "-"))) == [1]


def test_chromosomes_are_apart():
    calls = calls_of((1000, 0.9, "+", "chr2"), (0, 0.8, "+", "chr10"), (10, 0.7, "+", "chrUn"))
    sites = sites_of((1000, "+", "chr1"), (0, "+", "chr10"), (0, "+", "chr2"))
    assert credited(calls, sites) == [-1, 1, -1]


def slow_match(calls, sites, within, stranded):
    """Each call in turn looks at every site."""
    strands = "+-."

    def fits(call, site):
        pair = {calls.strand[call], sites.strand[site]}
        return (
            calls.chrom[call] == sites.chrom[site]
            and abs(calls.summit[call] - sites.position[site]) <= within
            and (not stranded or len(pair) == 1 or "." in pair)
        )

    def turn(call):
        strand = strands.index(calls.strand[call])
        return -calls.probability[call], calls.summit[call], strand, call

    numbers = range(len(sites.position))
    free, credit = set(numbers), [-1] * len(calls.summit)
    for call in sorted(range(len(calls.summit)), key=turn):
        open_to = [
            (abs(calls.summit[call] - position), position, strands.index(strand), site)
            for site, (position, strand) in enumerate(
                zip(sites.position, sites.strand, strict=True)
            )
            if site in free and fits(call, site)
        ]
        if open_to:
            credit[call] = min(open_to)[-1]
            free.remove(credit[call])
    near = [[fits(call, site) for site in numbers] for call in range(len(calls.summit))]
    call_near = [any(row) for row in near]
    return credit, call_near, [any(row[site] for row in near) for site in numbers]


CHROMS = st.sampled_from(["chr1", "chr2", "chrX"])
STRANDS = st.sampled_from(["+", "-", "."])
CALLS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 4).map(lambda n: n / 4), STRANDS, CHROMS),
    max_size=25,
)
SITES = st.lists(st.tuples(st.integers(0, 40), STRANDS, CHROMS), max_size=15)


@given(CALLS, SITES, st.integers(0, 8), st.booleans())
def test_matching_is_that_of_the_slow_twin(call_rows, site_rows, within, stranded):
    calls, sites = calls_of(*call_rows), sites_of(*site_rows)
    found = match(calls, sites, within=within, stranded=stranded)
    credit, call_near, site_near = slow_match(calls, sites, within, stranded)
    assert found.site_of_call.tolist() == credit
    assert found.call_near.tolist() == call_near
    assert found.site_near.tolist() == site_near


@given(CALLS, SITES, st.randoms(use_true_random=False))
def test_the_order_of_calls_does_not_change_which_places_are_found(call_rows, site_rows, random):
    def places(rows):
        calls, sites = calls_of(*rows), sites_of(*site_rows)
        found = match(calls, sites, within=5).site_of_call.tolist()
        return sorted((row, site) for row, site in zip(rows, found, strict=True))

    shuffled = random.sample(call_rows, len(call_rows))
    assert places(shuffled) == places(call_rows)


def values_of(calls, sites, **options):
    found = scan_figures(match(calls, sites), calls, sites, **options)
    assert {figure.of for figure in found} == {"all"}
    return {figure.name: figure for figure in found}


TOY_CALLS = calls_of((1000, 0.9), (1200, 0.8), (9000, 0.7), (250_000, 0.6))
TOY_SITES = sites_of((1100,), (250_100,), (400_000,))


def test_figures_worked_by_hand():
    found = values_of(TOY_CALLS, TOY_SITES)
    expected = {
        "precision": 2 / 4,
        "recall": 2 / 3,
        "f1": 4 / 7,
        "calls_near_a_site": 3 / 4,
        "sites_near_a_call": 2 / 3,
    }
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, **TINY), name
        assert found[name].low <= value <= found[name].high


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    found = values_of(TOY_CALLS, TOY_SITES)
    precision, recall = found["precision"].value, found["recall"].value
    mean = 2 * precision * recall / (precision + recall)
    assert found["f1"].value == pytest.approx(mean, **TINY)


def test_intervals_are_the_percentiles_of_resampled_blocks():
    """The slow twin draws blocks of 1 kb and counts their calls and sites one by one."""
    generator = np.random.default_rng(0)
    call_rows = [(int(at), 0.5, "+", f"chr{at % 2}") for at in generator.integers(20_000, size=60)]
    site_rows = [(int(at), "+", f"chr{at % 2}") for at in generator.integers(20_000, size=30)]
    calls, sites = calls_of(*call_rows), sites_of(*site_rows)
    matching = match(calls, sites)

    found = scan_figures(matching, calls, sites, block=1000, seed=5, n_resamples=40)

    of_calls = [(chrom, at // 1000) for at, _, _, chrom in call_rows]
    of_sites = [(chrom, at // 1000) for at, _, chrom in site_rows]
    blocks = sorted({*of_calls, *of_sites})
    drawn = {name: [] for name in ("precision", "recall", "f1")}
    generator = np.random.default_rng(5)
    for _ in range(40):
        chosen = [blocks[number] for number in generator.integers(len(blocks), size=len(blocks))]
        called = [i for block in chosen for i, one in enumerate(of_calls) if one == block]
        there = [i for block in chosen for i, one in enumerate(of_sites) if one == block]
        right, known = sum(matching.call_right[called]), sum(matching.site_found[there])
        drawn["precision"].append(right / len(called))
        drawn["recall"].append(known / len(there))
        drawn["f1"].append((right + known) / (len(called) + len(there)))
    for figure in found[:3]:
        interval = np.percentile(drawn[figure.name], [2.5, 97.5])
        assert [figure.low, figure.high] == pytest.approx(interval, abs=1e-9), figure.name


def test_calls_of_one_block_are_one_witness():
    """A thousand calls in one place say as little as one: nothing varies."""
    calls = calls_of(*[(1000 + number, 0.5) for number in range(50)])
    found = values_of(calls, sites_of((1000,)))["precision"]
    assert (found.low, found.value, found.high) == (1 / 50, 1 / 50, 1 / 50)


def test_figures_repeat_with_the_seed():
    assert values_of(TOY_CALLS, TOY_SITES, seed=3) == values_of(TOY_CALLS, TOY_SITES, seed=3)


def test_no_calls_have_no_precision_and_recall_0():
    found = values_of(calls_of(), TOY_SITES)
    assert np.isnan(found["precision"].value)
    assert np.isnan([found["precision"].low, found["precision"].high]).all()
    assert np.isnan(found["calls_near_a_site"].value)
    assert (found["recall"].value, found["f1"].value) == (0, 0)


def test_no_sites_have_no_recall_and_precision_0():
    found = values_of(TOY_CALLS, sites_of())
    assert np.isnan([found["recall"].value, found["f1"].value]).all()
    assert np.isnan(found["sites_near_a_call"].value)
    assert found["precision"].value == 0


def test_neither_calls_nor_sites_give_nan_only():
    found = values_of(calls_of(), sites_of())
    assert len(found) == 5
    for figure in found.values():
        assert np.isnan([figure.value, figure.low, figure.high]).all()


def test_thresholds_worked_by_hand():
    high, low = by_threshold(TOY_CALLS, TOY_SITES, [0.8, 0.6])
    assert high == AtThreshold(0.8, 2, 1 / 2, 1 / 3, 2 / 5)
    assert low == AtThreshold(0.6, 4, 2 / 4, 2 / 3, 4 / 7)


@given(CALLS, SITES, st.booleans())
def test_each_threshold_is_matched_anew(call_rows, site_rows, stranded):
    """The slow twin leaves the calls below the threshold out and matches again."""
    calls, sites = calls_of(*call_rows), sites_of(*site_rows)
    thresholds = [0.0, 0.3, 0.5, 0.75, 1.0, 1.1]
    table = by_threshold(calls, sites, thresholds, within=5, stranded=stranded)
    assert [row.threshold for row in table] == thresholds
    for row in table:
        kept = calls_of(*[one for one in call_rows if one[1] >= row.threshold])
        matching = match(kept, sites, within=5, stranded=stranded)
        found = {one.name: one.value for one in scan_figures(matching, kept, sites, n_resamples=0)}
        assert row.n_calls == len(kept.summit)
        for name in ("precision", "recall", "f1"):
            assert getattr(row, name) == pytest.approx(found[name], **TINY), name


def test_thresholds_are_the_distinct_probabilities_from_the_highest_on():
    calls = calls_of((1, 0.5), (2, 0.9), (3, 0.5))
    assert [row.threshold for row in by_threshold(calls, TOY_SITES)] == [0.9, 0.5]


def test_many_probabilities_are_thinned_and_the_ends_are_kept():
    calls = calls_of(*[(10 * number, number / 1000) for number in range(1000)])
    thresholds = [row.threshold for row in by_threshold(calls, TOY_SITES)]
    assert len(thresholds) == len(set(thresholds)) == MAX_THRESHOLDS
    assert (thresholds[0], thresholds[-1]) == (0.999, 0)
    assert max(np.diff(thresholds[::-1])) < 0.0071


def test_a_single_precision_probability_just_below_a_threshold_is_no_call():
    calls = calls_of((1000, 0.7))
    single = Calls(calls.chrom, calls.summit, calls.strand, calls.probability.astype(np.float32))
    (row,) = by_threshold(single, TOY_SITES, [0.7])
    assert float(single.probability[0]) < 0.7
    assert row.n_calls == 0


def test_no_calls_have_no_thresholds():
    assert by_threshold(calls_of(), TOY_SITES) == []
    (row,) = by_threshold(calls_of(), TOY_SITES, [0.5])
    assert row.n_calls == 0
    assert np.isnan(row.precision)
    assert row.recall == 0
