"""Batches: every row once an epoch, in an order of (seed, epoch) alone."""

import numpy as np
import torch

from dnabert_cli.core.batches import LabelledRows
from dnabert_cli.sequence.kmers import CLS, PAD, SEP, Tokenizer

SEQUENCES = ["ACGTACGTAA", "TTTTTTTTTT", "ACGTA", "GGGGGCCCCC", "CATCATCATC"]
LABELS = np.array([0, 1, 0, 1, 1])


def rows(token_stride=1):
    return LabelledRows(SEQUENCES, LABELS, Tokenizer(3, token_stride))


def test_every_row_occurs_once_an_epoch():
    labelled = rows()
    tokenizer = Tokenizer(3)
    seen = [
        (tokenizer.decode(ids), int(label))
        for batch in labelled.epoch(0, batch_size=2, seed=1)
        for ids, label in zip(batch.ids, batch.labels, strict=True)
    ]

    assert sorted(seen) == sorted(zip(SEQUENCES, LABELS.tolist(), strict=True))
    assert labelled.n_batches(2) == 3


def test_epochs_and_seeds_differ_and_repeat():
    def order(epoch, seed):
        return torch.cat([b.labels for b in rows().epoch(epoch, batch_size=2, seed=seed)]).tolist()

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(epoch, seed)) for epoch in range(4) for seed in range(4)}) > 3


def test_shorter_rows_are_padded_and_masked():
    (batch,) = rows().epoch(0, batch_size=5, seed=0)

    assert batch.mask is not None
    short = (batch.mask.sum(1) == 5).nonzero().item()
    assert batch.ids[short, 0] == CLS
    assert batch.ids[short, 4] == SEP
    assert (batch.ids[short, 5:] == PAD).all()
    assert batch.ids.shape == (5, 10)


def test_equally_long_rows_need_no_mask():
    (batch,) = LabelledRows(SEQUENCES[:2], LABELS[:2], Tokenizer(3)).epoch(0, batch_size=2, seed=0)

    assert batch.mask is None


def test_a_token_stride_reads_rows_from_every_base_in_turn():
    labelled = LabelledRows(["ACGTTGCAAC"], LABELS[:1], Tokenizer(3, 3))
    reads = {
        tuple(batch.ids[0, 1:-1].tolist())
        for epoch in range(20)
        for batch in labelled.epoch(epoch, batch_size=1, seed=0)
    }
    every = Tokenizer(3).encode("ACGTTGCAAC").tolist()

    assert reads == {tuple(every[0::3]), tuple(every[1::3]), tuple(every[2::3])}


def test_pieces_hold_every_row_in_order():
    (batch,) = rows().epoch(0, batch_size=5, seed=0)

    pieces = list(batch.pieces(2))

    assert [len(piece) for piece in pieces] == [2, 2, 1]
    assert torch.equal(torch.cat([piece.ids for piece in pieces]), batch.ids)
