"""Span masking: how much is hidden, where, and which bases that hides."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.sequence.kmers import MASK, N_SPECIAL, Tokenizer
from dnabert_cli.sequence.masking import (
    ORIGINAL_OFFSETS,
    corrupt,
    hidden_bases,
    original_mask,
    span_length,
    span_mask,
    spread_centres,
)


def generator(seed=0):
    return np.random.default_rng(seed)


def repeated(n_tokens, n_rows):
    return np.full(n_rows, n_tokens)


def run_lengths(row):
    return [len(list(group)) for is_hidden, group in itertools.groupby(row) if is_hidden]


def spans_in(row, span):
    """The number of spans a hidden row is made of."""
    return sum(length // span for length in run_lengths(row))


# --- spans


@pytest.mark.parametrize(
    ("k", "stride", "span"), [(6, 1, 6), (3, 1, 3), (6, 2, 3), (6, 4, 2), (5, 3, 2), (6, 6, 1)]
)
def test_a_span_is_k_bases_of_tokens(k, stride, span):
    assert span_length(k, stride) == span


@pytest.mark.parametrize("share", [0.15, 0.2])
@pytest.mark.parametrize("span", [1, 2, 3, 6])
@pytest.mark.parametrize("lengths", [(5, 510), (1, 5), (1, 12), (510, 510)])
def test_the_share_is_hidden_in_the_mean(lengths, span, share):
    """Rows shorter than a span used to be hidden too rarely."""
    n_tokens = generator(1).integers(lengths[0], lengths[1] + 1, size=4000)
    hidden = span_mask(n_tokens, span, share, generator(2))

    left_over = hidden.sum(1) - share * n_tokens  # mean 0, row by row
    error = left_over.std() / len(n_tokens) ** 0.5
    assert abs(left_over.mean()) <= 3.5 * error + 1e-9


@given(
    n_tokens=st.lists(st.integers(0, 40), max_size=12),
    span=st.integers(1, 7),
    share=st.sampled_from([0.0, 0.01, 0.15, 0.5, 0.99]),
    seed=st.integers(0, 1000),
)
def test_hidden_runs_are_whole_spans_outside_the_padding(n_tokens, span, share, seed):
    n_tokens = np.array(n_tokens, dtype=np.int64)
    hidden = span_mask(n_tokens, span, share, generator(seed))

    assert hidden.shape == (len(n_tokens), n_tokens.max(initial=0))
    for row, n in zip(hidden, n_tokens.tolist(), strict=True):
        assert not row[n:].any()
        wanted = n * share / span
        if n < span:
            assert run_lengths(row) in ([], [n])
        else:
            assert all(length % span == 0 for length in run_lengths(row))
            assert spans_in(row, span) in (int(wanted), int(wanted) + 1)


def places(n_tokens, span, n_spans):
    """Every way to place spans in a row without overlap."""
    starts = range(n_tokens - span + 1)
    return {
        tuple(any(start <= i < start + span for start in chosen) for i in range(n_tokens))
        for chosen in itertools.combinations(starts, n_spans)
        if all(later - one >= span for one, later in itertools.pairwise(chosen))
    }


@pytest.mark.parametrize(
    ("n_tokens", "span", "n_spans", "n_places"),
    [(5, 2, 1, 4), (5, 2, 2, 3), (7, 3, 2, 3), (6, 1, 3, 20), (4, 4, 1, 1), (9, 2, 3, 20)],
)
@pytest.mark.parametrize("longest", [None, 30])
def test_all_places_are_equally_likely(n_tokens, span, n_spans, n_places, longest):
    """Beside a long row too, which has more spans."""
    n_rows = 6000
    lengths = repeated(n_tokens, n_rows)
    if longest:
        lengths[-1] = longest
    hidden = span_mask(lengths, span, n_spans * span / n_tokens, generator(3))[:, :n_tokens]
    counts = Counter(map(tuple, hidden[:-1].tolist()))

    # two spans side by side look as one run, and no other two placements look alike
    assert set(counts) == places(n_tokens, span, n_spans)
    assert len(counts) == n_places
    expected = (n_rows - 1) / n_places
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    freedom = n_places - 1
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5 + 1e-9


def test_a_row_without_a_span_stays_whole():
    hidden = span_mask(repeated(8, 300), 6, 0.15, generator())

    assert 0 < (~hidden.any(1)).sum() < 300


def test_nothing_is_hidden_of_nothing():
    assert span_mask(np.zeros(0, dtype=np.int64), 6, 0.15, generator()).shape == (0, 0)
    assert span_mask(repeated(4, 2), 3, 0.0, generator()).tolist() == [[False] * 4] * 2


# --- as the original program


@pytest.fixture
def reference(oracle):
    return json.loads((oracle / "masking" / "masking.json").read_text())


@pytest.mark.oracle
def test_centres_hide_what_they_hide_in_the_original(reference):
    assert {case["k"] for case in reference["deterministic"]} == set(ORIGINAL_OFFSETS)
    for case in reference["deterministic"]:
        centres = np.zeros((1, case["n_kmers"]), dtype=bool)
        centres[0, np.array(case["centres"], dtype=np.int64) - 1] = True  # 0 is [CLS] there
        hidden = spread_centres(centres, np.array([case["n_kmers"]]), case["k"])
        assert (np.flatnonzero(hidden[0]) + 1).tolist() == case["masked_positions"], case


def test_centres_in_the_padding_of_a_neighbour_hide_nothing_there():
    centres = np.zeros((2, 6), dtype=bool)
    centres[:, 3] = True

    hidden = spread_centres(centres, np.array([6, 4]), 3)

    assert hidden.astype(int).tolist() == [[0, 0, 1, 1, 1, 0], [0, 0, 1, 1, 0, 0]]


def masked_as(case, n_all=765_000):
    """(ids, hidden, seen) of a configuration of the reference."""
    k, n = case["k"], case["n_kmers"]
    rng = generator(4)
    vocab_size = Tokenizer(k).vocab_size
    ids = rng.integers(N_SPECIAL, vocab_size, size=(n_all // n, n))
    hidden = original_mask(repeated(n, n_all // n), k, case["mlm_probability"], rng)
    return ids, hidden, corrupt(ids, hidden, vocab_size, rng, first_random=0)


def deviation(p):
    return (p * (1 - p)) ** 0.5


def compared_shares(case, hidden):
    """(name, found, expected, standard error of the difference), also of the functions below."""
    share = hidden.mean(1)
    both = (1 / len(share) + 1 / case["draws"]) ** 0.5
    yield "fraction_masked", share.mean(), case["fraction_masked"], share.std() * both
    spread = case["sd_fraction_per_seq"]
    yield "sd_fraction_per_seq", share.std(), spread, max(share.std() * both, 0.03 * spread)
    empty = case["fraction_seqs_without_mask"]
    yield "fraction_seqs_without_mask", (share == 0).mean(), empty, deviation(empty) * both
    profile = hidden.mean(0)
    for name, found in (
        ("per_position_first12", profile[:12]),
        ("per_position_last12", profile[-12:]),
    ):
        for i, (one, p) in enumerate(zip(found, case[name], strict=False)):
            yield f"{name} {i}", one, p, deviation(p) * both


def compared_ids(case, was, now):
    n_theirs = case["draws"] * case["n_kmers"] * case["fraction_masked"]
    both = (1 / len(was) + 1 / n_theirs) ** 0.5
    changed = (now != was) & (now != MASK)
    for name, chosen in (
        ("frac_MASK", now == MASK),
        ("frac_changed_random", changed),
        ("frac_unchanged", now == was),
    ):
        yield name, chosen.mean(), case[name], deviation(case[name]) * both
    # four of the five special ids can be told: a [MASK] drawn at random looks as any other
    special, p = (now[changed] < N_SPECIAL).mean(), case["frac_random_is_special"]
    assert special > 0
    p_known = max(p, 4 / Tokenizer(case["k"]).vocab_size)
    yield "frac_random_is_special", special, p, (p_known / 0.1) ** 0.5 * both


def compared_runs(case, hidden):
    runs = Counter(length for row in hidden.tolist() for length in run_lengths(row))
    theirs = {int(length): count for length, count in case["run_length_hist"].items()}
    n_ours, n_theirs = sum(runs.values()), sum(theirs.values())
    both = (1 / n_ours + 1 / n_theirs) ** 0.5
    for length in range(1, 2 * case["k"] + 1):
        p = theirs.get(length, 0) / n_theirs
        error = max(deviation(p), n_theirs**-0.5) * both
        yield f"runs of {length}", runs[length] / n_ours, p, error


@pytest.mark.oracle
@pytest.mark.parametrize("number", range(8))
def test_original_masking_has_the_statistics_of_the_original(reference, number):
    case = reference["stats"][number]
    ids, hidden, seen = masked_as(case)
    rows = [
        *compared_shares(case, hidden),
        *compared_ids(case, ids[hidden], seen[hidden]),
        *compared_runs(case, hidden),
    ]

    # of some 40 figures one or two lie outside three standard errors by chance; none outside 4.5
    far = [(name, found, p) for name, found, p, error in rows if abs(found - p) > 4.5 * error]
    assert not far
    assert sum(abs(found - p) > 3 * error for _, found, p, error in rows) <= 2


# --- what stands in their place


def test_of_the_hidden_tokens_80_percent_are_masked_and_10_are_random():
    rng = generator(5)
    ids = rng.integers(N_SPECIAL, 4101, size=(200, 500))
    hidden = rng.random(ids.shape) < 0.5
    before = ids.copy()

    seen = corrupt(ids, hidden, 4101, rng)

    assert np.array_equal(ids, before)
    assert np.array_equal(seen[~hidden], ids[~hidden])
    n = hidden.sum()
    for chosen, share in (
        (seen == MASK, 0.8),
        (seen == ids, 0.1),
        ((seen != MASK) & (seen != ids), 0.1 * 4095 / 4096),
    ):
        assert abs((chosen & hidden).sum() / n - share) < 3.5 * (share * (1 - share) / n) ** 0.5


@pytest.mark.parametrize("first_random", [0, N_SPECIAL])
def test_random_ids_come_from_all_ids_allowed(first_random):
    ids = np.full((400, 500), 7)
    seen = corrupt(ids, np.ones_like(ids, dtype=bool), 69, generator(6), first_random=first_random)

    assert set(np.unique(seen)) == set(range(first_random, 69)) | {MASK}


# --- which bases are hidden


@given(
    n_tokens=st.lists(st.integers(1, 14), min_size=1, max_size=4),
    k=st.integers(3, 6),
    stride=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_hidden_bases_equal_the_obvious_way(n_tokens, k, stride, seed):
    n_tokens = np.array(n_tokens)
    real = np.arange(n_tokens.max()) < n_tokens[:, None]
    hidden = real & (generator(seed).random(real.shape) < 0.6)

    found = hidden_bases(hidden, n_tokens, k, stride)

    assert found.shape == (len(n_tokens), Tokenizer(k, stride).n_bases(n_tokens.max()))
    for row, counts, n in zip(hidden, found, n_tokens.tolist(), strict=True):
        for base in range(found.shape[1]):
            holders = [i for i in range(n) if i * stride <= base < i * stride + k]
            all_hidden = bool(holders) and all(row[i] for i in holders)
            assert counts[base] == (len(holders) if all_hidden else 0)


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_k_hidden_kmers_hide_one_base(k):
    hidden = np.zeros((1, 30), dtype=bool)
    hidden[0, 10 : 10 + k] = True
    expected = np.zeros(30 + k - 1, dtype=int)
    expected[10 + k - 1] = k  # the last base of the first k-mer

    assert np.array_equal(hidden_bases(hidden, np.array([30]), k, 1)[0], expected)


def test_fewer_hidden_kmers_hide_nothing():
    hidden = np.zeros((1, 30), dtype=bool)
    hidden[0, 10:15] = True

    assert not hidden_bases(hidden, np.array([30]), 6, 1).any()


def test_at_the_ends_of_a_row_more_is_hidden():
    hidden = np.array([[True, False, False, False, True]])

    # bases   0  1  2  3  4  5  6; the first and the last stand in one 3-mer each
    assert hidden_bases(hidden, np.array([5]), 3, 1).tolist() == [[1, 0, 0, 0, 0, 0, 1]]


def test_a_span_with_a_stride_hides_what_no_neighbour_holds():
    """6-mers every four bases; tokens 1 and 2 hold bases 4 to 13, their neighbours 4, 5, 12, 13."""
    hidden = np.array([[False, True, True, False]])
    expected = [0] * 6 + [1, 1, 2, 2, 1, 1] + [0] * 6

    assert hidden_bases(hidden, np.array([4]), 6, 4).tolist() == [expected]


def test_of_no_tokens_no_base_is_hidden():
    assert hidden_bases(np.zeros((2, 0), dtype=bool), np.zeros(2, dtype=int), 6, 1).shape == (2, 0)
