"""High regions: by hand, and those of the original program."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis.regions import high_regions

NAN = float("nan")


def slow_regions(scores, min_length, above_mean, above_min):
    """The definition, base by base."""
    known = [one for one in scores if not math.isnan(one)]
    if not known:
        return []
    mean, low = np.mean(known), min(known)
    high = [
        one > above_mean * mean and (above_min is None or one > above_min * low) for one in scores
    ]
    found, start = [], None
    for place, is_high in enumerate([*high, False]):
        if is_high and start is None:
            start = place
        if not is_high and start is not None:
            if place - start >= min_length:
                found.append((start, place))
            start = None
    return found


def test_a_run_of_high_bases_is_a_region():
    assert high_regions([0.1, 0.1, 5, 5, 5, 5, 0.1, 0.1]) == [(2, 6)]


def test_a_shorter_run_is_none():
    assert high_regions([0.1, 5, 5, 5, 0.1, 0.1, 0.1, 0.1]) == []
    assert high_regions([0.1, 5, 5, 5, 0.1, 0.1, 0.1, 0.1], min_length=3) == [(1, 4)]


def test_regions_reach_both_ends():
    scores = [5, 5, 5, 5, *[0.1] * 8, 5, 5, 5, 5]
    assert high_regions(scores) == [(0, 4), (12, 16)]


def test_a_score_of_just_the_mean_is_not_high():
    assert high_regions([0, 0, 0, 0, 2, 2, 2, 2], above_mean=2) == []
    assert high_regions([0, 0, 0, 0, 2, 2, 2, 2], above_mean=1.99) == [(4, 8)]


def test_a_score_of_just_ten_times_the_lowest_is_not_high():
    assert high_regions([1, 1, 1, 1, 10, 10, 10, 10]) == []
    assert high_regions([1, 1, 1, 1, 10, 10, 10, 10], above_min=9) == [(4, 8)]


def test_equal_scores_have_no_region():
    assert high_regions([0.5] * 20, above_min=None) == []


def test_no_scores_have_no_region():
    assert high_regions([]) == []
    assert high_regions([NAN] * 6) == []


def test_unknown_scores_are_neither_high_nor_counted():
    scores = [NAN, 0.1, 0.1, 0.1, 0.1, 5, 5, 5, 5, NAN, 5, 5, 5]
    assert high_regions(scores) == [(5, 9)]


def test_signed_scores_have_regions_without_the_rule_of_the_lowest():
    scores = [-3, -3, 0.5, 0.5, 0.5, 0.5, -3, 0, 0, 0]
    assert high_regions(scores, above_min=None) == [(2, 6)]


def test_single_precision_scores_are_compared_in_double():
    scores = np.array([1, 1, 1, 1, 10, 10, 10, 10], dtype=np.float32)
    assert high_regions(scores, above_min=9.9999999) == [(4, 8)]


@given(
    st.lists(st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0, 3.0, NAN]), max_size=40),
    st.integers(1, 5),
    st.sampled_from([0.5, 1.0, 1.5]),
    st.sampled_from([None, 1.0, 10.0]),
)
def test_regions_are_those_of_the_definition(scores, min_length, above_mean, above_min):
    found = high_regions(scores, min_length=min_length, above_mean=above_mean, above_min=above_min)
    assert found == slow_regions(scores, min_length, above_mean, above_min)


@pytest.mark.oracle
def test_regions_are_those_of_the_original_program(oracle):
    text = (oracle / "motif" / "unit_biopython1.78.json").read_text()
    cases = json.loads(text)["unit"]["find_high_attention"]
    found = [high_regions(case["score"], min_length=case["min_len"]) for case in cases]
    assert [[list(one) for one in regions] for regions in found] == [
        case["regions"] for case in cases
    ]
    assert sum(map(len, found)) > 3


@pytest.mark.oracle
@pytest.mark.parametrize("min_length", [4, 5])
def test_regions_of_sequences_are_those_of_the_original_program(oracle, min_length):
    sequences = json.loads((oracle / "motif" / "small_seqs.json").read_text())["pos"]
    scores = np.load(oracle / "motif" / "small_atten.npz")["pos_atten"]
    result = json.loads((oracle / "motif" / "small_result_biopython1.78.json").read_text())
    rows = zip(sequences, scores, strict=True)
    found = [high_regions(row[: len(one)], min_length=min_length) for one, row in rows]
    expected = result[f"min_len_{min_length}"]["regions"]
    assert [[list(one) for one in regions] for regions in found] == expected
