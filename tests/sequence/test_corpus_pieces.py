"""What is held out of a corpus, and the pieces an epoch is cut into."""

import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.errors import DataError
from dnabert_cli.sequence import corpus as corpus_module
from dnabert_cli.sequence.corpus import (
    STRETCH,
    Corpus,
    PieceRules,
    batches,
    check_weights,
    pieces_of_epoch,
)

RULES = PieceRules(min_bases=8, max_bases=515, step=3, reverse=True)


def imagined(*lengths, sources=None, n_sources=1):
    """A corpus of runs whose bases nobody reads; three bases lie between two runs."""
    lengths = np.array(lengths, dtype=np.int64)
    starts = np.cumsum(lengths + 3) - lengths
    sources = np.zeros_like(lengths) if sources is None else np.array(sources)
    names = tuple(f"file {i}" for i in range(n_sources))
    return Corpus(np.zeros(1, np.uint8), starts, lengths, sources, names)


def spans(pieces):
    return list(zip(pieces.starts.tolist(), pieces.n_bases.tolist(), strict=True))


# --- holding out


def covered(corpus):
    """All bases of the runs, as (place, source)."""
    runs = zip(corpus.starts.tolist(), corpus.lengths.tolist(), corpus.sources, strict=True)
    return [(i, int(source)) for start, n, source in runs for i in range(start, start + n)]


def test_the_two_parts_are_apart_and_are_everything():
    corpus = imagined(3 * STRETCH + 5, 10, STRETCH, sources=[0, 1, 1], n_sources=2)

    training, held_out = corpus.hold_out(0.4, seed=1)

    assert sorted(covered(training) + covered(held_out)) == sorted(covered(corpus))
    assert training.lengths.max() <= STRETCH


def test_about_the_share_is_held_out():
    corpus = imagined(100 * STRETCH, 50 * STRETCH)
    _, held_out = corpus.hold_out(0.1, seed=0)

    assert held_out.n_bases == 15 * STRETCH


@pytest.mark.parametrize(
    ("n_bases", "share", "stretch"),
    [(500 * STRETCH, 0.01, STRETCH), (1000, 0.01, 10), (1000, 0.0, 1), (9, 0.2, 2)],
)
def test_stretches_of_a_small_corpus_are_short(n_bases, share, stretch):
    training, held_out = imagined(n_bases).hold_out(share, seed=0)

    assert held_out.lengths.max() == stretch
    assert share * n_bases <= held_out.n_bases <= share * n_bases + stretch
    assert training.n_bases > 0


def test_the_seed_decides_what_is_held_out():
    corpus = imagined(50 * STRETCH)
    held_out = [corpus.hold_out(0.1, seed)[1].starts.tolist() for seed in (1, 1, 2)]

    assert held_out[0] == held_out[1] != held_out[2]


# --- pieces


def test_the_pieces_of_an_epoch_depend_on_seed_and_epoch_alone():
    corpus = imagined(40_000, 900)
    one, same, other_epoch, other_seed = (
        pieces_of_epoch(corpus, RULES, seed, epoch)
        for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))
    )

    assert spans(one) == spans(same)
    assert one.reverse.tolist() == same.reverse.tolist()
    assert spans(one) != spans(other_epoch)
    assert spans(one) != spans(other_seed)


