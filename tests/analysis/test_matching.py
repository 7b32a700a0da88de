import itertools
import logging
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis.matching import MIN_TARGETS, Match, best_matches, match, share_matched
from dnabert_cli.formats.meme import read_motifs

LOG10_TOLERANCE = 0.05  # memelite takes a median from a histogram; a score may fall one bin beside


def random_motifs(seed, count, widths=(5, 13)):
    rng = np.random.default_rng(seed)
    raw = [rng.random((width, 4)) ** 4 for width in rng.integers(*widths, count)]
    return [matrix / matrix.sum(axis=1, keepdims=True) for matrix in raw]


def word(letters):
    return np.array([[float(letter == base) for base in "ACGT"] for letter in letters])


def reverse(matrix):
    return np.asarray(matrix)[::-1, ::-1]


DATABASE = random_motifs(1, 40)
# Query 0 is part of motif 3, query 1 the reverse complement of motif 8, query 2 is none of them.
QUERIES = [DATABASE[3][1:-1], reverse(DATABASE[8]), *random_motifs(2, 1)]


def in_order(matches):
    return sorted(matches, key=lambda found: found.target_index)


def slow_scores(query, targets):
    """Column scores as whole numbers, 0 for the median: `{(position, column): score}`."""
    columns = [tuple(row) for target in targets for row in (*target, *reverse(target))]
    raw = {}
    for position, row in enumerate(query):
        scores = [-math.dist(row, column) for column in columns]
        middle = float(np.median(scores))
        raw |= {
            (position, column): score - middle
            for column, score in zip(columns, scores, strict=True)
        }
    low = math.floor(min(raw.values()))
    scale = int(100 / max(max(raw.values()) - low, 1))
    zero = -low * scale
    return columns, {
        key: math.floor((score - low) * scale + 0.5) - zero for key, score in raw.items()
    }


def slow_match(query, targets, index):
    """Every alignment, and every way to draw the columns that meet the query."""
    columns, scores = slow_scores(query, targets)
    width, length = len(query), len(targets[index])
    best = -math.inf
    for target in (targets[index], reverse(targets[index])):
        for offset in range(1 - width, length):
            aligned = range(max(0, -offset), min(width, length - offset))
            best = max(best, sum(scores[i, tuple(target[i + offset])] for i in aligned))
    not_reached = 1.0
    for offset in range(1 - width, length):
        aligned = range(max(0, -offset), min(width, length - offset))
        draws = list(itertools.product(columns, repeat=len(aligned)))
        n_below = sum(
            sum(scores[i, column] for i, column in zip(aligned, draw, strict=True)) < best
            for draw in draws
        )
        not_reached *= n_below / len(draws)
    return 1 - not_reached**2


SMALL = st.lists(
    st.lists(st.integers(0, 4), min_size=4, max_size=4).filter(any), min_size=1, max_size=3
).map(lambda rows: np.array([np.array(row) / sum(row) for row in rows]))


@given(query=SMALL, targets=st.lists(SMALL, min_size=1, max_size=2))
def test_p_values_equal_those_of_every_draw_of_columns(query, targets):
    matches = in_order(match(query, targets))
    slow = [slow_match(query, targets, index) for index in range(len(targets))]
    assert [found.p_value for found in matches] == pytest.approx(slow, abs=1e-12)


def test_p_value_worked_by_hand():
    # Columns of the null: A and, from the reverse complement, T. Distances to A: 0 and sqrt(2),
    # the median half way; A meets A or T with chance 1/2 on either of two orientations.
    (found,) = match(word("A"), [word("A")])
    assert found.p_value == pytest.approx(1 - 0.5**2)


def test_motif_finds_itself():
    for index, motif in enumerate(DATABASE):
        best = match(motif, DATABASE)[0]
        assert (best.target_index, best.offset, best.orientation) == (index, 0, "+")
        assert best.overlap == len(motif)
        assert best.p_value < 1e-9


def test_part_of_a_motif_finds_its_place():
    best = match(QUERIES[0], DATABASE)[0]
    assert (best.target_index, best.offset, best.orientation, best.overlap) == (3, 1, "+", 10)


def test_offset_is_negative_where_the_query_begins_before_the_target():
    best = match(word("GCTATAAAAG"), [*DATABASE, word("CTATAAAAG")])[0]
    assert (best.target_index, best.offset, best.orientation, best.overlap) == (40, -1, "+", 9)
    assert best.p_value < 1.4e-7


