"""Splits: neighbours and near copies stay together, and the log says how."""

import logging

import numpy as np
import pytest

from dnabert_cli.errors import OptionsError
from dnabert_cli.records import Example
from dnabert_cli.tasks.splits import DEV, TEST, TRAIN, split_rows
from dnabert_cli.training_config import FinetuneConfig


def placed(n_per_chrom, *, step=100, length=50):
    generator = np.random.default_rng(0)
    return [
        Example(
            "".join(generator.choice(list("ACGT"), length)),
            chrom=f"chr{c}",
            start=step * i,
            end=step * i + length,
        )
        for c, n in enumerate(n_per_chrom, 1)
        for i in range(n)
    ]


def parts_of(examples, **changes):
    return split_rows(examples, None, FinetuneConfig(**changes))


def chroms_of(examples, parts, part):
    return {e.chrom for e, p in zip(examples, parts, strict=True) if p == part}


@pytest.mark.parametrize("seed", range(5))
def test_no_chromosome_is_in_two_parts_and_sizes_are_about_right(seed):
    examples = placed([40, 30, 20, 20, 10, 10, 10, 10])

    parts = parts_of(examples, dev_fraction=0.2, test_fraction=0.2, seed=seed)

    found = [chroms_of(examples, parts, part) for part in (TRAIN, DEV, TEST)]
    assert sum(map(len, found)) == len(set.union(*found)) == 8
    assert [20 <= (parts == part).sum() <= 45 for part in (DEV, TEST)] == [True, True]


def test_seeds_draw_different_chromosomes():
    examples = placed([10] * 12)
    found = {tuple(parts_of(examples, seed=seed)) for seed in range(5)}
    assert len(found) > 1
    assert (parts_of(examples, seed=1) == parts_of(examples, seed=1)).all()


def test_of_three_chromosomes_the_larger_one_trains():
    examples = placed([30, 50, 31])
    parts = parts_of(examples)
    assert chroms_of(examples, parts, TRAIN) == {"chr2"}


def test_the_log_names_the_chromosomes(caplog):
    caplog.set_level(logging.INFO)
    parts_of(placed([30, 50, 31]))
    assert caplog.messages == ["split by chromosome: dev chr1; test chr3"]


def test_no_test_part_takes_no_chromosome():
    parts = parts_of(placed([30, 50, 31]), test_fraction=0.0)
    assert set(parts.tolist()) == {TRAIN, DEV}


@pytest.mark.parametrize("n_per_chrom", [[200], [120, 80]])
def test_on_few_chromosomes_stretches_stay_together(caplog, n_per_chrom):
    caplog.set_level(logging.INFO)
    examples = placed(n_per_chrom)

    parts = parts_of(examples)

    assert caplog.messages[0].startswith("split by stretches of chr1")
    assert 10 <= (parts == DEV).sum() <= 30
    assert 10 <= (parts == TEST).sum() <= 30
    n_borders = (np.diff(parts) != 0).sum()
    assert n_borders <= 8  # a stretch has two; rows drawn one by one would have dozens


@pytest.mark.parametrize("order", [1, -1])
def test_overlapping_rows_are_never_apart(order):
    """Windows every 10 bases, 50 long: only a gap after each hundred may be a border."""
    examples = [
        Example("A" * 50, chrom="chr1", start=start, end=start + 50)
        for block in range(30)
        for start in range(1000 * block, 1000 * block + 100, 10)
    ][::order]
    parts = parts_of(examples).reshape(30, 10)
    assert (parts == parts[:, :1]).all()
    assert set(parts.ravel().tolist()) == {TRAIN, DEV, TEST}


def test_without_places_similar_rows_stay_together(caplog):
    caplog.set_level(logging.INFO)
    examples = [Example(e.sequence * 2) for e in placed([100]) for _ in range(2)]
    parts = parts_of(examples)
    assert (parts[::2] == parts[1::2]).all()
    assert caplog.messages == ["split by similarity: rows that share 50 bases stay together"]


def test_similarity_can_be_asked_for_where_there_are_places(caplog):
    caplog.set_level(logging.INFO)
    parts_of(placed([30, 30, 30]), split="similarity")
    assert caplog.messages == ["split by similarity: rows that share 50 bases stay together"]


@pytest.mark.parametrize("split", ["auto", "chromosome", "similarity"])
def test_a_column_group_always_wins(caplog, split):
    import dataclasses

    caplog.set_level(logging.INFO)
    examples = [
        dataclasses.replace(e, group=f"g{i % 20}") for i, e in enumerate(placed([50, 50, 50]))
    ]
    parts = parts_of(examples, split=split)
    for group in range(20):
        assert len(set(parts[group::20].tolist())) == 1
    assert caplog.messages == ["split by the column group"]


def test_a_split_by_chromosome_needs_places():
    with pytest.raises(OptionsError, match="--split chromosome: rows do not say where they lie"):
        parts_of([Example("ACGT")] * 30, split="chromosome")
