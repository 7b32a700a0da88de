"""Masked batches: pieces of the corpus as tokens, some of them hidden."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.core.masked_batches import (
    MaskedRows,
    Masking,
    count_tokens,
    encode_rows,
    hold_out_pieces,
    lay_out_masked,
    read_rows,
)
from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.corpus import CorpusBuilder, PieceRules, Pieces, batches
from dnabert_cli.sequence.kmers import CLS, MASK, N_SPECIAL, PAD, SEP, Tokenizer
from dnabert_cli.sequence.masking import hidden_bases

SEQUENCE = "".join(np.random.default_rng(0).choice(list("ACGT"), 6000))
CPU = torch.device("cpu")


def make_corpus(*sequences):
    builder = CorpusBuilder(1)
    builder.add_source("toy")
    for sequence in sequences or (SEQUENCE[:100] + "NN" + SEQUENCE[100:],):
        builder.add(sequence)
    return builder.finish()


def make_rules(tokenizer, **changes):
    return PieceRules(
        **{
            "min_bases": tokenizer.n_bases(5),
            "max_bases": tokenizer.n_bases(60),
            "step": tokenizer.token_stride,
            "reverse": True,
        }
        | changes
    )


def make_rows(tokenizer=Tokenizer(6), seed=1, masking=Masking(), **changes):  # noqa: B008
    return MaskedRows(make_corpus(), make_rules(tokenizer, **changes), tokenizer, masking, seed)


def take(rows, n=1, first=0, *, batch_size=32, max_tokens=1000):
    return list(
        itertools.islice(rows.batches(first, batch_size=batch_size, max_tokens=max_tokens), n)
    )


def as_lists(batch):
    return [
        (
            piece.ids.tolist(),
            None if piece.mask is None else piece.mask.tolist(),
            piece.positions.tolist(),
            piece.labels.tolist(),
            piece.n_real,
        )
        for piece in batch
    ]


def restored(piece):
    """The rows of a piece with the labels put back where they were, as bytes."""
    ids = piece.ids.clone()
    ids.view(-1)[piece.positions] = piece.labels
    ends = (ids == SEP).int().argmax(1)
    return [row[1:end].tolist() for row, end in zip(ids, ends.tolist(), strict=True)]


# --- reading


@given(
    pieces=st.lists(
        st.tuples(st.integers(0, 300), st.integers(8, 60), st.booleans()), min_size=1, max_size=8
    ),
    k=st.integers(3, 6),
    stride=st.integers(1, 4),
)
def test_rows_are_what_the_tokenizer_makes_of_the_strand(pieces, k, stride):
    corpus, tokenizer = make_corpus(SEQUENCE[:360]), Tokenizer(k, stride)
    starts, n_bases, reverse = (np.array(one) for one in zip(*pieces, strict=True))
    held = Pieces(starts, n_bases.astype(np.int32), reverse)

    ids = encode_rows(read_rows(corpus, held), tokenizer)
    n_tokens = count_tokens(held, tokenizer)

    for (start, n, is_reverse), row, n_row in zip(pieces, ids, n_tokens, strict=True):
        sequence = SEQUENCE[start : start + n]
        sequence = reverse_complement(sequence) if is_reverse else sequence
        assert row[:n_row].tolist() == tokenizer.encode(sequence)[::stride].tolist()
    assert ids.shape[1] == n_tokens.max()


# --- laying out


def test_a_short_row_is_padded_and_positions_point_at_hidden_tokens():
    tokens = np.array([[10, 11, 12], [20, 21, 99]])  # 99 lies behind the end of its row
    seen = np.array([[10, MASK, 12], [55, 21, 99]])
    hidden = np.array([[False, True, False], [True, False, False]])

    piece = lay_out_masked(tokens, seen, hidden, np.array([3, 2]))

    assert piece.ids.tolist() == [[CLS, 10, MASK, 12, SEP], [CLS, 55, 21, SEP, PAD]]
    assert piece.mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    assert piece.positions.tolist() == [2, 6]
    assert piece.labels.tolist() == [11, 20]
    assert (piece.n_real, piece.n_tokens, piece.n_units) == (9, 10, 2)


def test_equally_long_rows_need_no_mask():
    tokens = np.array([[10, 11], [20, 21]])
    piece = lay_out_masked(tokens, tokens, tokens > 20, np.array([2, 2]))

    assert piece.mask is None
    assert piece.ids.tolist() == [[CLS, 10, 11, SEP], [CLS, 20, 21, SEP]]


@pytest.mark.parametrize("lengths", [[3, 3], [3, 2]])
def test_a_piece_moves_whole(lengths):
    tokens = np.array([[10, 11, 12], [20, 21, 22]])
    piece = lay_out_masked(tokens, tokens, tokens == 11, np.array(lengths))

    assert as_lists([piece.to(CPU)]) == as_lists([piece])
    assert piece.to(torch.device("meta")).labels.is_meta


# --- batches


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("original", [False, True])
def test_labels_are_what_stood_there(stride, original):
    """With the labels put back, a batch holds the pieces of the epoch and nothing else."""
    tokenizer, masking = Tokenizer(6, stride), Masking(share=0.05, original=original)
    rows = make_rows(tokenizer, masking=masking)
    corpus, rules = make_corpus(), make_rules(tokenizer)

    found = take(rows, 5, batch_size=16)
    for (_, pieces), batch in zip(batches(corpus, rules, 16, 1), found, strict=False):
        digits = read_rows(corpus, pieces)
        expected = [
            encode_rows(row[None, :n], tokenizer)[0].tolist()
            for row, n in zip(digits, pieces.n_bases, strict=True)
        ]
        for piece in batch:
            for row in restored(piece):
                assert row in expected
    assert all(piece.labels.min() >= N_SPECIAL for piece in batch)


def test_a_batch_holds_every_piece_once():
    """As long as each holds a hidden token; with a share of a half all of them do."""
    corpus, tokenizer = make_corpus(), Tokenizer(3)
    rules = make_rules(tokenizer)
    rows = MaskedRows(corpus, rules, tokenizer, Masking(share=0.5), 1)

    for number, (batch, (_, pieces)) in enumerate(
        zip(take(rows, 6, batch_size=8), batches(corpus, rules, 8, 1), strict=False)
    ):
        digits = read_rows(corpus, pieces)
        expected = [
            encode_rows(row[None, :n], tokenizer)[0].tolist()
            for row, n in zip(digits, pieces.n_bases, strict=True)
        ]
        assert sorted(row for piece in batch for row in restored(piece)) == sorted(expected), number


def test_padding_is_masked_and_never_asked_for():
    for piece in itertools.chain(*take(make_rows(), 8, max_tokens=2000)):
        real = piece.ids != PAD
        if piece.mask is None:
            assert real.all()
        else:
            assert torch.equal(piece.mask, real.long())
        assert real.sum() == piece.n_real
        assert (piece.ids[:, 0] == CLS).all()
        assert ((piece.ids == SEP).sum(1) == 1).all()
        assert (real.sum(1) - 1 == (piece.ids == SEP).int().argmax(1)).all()
        assert not torch.isin(piece.ids.view(-1)[piece.positions], torch.tensor([CLS, SEP])).any()
        assert real.view(-1)[piece.positions].all()


@pytest.mark.parametrize("first", [1, 3, 8, 20])
def test_a_batch_is_the_same_however_it_is_reached(first):
    whole = take(make_rows(), 22)

    found = take(make_rows(), 22 - first, first)

    assert [as_lists(one) for one in found] == [as_lists(one) for one in whole[first:]]


def test_seeds_and_steps_differ():
    one, later = take(make_rows(seed=1), 2)
    (other,) = take(make_rows(seed=2))

    assert as_lists(one) != as_lists(other)
    assert as_lists(one) != as_lists(later)


def test_epochs_hide_other_tokens():
    """A corpus of one piece: what is hidden of it differs from step to step."""
    tokenizer = Tokenizer(6)
    rules = make_rules(tokenizer, min_bases=50, max_bases=50, reverse=False, sampled_share=0.0)
    rows = MaskedRows(make_corpus(SEQUENCE[:50]), rules, tokenizer, Masking(), 0)

    hidden = {tuple(batch[0].positions.tolist()) for batch in take(rows, 20, batch_size=4)}

    assert len(hidden) > 10


@pytest.mark.parametrize("original", [False, True])
def test_no_piece_is_without_a_hidden_token(original):
    masking = Masking(share=0.01, original=original)
    rows = make_rows(masking=masking)

    for batch in take(rows, 60, batch_size=2, max_tokens=70):
        assert batch
        assert all(piece.n_units > 0 for piece in batch)


def test_pieces_stay_within_their_tokens():
    for piece in itertools.chain(*take(make_rows(), 5, max_tokens=300)):
        assert piece.n_tokens <= 300


def test_the_share_rises_from_its_step_on():
    rows = make_rows(masking=Masking(share=0.1, late_share=0.3, late_from=20))
    shares = [
        sum(piece.n_units for piece in batch) / sum(piece.n_real for piece in batch)
        for batch in take(rows, 40, batch_size=64)
    ]

    assert np.mean(shares[:20]) == pytest.approx(0.1 * 0.96, abs=0.01)  # 0.96: [CLS] and [SEP]
    assert np.mean(shares[20:]) == pytest.approx(0.3 * 0.96, abs=0.015)


@pytest.mark.parametrize(("late_from", "share"), [(None, 0.15), (8, 0.15), (7, 0.2)])
def test_the_step_itself_belongs_to_the_late_share(late_from, share):
    assert Masking(late_from=late_from).at(7) == share


def test_the_original_draws_special_ids_too():
    rows = make_rows(Tokenizer(3), masking=Masking(share=0.2, original=True))
    drawn = set()
    for piece in itertools.chain(*take(rows, 40)):
        drawn |= set(piece.ids.view(-1)[piece.positions].tolist())

    assert {PAD, MASK} <= drawn


# --- holding out


def hold_out(**changes):
    tokenizer = changes.pop("tokenizer", Tokenizer(6))
    corpus = changes.pop("corpus", None) or make_corpus()
    rules = make_rules(tokenizer, **changes.pop("rules", {}))
    options = {"n_pieces": 40, "max_tokens": 500, "seed": 3} | changes
    return hold_out_pieces(corpus, rules, tokenizer, **options)


@pytest.mark.parametrize(
    "tokenizer", [Tokenizer(6), Tokenizer(3), Tokenizer(6, 3), Tokenizer(5, 2)]
)
def test_held_out_pieces_know_which_bases_are_hidden(tokenizer):
    found = hold_out(tokenizer=tokenizer)

    n_base_tokens = 0
    for piece, digits, n_hidden in zip(found.pieces, found.digits, found.n_hidden, strict=True):
        ids = piece.ids
        assert (ids.view(-1)[piece.positions] == MASK).all()
        assert (ids == MASK).sum() == piece.n_units
        n_tokens = ((ids != PAD).sum(1) - 2).numpy()
        hidden = (ids == MASK).numpy()[:, 1:-1]
        expected = hidden_bases(hidden, n_tokens, tokenizer.k, tokenizer.token_stride)
        assert np.array_equal(n_hidden, expected)
        assert digits.shape == n_hidden.shape
        # the bases are those of the tokens
        for row, tokens in zip(digits, restored(piece), strict=True):
            n_bases = tokenizer.n_bases(len(tokens))
            assert encode_rows(row[None, :n_bases], tokenizer)[0].tolist() == tokens
        n_base_tokens += expected.sum()
    assert found.n_base_tokens == n_base_tokens > 0


def test_held_out_pieces_are_the_same_every_time():
    one, same, other = hold_out(), hold_out(), hold_out(seed=4)

    assert as_lists(one.pieces) == as_lists(same.pieces)
    assert as_lists(one.pieces) != as_lists(other.pieces)


def test_held_out_pieces_neither_overlap_nor_are_turned_or_weighted():
    """Whatever the rules of training say, each is a different part of the forward strand."""
    rules = {"weights": (3.0,), "sampled_share": 0.9, "full_share": 0.99, "min_bases": 64}
    found = hold_out(rules=rules, n_pieces=1000)

    places = []
    for piece, digits in zip(found.pieces, found.digits, strict=True):
        for tokens, row in zip(restored(piece), digits, strict=True):
            n_bases = Tokenizer(6).n_bases(len(tokens))
            text = "".join("ATCG"[base] for base in row[:n_bases])
            places.append((SEQUENCE.index(text), n_bases))
    places.sort()
    assert len(places) > 80
    assert all(a + n <= b for (a, n), (b, _) in itertools.pairwise(places))


def test_the_share_is_held_out_of_all_pieces():
    found = hold_out(n_pieces=90, share=0.3)
    n_real = sum(piece.n_real for piece in found.pieces)

    assert sum(piece.n_units for piece in found.pieces) / n_real == pytest.approx(0.28, abs=0.02)


def test_something_is_always_held_out():
    """Of a few short pieces none may have a hidden token at first: nothing to divide by."""
    for seed in range(30):
        found = hold_out(n_pieces=1, share=0.02, seed=seed)
        assert found.n_base_tokens > 0
        assert all(piece.n_units for piece in found.pieces)


def test_no_two_purposes_draw_the_same_numbers(monkeypatch):
    """(seed, 1) and (seed, 1, 0) are one stream to numpy, and were two purposes here."""
    make, drawn = np.random.default_rng, []

    def recorded(seed):
        drawn.append(tuple(np.random.SeedSequence(seed).generate_state(2).tolist()))
        return make(seed)

    monkeypatch.setattr(np.random, "default_rng", recorded)
    rows = make_rows()
    take(rows, 30, batch_size=64)  # several epochs
    make_corpus().hold_out(0.1, seed=1)
    n_before = len(drawn)
    hold_out(seed=1)

    # three streams of the first epoch are the same, of another corpus
    assert len(drawn) == n_before + 4
    assert len(set(drawn)) == n_before + 1
