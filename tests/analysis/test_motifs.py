"""The whole way from scores to motifs: planted ones, none, and those of the original program."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis import motifs as m
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.explain_config import LEGACY

MOTIF = "CACGTTGA"
LOW, HIGH = 0.01, 1.0
BOTH = m.MotifRules(both_strands=True)


def made_up(seed, *, n_each=60, motif=MOTIF, turned=False, n_bases=60):
    """Random sequences; in the positive ones a motif under high scores, else where anywhere."""
    generator = np.random.default_rng(seed)
    sequences, scores = [], []
    for number in range(2 * n_each):
        letters = "".join(generator.choice(list("ACGT"), n_bases))
        row = np.full(n_bases, LOW)
        start = int(generator.integers(12, n_bases - 24))
        row[start : start + len(MOTIF)] = HIGH
        if motif and number < n_each:
            planted = reverse_complement(motif) if turned and number % 2 else motif
            letters = letters[:start] + planted + letters[start + len(motif) :]
        sequences.append(letters)
        scores.append(row)
    return sequences, np.arange(2 * n_each) < n_each, scores


def shown(motif):
    """The most frequent letters of the columns that tell something."""
    return "".join("ACGT"[column] for column in motif.matrix[motif.first : motif.last].argmax(1))


def told(result):
    """All of a result that does not depend on the order of the sequences."""
    return [
        (one.name, one.members, one.matrix.tolist(), one.first, one.last, one.p_value, one.q_value)
        for one in result.motifs
    ]


def test_a_planted_motif_is_found_and_nothing_else():
    sequences, is_positive, scores = made_up(1)
    result = m.find_motifs(sequences, is_positive, scores)
    (found,) = result.motifs
    assert (found.name, shown(found)) == (MOTIF, MOTIF)
    assert found.n_positive == len(found.instances) == 60
    assert found.q_value < 1e-20
    assert (result.reason, result.n_regions, result.n_left_out) == ("", 60, 0)


def test_instances_are_windows_with_the_motif_in_the_middle():
    sequences, is_positive, scores = made_up(1)
    (found,) = m.find_motifs(sequences, is_positive, scores).motifs
    for one in found.instances:
        assert sequences[one.sequence_number][one.start + 8 : one.end - 8] == MOTIF
        assert (one.end - one.start, one.strand, one.score) == (24, "+", pytest.approx(HIGH))


def test_a_motif_on_both_strands_is_read_on_its_strand():
    sequences, is_positive, scores = made_up(2, turned=True)
    (found,) = m.find_motifs(sequences, is_positive, scores, BOTH).motifs
    assert shown(found) == found.name == MOTIF
    strands = {one.sequence_number: one.strand for one in found.instances}
    assert strands == {number: "+-"[number % 2] for number in range(60)}
    assert found.matrix[8:16].max(axis=1).tolist() == [1] * 8


def test_on_one_strand_a_motif_and_its_reverse_complement_are_two():
    sequences, is_positive, scores = made_up(2, turned=True)
    found = m.find_motifs(sequences, is_positive, scores).motifs
    assert {one.name for one in found} == {MOTIF, reverse_complement(MOTIF)}
    assert sum(one.n_positive for one in found) == 60


@pytest.mark.parametrize("seed", range(3))
def test_random_sequences_have_no_motif(seed):
    sequences, is_positive, scores = made_up(seed, motif="")
    for result in [
        m.find_motifs(sequences, is_positive, scores),
        m.find_motifs(sequences, is_positive, scores, BOTH),
        m.kmer_baseline(sequences, is_positive),
    ]:
        assert result.motifs == ()
        assert "enriched in the positive sequences: the lowest q-value is" in result.reason


def test_kmers_alone_find_a_planted_motif():
    sequences, is_positive, _ = made_up(1)
    result = m.kmer_baseline(sequences, is_positive)
    assert MOTIF in {member for one in result.motifs for member in one.members}
    assert MOTIF in shown(result.motifs[0])
    assert all(np.isnan(one.score) for one in result.motifs[0].instances)
    assert {len(one.sequence) for one in result.candidates} == {6, 7, 8}


def test_kmers_alone_find_a_motif_on_both_strands():
    sequences, is_positive, _ = made_up(2, turned=True)
    result = m.kmer_baseline(sequences, is_positive, BOTH, lengths=[8])
    (found,) = [one for one in result.motifs if MOTIF in one.members]
    assert found.n_positive == 60
    assert {one.strand for one in found.instances} == {"+", "-"}


def test_lower_case_and_rna_are_read_like_upper_case_dna():
    sequences, is_positive, scores = made_up(3)
    strange = [sequence.lower().replace("t", "u") for sequence in sequences]
    expected = m.find_motifs(sequences, is_positive, scores)
    assert told(m.find_motifs(strange, is_positive, scores)) == told(expected)


@pytest.mark.parametrize("rules", [m.PAPER, BOTH])
def test_the_order_of_the_sequences_does_not_matter(rules):
    sequences, is_positive, scores = several(4)
    order = np.random.default_rng(0).permutation(len(sequences))
    expected = m.find_motifs(sequences, is_positive, scores, rules)
    found = m.find_motifs(
        [sequences[number] for number in order],
        is_positive[order],
        [scores[number] for number in order],
        rules,
    )
    assert told(found) == told(expected)
    assert len(found.motifs) > 2
    assert sorted(found.candidates, key=str) == sorted(expected.candidates, key=str)


def several(seed):
    """Sequences with three motifs and regions that begin and end a base early or late."""
    generator = np.random.default_rng(seed)
    sequences, is_positive, scores = [], [], []
    for number, motif in enumerate(("CACGTTGA", "GGGCGGGG", "TGACTCA")):
        rows, labels, values = made_up(seed + number, motif=motif)
        for value in values:
            edges = np.flatnonzero(value == HIGH)[[0, -1]] + generator.integers(-1, 2, 2)
            value[:] = LOW
            value[edges[0] : edges[1] + 1] = HIGH
        sequences, scores = sequences + rows, scores + values
        is_positive += labels.tolist()
    return sequences, np.array(is_positive), scores


def test_on_both_strands_the_strand_of_the_sequences_does_not_matter():
    sequences, is_positive, scores = several(4)
    turned = [reverse_complement(sequence) for sequence in sequences]
    one = m.find_motifs(sequences, is_positive, scores, BOTH)
    other = m.find_motifs(turned, is_positive, [row[::-1] for row in scores], BOTH)
    assert other.candidates == one.candidates
    of_one, of_other = (
        [(motif.name, motif.members, motif.n_positive) for motif in result.motifs]
        for result in (one, other)
    )
    assert of_other == of_one


def test_motifs_are_sorted_by_q_value_then_by_sequences():
    found = m.find_motifs(*several(4)).motifs
    keys = [(one.q_value, -one.n_positive) for one in found]
    assert keys == sorted(keys)
    assert len(set(keys)) > 2


def test_the_p_value_of_a_motif_is_that_of_its_best_member():
    result = m.find_motifs(*several(4))
    tests = {one.sequence: one for one in result.candidates}
    for motif in result.motifs:
        assert motif.p_value == min(tests[member].p_value for member in motif.members)
        assert motif.q_value == min(tests[member].q_value for member in motif.members)
        assert motif.name == motif.members[0]


def test_only_candidates_below_the_highest_q_value_are_merged():
    sequences, is_positive, scores = several(4)
    result = m.find_motifs(sequences, is_positive, scores)
    tests = {one.sequence: one for one in result.candidates}
    edge = max(tests[name].q_value for motif in result.motifs for name in motif.members)
    result = m.find_motifs(sequences, is_positive, scores, m.MotifRules(max_q=edge))
    assert max(tests[name].q_value for motif in result.motifs for name in motif.members) < edge


def test_a_matrix_is_trimmed_by_the_number_of_its_instances():
    sequences, is_positive, scores = made_up(0, n_each=12)
    (found,) = m.find_motifs(sequences, is_positive, scores).motifs
    assert (found.first, found.last) == m.trimmed(found.matrix, n_sites=12)
    assert (found.first, found.last) != m.trimmed(found.matrix)
    assert MOTIF in shown(found)


def test_the_score_of_an_instance_is_the_mean_of_the_bases_under_the_key():
    sequences, is_positive, scores = made_up(1)
    order = np.random.default_rng(0).permutation(120)  # negative ones in between
    sequences, is_positive = [sequences[number] for number in order], is_positive[order]
    scores = [(number + 1) * scores[number] for number in order]
    scores[0][np.flatnonzero(scores[0] == scores[0].max())[2:4]] += 4
    (found,) = m.find_motifs(sequences, is_positive, scores).motifs
    expected = [
        np.mean(scores[one.sequence_number][one.start + 8 : one.end - 8]) for one in found.instances
    ]
    assert len(set(expected)) == 60
    assert [one.score for one in found.instances] == pytest.approx(expected)


def test_the_score_of_an_instance_leaves_out_what_is_unknown():
    """A key longer than the window may lie over unknown scores and over the sequence's ends."""
    given = m._Input(
        ["ACGTAC", "TTTTTT"],
        np.array([6, 6]),
        np.array([True, True]),
        m.PAPER,
        {},
        np.array([1, 2, 3, np.nan, np.nan, np.nan, 5, 6, 7, 8, 9, 10]),
    )
    places = np.array([[0, 1, 4, 1], [0, -1, 2, 1], [0, 3, 6, 1], [1, 4, 7, 1], [1, 0, 3, -1]])
    found = m._means(places, given).tolist()
    assert found == pytest.approx([2.5, 1.5, np.nan, 9.5, 6], nan_ok=True)


