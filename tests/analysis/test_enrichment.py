"""Enrichment: by hand, against slow twins, and against the original program."""

import json
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis import enrichment as e
from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.stretches import canonical

TEXTS = st.lists(st.text("ACGTN", max_size=12), min_size=1, max_size=8)
MOTIFS = st.lists(st.text("ACGT", min_size=1, max_size=4), max_size=12, unique=True)


def exact_tail(x, n_containing, n_positive, n_all):
    """P(X >= x) in whole numbers."""
    ways = sum(
        comb(n_positive, i) * comb(n_all - n_positive, n_containing - i)
        for i in range(x, min(n_containing, n_positive) + 1)
    )
    return ways / comb(n_all, n_containing)


def alternating(texts):
    return np.arange(len(texts)) % 2 == 0


def occurs(motif, text, both_strands):
    return motif in text or (both_strands and reverse_complement(motif) in text)


def test_candidates_are_the_distinct_texts_under_regions():
    places, n_left_out = e.places_under(
        ["AACGTAACGT", "TTTT", "GACG"], [[(1, 4), (6, 9)], [], [(1, 4)]], both_strands=False
    )
    assert list(places) == ["ACG"]
    assert places["ACG"].tolist() == [[0, 1, 4, 1], [0, 6, 9, 1], [2, 1, 4, 1]]
    assert n_left_out == 0


def test_regions_with_other_letters_are_left_out_and_counted():
    places, n_left_out = e.places_under(
        ["ACGNACG", "RRRR"], [[(0, 3), (1, 5)], [(0, 4)]], both_strands=False
    )
    assert list(places) == ["ACG"]
    assert n_left_out == 2


def test_a_motif_and_its_reverse_complement_are_one_on_both_strands():
    places, _ = e.places_under(["GGGTT", "AACCC"], [[(0, 5)], [(0, 5)]], both_strands=True)
    assert {motif: rows.tolist() for motif, rows in places.items()} == {
        "AACCC": [[0, 0, 5, -1], [1, 0, 5, 1]]
    }


def test_a_text_counts_once_however_often_it_contains_a_motif():
    positive, negative = e.containing(
        ["AAAA", "CCC", "AACAA"], np.array([True, True, False]), ["AA", "AAA"], both_strands=False
    )
    assert (positive.tolist(), negative.tolist()) == ([1, 1], [1, 0])


def test_the_other_strand_counts_if_asked_for():
    texts, is_positive = ["GGGTT", "AACCC", "AAAAA"], np.array([True, True, False])
    for both_strands, expected in [(False, [1]), (True, [2])]:
        positive, _ = e.containing(texts, is_positive, ["AACC"], both_strands=both_strands)
        assert positive.tolist() == expected


@given(TEXTS, MOTIFS, st.booleans())
def test_counts_are_those_of_the_obvious_search(texts, motifs, both_strands):
    if both_strands:
        motifs = sorted(set(map(canonical, motifs)))
    is_positive = alternating(texts)
    positive, negative = e.containing(texts, is_positive, motifs, both_strands=both_strands)
    for rows, found in [(texts[::2], positive), (texts[1::2], negative)]:
        assert found.tolist() == [
            sum(occurs(motif, text, both_strands) for text in rows) for motif in motifs
        ]


@given(TEXTS, MOTIFS, st.booleans())
def test_places_are_those_of_the_obvious_search(texts, motifs, both_strands):
    if both_strands:
        motifs = sorted(set(map(canonical, motifs)))
    places = e.places_of(texts, alternating(texts), motifs, both_strands=both_strands)
    assert list(places) == motifs
    for motif, rows in places.items():
        turned = reverse_complement(motif) if both_strands else motif
        assert rows.tolist() == [
            [number, start, start + len(motif), 1 if word == motif else -1]
            for number in range(0, len(texts), 2)
            for start in range(len(texts[number]) - len(motif) + 1)
            if (word := texts[number][start : start + len(motif)]) in {motif, turned}
        ]


@given(st.integers(0, 30), st.integers(1, 30), st.data())
def test_p_values_are_exact_tails(n_negative, n_positive, data):
    n_all = n_positive + n_negative
    n_containing = data.draw(st.integers(0, n_all))
    low = max(0, n_containing - n_negative)
    x = data.draw(st.integers(low, min(n_containing, n_positive)))
    found = e.enrichment_p_values(np.array([x]), np.array([n_containing]), n_positive, n_all)
    expected = exact_tail(x, n_containing, n_positive, n_all)
    assert found.tolist() == pytest.approx([expected], rel=1e-9)


