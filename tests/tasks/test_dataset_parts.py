"""Parts: whole groups, regions, and no row in two of them."""

from collections import defaultdict

import numpy as np
import pytest

from dnabert_cli.dataset_config import DatasetConfig
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError
from dnabert_cli.records import Example
from dnabert_cli.sequence.leakage import shared_share
from dnabert_cli.tasks.dataset_parts import make_parts
from dnabert_cli.tasks.dropped import Dropped
from dnabert_cli.tasks.positives import Row
from dnabert_cli.tasks.splits import DEV, TEST
from tests.dataset_toys import letters, placed_row

NAMES = ("train", "dev", "test")


def placed_rows(n_chroms=4, n_per_chrom=60, step=500, length=100):
    return [
        placed_row(text, str(i % 2), f"chr{chrom}", step * i, name=f"{chrom}/{i}")
        for chrom in range(n_chroms)
        for i in range(n_per_chrom)
        for text in [letters(length, (chrom, i))]
    ]


def plain_rows(texts):
    return [Row(Example(t, label=str(i % 2), name=f"s{i}")) for i, t in enumerate(texts)]


def parts_of(rows, kind="peaks", fixed=None, **options):
    dropped = Dropped()
    config = DatasetConfig(kind=kind, **{"block": 3_000, **options})
    return make_parts(rows, config, fixed or {}, dropped), dropped.to_json()


def groups_by_part(parts, group):
    return [{group(row.example) for row in parts.rows[name]} for name in NAMES]


def assert_apart(sets):
    assert sum(map(len, sets)) == len(set.union(*sets))


def n_rows(parts):
    return [len(parts.rows[name]) for name in NAMES]