@given(
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=8),
    bounds=st.tuples(st.integers(1, 30), st.integers(0, 60)),
    step=st.integers(1, 4),
    seed=st.integers(0, 99),
    block=st.sampled_from([4, 1 << 18]),
)
def test_cut_pieces_cover_each_run_once(lengths, bounds, step, seed, block):
    corpus = imagined(*lengths)
    shortest, longest = bounds[0], bounds[0] + step * bounds[1]
    rules = PieceRules(min_bases=shortest, max_bases=longest, step=step, sampled_share=0.0)
    before, corpus_module._BLOCK = corpus_module._BLOCK, block
    try:
        pieces = pieces_of_epoch(corpus, rules, seed, 0)
    finally:
        corpus_module._BLOCK = before

    held = spans(pieces)
    assert all(shortest <= n <= longest for _, n in held)
    for start, length in zip(corpus.starts.tolist(), lengths, strict=True):
        place = start
        inside = sorted(one for one in held if start <= one[0] < start + length)
        for begin, n in [*inside, (start + length, 0)]:
            assert 0 <= begin - place < 2 * shortest  # what was too short at an end of a run
            place = begin + n
        assert place == start + length
        held = [one for one in held if one not in inside]
    assert not held


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    bounds=st.tuples(st.integers(1, 20), st.integers(0, 20)),
    seed=st.integers(0, 99),
)
def test_every_piece_lies_in_one_run(lengths, bounds, seed):
    corpus = imagined(*lengths)
    rules = PieceRules(min_bases=bounds[0], max_bases=sum(bounds), sampled_share=0.7)

    for start, n in spans(pieces_of_epoch(corpus, rules, seed, 0)):
        run = np.searchsorted(corpus.starts, start, side="right") - 1
        assert start + n <= corpus.starts[run] + corpus.lengths[run]
        assert bounds[0] <= n <= sum(bounds)


def test_pieces_are_whole_steps_longer_than_the_shortest():
    corpus = imagined(200_000)
    pieces = pieces_of_epoch(corpus, RULES, 0, 0)

    # all but the last one of the run
    assert np.count_nonzero((pieces.n_bases - RULES.min_bases) % RULES.step) <= 1
    assert pieces.n_bases.min() < 20
    assert pieces.n_bases.max() == RULES.max_bases


def test_half_of_the_pieces_are_full_and_the_others_of_any_length():
    pieces = pieces_of_epoch(imagined(4_000_000), RULES, 0, 0)
    n_lengths = (RULES.max_bases - RULES.min_bases) // RULES.step + 1

    full = pieces.n_bases == RULES.max_bases
    expected = 0.5 + 0.5 / n_lengths
    assert abs(full.mean() - expected) < 4 * 0.5 / len(pieces) ** 0.5
    others = pieces.n_bases[~full]
    middle = (RULES.min_bases + RULES.max_bases - RULES.step) / 2
    assert abs(others.mean() - middle) < 4 * 147 / len(others) ** 0.5  # 147: their SD


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.8])
def test_a_share_of_the_pieces_is_sampled(share):
    corpus = imagined(400_000)
    rules = replace(RULES, sampled_share=share)
    n_cut = len(pieces_of_epoch(corpus, replace(rules, sampled_share=0.0), 0, 0))
    n_all = len(pieces_of_epoch(corpus, rules, 0, 0))

    assert n_all - n_cut == round(n_cut * share / (1 - share))


def test_sampled_pieces_begin_anywhere():
    """All places of a run of 60 that 50 bases fit in, about equally often."""
    rules = PieceRules(min_bases=50, max_bases=50, sampled_share=0.98)
    corpus = imagined(*[60] * 100)
    pieces = pieces_of_epoch(corpus, rules, 0, 0)
    run = np.searchsorted(corpus.starts, pieces.starts, side="right") - 1
    counts = np.bincount(pieces.starts - corpus.starts[run], minlength=11)[:11]

    assert counts.sum() == len(pieces) > 900
    assert counts.min() > 0.5 * len(pieces) / 11


def test_a_run_shorter_than_the_piece_is_sampled_whole():
    rules = PieceRules(min_bases=5, max_bases=500, full_share=0.999, sampled_share=0.9)
    corpus = imagined(*[20] * 50)
    pieces = pieces_of_epoch(corpus, rules, 0, 0)

    whole = pieces.n_bases == 20
    assert np.isin(pieces.starts[whole], corpus.starts).all()
    assert whole.mean() > 0.9