def test_reverse_complement_is_found_on_the_other_strand():
    query = word("CCACCAGGGGGCG")
    best = match(query, [*DATABASE, reverse(query)])[0]
    assert (best.target_index, best.offset, best.orientation, best.overlap) == (40, 0, "-", 13)
    assert 0 < best.p_value < 1e-15


@pytest.mark.parametrize("query", QUERIES)
def test_reading_the_query_backwards_turns_the_orientation_only(query):
    plain, turned = in_order(match(query, DATABASE)), in_order(match(reverse(query), DATABASE))
    assert [a.p_value for a in plain] == pytest.approx([b.p_value for b in turned])
    assert match(reverse(query), DATABASE)[0].orientation != match(query, DATABASE)[0].orientation


def test_palindrome_is_reported_as_it_stands():
    assert match(word("CACGTG"), [*DATABASE, word("CACGTG")])[0].orientation == "+"


def test_of_equal_alignments_the_longer_and_then_the_first_is_taken():
    found = match(word("A"), [word("AA"), word("CC")])[0]
    assert (found.target_index, found.offset, found.overlap) == (0, 0, 1)
    # every column scores the median: the score of all alignments is 0
    even = np.full((3, 4), 0.25)
    (found,) = match(even[:2], [even])
    assert (found.offset, found.overlap, found.orientation, found.p_value) == (0, 2, "+", 1)


def test_matches_come_best_first_and_once_each():
    matches = match(QUERIES[2], DATABASE)
    p_values = [found.p_value for found in matches]
    assert p_values == sorted(p_values)
    assert {found.target_index for found in matches} == set(range(40))


def test_equal_targets_come_in_their_order():
    matches = match(DATABASE[5], [DATABASE[5], *DATABASE])
    assert [found.target_index for found in matches[:2]] == [0, 6]


def test_e_value_is_p_times_the_size_of_the_database():
    for found in match(QUERIES[2], DATABASE):
        assert found.e_value == pytest.approx(40 * found.p_value)


def test_q_values_are_those_of_benjamini_and_hochberg():
    matches = match(QUERIES[0], DATABASE)
    slow = [
        min(other.p_value * 40 / rank for rank, other in enumerate(matches, 1) if rank > place)
        for place in range(40)
    ]
    assert [found.q_value for found in matches] == pytest.approx(slow)


def test_p_values_do_not_depend_on_the_order_of_the_database():
    plain = match(QUERIES[2], DATABASE)
    turned = match(QUERIES[2], DATABASE[::-1])
    assert [found.p_value for found in plain] == [found.p_value for found in turned]


def test_p_values_of_unrelated_motifs_are_spread_evenly():
    # 60 x 400 comparisons of motifs drawn at random: a share p of them should lie below p.
    targets = random_motifs(11, 400)
    matches = [found for query in random_motifs(12, 60) for found in match(query, targets)]
    p_values = np.array([found.p_value for found in matches])
    for level in (0.9, 0.5, 0.1, 0.01):
        assert np.mean(p_values <= level) == pytest.approx(level, rel=0.1)
    assert np.mean(p_values <= 1e-3) < 2e-3


def test_best_matches_are_the_first_of_each_query():
    expected = [match(query, DATABASE)[0] for query in QUERIES]
    assert best_matches(QUERIES, DATABASE) == expected
    assert best_matches(iter(QUERIES), DATABASE) == expected


def test_lists_serve_as_matrices():
    lists = [motif.tolist() for motif in DATABASE]
    assert match(QUERIES[0].tolist(), lists) == match(QUERIES[0], DATABASE)


def test_database_without_motifs_matches_nothing():
    assert match(QUERIES[0], []) == []
    assert best_matches(QUERIES[:2], []) == [None, None]
    assert share_matched([None, None]) == 0


def test_small_database_is_warned_of_once(caplog):
    with caplog.at_level(logging.WARNING):
        best_matches(QUERIES, DATABASE[: MIN_TARGETS - 1])
    (message,) = caplog.messages
    assert "not reliable: the database has 24 motifs, and at least 25 are needed" in message
    caplog.clear()
    match(QUERIES[0], DATABASE[:MIN_TARGETS])
    assert caplog.messages == []


