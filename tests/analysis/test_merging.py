"""Merging, windows and matrices: by hand, against slow twins, and the original program."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis import merging as m
from dnabert_cli.dna import reverse_complement

DNA = st.text("ACGT", min_size=1, max_size=9)


def at(*rows):
    """Places of sequence, start, end (and strand)."""
    return np.array([[*row, 1] if len(row) == 3 else row for row in rows], dtype=np.int64)


def anywhere(*motifs):
    """Each motif once, in a sequence of its own, at 10."""
    return {one: at((number, 10, 10 + len(one))) for number, one in enumerate(motifs)}


def groups(found):
    return {group.key: list(group.members) for group in found}


def rows(found):
    return {group.key: group.places.tolist() for group in found}


def slow_score(motif, key):
    """The most equal letters over every way of laying the key along the motif."""
    ways = range(-len(key), len(motif) + 1)
    return max(
        sum(0 <= i + way < len(motif) and motif[i + way] == key[i] for i in range(len(key)))
        for way in ways
    )


def of_original(found):
    """The groups as the original program writes them."""
    return {
        group.key: {
            "seq_idx": group.places[:, 0].tolist(),
            "atten_region_pos": group.places[:, 1:3].tolist(),
        }
        for group in found
    }


def to_places(motifs):
    return {
        motif: at(*[(n, *span) for n, span in zip(*found.values(), strict=True)])
        for motif, found in motifs.items()
    }


def test_the_best_diagonal_has_most_equal_letters():
    assert m.best_diagonal("TTACGT", "ACG") == (2, 3)
    assert m.best_diagonal("ACG", "TTACGT") == (-2, 3)


@pytest.mark.parametrize(
    ("motif", "key", "diagonal"),
    [
        ("AAC", "CAA", -1),  # two letters there, one at 2: no tie
        ("ACGT", "TGCA", 3),  # one letter at 3 and at -3; both end together at 0: above first
        ("AAAA", "AC", 3),  # above 2, where both end together, only 3; below -1 has none
        ("ACAACA", "AC", 0),  # two letters at 0 and at 3, both below 4: from the lowest up
        ("CAGA", "A", 1),  # 1 and 3, where both end together: that one is the last
        ("ACGTAC", "GTACGT", 2),  # four letters at 2 and at -2, both end together at 0
        ("TACTAC", "TACTA", 0),  # five letters at 0, both end together at 1
    ],
)
def test_of_equal_diagonals_the_order_of_the_original_aligner_decides(motif, key, diagonal):
    assert m.best_diagonal(motif, key)[0] == diagonal


@given(DNA, DNA)
def test_the_best_score_is_that_of_the_obvious_search(motif, key):
    diagonal, score = m.best_diagonal(motif, key)
    assert score == slow_score(motif, key)
    assert 1 - len(key) <= diagonal <= len(motif) - 1


@given(st.lists(DNA, min_size=1, max_size=100, unique=True), DNA)
def test_scores_of_all_keys_at_once_are_those_of_each(keys, motif):
    table = m._Keys(max(map(len, [*keys, motif])))
    assert table.scores(motif).tolist() == []
    for key in sorted(keys, key=len):
        table.add(key)
    assert table.scores(motif).tolist() == [slow_score(motif, key) for key in table.texts]


def test_a_motif_is_merged_into_the_key_it_contains():
    found = m.merge(anywhere("TTTACGTA", "ACGTA"), min_length=4)
    assert groups(found) == {"ACGTA": ["ACGTA", "TTTACGTA"]}
    assert rows(found) == {"ACGTA": [[1, 10, 15, 1], [0, 13, 18, 1]]}


def test_a_merged_place_lies_under_the_whole_key_even_where_the_motif_hangs_over():
    found = m.merge(anywhere("AACGTC", "GAACGTC"), min_length=4)
    assert rows(found) == {"AACGTC": [[0, 10, 16, 1], [1, 11, 17, 1]]}
    found = m.merge(anywhere("CCAACGTA", "AACGTAGG"), min_length=4)
    assert rows(found) == {"CCAACGTA": [[0, 10, 18, 1], [1, 8, 16, 1]]}


def test_the_score_must_exceed_the_shortest_length_less_one():
    motifs = anywhere("ACGA", "ACGTT")  # three equal letters
    assert list(groups(m.merge(motifs, min_length=4))) == ["ACGA", "ACGTT"]
    assert list(groups(m.merge(motifs, min_length=3))) == ["ACGA"]
    assert list(groups(m.merge(motifs, min_length=4, legacy=True))) == ["ACGA"]


def test_the_score_must_exceed_half_the_shorter_motif():
    motifs = anywhere("AACCAACC", "AACCTTTTTTT")  # four equal letters of eight
    assert list(groups(m.merge(motifs, min_length=4))) == ["AACCAACC", "AACCTTTTTTT"]
    assert list(groups(m.merge(motifs, min_length=4, legacy=True))) == ["AACCAACC"]


def test_gaps_inside_are_forbidden():
    motifs = anywhere("ACGTACGT", "ACGTCCACGT")  # with a gap eight letters would be equal
    assert len(m.merge(motifs, min_length=6)) == 2


def test_short_motifs_become_keys_first_whatever_their_place():
    found = m.merge(anywhere("GGGGTTACCG", "TTACC"), min_length=4)
    assert groups(found) == {"TTACC": ["TTACC", "GGGGTTACCG"]}


def test_of_equal_lengths_the_order_given_decides():
    assert list(groups(m.merge(anywhere("ACGTC", "ACGTG"), min_length=4))) == ["ACGTC"]
    assert list(groups(m.merge(anywhere("ACGTG", "ACGTC"), min_length=4))) == ["ACGTG"]


def test_a_tie_is_merged_into_both_best():
    motifs = anywhere("AACC", "GGTT", "AACCGGTT")
    both = {"AACC": ["AACC", "AACCGGTT"], "GGTT": ["GGTT", "AACCGGTT"]}
    assert groups(m.merge(motifs, min_length=4)) == both
    first = m.merge(motifs, min_length=4, all_ties=False)
    assert groups(first) == {"AACC": ["AACC", "AACCGGTT"], "GGTT": ["GGTT"]}


def test_a_lower_score_is_no_tie():
    motifs = anywhere("AACC", "GGTTA", "AACCGGTTA")
    assert groups(m.merge(motifs, min_length=4)) == {
        "AACC": ["AACC"],
        "GGTTA": ["GGTTA", "AACCGGTTA"],
    }


def test_both_strands_merge_a_motif_with_its_reverse_complement():
    motifs = {"AACCG": at((0, 10, 15)), "TTCGGTTAA": at((1, 20, 29))}
    assert len(m.merge(motifs, min_length=4)) == 2
    # TTCGGTTAA turned is TTAACCGAA: the key lies at its bases 2 to 7, counted from the end.
    assert rows(m.merge(motifs, min_length=4, both_strands=True)) == {
        "AACCG": [[0, 10, 15, 1], [1, 22, 27, -1]]
    }


def test_a_motif_that_fits_both_strands_equally_stays_on_its_own():
    found = m.merge(anywhere("AACGTT", "AACGTTC"), min_length=4, both_strands=True)
    assert rows(found) == {"AACGTT": [[0, 10, 16, 1], [1, 10, 16, 1]]}


@given(st.text("ACGT", min_size=30, max_size=30), st.integers(5, 12), st.integers(13, 18))
def test_a_place_on_either_strand_shows_the_key_after_merging(text, start, end):
    inner, outer = text[start:end], text[start - 4 : end + 3]
    for motif, strand in [(outer, 1), (reverse_complement(outer), -1)]:
        motifs = {inner: at((0, start, end)), motif: at((0, start - 4, end + 3, strand))}
        for group in m.merge(motifs, min_length=1, both_strands=True):
            for _, first, last, side in group.places.tolist():
                shown = text[first:last] if side == 1 else reverse_complement(text[first:last])
                assert shown == group.key


def test_nothing_merges_to_nothing():
    assert m.merge({}, min_length=4) == []


@pytest.mark.oracle
@pytest.mark.parametrize("min_length", [4, 5])
@pytest.mark.parametrize("all_ties", [True, False])
def test_merges_are_those_of_the_original_program(oracle, min_length, all_ties):
    cases = json.loads((oracle / "motif" / "unit_biopython1.78.json").read_text())["merge"]
    assert len(cases) == 101
    for case in cases:
        motifs = {motif: case["input"][motif] for motif in case["order"]}
        found = m.merge(to_places(motifs), min_length=min_length, all_ties=all_ties, legacy=True)
        expected = case[f"minlen{min_length}_ties{all_ties}"]
        assert of_original(found) == expected
        assert [group.key for group in found] == list(expected)


@pytest.mark.oracle
@pytest.mark.parametrize("min_length", [4, 5])
@pytest.mark.parametrize("cutoff", ["0.005", "0.05"])
@pytest.mark.parametrize("all_ties", [True, False])
def test_groups_and_windows_of_sequences_are_those_of_the_original_program(
    oracle, min_length, cutoff, all_ties
):
    texts = json.loads((oracle / "motif" / "small_seqs.json").read_text())["pos"]
    result = json.loads((oracle / "motif" / "small_result_biopython1.78.json").read_text())
    stages = result[f"min_len_{min_length}"]
    kept = {motif: stages["candidates"][motif] for motif in stages[f"kept_{cutoff}"]}
    expected = stages[f"merge_cut{cutoff}_ties{all_ties}"]
    found = m.merge(to_places(kept), min_length=min_length, all_ties=all_ties, legacy=True)
    assert of_original(found) == expected["merged"]
    lengths = np.array([len(text) for text in texts])
    for width in (24, 25):
        of_group = {}
        for group in found:
            windows, _ = m.windows_around(group.places, lengths, width, legacy=True)
            of_group |= of_original([m.Group(group.key, (), windows)])
            of_group[group.key]["seqs"] = m.window_texts(windows, texts)
        assert of_group == expected[f"window{width}"]


@pytest.mark.oracle
def test_windows_are_those_of_the_original_program(oracle):
    text = (oracle / "motif" / "unit_biopython1.78.json").read_text()
    unit = json.loads(text)["unit"]["make_window"]
    lengths = np.array([len(one) for one in unit["seqs"]])
    for case in unit["cases"]:
        places = to_places(case["in"])["M"]
        windows, _ = m.windows_around(places, lengths, case["window"], legacy=True)
        found = of_original([m.Group("M", (), windows)])["M"]
        found["seqs"] = m.window_texts(windows, unit["seqs"])
        assert found == case["out"]["M"]


def window_starts(places, width, length=30, **options):
    windows, _ = m.windows_around(at(*places), np.array([length] * 3), width, **options)
    return windows[:, 1].tolist()


def test_a_window_lies_around_the_middle_of_its_place():
    assert window_starts([(0, 10, 14)], 8) == [8]
    assert window_starts([(0, 10, 20)], 8) == [11]


def test_the_odd_base_of_a_window_is_behind_the_place_on_its_strand():
    assert window_starts([(0, 10, 14)], 7) == [9]
    assert window_starts([(0, 10, 14, -1)], 7) == [8]


def test_windows_outside_their_sequence_are_left_out():
    assert window_starts([(0, 1, 5), (0, 2, 6), (1, 24, 28), (1, 25, 29)], 8) == [0, 22]


def test_a_window_that_ends_with_its_sequence_is_kept_but_not_by_the_original():
    assert window_starts([(0, 24, 28)], 8) == [22]
    assert window_starts([(0, 24, 28)], 8, legacy=True) == []


def test_a_window_counts_once_but_for_the_original():
    places = [(1, 10, 14), (0, 10, 14), (1, 10, 14)]
    windows, which = m.windows_around(at(*places), np.array([30, 30]), 8)
    assert windows.tolist() == [[0, 8, 16, 1], [1, 8, 16, 1]]
    assert which.tolist() == [1, 0]
    assert window_starts(places, 8, legacy=True) == [8, 8, 8]


def test_the_letters_of_a_window_are_read_on_its_strand():
    assert m.window_texts(at((0, 1, 5), (0, 1, 5, -1)), ["AACCGT"]) == ["ACCG", "CGGT"]


def test_a_matrix_holds_the_shares_of_each_base():
    assert m.matrix_of(["ACG", "AGG", "ATG", "ATT"]).tolist() == [
        [1, 0, 0, 0],
        [0, 0.25, 0.25, 0.5],
        [0, 0, 0.75, 0.25],
    ]


def test_a_pseudocount_is_added_to_each_base():
    assert m.matrix_of(["A"] * 4, pseudo=1.0).tolist() == [[5 / 8, 1 / 8, 1 / 8, 1 / 8]]


def test_other_letters_do_not_count_in_a_matrix():
    assert m.matrix_of(["AN", "CN", "NN"]).tolist() == [[0.5, 0.5, 0, 0], [0.25] * 4]


FLAT, SURE, HALF = [0.25] * 4, [1, 0, 0, 0], [0.5, 0.5, 0, 0]


def test_columns_that_tell_nothing_are_cut_at_the_ends_only():
    matrix = np.array([FLAT, FLAT, SURE, FLAT, FLAT, SURE, HALF, SURE, FLAT])
    assert m.trimmed(matrix) == (2, 8)


def test_five_columns_are_left_even_where_nothing_is_told():
    assert m.trimmed(np.array([FLAT] * 24)) == (0, 5)
    assert m.trimmed(np.array([*[FLAT] * 10, SURE, SURE, *[FLAT] * 10])) == (7, 12)
    assert m.trimmed(np.array([FLAT] * 3)) == (0, 3)


def test_of_two_poor_ends_the_poorer_is_cut_first():
    poor = [0.3, 0.3, 0.2, 0.2]
    matrix = np.array([poor, poor, SURE, SURE, SURE, FLAT, FLAT])
    assert m.trimmed(matrix) == (0, 5)
    assert m.trimmed(matrix[::-1]) == (2, 7)


def test_few_sites_must_be_more_alike():
    matrix = np.array([HALF, *[SURE] * 5])  # 1 bit, of which chance explains 0.72 with 3 sites
    assert m.trimmed(matrix, min_information=0.5) == (0, 6)
    assert m.trimmed(matrix, n_sites=3, min_information=0.5) == (1, 6)
    assert m.trimmed(matrix, n_sites=30, min_information=0.5) == (0, 6)