def test_scores_of_negative_sequences_are_not_read():
    sequences, is_positive, scores = made_up(1)
    expected = told(m.find_motifs(sequences, is_positive, scores))
    for other in ([None] * 60, [np.zeros(3)] * 60):
        assert told(m.find_motifs(sequences, is_positive, [*scores[:60], *other])) == expected


def test_a_positive_sequence_without_scores_still_counts_in_the_tests():
    sequences, is_positive, scores = made_up(1)
    result = m.find_motifs(sequences, is_positive, [None, *scores[1:]])
    assert result.motifs[0].n_positive == 59
    assert result.candidates[0].n_positive == 60


def test_scores_of_another_length_are_refused():
    sequences, is_positive, scores = made_up(1)
    scores[3] = scores[3][:-1]
    with pytest.raises(DataError, match="sequence 4 has 60 bases, but 59 scores"):
        m.find_motifs(sequences, is_positive, scores)


def reason(sequences, is_positive, scores, rules=m.PAPER):
    result = m.find_motifs(sequences, np.array(is_positive, dtype=bool), scores, rules)
    assert result.motifs == ()
    return result.reason


def test_an_empty_result_says_why():
    sequences, is_positive, scores = made_up(1)
    flat = [np.ones(60)] * 120
    assert reason([], [], []) == "there are no positive sequences"
    assert reason(sequences, [False] * 120, scores) == "there are no positive sequences"
    missing = "there are no negative sequences to compare with"
    assert reason(sequences[:60], [True] * 60, scores[:60]) == missing
    no_region = "no positive sequence has a region of 4 or more high bases"
    assert reason(sequences, is_positive, flat) == no_region
    unknown = ["N" * 60] * 120
    left_out = "all 60 high regions hold letters other than A, C, G, T"
    assert reason(unknown, is_positive, scores) == left_out
    rare = "none of the motifs has 61 or more windows of 24 bases that lie inside their sequences"
    assert reason(sequences, is_positive, scores, m.MotifRules(min_instances=61)) == rare


