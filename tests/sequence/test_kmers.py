import csv
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.sequence.kmers import (
    CLS,
    PAD,
    SEP,
    UNK,
    Tokenizer,
    digits,
    to_base_scores,
    to_legacy_base_scores,
)

K_CHOICES = (3, 4, 5, 6)
ks = st.sampled_from(K_CHOICES)
any_sequence = st.text("ACGTURYSWKMBDHVNacgturyswkmbdhvn-*. ", max_size=60)
mostly_bases = st.text("ACGT" * 8 + "acgtuUN", max_size=80)


def dictionary_ids(sequence, k):
    """The obvious way: look every k-mer up."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary += ["".join(letters) for letters in product("ATCG", repeat=k)]
    number = {token: i for i, token in enumerate(vocabulary)}
    text = sequence.upper().replace("U", "T")
    return [number.get(text[i : i + k], 1) for i in range(len(text) - k + 1)]


@pytest.mark.parametrize(("k", "n_tokens"), [(3, 69), (4, 261), (5, 1029), (6, 4101)])
def test_vocabulary_has_the_published_sizes(k, n_tokens):
    assert Tokenizer(k).vocab_size == n_tokens
    assert len(set(Tokenizer(k).vocabulary)) == n_tokens


def test_vocabulary_has_special_tokens_then_kmers_in_the_order_a_t_c_g():
    vocabulary = Tokenizer(3).vocabulary
    assert vocabulary[:5] == ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    assert vocabulary[5:10] == ("AAA", "AAT", "AAC", "AAG", "ATA")
    assert vocabulary[-1] == "GGG"


@pytest.mark.parametrize("k", K_CHOICES)
def test_id_of_a_kmer_is_its_place_in_the_vocabulary(k):
    tokenizer = Tokenizer(k)
    kmers = tokenizer.vocabulary[5:]
    assert [int(tokenizer.encode(kmer)[0]) for kmer in kmers] == list(range(5, len(kmers) + 5))


def test_digits_worked_by_hand():
    assert digits("ATCGatcgUuN-").tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 1, 1, 255, 255]


def test_letters_outside_latin_1_are_unknown_and_keep_their_place():
    assert digits("Aé→T").tolist() == [0, 255, 255, 1]
    assert Tokenizer(3).encode("→ACG").tolist() == [UNK, 16]


def test_ids_worked_by_hand():
    # ACG: 5 + 0 * 16 + 2 * 4 + 3;  CGT: 5 + 2 * 16 + 3 * 4 + 1
    assert Tokenizer(3).encode("ACGT").tolist() == [16, 50]
    assert Tokenizer(3).encode("ACGT").dtype == np.uint16
    assert Tokenizer(1).encode("ATCGN").tolist() == [5, 6, 7, 8, UNK]


@given(any_sequence, ks)
def test_ids_equal_those_of_a_dictionary(sequence, k):
    assert Tokenizer(k).encode(sequence).tolist() == dictionary_ids(sequence, k)


@given(mostly_bases, ks)
def test_ids_of_mostly_clean_sequence_equal_those_of_a_dictionary(sequence, k):
    assert Tokenizer(k).encode(sequence).tolist() == dictionary_ids(sequence, k)


@pytest.mark.parametrize("k", K_CHOICES)
def test_sequence_shorter_than_k_has_no_tokens(k):
    assert Tokenizer(k).encode("ACGTAC"[: k - 1]).tolist() == []
    assert Tokenizer(k).encode("").tolist() == []
    assert len(Tokenizer(k).encode("ACGTAC"[:k])) == 1


# Sequences are encoded in chunks of 65,536 bases; nothing may show where one ends.
CHUNK = 1 << 16


def long_sequence(n_bases):
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    return letters[np.random.default_rng(0).integers(4, size=n_bases)].tobytes().decode()


@pytest.mark.parametrize("k", [3, 6])
@pytest.mark.parametrize("n_bases", [CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 4, CHUNK + 5, CHUNK + 6])
def test_ids_around_a_chunk_border_equal_those_of_a_dictionary(k, n_bases):
    sequence = long_sequence(n_bases)
    assert Tokenizer(k).encode(sequence).tolist() == dictionary_ids(sequence, k)


@pytest.mark.parametrize("offset", [-7, -6, -1, 0, 1, 5, 6])
def test_unknown_letter_near_a_chunk_border_spoils_the_kmers_that_hold_it(offset):
    sequence = long_sequence(2 * CHUNK + 100)
    place = CHUNK + offset
    spoiled = sequence[:place] + "N" + sequence[place + 1 :]
    expected = Tokenizer(6).encode(sequence)
    expected[place - 5 : place + 1] = UNK
    assert Tokenizer(6).encode(spoiled).tolist() == expected.tolist()


@given(st.text("ACGT", max_size=60), ks)
def test_decode_is_the_inverse_of_encode(sequence, k):
    tokenizer = Tokenizer(k)
    expected = sequence if len(sequence) >= k else ""
    assert tokenizer.decode(tokenizer.encode(sequence)) == expected


@given(mostly_bases, ks)
def test_decode_gives_every_base_that_a_known_kmer_holds(sequence, k):
    text = sequence.upper().replace("U", "T")
    expected = ["N"] * len(text) if len(text) >= k else []
    for i in range(len(text) - k + 1):
        if "N" not in text[i : i + k]:
            expected[i : i + k] = text[i : i + k]
    tokenizer = Tokenizer(k)
    assert tokenizer.decode(tokenizer.encode(sequence)) == "".join(expected)


def test_decode_leaves_special_tokens_out():
    assert Tokenizer(3).decode([CLS, 16, 50, SEP, PAD, PAD]) == "ACGT"
    assert Tokenizer(3).decode([CLS, SEP]) == ""


@given(st.integers(1, 200), ks, st.integers(1, 8))
def test_n_bases_is_the_inverse_of_n_tokens(n_tokens, k, token_stride):
    tokenizer = Tokenizer(k, token_stride)
    assert tokenizer.n_tokens(tokenizer.n_bases(n_tokens)) == n_tokens
    assert tokenizer.n_tokens(tokenizer.n_bases(n_tokens) - 1) == n_tokens - 1


@given(st.integers(0, 100), ks, st.integers(1, 8))
def test_n_tokens_counts_the_kmers_at_every_stride(n_bases, k, token_stride):
    starts = range(0, n_bases - k + 1, token_stride)
    assert Tokenizer(k, token_stride).n_tokens(n_bases) == len(starts)


def test_base_scores_worked_by_hand():
    # bases 0 to 4 of the tokens 012, 123, 234
    scores = to_base_scores(np.array([3.0, 6.0, 12.0]), k=3)
    assert scores.tolist() == [3, 4.5, 7, 9, 12]


def test_base_scores_of_spaced_tokens_worked_by_hand():
    # bases 012 and 234
    assert to_base_scores(np.array([1.0, 3.0]), k=3, token_stride=2).tolist() == [1, 1, 2, 3, 3]


def test_bases_between_tokens_have_no_score():
    scores = to_base_scores(np.array([1.0, 2.0]), k=3, token_stride=5)
    assert np.array_equal(scores, [1, 1, 1, np.nan, np.nan, 2, 2, 2], equal_nan=True)


@given(st.integers(1, 50), ks, st.integers(1, 6), st.floats(-10, 10))
def test_constant_token_scores_give_the_same_constant(n_tokens, k, token_stride, value):
    scores = to_base_scores(np.full(n_tokens, value), k, token_stride)
    assert len(scores) == Tokenizer(k, token_stride).n_bases(n_tokens)
    covered = scores[~np.isnan(scores)]
    assert covered == pytest.approx(np.full(len(covered), value), abs=1e-12)
    assert len(covered) == len(scores) or token_stride > k


@given(st.lists(st.integers(-9, 9), max_size=20), ks, st.integers(1, 8))
def test_base_scores_equal_the_mean_over_the_tokens_that_hold_the_base(values, k, token_stride):
    holders = [[] for _ in range(Tokenizer(k, token_stride).n_bases(len(values)))]
    for i, value in enumerate(values):
        for holder in holders[i * token_stride : i * token_stride + k]:
            holder.append(value)
    expected = [np.mean(holder) if holder else np.nan for holder in holders]
    scores = to_base_scores(np.array(values, dtype=np.float32), k, token_stride)
    np.testing.assert_allclose(scores, expected, atol=1e-12)


def test_base_scores_keep_leading_dimensions():
    token_scores = np.random.default_rng(0).random((2, 3, 7))
    scores = to_base_scores(token_scores, k=4)
    assert scores.shape == (2, 3, 10)
    assert np.array_equal(scores[1, 2], to_base_scores(token_scores[1, 2], k=4))


def test_no_tokens_give_no_base_scores():
    assert to_base_scores(np.empty((2, 0)), k=3).shape == (2, 0)


# Case does not matter to us and U is T, on purpose. To the original, lower case and U are
# [UNK], and a '-' or '*' ends a token, so that one k-mer becomes several.
READ_DIFFERENTLY = {"lower", "mixedcase", "rna", "iupac_dash"}


def original_rows(oracle, k):
    with (oracle / "inputs" / "short.tsv").open() as file:
        names_and_sequences = [
            (row["name"], row["sequence"]) for row in csv.DictReader(file, delimiter="\t")
        ]
    with np.load(oracle / "forward" / f"k{k}_binary_L512_predict.npz") as arrays:
        ids = arrays["input_ids"]
    assert len(ids) == len(names_and_sequences)
    return [
        (name, sequence, row)
        for (name, sequence), row in zip(names_and_sequences, ids.tolist(), strict=True)
    ]


def padded(sequence, k):
    ids = [CLS, *Tokenizer(k).encode(sequence).tolist(), SEP]
    return ids + [PAD] * (512 - len(ids))


@pytest.mark.oracle
@pytest.mark.parametrize("k", [3, 6])
def test_ids_agree_with_the_original(oracle, k):
    rows = [row for row in original_rows(oracle, k) if row[0] not in READ_DIFFERENTLY]
    assert len(rows) == 30
    for name, sequence, ids in rows:
        assert set(sequence) <= set("ACGTN"), name
        assert padded(sequence, k) == ids, name


@pytest.mark.oracle
@pytest.mark.parametrize("k", [3, 6])
def test_letters_the_original_cannot_read_are_read_by_us(oracle, k):
    rows = [row for row in original_rows(oracle, k) if row[0] in READ_DIFFERENTLY]
    assert {name for name, _, _ in rows} == READ_DIFFERENTLY
    for name, sequence, ids in rows:
        ours = padded(sequence, k)
        assert ours != ids, name
        assert ours.count(UNK) < ids.count(UNK), name


@pytest.mark.oracle
@pytest.mark.parametrize("k", [3, 6])
def test_vocabulary_agrees_with_the_original(oracle, k):
    path = oracle / "models" / f"k{k}_binary" / "vocab.txt"
    assert tuple(path.read_text().split()) == Tokenizer(k).vocabulary


def test_legacy_scores_dilute_the_right_end():
    """Two 3-mers of weights 2 and 4, [SEP] taken out, in nine tokens: seven places for k-mers."""
    row = np.array([[9.0, 2, 4, 5, 0, 0, 0, 0, 0]])

    scores = to_legacy_base_scores(row, k=3)

    diluted = np.array([2, 3, 2, 4 / 3, 0, 0, 0, 0, 0])
    assert np.allclose(scores, diluted / np.sqrt((diluted**2).sum()))


def test_a_legacy_row_without_attention_is_nan():
    assert np.isnan(to_legacy_base_scores(np.zeros((1, 9)), k=3)).all()


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["k3_binary_L128", "k6_binary_L128", "k6_binary_L512"])
def test_legacy_scores_are_those_of_the_original_program(oracle, name):
    """Rows with much, little and no padding among them."""
    expected = np.load(oracle / "forward" / f"{name}_visualize.npz")
    rows = expected["cls_attention_last_layer"].sum(1, dtype=np.float64)

    scores = to_legacy_base_scores(rows, int(name[1]))

    np.testing.assert_allclose(scores, expected["atten"], atol=1e-12)
