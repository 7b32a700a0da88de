"""p-values counted one by one, q-values of whole lists, and ranks by sorting."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis.compare import benjamini_hochberg
from dnabert_cli.analysis.empirical_null import EmpiricalNull, StreamedQ, Strongest

SIZES = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0]) | st.floats(0, 1)
MAYBE = SIZES | st.just(math.nan)


def p_value(null, size):
    known = [one for one in null if not math.isnan(one)]
    return (1 + sum(one >= size for one in known)) / (len(known) + 1)


# --- p-values


def test_p_values_worked_by_hand():
    null = EmpiricalNull(np.array([0.3, 0.1, np.nan, 0.2, 0.2]))

    p_values = null.p_values(np.array([0.4, 0.3, 0.2, 0.15, 0.0, np.nan]))

    assert null.n == 4
    assert p_values == pytest.approx([1 / 5, 2 / 5, 4 / 5, 4 / 5, 1, np.nan], nan_ok=True)


@given(st.lists(MAYBE, max_size=20), SIZES, st.lists(MAYBE, max_size=8))
def test_p_values_are_those_counted_one_by_one(others, one, sizes):
    null = [*others, one]
    found = EmpiricalNull(np.array(null)).p_values(np.array(sizes))

    expected = [math.nan if math.isnan(size) else p_value(null, size) for size in sizes]
    assert np.array_equal(found, np.array(expected), equal_nan=True)


@given(st.lists(SIZES, min_size=2, max_size=25))
def test_a_draw_from_the_null_is_rarely_called(sizes):
    """Each of n + 1 exchangeable draws in turn against the others: P(p <= a) <= a for all a."""
    drawn = np.array(sizes)
    p_values = np.array(
        [EmpiricalNull(np.delete(drawn, i)).p_values(drawn[[i]])[0] for i in range(len(drawn))]
    )

    assert all((p_values <= a).mean() <= a for a in p_values)


def test_different_draws_from_the_null_have_every_p_value_once():
    drawn = np.random.default_rng(0).permutation(10) / 10
    p_values = [EmpiricalNull(np.delete(drawn, i)).p_values(drawn[[i]])[0] for i in range(10)]

    assert sorted(p_values) == [k / 10 for k in range(1, 11)]


def test_single_and_double_precision_compare_equal():
    sizes = np.float32([0.1, 0.2])

    assert EmpiricalNull(sizes).p_values(sizes.astype(np.float64)).tolist() == [1, 2 / 3]


@pytest.mark.parametrize("sizes", [[], [np.nan, np.nan]])
def test_a_null_without_sizes_is_refused(sizes):
    with pytest.raises(ValueError, match="none of the random substitutions has a score"):
        EmpiricalNull(np.array(sizes))


# --- q-values


def test_q_values_worked_by_hand():
    streamed = StreamedQ(9)
    streamed.add(np.array([0.1, 0.5, np.nan]))
    streamed.add(np.array([0.2]))

    found = streamed.q_values(np.array([0.1, 0.2, 0.5, np.nan]))

    assert found == pytest.approx([0.3, 0.3, 0.5, np.nan], nan_ok=True)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(
    st.just(n), st.lists(st.lists(st.integers(1, n + 1) | st.none(), max_size=30), max_size=4)
)))  # fmt: skip
def test_streamed_q_values_equal_those_of_all_p_values_at_once(drawn):
    n, blocks = drawn
    parts = [np.array([math.nan if k is None else k / (n + 1) for k in block]) for block in blocks]
    streamed = StreamedQ(n)
    for part in parts:
        streamed.add(part)

    found = [streamed.q_values(part) for part in parts]

    whole = benjamini_hochberg(np.concatenate([[], *parts]))
    assert np.array_equal(np.concatenate([[], *found]), whole, equal_nan=True)


def test_many_p_values_of_a_null_have_the_q_values_of_the_whole_list():
    rng = np.random.default_rng(1)
    null = EmpiricalNull(rng.random(1000))
    p_values = null.p_values(np.concatenate([rng.random(5000), rng.random(300) + 0.9]))
    streamed = StreamedQ(null.n)
    for part in np.split(p_values, [512, 1024, 4000]):
        streamed.add(part)

    assert np.array_equal(streamed.q_values(p_values), benjamini_hochberg(p_values))


def test_p_values_kept_in_single_precision_are_the_same():
    p_values = np.arange(1, 10_002) / 10_001
    streamed = StreamedQ(10_000)
    streamed.add(p_values.astype(np.float32))

    assert np.array_equal(streamed.q_values(p_values), benjamini_hochberg(p_values))


@pytest.mark.parametrize("p_value", [0.0, 0.15, 1.1, -0.1])
def test_p_values_of_another_null_are_refused(p_value):
    with pytest.raises(AssertionError, match="not p-values of a null of 9"):
        StreamedQ(9).add(np.array([p_value]))


# --- the strongest


def test_ranks_worked_by_hand():
    strongest = Strongest(3)
    for size, key in [
        (0.5, (7, 0)),
        (0.9, (8, 1)),
        (math.nan, (9, 0)),
        (0.5, (2, 1)),
        (0.1, (1, 0)),
    ]:
        strongest.add(size, key)

    assert strongest.ranks() == {(8, 1): 1, (2, 1): 2, (7, 0): 3}


@given(
    st.dictionaries(st.tuples(st.integers(0, 9), st.integers(0, 3)), MAYBE, max_size=30),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_ranks_are_those_of_sorting_in_any_order_of_arrival(sizes, n, random):
    strongest = Strongest(n)
    for key in random.sample(sorted(sizes), len(sizes)):
        strongest.add(sizes[key], key)

    known = [key for key, size in sizes.items() if not math.isnan(size)]
    ordered = sorted(known, key=lambda key: (-sizes[key], key))
    assert strongest.ranks() == {key: rank for rank, key in enumerate(ordered[:n], 1)}


def test_a_stream_without_scores_has_no_ranks():
    assert Strongest(1).ranks() == {}


def test_at_least_one_is_kept():
    with pytest.raises(AssertionError, match="n 0"):
        Strongest(0)