def test_kmers_of_nothing_but_unknown_letters_say_why():
    result = m.kmer_baseline(["NNNNNNNN", "ACGTACGT"], np.array([True, False]))
    assert result.reason == "no positive sequence has 6 letters A, C, G, T in a row"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"min_length": 0}, "min_length is 0, but must be 1 or more"),
        ({"window": 0}, "window is 0"),
        ({"max_q": 0.0}, "max_q is 0.0, but must lie between 0 and 1"),
        ({"legacy": True, "both_strands": True}, "legacy and both_strands contradict each other"),
    ],
)
def test_rules_without_a_meaning_are_refused(rules, message):
    with pytest.raises(OptionsError, match=message):
        m.MotifRules(**rules)


def test_the_defaults_are_those_of_the_paper():
    rules = m.MotifRules()
    assert (rules.min_length, rules.above_mean, rules.above_min) == (4, 1, 10)
    assert (rules.max_q, rules.window, rules.min_instances) == (0.005, 24, 3)
    assert not rules.legacy
    assert (LEGACY.min_length, LEGACY.legacy, LEGACY.all_ties) == (5, True, True)


@given(
    st.lists(st.tuples(st.text("ACGTN", max_size=40), st.booleans()), max_size=12),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_any_input_gives_a_result_or_a_reason(rows, both_strands, seed):
    generator = np.random.default_rng(seed)
    rules = m.MotifRules(both_strands=both_strands, max_q=1.0, min_instances=1, window=6)
    sequences = [text for text, _ in rows]
    is_positive = np.array([positive for _, positive in rows], dtype=bool)
    scores = [generator.choice([LOW, HIGH, np.nan], len(text)) for text in sequences]
    for result in [
        m.find_motifs(sequences, is_positive, scores, rules),
        m.kmer_baseline(sequences, is_positive, rules, lengths=[3, 4]),
    ]:
        assert bool(result.motifs) != bool(result.reason)
        for motif in result.motifs:
            assert motif.matrix.shape == (6, 4)
            assert motif.matrix.sum(axis=1) == pytest.approx(np.ones(6))


@pytest.mark.oracle
@pytest.mark.parametrize("min_length", [4, 5])
@pytest.mark.parametrize("max_q", [0.005, 0.05])
@pytest.mark.parametrize("all_ties", [True, False])
def test_motifs_are_those_of_the_original_program(oracle, min_length, max_q, all_ties):
    given_sequences = json.loads((oracle / "motif" / "small_seqs.json").read_text())
    positive, negative = given_sequences["pos"], given_sequences["neg"]
    padded = np.load(oracle / "motif" / "small_atten.npz")["pos_atten"]
    scores = [row[: len(one)] for row, one in zip(padded, positive, strict=True)]
    stored = json.loads((oracle / "motif" / "small_result_biopython1.78.json").read_text())
    stages = stored[f"min_len_{min_length}"][f"merge_cut{max_q}_ties{all_ties}"]
    found = m.find_motifs(
        positive + negative,
        np.arange(len(positive) + len(negative)) < len(positive),
        [*scores, *[None] * len(negative)],
        replace(LEGACY, min_length=min_length, max_q=max_q, all_ties=all_ties),
    ).motifs
    by_name = {motif.name: motif for motif in found}
    assert by_name.keys() == stages["final_min3"].keys()
    for name, expected in stages["final_min3"].items():
        instances = by_name[name].instances
        assert [one.sequence_number for one in instances] == expected["seq_idx"]
        assert [[one.start, one.end] for one in instances] == expected["atten_region_pos"]
        texts = [positive[one.sequence_number][one.start : one.end] for one in instances]
        assert texts == expected["seqs"]
    files = sorted(f"motif_{motif.name}_{len(motif.instances)}.txt" for motif in found)
    assert files == sorted(stages["files"])
