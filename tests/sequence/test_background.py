"""Random windows: places base by base, draws counted, and windows of the human genome."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from dnabert_cli.formats.bed import read_bed
from dnabert_cli.formats.indexed_fasta import IndexedFasta
from dnabert_cli.records import Interval
from dnabert_cli.sequence.background import (
    Composition,
    WindowSampler,
    composition,
    forbidden_zones,
    known_stretches,
    match_composition,
)

stretch = st.tuples(st.integers(0, 80), st.integers(0, 30)).map(lambda pair: (pair[0], sum(pair)))
stretches = st.lists(stretch, max_size=6)


def sampler(allowed, forbidden=(), window=10, seed=0):
    rng = np.random.default_rng(seed)
    return WindowSampler({"chr1": allowed}, {"chr1": forbidden}, window, rng)


def gc_of(values):
    return [Composition(float(value), 0.0) for value in values]


# --- stretches


def test_known_stretches_worked_by_hand():
    sequence = "NNACGTNacgunNNGGNRTTTR"
    assert known_stretches(sequence, 3) == [(2, 6), (7, 11), (18, 21)]
    assert known_stretches(sequence, 2) == [(2, 6), (7, 11), (14, 16), (18, 21)]


@given(st.text("ACGTUacgtuNnR", max_size=60), st.integers(1, 6))
def test_known_stretches_hold_all_known_letters_and_no_other(sequence, min_length):
    spaced = "".join(letter if letter in "ACGTUacgtu" else " " for letter in sequence)
    found = known_stretches(sequence, min_length)
    words = [word for word in spaced.split() if len(word) >= min_length]
    assert [sequence[start:end] for start, end in found] == words


@pytest.mark.parametrize("sequence", ["", "N", "NNNN"])
def test_nothing_known_has_no_stretch(sequence):
    assert known_stretches(sequence, 1) == []


def test_a_sequence_without_gaps_is_one_stretch():
    assert known_stretches("ACGT" * 5, 20) == [(0, 20)]
    assert known_stretches("ACGT" * 5, 21) == []


def test_long_gaps_and_short_stretches_are_passed_once():
    """Begun anew at each letter, the search would take 10^12 steps."""
    gap = "N" * 1_000_000
    assert known_stretches(gap + "ACGT" + gap, 4) == [(1_000_000, 1_000_004)]
    assert known_stretches("ACGT" * 250_000 + gap, 1_000_001) == []


# --- composition


def test_composition_worked_by_hand():
    assert composition("GCAn") == Composition(gc=2 / 3, repeats=1 / 4)
    assert composition("gcAUu") == Composition(gc=2 / 5, repeats=3 / 5)


@pytest.mark.parametrize("sequence", ["", "NN"])
def test_composition_of_nothing_known_is_zero(sequence):
    assert composition(sequence) == Composition(gc=0.0, repeats=0.0)


# --- zones


def test_zones_worked_by_hand():
    positions = [(50, 51), (3, 4), (70, 75), (58, 60)]
    assert forbidden_zones(positions, 5) == [(0, 9), (45, 80)]
    assert forbidden_zones(positions, 4) == [(0, 8), (46, 64), (66, 79)]


def test_zones_that_touch_are_one():
    assert forbidden_zones([(10, 12), (14, 15)], 1) == [(9, 16)]


def test_an_interval_of_no_bases_has_no_zone_of_its_own():
    assert forbidden_zones([(5, 5)], 0) == []
    assert forbidden_zones([(5, 5)], 2) == [(3, 7)]


@given(stretches, st.integers(0, 10))
def test_zones_hold_the_bases_near_an_interval_and_no_other(intervals, distance):
    near = {
        base for start, end in intervals for base in range(max(start - distance, 0), end + distance)
    }
    zones = forbidden_zones(intervals, distance)
    assert [base for zone in zones for base in range(*zone)] == sorted(near)
    assert all(before[1] < after[0] for before, after in pairwise(zones))


# --- allowed starts


def slow_starts(allowed, forbidden, window):
    return [
        start
        for start in range(200)
        if any(low <= start and start + window <= high for low, high in allowed)
        and not any(base in range(*zone) for zone in forbidden for base in
                    range(start, start + window))
    ]  # fmt: skip


@given(stretches, stretches, st.integers(1, 12), st.integers(0, 9))
def test_windows_are_those_found_base_by_base(allowed, forbidden, window, seed):
    starts = slow_starts(allowed, forbidden, window)
    drawn = sampler(allowed, forbidden, window, seed).draw(10_000, overlap_allowed=True)
    assert sorted(drawn) == [("chr1", start, strand) for start in starts for strand in "+-"]


@given(stretches, stretches, st.integers(1, 12))
def test_starts_are_counted(allowed, forbidden, window):
    starts = slow_starts(allowed, forbidden, window)
    assert sampler(allowed, forbidden, window).n_starts == len(starts)


def test_allowed_starts_worked_by_hand():
    # windows of 10 in 0-30 that avoid base 15: they begin at 0 to 5 or at 16 to 20
    toy = sampler([(0, 30)], [(15, 16)])
    starts = {start for _, start, _ in toy.draw(100, overlap_allowed=True)}
    assert toy.n_starts == 11
    assert starts == {0, 1, 2, 3, 4, 5, 16, 17, 18, 19, 20}


def test_a_zone_reaches_from_one_stretch_into_the_next():
    toy = sampler([(0, 20), (21, 40)], [(15, 22)], window=1)
    starts = sorted({start for _, start, _ in toy.draw(100)})
    assert starts == [*range(15), *range(22, 40)]


def test_stretches_that_touch_are_not_joined():
    assert sampler([(0, 15), (15, 30)]).n_starts == 12


def test_zones_of_one_chromosome_do_not_touch_another():
    rng = np.random.default_rng(0)
    allowed = {"chr1": [(0, 20)], "chr2": [(0, 20)]}
    toy = WindowSampler(allowed, {"chr2": [(0, 20)], "chr9": [(0, 20)]}, 10, rng)
    assert {chrom for chrom, _, _ in toy.draw(100, overlap_allowed=True)} == {"chr1"}


# --- draws


@given(stretches, stretches, st.integers(1, 12), st.integers(0, 9))
def test_drawn_windows_do_not_overlap(allowed, forbidden, window, seed):
    drawn = sampler(allowed, forbidden, window, seed).draw(20)
    starts = sorted(start for _, start, _ in drawn)
    assert set(starts) <= set(slow_starts(allowed, forbidden, window))
    gaps = np.diff(starts)
    assert (gaps >= window).all()


def test_draws_are_uniform_over_starts_and_strands():
    """Stretches of 3 and 12 starts: 30 windows, each drawn first equally often."""
    rng = np.random.default_rng(2)
    allowed = {"chr1": [(5, 17)], "chr2": [(0, 21)]}
    counts = Counter(WindowSampler(allowed, {}, 10, rng).draw(1)[0] for _ in range(6000))
    assert len(counts) == 30
    assert chisquare(list(counts.values())).pvalue > 0.01


def test_later_draws_are_as_uniform_as_the_first():
    rng = np.random.default_rng(2)
    toys = (WindowSampler({"a": [(0, 12)]}, {}, 10, rng) for _ in range(3000))
    counts = Counter(tuple(toy.draw(3, overlap_allowed=True)) for toy in toys)
    assert len(counts) == 6 * 5 * 4
    assert chisquare(list(counts.values())).pvalue > 0.01


def test_windows_fill_the_room_and_no_more():
    # free stretches are shorter than 10, so there are at least 4 windows, and 8 at most
    drawn = sampler([(0, 85)]).draw(100)
    starts = sorted(start for _, start, _ in drawn)
    assert 4 <= len(drawn) <= 8
    assert np.diff([-10, *starts, 85]).max() < 20
    assert np.diff(starts).min() >= 10


def test_later_draws_avoid_earlier_ones():
    toy = sampler([(0, 1000)])
    drawn = [window for _ in range(20) for window in toy.draw(2)]
    starts = sorted(start for _, start, _ in drawn)
    assert len(drawn) == 40
    assert np.diff(starts).min() >= 10


def test_windows_may_overlap_where_there_is_no_room_left():
    toy = sampler([(0, 15)])
    first = toy.draw(12)
    rest = toy.draw(100, overlap_allowed=True)
    assert len(first) == 1
    assert len({*first, *rest}) == len(first) + len(rest) == 12
    assert toy.draw(1, overlap_allowed=True) == []


def test_windows_that_were_allowed_to_overlap_are_avoided_too():
    toy = sampler([(0, 400)])
    crowded = toy.draw(30, overlap_allowed=True)
    later = toy.draw(100)
    assert later
    for _, start, _ in later:
        assert all(abs(start - other) >= 10 for _, other, _ in crowded)


def test_windows_of_two_chromosomes_do_not_exclude_each_other():
    rng = np.random.default_rng(0)
    toy = WindowSampler({"chr1": [(0, 10)], "chr2": [(0, 10)]}, {}, 10, rng)
    assert sorted(chrom for chrom, _, _ in toy.draw(5)) == ["chr1", "chr2"]


def test_no_room_draws_nothing():
    toy = sampler([(0, 9)])
    assert toy.n_starts == 0
    assert toy.draw(3) == []


def test_equal_seeds_draw_equal_windows_and_others_do_not():
    first, again, other = (sampler([(0, 5000)], seed=seed).draw(50) for seed in (3, 3, 4))
    assert first == again
    assert first != other


# --- matching


def test_matches_worked_by_hand():
    wanted = gc_of([0.50, 0.50, 0.40, 0.90])
    found = gc_of([0.38, 0.53, 0.51, 0.60, 0.36])
    # 0.50 takes 0.51, then 0.53; 0.40 takes 0.38; nothing is near 0.90
    assert match_composition(wanted, found) == [2, 1, 0, -1]


def test_the_first_of_equals_is_taken():
    assert match_composition(gc_of([0.5, 0.5]), gc_of([0.5, 0.5, 0.5])) == [0, 1]


def test_tolerance_decides_what_is_close():
    wanted, found = gc_of([0.5]), gc_of([0.6])
    assert match_composition(wanted, found) == [-1]
    assert match_composition(wanted, found, tolerance=Composition(0.11, 0.2)) == [0]


def slow_matches(wanted, found):
    """Greedy by one feature: every candidate is looked at."""
    left = dict(enumerate(found))
    matches = []
    for one in wanted:
        differences = [(other.gc - one.gc, row) for row, other in left.items()]
        # of equals the first with more GC, else the last with less
        close = [(abs(by), by < 0, row if by >= 0 else -row) for by, row in differences]
        distance, _, row = min(close, default=(1, False, 0))
        matches.append(abs(row) if distance <= 0.05 else -1)
        left.pop(matches[-1], None)
    return matches


# binary fractions, so that differences are exact and equal ones abound
fractions = st.lists(st.integers(0, 16).map(lambda n: n / 64), max_size=30).map(gc_of)


@given(fractions, fractions)
def test_matches_by_one_feature_are_the_closest_left(wanted, found):
    assert match_composition(wanted, found) == slow_matches(wanted, found)


shares = st.floats(0, 1)
compositions = st.lists(st.builds(Composition, shares, shares), max_size=30)
features = st.sampled_from([("gc",), ("repeats",), ("gc", "repeats"), ("repeats", "gc")])


@given(compositions, compositions, features)
def test_matches_are_distinct_and_within_tolerance(wanted, found, by):
    matches = match_composition(wanted, found, by=by)
    taken = [row for row in matches if row >= 0]
    assert len(matches) == len(wanted)
    assert len(set(taken)) == len(taken)
    for one, row in zip(wanted, matches, strict=True):
        if row >= 0 and "gc" in by:
            assert abs(one.gc - found[row].gc) <= 0.05 + 1e-9
        if row >= 0 and "repeats" in by:
            assert abs(one.repeats - found[row].repeats) <= 0.2 + 1e-9


def test_the_second_feature_excludes_candidates():
    wanted = [Composition(0.5, 0.0), Composition(0.5, 0.9)]
    found = [Composition(0.5, 0.95), Composition(0.51, 0.05), Composition(0.5, 0.5)]
    assert match_composition(wanted, found) == [0, 2]
    assert match_composition(wanted, found, by=("gc", "repeats")) == [1, 0]


def test_candidates_in_the_bins_beside_are_compared():
    # the own bin, 0.2 to 0.3, is empty; the one above is nearer in both features
    found = [Composition(0.46, 0.15), Composition(0.51, 0.31)]
    assert match_composition([Composition(0.5, 0.29)], found, by=("gc", "repeats")) == [1]
    assert match_composition([Composition(0.47, 0.2)], found, by=("gc", "repeats")) == [0]


def test_matched_ones_have_the_distribution_of_the_wanted_ones():
    rng = np.random.default_rng(0)
    wanted = rng.normal(0.55, 0.06, 1000)
    found = rng.normal(0.45, 0.08, 10_000)
    matches = np.array(match_composition(gc_of(wanted), gc_of(found)))
    is_matched = matches >= 0
    assert is_matched.mean() > 0.98
    matched = found[matches[is_matched]]
    assert abs(found.mean() - wanted.mean()) > 0.09
    assert abs(matched.mean() - wanted.mean()) < 0.01
    assert np.quantile(matched, [0.1, 0.9]) == pytest.approx(
        np.quantile(wanted, [0.1, 0.9]), abs=0.01
    )


def test_many_equal_candidates_are_passed_in_one_step():
    """Without shortened links this would take 450 million steps, twice."""
    same = gc_of([0.5] * 30_000)
    assert match_composition(same, same) == list(range(30_000))
    assert match_composition(gc_of([0.51] * 30_000), same)[-1] == 0


def test_nothing_wanted_and_nothing_found():
    assert match_composition([], gc_of([0.5])) == []
    assert match_composition(gc_of([0.5]), []) == [-1]


# --- the human genome


@pytest.fixture(scope="module")
def chr1(real_data, tmp_path_factory):
    link = tmp_path_factory.mktemp("genome") / "hg38.fa.gz"  # keeps the index out of the data
    link.symlink_to((real_data / "reference" / "hg38.mini.fa.gz").resolve())
    genome = IndexedFasta(str(link))
    return genome.fetch(Interval("chr1", 0, genome.length("chr1"))).sequence


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_known_stretches_of_a_chromosome_that_is_mostly_n(chr1):
    found = known_stretches(chr1, 300)
    n_known = sum(end - start for start, end in found)
    assert n_known == pytest.approx(14.9e6, abs=0.05e6)
    assert len(chr1) - chr1.count("N") - n_known < 1000


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_windows_of_the_human_genome_are_known_and_far_from_start_sites(chr1, real_data):
    path = real_data / "annotation" / "epdnew_hg38.genome_minus_heldout.bed.gz"
    sites = [site for site in read_bed(str(path)) if site.chrom == "chr1"]
    zones = forbidden_zones([(site.start, site.end) for site in sites], 1000)
    rng = np.random.default_rng(0)
    windows = WindowSampler({"chr1": known_stretches(chr1, 300)}, {"chr1": zones}, 300, rng)
    positions = np.array([site.start for site in sites])

    drawn = windows.draw(5000)

    assert len(drawn) == 5000
    for _, start, _ in drawn:
        assert set(chr1[start : start + 300].upper()) <= set("ACGT")
        assert np.maximum(start - positions, positions - (start + 299)).min() > 1000
    assert np.diff(sorted(start for _, start, _ in drawn)).min() >= 300