def test_share_matched_counts_queries_with_a_small_q_value():
    found = [Match(0, 0, 0, q, 0, "+", 1) for q in (0.001, 0.01, 0.0101)]
    assert share_matched([*found, None]) == 0.5
    assert share_matched([*found, None], q=0.05) == 0.75
    assert math.isnan(share_matched([]))


def test_long_motif_against_short_ones_and_back():
    long = np.concatenate(DATABASE[:8])
    best = match(long, DATABASE)
    assert {found.target_index for found in best[:8]} == set(range(8))
    assert match(DATABASE[2], [*DATABASE[:2], long, *DATABASE[3:]])[0].target_index == 2


# (target, p, offset, overlap) of the best two for each query, as memelite 0.5.0 gives them with
# n_target_bins=None
MEMELITE = [
    [(3, 5.68e-28, 1, 10), (10, 0.0133, -2, 8)],
    [(8, 8.09e-17, 0, 6), (12, 0.0168, -1, 5)],
    [(19, 0.0952, -3, 5), (32, 0.118, 3, 9)],
]


@pytest.mark.parametrize(("query", "expected"), list(zip(QUERIES, MEMELITE, strict=True)))
def test_best_matches_are_those_memelite_gave(query, expected):
    for found, (target, p_value, *place) in zip(match(query, DATABASE), expected, strict=False):
        assert (found.target_index, found.offset, found.overlap) == (target, *place)
        assert math.log10(found.p_value / p_value) == pytest.approx(0, abs=LOG10_TOLERANCE)


def agreement(queries, targets):
    """Compare with memelite: |log10 of the ratio of p|, p, is the place the same, and the best."""
    from memelite.tomtom import tomtom

    answers = tomtom([q.T for q in queries], [t.T for t in targets], n_target_bins=None, n_jobs=1)
    apart, p_values, same_place, same_best = [], [], [], []
    for query, p, _, offset, overlap, strand in zip(queries, *answers, strict=True):
        matches = match(query, targets)
        found = in_order(matches)
        apart += [abs(math.log10(a.p_value / b)) for a, b in zip(found, p, strict=True)]
        p_values += [a.p_value for a in found]
        # where both orientations score the same, memelite says '-', we say '+'
        same_place += [
            (a.offset, a.overlap) == (o, v)
            for a, o, v, s in zip(found, offset, overlap, strand, strict=True)
            if (a.orientation == "-") == (s == 1)
        ]
        same_best.append(p[matches[0].target_index] == p.min())
    return np.array(apart), np.array(p_values), np.array(same_place), np.array(same_best)


@pytest.mark.slow
@pytest.mark.timeout(600)  # memelite is compiled when it first runs
def test_p_values_agree_with_memelite():
    queries = random_motifs(3, 30)
    apart, _, same_place, same_best = agreement(queries, DATABASE)
    assert np.quantile(apart, 0.99) < LOG10_TOLERANCE
    assert apart.max() < 0.2
    assert same_place.mean() > 0.98
    assert same_best.mean() > 0.95


@pytest.fixture(scope="module")
def jaspar(real_data):
    path = real_data / "motif" / "JASPAR2024_CORE_vertebrates_nr.meme"
    return [np.array(motif.matrix) for motif in read_motifs(str(path))]


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.timeout(600)
def test_p_values_agree_with_memelite_on_jaspar(jaspar):
    apart, p_values, same_place, same_best = agreement(jaspar[::12], jaspar)
    assert np.quantile(apart, 0.99) < LOG10_TOLERANCE
    assert apart[p_values > 1e-5].max() < 0.2  # further out, one bin is a step
    assert same_place.mean() > 0.98
    assert same_best.all()


@pytest.mark.realdata
def test_motifs_of_jaspar_find_themselves_or_an_equal_one(jaspar):
    for index in range(0, len(jaspar), 20):
        best = match(jaspar[index], jaspar)[0]
        if best.target_index != index:
            np.testing.assert_allclose(jaspar[best.target_index], jaspar[index], atol=1e-6)
        assert best.q_value < 1e-5


@pytest.mark.realdata
def test_query_against_jaspar_takes_less_than_a_second(jaspar):
    match(jaspar[0], jaspar)
    begin = time.perf_counter()
    match(QUERIES[2], jaspar)
    assert time.perf_counter() - begin < 1
