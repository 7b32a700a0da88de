"""Batches of labelled rows: pieces of like length, in an order of (seed, step) alone."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.core.batches import IGNORED, LabelledRows, cut_by_length, pad_rows
from dnabert_cli.sequence.chunks import MAX_TOKENS, lay_out
from dnabert_cli.sequence.kmers import CLS, PAD, SEP, Tokenizer

SEQUENCES = ["ACGTACGTAA", "TTTTTTTTTT", "ACGTA", "GGGGGCCCCC", "CATCATCATCAA"]
LABELS = np.array([0, 1, 0, 1, 1])
K3 = Tokenizer(3)


def make_rows(labels=LABELS, sequences=SEQUENCES, tokenizer=K3, n_chunks=None):
    return LabelledRows(sequences, labels, tokenizer, n_chunks)


def take(rows, n=1, first=0, *, batch_size=2, max_tokens=1000, seed=1):
    found = rows.batches(first, batch_size=batch_size, max_tokens=max_tokens, seed=seed)
    return list(itertools.islice(found, n))


def as_lists(batch):
    return [(one.ids.tolist(), str(one.mask), str(one.labels), one.n_units) for one in batch]


def read(piece):
    """The rows of a piece as sequences."""
    return [K3.decode(ids.tolist()) for ids in piece.ids]


# --- pieces of like length


@given(st.lists(st.integers(1, 600), max_size=80), st.integers(1, 2000))
def test_every_row_is_in_one_piece_that_is_not_too_large(n_tokens, max_tokens):
    n_tokens = np.array(n_tokens, dtype=np.int64)
    pieces = cut_by_length(n_tokens, max_tokens)

    assert sorted(itertools.chain(*(piece.tolist() for piece in pieces))) == list(
        range(len(n_tokens))
    )
    for piece in pieces:
        assert len(piece) == 1 or len(piece) * n_tokens[piece].max() <= max_tokens
    longest = [n_tokens[piece].max() for piece in pieces]
    assert longest == sorted(longest, reverse=True)


@pytest.mark.parametrize("n_rows", [256, 2000])
@pytest.mark.parametrize("max_tokens", [2048, 16_384, 65_536])
@pytest.mark.parametrize("seed", range(3))
def test_95_percent_of_what_is_computed_is_real(n_rows, max_tokens, seed):
    n_tokens = np.random.default_rng(seed).integers(5, 511, size=n_rows) + 2
    pieces = cut_by_length(n_tokens, max_tokens)

    computed = sum(len(piece) * n_tokens[piece].max() for piece in pieces)
    assert n_tokens.sum() / computed >= 0.95
    assert len(pieces) < 25 + n_tokens.sum() / max_tokens * 1.1


def test_equally_long_rows_fill_their_pieces():
    pieces = cut_by_length(np.full(10, 100), 400)

    assert [piece.tolist() for piece in pieces] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_short_rows_go_together_though_they_differ():
    assert len(cut_by_length(np.array([5, 9, 20, 12]), 100)) == 1


def test_shorter_rows_are_padded_and_masked():
    ids, mask = pad_rows([K3.encode("ACGTA"), K3.encode("ACG")])
    acg, cgt, gta = K3.encode("ACGTA").tolist()

    assert ids.tolist() == [[CLS, acg, cgt, gta, SEP], [CLS, acg, SEP, PAD, PAD]]
    assert mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert ids.dtype == mask.dtype == np.int64


def test_equally_long_rows_need_no_mask():
    ids, mask = pad_rows([K3.encode("ACGT"), K3.encode("TTTT")])

    assert ids.shape == (2, 4)
    assert mask is None


# --- which rows, in which order


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5, 99])
def test_every_row_occurs_once_an_epoch_with_its_label(batch_size):
    rows = make_rows()
    n = rows.n_batches(batch_size)
    batches = take(rows, 2 * n, batch_size=batch_size)

    for epoch in (batches[:n], batches[n:]):
        seen = [
            (sequence, label)
            for piece in itertools.chain(*epoch)
            for sequence, label in zip(read(piece), piece.labels.tolist(), strict=True)
        ]
        assert sorted(seen) == sorted(zip(SEQUENCES, LABELS.tolist(), strict=True))
    assert all(sum(one.n_units for one in batch) <= batch_size for batch in batches)
    assert len(rows) == 5


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("first", [1, 2, 3, 7])
def test_batches_go_on_from_any_number(first, stride):
    rows = make_rows(tokenizer=Tokenizer(3, stride))
    whole = [as_lists(batch) for batch in take(rows, 12)]

    assert [as_lists(batch) for batch in take(rows, 12 - first, first)] == whole[first:]


def test_epochs_and_seeds_differ_and_repeat():
    def order(first, seed):
        (batch,) = take(make_rows(), 1, first, batch_size=5, max_tokens=1, seed=seed)
        return [read(piece)[0] for piece in batch]

    sequences = ["ACG" + a + b for a in "ACGT" for b in "ACGT"]  # equally long: as drawn
    rows = make_rows(np.arange(16), sequences)
    orders = {
        tuple(take(rows, 1, first, batch_size=16, seed=seed)[0][0].labels.tolist())
        for first in range(4)
        for seed in range(4)
    }

    assert order(0, 1) == order(0, 1)
    assert len(orders) == 16


def test_a_piece_moves_whole():
    (batch,) = take(make_rows(), batch_size=5)

    assert as_lists([one.to(torch.device("cpu")) for one in batch]) == as_lists(batch)
    assert batch[0].to(torch.device("meta")).labels.is_meta
    assert batch[0].n_tokens == batch[0].ids.numel()


def test_pieces_stay_within_their_tokens():
    for batch in take(make_rows(), 6, batch_size=5, max_tokens=24):
        assert all(piece.n_tokens <= 24 for piece in batch)


def test_a_token_stride_reads_rows_from_every_base_in_turn():
    rows = make_rows(LABELS[:1], ["ACGTTGCAAC"], Tokenizer(3, 3))
    reads = {tuple(batch[0].ids[0, 1:-1].tolist()) for batch in take(rows, 20, batch_size=1)}
    every = K3.encode("ACGTTGCAAC").tolist()

    assert reads == {tuple(every[0::3]), tuple(every[1::3]), tuple(every[2::3])}


def test_a_row_of_few_bases_is_read_from_where_a_token_is_left():
    rows = make_rows(LABELS[:1], ["ACGT"], Tokenizer(3, 3))
    reads = {tuple(batch[0].ids[0, 1:-1].tolist()) for batch in take(rows, 20, batch_size=1)}

    assert reads == {(one,) for one in K3.encode("ACGT").tolist()}


# --- labels of every kind


def by_sequence(labels, **changes):
    """Labels and units of an epoch, per sequence."""
    rows = make_rows(labels, **changes)
    pieces = list(itertools.chain(*take(rows, 5, batch_size=1)))
    return {read(piece)[0]: (piece.labels, piece.n_units) for piece in pieces}


def test_a_class_is_an_integer_per_row():
    for sequence, (labels, n_units) in by_sequence(LABELS).items():
        assert labels.dtype == torch.int64
        assert labels.tolist() == [LABELS[SEQUENCES.index(sequence)]]
        assert n_units == 1


def test_several_labels_are_a_row_of_zeros_and_ones():
    many = np.arange(15).reshape(5, 3).astype(np.float32) % 2
    (batch,) = take(make_rows(many), batch_size=5)

    assert sum(piece.n_units for piece in batch) == 5
    for piece in batch:
        assert piece.labels.dtype == torch.float32
        expected = [many[SEQUENCES.index(one)].tolist() for one in read(piece)]
        assert piece.labels.tolist() == expected


def test_a_value_is_a_number_per_row():
    values = np.array([0.5, -1.0, 2.0, 3.0, 4.5], dtype=np.float32)

    for sequence, (labels, n_units) in by_sequence(values).items():
        assert labels.dtype == torch.float32
        assert labels.tolist() == [values[SEQUENCES.index(sequence)]]
        assert n_units == 1


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("missing", [IGNORED, np.nan])
def test_labels_of_bases_stay_with_their_bases(stride, missing):
    """Wherever reading begins: here a label tells its base."""
    kind = np.int64 if missing == IGNORED else np.float32
    tokenizer = Tokenizer(3, stride)
    labels = [np.array(["ATCG".index(base) for base in one], dtype=kind) for one in SEQUENCES]
    rows = make_rows(labels, tokenizer=tokenizer)

    begins = set()
    for piece in itertools.chain(*take(rows, 30, batch_size=5)):
        assert piece.labels.dtype == (torch.int64 if missing == IGNORED else torch.float32)
        assert piece.labels.shape[1] == tokenizer.n_bases(piece.ids.shape[1] - 2)
        known = ~piece.labels.isnan() & (piece.labels != IGNORED)
        assert piece.n_units == known.sum()
        for ids, row, is_known in zip(piece.ids, piece.labels, known, strict=True):
            tokens = ids[ids >= 5].tolist()
            n_bases = tokenizer.n_bases(len(tokens))
            assert is_known.nonzero().flatten().tolist() == list(range(n_bases))
            text = "".join("ATCG"[int(base)] for base in row[:n_bases])
            assert K3.encode(text)[::stride].tolist() == tokens
            begins.update(one.find(text) for one in SEQUENCES if text in one)
    assert set(range(stride)) <= begins


@pytest.mark.parametrize(("kind", "missing"), [(np.int64, IGNORED), (np.float32, np.nan)])
def test_bases_without_a_label_are_no_units(kind, missing):
    labels = [np.full(len(one), 1, dtype=kind) for one in SEQUENCES]
    labels[0][2:5] = missing
    labels[1][:] = missing
    units = by_sequence(labels)

    assert units[SEQUENCES[0]][1] == 7
    assert units[SEQUENCES[1]][1] == 0
    assert units[SEQUENCES[2]][1] == 5


# --- long inputs


def test_rows_of_a_long_model_are_laid_out_in_chunks():
    sequences = ["ACGT" * 200, "TTTTTGC", "CAT" * 230]
    tokenizer = Tokenizer(3)
    labels = np.arange(3)
    rows = make_rows(labels, sequences, tokenizer, n_chunks=2)
    width = 2 * (MAX_TOKENS + 2)

    for max_tokens, n_rows in ((width - 1, [1, 1, 1]), (2 * width, [2, 1]), (5 * width, [3])):
        (batch,) = take(rows, batch_size=3, max_tokens=max_tokens)
        assert [piece.n_units for piece in batch] == n_rows
        for piece in batch:
            for ids, mask, label in zip(piece.ids, piece.mask, piece.labels, strict=True):
                expected_ids, expected_mask = lay_out(tokenizer.encode(sequences[label])[None], 2)
                assert ids.tolist() == expected_ids[0].tolist()
                assert mask.tolist() == expected_mask[0].tolist()


# --- checksums


def changed(which):
    """Labelled rows with one thing changed."""
    sequences, labels = list(SEQUENCES), LABELS.copy()
    if which == "a base":
        sequences[2] = "ACGTT"
    elif which == "a label":
        labels[4] = 0
    elif which == "order":
        sequences[0], sequences[1] = sequences[1], sequences[0]
    elif which == "a row less":
        sequences, labels = sequences[:-1], labels[:-1]
    elif which == "kind":
        labels = labels.astype(np.float32)
    elif which == "where rows end":
        sequences[2], sequences[3] = sequences[2] + "G", sequences[3][1:]
    return make_rows(labels, sequences)


def test_the_checksum_tells_rows_and_labels_apart():
    names = ["nothing", "a base", "a label", "order", "a row less", "kind", "where rows end"]
    sums = {name: changed(name).checksum() for name in names}

    assert len(set(sums.values())) == len(names)
    assert sums["nothing"] == make_rows().checksum()


def test_the_checksum_tells_labels_of_bases_apart():
    def checksum(*labels):
        return make_rows([np.array(one) for one in labels], SEQUENCES[:2]).checksum()

    same, other = [0] * 10, [0] * 9 + [1]

    assert checksum(same, same) == checksum(same, same)
    assert len({checksum(same, same), checksum(same, other), checksum(other, same)}) == 3


def test_no_id_passes_for_the_end_of_a_row():
    """Rows were once set apart by a `/`, which is a byte of an id too."""
    ids = [0x2F2F, 0x2F2F, 0x2F2F]
    one, other = make_rows(sequences=SEQUENCES[:2]), make_rows(sequences=SEQUENCES[:2])
    one._rows = [np.array(ids[:1], np.uint16), np.array(ids[:2], np.uint16)]
    other._rows = [np.array(ids[:2], np.uint16), np.array(ids[:1], np.uint16)]

    assert one.checksum() != other.checksum()
