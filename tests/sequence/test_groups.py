import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.groups import similarity_groups, split


def random_sequence(n_bases, seed=0):
    letters = np.random.default_rng(seed).integers(4, size=n_bases)
    return "".join("ACGT"[letter] for letter in letters)


def slow_groups(sequences, size):
    """Groups by sets of stretches, merged until nothing changes."""
    clusters = []
    for row, sequence in enumerate(sequences):
        text = sequence.upper().replace("U", "T")
        stretches = {text[i : i + size] for i in range(len(text) - size + 1)}
        stretches = {stretch for stretch in stretches if set(stretch) <= set("ACGT")} or {text}
        rows = {row}
        stretches |= {reverse_complement(stretch) for stretch in stretches}
        for cluster in [cluster for cluster in clusters if cluster[1] & stretches]:
            clusters.remove(cluster)
            rows |= cluster[0]
            stretches |= cluster[1]
        clusters.append((rows, stretches))
    numbers = np.empty(len(sequences), dtype=np.int64)
    for number, (rows, _) in enumerate(sorted(clusters, key=lambda cluster: min(cluster[0]))):
        numbers[sorted(rows)] = number
    return numbers


SEQUENCE = random_sequence(300)


def test_unrelated_sequences_are_groups_of_their_own():
    sequences = [random_sequence(300, seed) for seed in range(20)]
    assert similarity_groups(sequences).tolist() == list(range(20))


def test_shifted_windows_are_grouped_if_they_share_enough():
    assert similarity_groups([SEQUENCE[:150], SEQUENCE[100:250]]).tolist() == [0, 0]
    assert similarity_groups([SEQUENCE[:150], SEQUENCE[101:251]]).tolist() == [0, 1]
    assert similarity_groups([SEQUENCE[:150], SEQUENCE[101:251]], size=49).tolist() == [0, 0]


def test_reverse_complement_is_grouped():
    assert similarity_groups([SEQUENCE, reverse_complement(SEQUENCE[40:200])]).tolist() == [0, 0]


def test_case_and_u_do_not_matter():
    rna = SEQUENCE.lower().replace("t", "u")
    assert similarity_groups([SEQUENCE, rna]).tolist() == [0, 0]


def test_groups_are_transitive_and_numbered_by_first_appearance():
    other = random_sequence(300, 1)
    pieces = [other, SEQUENCE[:100], other[200:], SEQUENCE[200:], SEQUENCE[50:250]]
    assert similarity_groups(pieces).tolist() == [0, 1, 0, 1, 1]


def test_stretches_with_unknown_letters_do_not_link():
    one = random_sequence(40, 1) + "N" * 60 + random_sequence(40, 2)
    two = random_sequence(40, 3) + "N" * 60 + random_sequence(40, 4)
    assert similarity_groups([one, two]).tolist() == [0, 1]


def test_stretches_do_not_run_from_one_sequence_into_the_next():
    left, right = SEQUENCE[:30], SEQUENCE[30:60]
    assert similarity_groups([left, right, SEQUENCE[:60]]).tolist() == [0, 1, 2]


def test_short_sequences_are_compared_as_a_whole():
    short = SEQUENCE[:20]
    sequences = [short, short[:19], reverse_complement(short).lower(), SEQUENCE]
    assert similarity_groups(sequences).tolist() == [0, 1, 0, 2]


def test_equal_sequences_without_a_clean_stretch_are_grouped():
    spoiled = "N".join(SEQUENCE[i : i + 40] for i in range(0, 300, 40))
    assert similarity_groups([spoiled, SEQUENCE, spoiled]).tolist() == [0, 1, 0]


def test_no_and_empty_sequences():
    assert similarity_groups([]).tolist() == []
    assert similarity_groups(["", "ACGT", ""]).tolist() == [0, 1, 0]


def test_a_chain_of_overlaps_is_one_group_in_any_order():
    genome = random_sequence(20_000)
    starts = np.random.default_rng(0).permutation(np.arange(0, 19_900, 40))
    numbers = similarity_groups([genome[start : start + 100] for start in starts])
    assert set(numbers.tolist()) == {0}


letters = st.sampled_from("ACGT" * 5 + "acgtuUN")


