"""Random substitutions found again base by base, and samples counted."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.alleles import Change
from dnabert_cli.sequence.matched_substitutions import Reservoir, matched_substitution

SEED = 0
sequences = st.text("ACGTacgtNUR", min_size=1, max_size=40)


def sample(n_items, n, seed=SEED):
    reservoir = Reservoir(n, np.random.default_rng(seed))
    for item in range(n_items):
        reservoir.add(item)
    return reservoir.items


def substitution(sequence, position, ref, alt, *, reach=100, seed=SEED):
    rng = np.random.default_rng(seed)
    read = lambda start, end: sequence[start:end]  # noqa: E731
    return matched_substitution(rng, read, len(sequence), position, ref, alt, reach)


def all_substitutions(sequence, position, ref, alt, *, reach=100, n=60):
    rng = np.random.default_rng(SEED)
    read = lambda start, end: sequence[start:end]  # noqa: E731
    arguments = (read, len(sequence), position, ref, alt, reach)
    return {matched_substitution(rng, *arguments) for _ in range(n)}


def context(sequence, place):
    """Return the base and whether it is in a CpG, of the strand where it is A or C."""
    upper = sequence.upper().replace("U", "T")
    base = upper[place]
    is_cpg = upper[place : place + 2] == "CG" or (
        place > 0 and upper[place - 1 : place + 1] == "CG"
    )
    return min(base, reverse_complement(base)), is_cpg


# --- the reservoir


@given(st.integers(0, 30), st.integers(1, 10))
def test_a_sample_holds_different_items_of_the_stream(n_items, n):
    items = sample(n_items, n)

    assert len(items) == len(set(items)) == min(n, n_items)
    assert set(items) <= set(range(n_items))


def test_every_item_is_as_likely_to_be_sampled():
    counts = Counter(item for seed in range(900) for item in sample(6, 2, seed))

    assert chisquare([counts[item] for item in range(6)]).pvalue > 0.01


def test_a_seed_gives_one_sample():
    assert sample(100, 5) == sample(100, 5) != sample(100, 5, seed=1)


def test_the_items_are_counted():
    reservoir = Reservoir(2, np.random.default_rng(SEED))
    for item in "abc":
        reservoir.add(item)

    assert reservoir.n_seen == 3


def test_a_sample_of_nothing_is_refused():
    with pytest.raises(AssertionError, match="n 0"):
        Reservoir(0, np.random.default_rng(SEED))


# --- substitutions


def test_the_same_substitution_on_either_strand_outside_of_cpg():
    #                     0123456789
    found = all_substitutions("CAtCACGANg", 0, "C", "A")

    assert found == {Change(3, "C", "A"), Change(9, "G", "T")}


def test_the_same_substitution_in_a_cpg():
    found = all_substitutions("ACGCATCGNG", 1, "C", "T")

    assert found == {Change(2, "G", "A"), Change(6, "C", "T"), Change(7, "G", "A")}


def test_places_are_within_reach_and_not_the_own():
    found = all_substitutions("AAAAAAAAA", 4, "A", "G", reach=2)

    assert {change.position for change in found} == {2, 3, 5, 6}


@pytest.mark.parametrize(("sequence", "place"), [("TACTACGA", 2), ("ACGATC", 5)])
def test_a_cpg_across_the_border_of_the_reach_is_seen(sequence, place):
    assert all_substitutions(sequence, place, "C", "T", reach=3, n=9) == {None}


def test_padding_does_not_count():
    assert all_substitutions("TTCTT", 1, "TCT", "TGT") == {None}
    assert all_substitutions("TTCTC", 1, "TCT", "TGT") == {Change(4, "C", "G")}


def test_for_a_deletion_any_base_outside_of_it_becomes_any_other():
    found = all_substitutions("aNGTTC", 2, "GTT", "G", n=200)

    positions = {"A": 0, "G": 2, "C": 5}
    expected = {Change(positions[a], a, b) for a in "AGC" for b in "ACGT" if a != b}
    assert found == expected


def test_for_an_insertion_no_base_is_its_own():
    found = all_substitutions("AAAA", 2, "", "CC", reach=1, n=50)

    assert {change.position for change in found} == {1, 2}


def test_for_an_mnv_reach_counts_from_either_end():
    found = all_substitutions("A" * 10, 4, "AA", "CG", reach=1, n=50)

    assert {change.position for change in found} == {3, 6}


@pytest.mark.parametrize(
    ("sequence", "ref", "alt"),
    [
        ("ANNN", "A", "C"),
        ("ACCC", "A", "G"),
        ("AAAA", "A", "N"),
        ("RAAA", "R", "C"),
        ("A", "A", ""),
    ],
)
def test_where_nothing_fits_there_is_none(sequence, ref, alt):
    assert substitution(sequence, 0, ref, alt) is None


@given(sequences, st.data())
def test_a_snv_gets_the_same_base_in_the_same_context(sequence, data):
    place = data.draw(st.integers(0, len(sequence) - 1))
    ref, alt = sequence[place], data.draw(st.sampled_from("ACGTacgt"))
    reach = data.draw(st.integers(0, 50))
    plain = ref.upper().replace("U", "T")
    fitting = {
        at
        for at in range(max(place - reach, 0), min(place + reach + 1, len(sequence)))
        if at != place and context(sequence, at) == context(sequence, place)
    }
    if plain not in "ACGT" or plain == alt.upper():
        return

    found = substitution(sequence, place, ref, alt, reach=reach)

    assert (found is None) == (not fitting)
    if found is not None:
        assert found.position in fitting
        assert found.ref == sequence[found.position].upper().replace("U", "T")
        pair = found.ref + found.alt
        assert plain + alt.upper() in {pair, "".join(map(reverse_complement, pair))}


def test_every_place_is_as_likely():
    rng = np.random.default_rng(SEED)
    read = lambda start, end: ("CAG" * 7)[start:end]  # noqa: E731
    places = Counter(
        matched_substitution(rng, read, 21, 9, "C", "T", 100).position for _ in range(1300)
    )

    assert set(places) == {at for at in range(21) if at % 3 != 1} - {9}
    assert chisquare(list(places.values())).pvalue > 0.01


def test_the_reference_is_read_once():
    calls = []

    def read(start, end):
        calls.append((start, end))
        return "ACGT"[start:end]

    matched_substitution(np.random.default_rng(SEED), read, 4, 1, "C", "A", 1)
    assert calls == [(0, 4)]


def test_a_seed_gives_one_substitution():
    found = [substitution("ACGT" * 20, 9, "C", "T", seed=seed) for seed in (3, 3, 4)]

    assert found[0] == found[1] != found[2]