@pytest.mark.parametrize("sampled_share", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(
    ("weights", "expected"), [((1, 2), 2.0), ((1.0, 0.3), 0.3), ((2.5, 1), 0.4)]
)
def test_a_file_is_read_as_often_as_its_weight_says(weights, expected, sampled_share):
    corpus = imagined(600_000, 600_000, sources=[0, 1], n_sources=2)
    rules = replace(RULES, weights=weights, sampled_share=sampled_share)
    pieces = pieces_of_epoch(corpus, rules, 3, 0)

    second = pieces.starts >= corpus.starts[1]
    n_bases = [pieces.n_bases[part].sum() for part in (~second, second)]
    assert n_bases[1] / n_bases[0] == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("weights", [(0, 1), (0.0, 0.2), (0, 3.5)])
@pytest.mark.parametrize("last", [False, True])
def test_a_file_of_weight_0_is_never_read(weights, last):
    corpus = imagined(50_000, 50_000, sources=[0, 1][:: -1 if last else 1], n_sources=2)
    pieces = pieces_of_epoch(corpus, replace(RULES, weights=weights), 0, 0)

    assert len(pieces)
    assert ((pieces.starts >= corpus.starts[1]) == (not last)).all()


def test_half_of_the_pieces_are_read_backwards_where_asked_for():
    corpus = imagined(2_000_000)
    pieces = pieces_of_epoch(corpus, RULES, 0, 0)

    assert abs(pieces.reverse.mean() - 0.5) < 4 * 0.5 / len(pieces) ** 0.5
    assert not pieces_of_epoch(corpus, replace(RULES, reverse=False), 0, 0).reverse.any()


def test_pieces_come_in_no_order():
    pieces = pieces_of_epoch(imagined(2_000_000), RULES, 0, 0)
    in_order = np.argsort(np.argsort(pieces.starts))

    assert abs(np.corrcoef(in_order, np.arange(len(pieces)))[0, 1]) < 4 / len(pieces) ** 0.5


def test_an_epoch_of_a_genome_needs_few_bytes_per_piece():
    """13 bytes a piece; it used to be 60, a gigabyte for a human genome."""
    corpus = imagined(*[STRETCH] * 4000)
    tracemalloc.start()
    try:
        pieces = pieces_of_epoch(corpus, RULES, 0, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    fixed = 100 * corpus_module._BLOCK  # what a block takes, however many they are
    assert peak < 16 * len(pieces) + fixed


# --- batches


def take(n, *args, **kwargs):
    return [(i, spans(one)) for i, one in itertools.islice(batches(*args, **kwargs), n)]


@pytest.mark.parametrize("first", [0, 1, 4, 5, 17])
def test_batches_go_on_from_any_number(first):
    corpus = imagined(4_000, 900)  # about five batches of an epoch
    whole = take(22, corpus, RULES, 6, 1)

    assert [i for i, _ in whole] == list(range(22))
    assert take(22 - first, corpus, RULES, 6, 1, first=first) == whole[first:]
    assert {len(one) for _, one in whole} == {6}


def test_an_epoch_smaller_than_a_batch_is_one_batch():
    corpus = imagined(700)
    rules = replace(RULES, sampled_share=0.0)

    for i, held in take(5, corpus, rules, 1000, 1):
        assert held == spans(pieces_of_epoch(corpus, rules, 1, i))
        assert held


def test_epochs_that_come_out_empty_are_passed_over():
    """They used to be batches without a row, which no network reads."""
    corpus = imagined(40)
    rules = PieceRules(min_bases=20, max_bases=20, weights=(0.05,), sampled_share=0.0)

    held = take(20, corpus, rules, 4, 0)

    assert all(one for _, one in held)
    assert [i for i, _ in held] == list(range(20))
    assert take(5, corpus, rules, 4, 0, first=15) == held[15:]


@pytest.mark.parametrize(
    ("corpus", "weights"),
    [
        (imagined(), ()),
        (imagined(7, 7), ()),
        (imagined(7, 900, sources=[0, 1], n_sources=2), (1.0, 0.0)),
    ],
)
def test_a_corpus_without_a_piece_is_refused(corpus, weights):
    with pytest.raises(DataError, match="no sequence of at least 8 bases"):
        next(batches(corpus, replace(RULES, weights=weights), 4, 0))


@pytest.mark.parametrize(
    ("weights", "fits"),
    [
        ((), True),
        ((1.0, 0.0), True),
        ((0.0, 0.0), False),
        ((1.0,), False),
        ((1.0, -1.0), False),
        ((1.0, float("nan")), False),
    ],
)
def test_weights_are_one_per_file_and_one_of_them_above_0(weights, fits):
    assert check_weights(weights, ("a", "b")) is fits
