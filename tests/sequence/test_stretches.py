import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence import stretches as s
from dnabert_cli.sequence.stretches import canonical, hashed_stretches


def random_sequence(n_bases, seed=0):
    letters = np.random.default_rng(seed).integers(4, size=n_bases)
    return "".join("ACGT"[letter] for letter in letters)


def hashes(sequence, size):
    return hashed_stretches([sequence], size)[0].tolist()


def slow_stretches(sequences, size):
    """Countable stretches as text, the same for both strands, with their row."""
    found = []
    for row, sequence in enumerate(sequences):
        text = sequence.upper().replace("U", "T")
        pieces = [text[i : i + size] for i in range(len(text) - size + 1)]
        found += [(canonical(piece), row) for piece in pieces if set(piece) <= set("ACGT")]
    return found


def test_canonical_text_is_that_of_either_strand_case_and_rna():
    assert canonical("ttg") == canonical("CAA") == canonical("uug") == "CAA"
    assert canonical("aug") == canonical("CAU") == "ATG"
    assert canonical("ANR") == canonical("YNT")
    assert canonical("CAA") != canonical("AAC")
    assert canonical("") == ""


def test_rows_tell_where_stretches_come_from():
    found, rows = hashed_stretches(["ACG", "", "AC", "TTTT"], 3)
    assert rows.tolist() == [0, 3, 3]
    assert found[1] == found[2] != found[0]


def test_stretches_with_unknown_letters_do_not_count():
    assert hashes("ACGNACG", 3) == hashes("ACG", 3) * 2


def test_either_strand_has_the_same_hashes_in_opposite_order():
    sequence = random_sequence(200)
    for size in (5, 32, 33, 70):
        assert hashes(reverse_complement(sequence), size) == hashes(sequence, size)[::-1]


def test_no_sequences_have_no_stretches():
    found, rows = hashed_stretches([], 4)
    assert (found.tolist(), rows.tolist()) == ([], [])
    assert (found.dtype, rows.dtype) == (np.uint64, np.int32)


letters = st.sampled_from("ACGT" * 5 + "acgtuUN")


@given(st.lists(st.text(letters, max_size=40), max_size=6), st.integers(1, 12))
def test_hashes_are_equal_where_the_texts_are(sequences, size):
    found, rows = hashed_stretches(sequences, size)
    wanted = slow_stretches(sequences, size)
    assert rows.tolist() == [row for _, row in wanted]
    pairs = set(zip(found.tolist(), (text for text, _ in wanted), strict=True))
    assert len(pairs) == len(set(found.tolist())) == len({text for text, _ in wanted})


@pytest.mark.parametrize("n_letters", [1, 200, 201])
def test_batches_of_letters_change_nothing(monkeypatch, n_letters):
    genome = random_sequence(2000)
    sequences = [genome[start : start + 80] for start in range(0, 1900, 37)]
    sequences += [reverse_complement(sequence) for sequence in sequences]
    expected = [values.tolist() for values in hashed_stretches(sequences, 50)]
    monkeypatch.setattr(s, "_BATCH", n_letters)
    assert [values.tolist() for values in hashed_stretches(sequences, 50)] == expected