@pytest.mark.parametrize("seed", range(3))
def test_no_block_is_in_two_parts(seed):
    parts, _ = parts_of(placed_rows(), seed=seed)
    assert_apart(groups_by_part(parts, lambda e: (e.chrom, (e.start + e.end) // 2 // 3_000)))
    assert all(15 <= n <= 33 for n in n_rows(parts)[1:])
    assert sum(n_rows(parts)) == 240


def test_no_chromosome_is_in_two_parts():
    parts, _ = parts_of(placed_rows(10, 20), split="chromosome")
    assert_apart(groups_by_part(parts, lambda e: e.chrom))
    assert all(n_rows(parts))


@pytest.mark.parametrize("is_reverse", [False, True])
def test_no_similar_rows_are_in_two_parts(is_reverse):
    shared = [letters(60, (1, i)) for i in range(60)]
    texts = [letters(20, (2, i)) + text + letters(20, (3, i)) for i, text in enumerate(shared)]
    twins = [letters(15, (4, i)) + text for i, text in enumerate(shared)]
    if is_reverse:
        twins = [reverse_complement(text) for text in twins]
    rows = [row for pair in zip(plain_rows(texts), plain_rows(twins), strict=True) for row in pair]
    parts, dropped = parts_of(rows, "sequences", split="similarity")
    assert_apart(groups_by_part(parts, lambda e: int(e.name[1:])))
    assert dropped == {}
    assert all(10 <= n <= 14 for n in n_rows(parts)[1:])


def test_a_column_group_of_a_table_decides():
    rows = [Row(Example(letters(80, i), label=str(i % 2), group=f"g{i // 5}")) for i in range(200)]
    parts, _ = parts_of(rows, "table")
    assert_apart(groups_by_part(parts, lambda e: e.group))
    assert all(n_rows(parts))


def test_rows_with_places_are_split_by_block_others_by_similarity(caplog):
    caplog.set_level("INFO")
    parts_of(placed_rows(), "table")
    parts_of(plain_rows([letters(80, i) for i in range(100)]), "table")
    assert caplog.messages == ["split by block", "split by similarity"]


def test_a_split_by_place_needs_places():
    with pytest.raises(DataError, match="--split block: rows have no chrom, start and end"):
        parts_of(plain_rows([letters(80, i) for i in range(10)]), "table", split="block")


def test_equal_seeds_draw_equal_parts():
    first, second, other = (parts_of(placed_rows(), seed=seed)[0].rows for seed in (1, 1, 2))
    assert first == second != other


@pytest.mark.parametrize(("dev", "test"), [(0, 0.2), (0.2, 0), (0, 0)])
def test_a_part_that_is_not_asked_for_is_empty(dev, test):
    parts, _ = parts_of(placed_rows(), dev_fraction=dev, test_fraction=test)
    assert [n > 0 for n in n_rows(parts)] == [True, dev > 0, test > 0]


@pytest.mark.parametrize("split", ["block", "chromosome", "stratified"])
def test_rows_in_the_regions_of_a_part_and_no_others_are_that_part(split):
    fixed = {TEST: {"chr1": [(4_900, 10_000)]}, DEV: {"chr2": [(0, 6_000)]}}
    parts, dropped = parts_of(placed_rows(), fixed=fixed, split=split)
    places = groups_by_part(parts, lambda e: (e.chrom, e.start))
    assert places[2] == {("chr1", start) for start in range(5_000, 10_000, 500)}
    assert places[1] == {("chr2", start) for start in range(0, 6_000, 500)}
    assert sum(n_rows(parts)) == 240
    assert dropped == {}


def test_the_other_part_is_still_drawn_where_only_one_has_regions():
    parts, _ = parts_of(placed_rows(), fixed={TEST: {"chr1": [(0, 40_000)]}})
    assert n_rows(parts)[2] == 60
    assert 12 <= n_rows(parts)[1] <= 24
    assert {row.example.chrom for row in parts.rows["dev"]} <= {"chr0", "chr2", "chr3"}


def test_rows_across_the_border_of_a_region_are_left_out_and_counted():
    fixed = {TEST: {"chr1": [(5_050, 10_050)]}, DEV: {"chr1": [(10_050, 20_000)]}}
    parts, dropped = parts_of(placed_rows(), fixed=fixed)
    # one row across the left border; the one at 10,000 lies across both regions, counted once
    assert dropped == {"across the border of a part": 2}
    left = {row.example.name for name in NAMES for row in parts.rows[name]}
    assert {f"{c}/{i}" for c in range(4) for i in range(60)} - left == {"1/10", "1/20"}


@pytest.mark.parametrize("split", ["block", "chromosome", "similarity", "stratified"])
def test_synthetic_rows_go_where_their_parents_go(split):
    rows = placed_rows(10, 24)
    rows += [
        Row(Example(letters(100, (9, i)), label="0", chrom=row.example.chrom, name=row.example.name,
                    start=row.example.start, end=row.example.end), i)
        for i, row in enumerate(rows)
    ]  # fmt: skip
    parts, _ = parts_of(rows, split=split)
    assert_apart(groups_by_part(parts, lambda e: e.name))
    assert all(n_rows(parts))


def copies_of(rows, parts, change):
    """Rows made by `change` from each test row, placed where the training rows lie."""
    free = iter(row for row in parts.rows["train"])
    return [
        placed_row(change(row.example.sequence), row.example.label, place.chrom, place.start + 200)
        for row, place in zip(parts.rows["test"], (each.example for each in free), strict=False)
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        reverse_complement,
        str.lower,
        lambda text: text[20:] + "ACGTACGTTTGACCAGTCCA",
    ],
    ids=["copy", "reverse", "soft-masked", "shifted"],
)
def test_planted_copies_leave_the_part_that_trains(change):
    rows = placed_rows()
    fixed = {TEST: {"chr3": [(0, 40_000)]}, DEV: {"chr2": [(0, 40_000)]}}
    clean, _ = parts_of(rows, fixed=fixed)
    copies = copies_of(rows, clean, change)
    parts, dropped = parts_of([*rows, *copies], fixed=fixed)
    assert dropped == {"train rows near-duplicate to test": 60}
    assert parts.rows == clean.rows
    assert sum(each.n_near_duplicates for each in parts.before) == 120
    assert all(each.n_near_duplicates == 0 for each in parts.after)


def test_a_test_row_found_piece_by_piece_is_in_no_other_part():
    """Three training rows hold a third of a test row each: none is a copy, together they are."""
    rows = placed_rows(length=300)
    fixed = {TEST: {"chr3": [(0, 40_000)]}, DEV: {"chr2": [(0, 40_000)]}}
    target = rows[200].example.sequence
    pieces = [
        placed_row(letters(100, (7, i)) + target[i : i + 100] + letters(100, (8, i)), "1", "chr0",
                   30_000 + 500 * i)
        for i in (0, 50, 100, 150, 200)
    ]  # fmt: skip
    assert shared_share([row.example.sequence for row in pieces], [target]).max() < 0.5
    parts, dropped = parts_of([*rows, *pieces], fixed=fixed)
    assert dropped == {"train rows near-duplicate to test": 5}
    assert target in {row.example.sequence for row in parts.rows["test"]}


def test_dev_loses_what_it_shares_with_test_and_train_what_it_shares_with_dev():
    rows = placed_rows()
    fixed = {TEST: {"chr3": [(0, 40_000)]}, DEV: {"chr2": [(0, 40_000)]}}
    in_dev = placed_row(rows[200].example.sequence, "1", "chr2", 39_000)
    in_train = placed_row(rows[130].example.sequence, "1", "chr0", 39_000)
    parts, dropped = parts_of([*rows, in_dev, in_train], fixed=fixed)
    assert dropped == {"dev rows near-duplicate to test": 1, "train rows near-duplicate to dev": 1}
    assert n_rows(parts) == [120, 60, 60]


def test_near_duplicates_can_be_kept_and_are_reported():
    rows = placed_rows()
    fixed = {TEST: {"chr3": [(0, 40_000)]}}
    copies = [placed_row(row.example.sequence, row.example.label, "chr0", 50_000 + i * 100)
              for i, row in enumerate(rows[180:])]  # fmt: skip
    parts, dropped = parts_of([*rows, *copies], fixed=fixed, keep_near_duplicates=True,
                              dev_fraction=0)  # fmt: skip
    assert dropped == {}
    assert n_rows(parts) == [240, 0, 60]
    found = {(each.part, each.other): each.n_exact for each in parts.after}
    assert found == {("train", "test"): 60, ("test", "train"): 60}


def test_how_much_may_be_shared_can_be_set():
    rows = placed_rows()
    fixed = {TEST: {"chr3": [(0, 40_000)]}}
    half = [placed_row(row.example.sequence[:70] + letters(30, i), "1", "chr0", 50_000 + i * 100)
            for i, row in enumerate(rows[180:])]  # fmt: skip
    lengths = [
        n_rows(parts_of([*rows, *half], fixed=fixed, dev_fraction=0, max_shared=share)[0])[0]
        for share in (0.3, 0.9, 1.0)
    ]
    assert lengths == [180, 240, 240]  # 21 of 51 stretches are found


def test_a_part_without_a_class_is_refused():
    rows = [row for row in placed_rows() if row.example.chrom != "chr3" or row.example.label == "1"]
    with pytest.raises(DataError, match=r"the test part has no row of class 0 .*--seed"):
        parts_of(rows, fixed={TEST: {"chr3": [(0, 40_000)]}})


def test_blocks_with_positives_are_shared_out_among_the_parts():
    """Sites cluster: a tenth of the blocks hold all of them, and each part gets some."""
    rows = [
        placed_row(letters(100, i), "1" if i // 6 % 10 == 0 else "0", "chr1", 500 * i)
        for i in range(1_200)
    ]
    parts, _ = parts_of(rows)
    counts = defaultdict(int)
    for name in NAMES:
        counts[name] = sum(row.example.label == "1" for row in parts.rows[name])
    assert dict(counts) == {"train": 96, "dev": 12, "test": 12}


def test_the_territory_is_where_no_training_row_was_drawn():
    parts, _ = parts_of(placed_rows())
    covered = {
        (chrom, start // 3_000) for chrom, places in parts.territory.items() for start, _ in places
    }
    blocks = groups_by_part(parts, lambda e: (e.chrom, (e.start + e.end) // 2 // 3_000))
    assert covered == blocks[1] | blocks[2]
    assert {end - start for places in parts.territory.values() for start, end in places} == {3_000}


def test_the_territory_of_a_split_by_chromosome_is_whole_chromosomes():
    parts, _ = parts_of(placed_rows(10, 20), split="chromosome")
    chroms = groups_by_part(parts, lambda e: e.chrom)
    assert parts.territory.keys() == chroms[1] | chroms[2]
    assert all(places[0][1] > 1 << 32 for places in parts.territory.values())


def test_without_places_there_is_no_territory():
    assert parts_of(placed_rows(), split="stratified")[0].territory is None


def test_every_row_is_in_one_part_or_counted():
    rows = placed_rows()
    doubles = np.random.default_rng(0).permutation(len(rows))[:80]
    rows += [placed_row(rows[i].example.sequence, "1", "chr5", int(i) * 700) for i in doubles]
    parts, dropped = parts_of(rows)
    assert sum(n_rows(parts)) + sum(dropped.values()) == 320
    assert sum(dropped.values()) > 0


def test_rows_that_overlap_across_two_blocks_do_not_stay_apart_in_name_only():
    """A row on either side of a border shared half of its bases with one of another part."""
    genome = letters(60_000, 9)
    starts = list(range(100, 59_000, 250))
    rows = [
        placed_row(genome[start : start + 400], str(i % 2), "chr1", start, name=str(i))
        for i, start in enumerate(starts)
    ]
    parts, dropped = parts_of(rows, max_shared=1.0)
    places = [
        (name, row.example.start, row.example.end) for name in NAMES for row in parts.rows[name]
    ]
    overlaps = [
        (a, b) for a in places for b in places if a[0] != b[0] and a[1] < b[2] and b[1] < a[2]
    ]
    assert overlaps == []
    assert any("overlap" in reason for reason in dropped)