@given(
    st.text(letters, min_size=10, max_size=60),
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 30), st.booleans()), max_size=12),
    st.integers(1, 40),
)
def test_groups_equal_those_of_sets_of_stretches(genome, cuts, size):
    pieces = [genome[start : start + n_bases] for start, n_bases, _ in cuts]
    sequences = [
        reverse_complement(piece) if turned else piece
        for piece, (_, _, turned) in zip(pieces, cuts, strict=True)
    ]
    assert similarity_groups(sequences, size).tolist() == slow_groups(sequences, size).tolist()


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 50, 64, 65, 100])
def test_one_base_decides_at_every_size(size):
    """Every base of a stretch counts, also beyond the 32 that fit into one word."""
    stretch = random_sequence(size, size)
    changed = [
        stretch[:i] + {"A": "G", "G": "A", "C": "A", "T": "G"}[stretch[i]] + stretch[i + 1 :]
        for i in range(size)
    ]
    if size > 2:
        numbers = similarity_groups([stretch, *changed], size)
        assert numbers.tolist() == slow_groups([stretch, *changed], size).tolist()
        assert (numbers[1:] != 0).all()
    assert similarity_groups([stretch, "N" + stretch, stretch + "N"], size).tolist() == [0, 0, 0]


def test_a_thousand_sequences_take_a_fraction_of_a_second():
    sequences = [random_sequence(300, seed) for seed in range(1000)]
    begin = time.process_time()
    similarity_groups(sequences)
    assert time.process_time() - begin < 1.2  # 0.06 s here: 50,000 take 4 s


group_rows = st.lists(st.integers(0, 30), min_size=1, max_size=300).map(np.array)


@given(group_rows, st.integers(0, 5), st.lists(st.floats(0, 0.3), max_size=3))
def test_no_group_is_cut(groups, seed, fractions):
    parts = split(groups, fractions, seed=seed)
    assert len(parts) == len(groups)
    assert set(parts.tolist()) <= set(range(len(fractions) + 1))
    for group in set(groups.tolist()):
        assert len(set(parts[groups == group].tolist())) == 1


@given(st.integers(1, 400), st.integers(0, 5), st.integers(1, 4))
def test_parts_miss_their_fraction_by_half_a_group_at_most(n_groups, seed, rows_each):
    groups = np.repeat(np.arange(n_groups), rows_each)
    counts = np.bincount(split(groups, [0.1, 0.2], seed=seed), minlength=3)
    n_rows = len(groups)
    assert abs(counts[1] - 0.1 * n_rows) <= rows_each / 2 + 1e-6
    assert abs(counts[2] - 0.2 * n_rows) <= rows_each / 2 + 1e-6


def test_parts_get_their_fraction_of_every_label():
    groups = np.repeat(np.arange(2000), 2)
    labels = np.repeat(np.where(np.arange(2000) % 10 == 0, "site", "none"), 2)
    parts = split(groups, [0.1, 0.15], seed=0, labels=labels)
    for label, n_rows in (("site", 400), ("none", 3600)):
        counts = np.bincount(parts[labels == label])
        assert counts[1] == pytest.approx(0.1 * n_rows, abs=2)
        assert counts[2] == pytest.approx(0.15 * n_rows, abs=2)


def test_rare_labels_do_not_make_a_part_too_small():
    """Ten labels of four rows: 0.1 of each is less than half a row, of all together four."""
    parts = split(np.arange(40), [0.1], seed=0, labels=np.repeat(np.arange(10), 4))
    assert np.bincount(parts).tolist() == [36, 4]


def test_a_group_counts_for_the_label_of_most_of_its_rows():
    groups = np.repeat(np.arange(100), 3)
    labels = np.tile([1, 1, 0], 100)
    labels[:150] = np.tile([0, 0, 1], 50)
    parts = split(groups, [0.2], seed=0, labels=labels)
    chosen = groups[parts == 1]
    assert (chosen < 50).sum() == (chosen >= 50).sum() == 30


def test_equal_seeds_give_equal_parts_and_others_do_not():
    groups = np.arange(1000)
    first, again, other = (split(groups, [0.1], seed=seed).tolist() for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_names_of_groups_do_not_matter():
    groups = np.repeat(np.arange(200), 3)
    parts = split(groups, [0.2], seed=1)
    assert split(groups * 7 - 100, [0.2], seed=1).tolist() == parts.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_large_groups_stay_in_training(seed):
    groups = np.concatenate([np.arange(1000), np.repeat([1000, 1001], [40, 300])])
    parts = split(groups, [0.1, 0.1], seed=seed)
    assert set(parts[groups >= 1000].tolist()) == {0}
    assert np.bincount(parts)[1:].tolist() == [134, 134]


def test_large_groups_are_drawn_where_there_are_no_small_ones():
    """Groups given as chromosomes would otherwise leave nothing to test on."""
    groups = np.repeat(np.arange(24), 100)
    counts = np.bincount(split(groups, [0.1, 0.1], seed=0))
    assert counts.tolist() == [2000, 200, 200]


def test_a_giant_group_stays_in_training_even_alone():
    assert split(np.zeros(100, dtype=np.int64), [0.1], seed=0).tolist() == [0] * 100


def test_no_rows_and_no_parts():
    assert split(np.empty(0, dtype=np.int64), [0.1], seed=0).tolist() == []
    assert split(np.arange(5), [], seed=0).tolist() == [0] * 5