def test_small_p_values_keep_their_digits():
    x, n_containing = np.array([300, 300, 0]), np.array([310, 500, 0])
    found = e.enrichment_p_values(x, n_containing, 1000, 2000)
    expected = [exact_tail(a, n, 1000, 2000) for a, n in [(300, 310), (300, 500), (0, 0)]]
    assert expected[0] < 1e-70
    assert found.tolist() == pytest.approx(expected, rel=1e-9, abs=0)


def test_a_test_worked_by_hand():
    texts = ["AAAC", "AAAG", "CCCC", "GGGG"]
    (found,) = e.tested(texts, np.array([True, True, False, False]), ["AAA"], both_strands=False)
    # Both positive ones of 2 drawn from 4: one way of six.
    assert (found.sequence, found.n_positive, found.n_negative) == ("AAA", 2, 0)
    assert [found.p_value, found.q_value] == pytest.approx([1 / 6, 1 / 6])


def test_q_values_count_every_candidate():
    texts = ["AAAC", "AAAG", "CCCC", "GGGG"]
    found = e.tested(
        texts, np.array([True, True, False, False]), ["AAA", "C", "G"], both_strands=False
    )
    assert [one.q_value for one in found] == pytest.approx([3 / 6, 5 / 6, 5 / 6])


def test_no_candidates_give_no_tests():
    is_positive = np.array([True, False])
    assert e.tested(["ACGT", "ACGT"], is_positive, [], both_strands=False) == []
    assert e.places_of(["ACGT", "ACGT"], is_positive, [], both_strands=False) == {}


@given(TEXTS, MOTIFS, st.randoms(use_true_random=False))
def test_the_order_of_the_texts_does_not_matter(texts, motifs, random):
    order = random.sample(range(len(texts)), len(texts))
    is_positive = alternating(texts)
    found = e.tested(texts, is_positive, motifs, both_strands=False)
    shuffled = [texts[number] for number in order]
    assert found == e.tested(shuffled, is_positive[order], motifs, both_strands=False)


def test_kmers_are_the_distinct_ones_of_known_letters():
    assert e.kmers_in(["ACNTT", "TTA"], [2, 3], both_strands=False) == ["AC", "TA", "TT", "TTA"]
    assert e.kmers_in(["ACNTT", "TTA"], [2, 3], both_strands=True) == ["AA", "AC", "TA", "TAA"]


@pytest.mark.oracle
def test_counts_are_those_of_the_original_program(oracle):
    text = (oracle / "motif" / "unit_biopython1.78.json").read_text()
    for case in json.loads(text)["unit"]["count"]:
        texts = case["seqs"]
        is_positive = np.ones(len(texts), dtype=bool)
        found, _ = e.containing(texts, is_positive, case["motifs"], both_strands=False)
        assert dict(zip(case["motifs"], found.tolist(), strict=True)) == case["once"]


@pytest.mark.oracle
@pytest.mark.parametrize("min_length", [4, 5])
def test_tests_are_those_of_the_original_program(oracle, min_length):
    sequences = json.loads((oracle / "motif" / "small_seqs.json").read_text())
    result = json.loads((oracle / "motif" / "small_result_biopython1.78.json").read_text())
    expected = result[f"min_len_{min_length}"]
    texts = sequences["pos"] + sequences["neg"]
    is_positive = np.arange(len(texts)) < len(sequences["pos"])
    regions = expected["regions"] + [[]] * len(sequences["neg"])
    places, _ = e.places_under(texts, regions, both_strands=False)
    assert {motif: rows[:, :3].tolist() for motif, rows in places.items()} == {
        motif: [[number, *span] for number, span in zip(*rows.values(), strict=True)]
        for motif, rows in expected["candidates"].items()
    }
    assert list(places) == list(expected["candidates"])
    found = e.tested(texts, is_positive, list(places), both_strands=False)
    assert [one.n_positive for one in found] == expected["n_pos"]
    assert [one.n_positive + one.n_negative for one in found] == expected["n_all"]
    assert [one.p_value for one in found] == pytest.approx(expected["p_raw"], rel=1e-9, abs=0)
    assert [one.q_value for one in found] == pytest.approx(expected["p_bh"], rel=1e-9, abs=0)
    for cutoff in (0.005, 0.05):
        kept = [one.sequence for one in found if one.q_value < cutoff]
        assert kept == expected[f"kept_{cutoff}"]
