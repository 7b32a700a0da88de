"""Units hold all records once and in order, with exactly those around them that are near."""

from itertools import pairwise
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.formats.vcf import VariantRecord
from dnabert_cli.tasks import variant_blocks as module
from dnabert_cli.tasks.variant_blocks import Block, blocks


@st.composite
def files(draw):
    """Sorted records of some sequences, some with many alternatives or a long REF."""
    records = []
    for chrom in "ab":
        places = draw(st.lists(st.integers(-1, 60), max_size=8))
        for position in sorted(places):
            n_ref, n_alts = draw(st.sampled_from([1, 2, 25])), draw(st.sampled_from([1, 1, 0, 5]))
            alts = ("C",) * n_alts
            records.append(
                VariantRecord(len(records) + 1, chrom, position, ".", "A" * n_ref, alts, "")
            )
    return records


def cut(records, reach, unit=4):
    with mock.patch.object(module, "UNIT_ALLELES", unit):
        return list(blocks(iter(records), reach))


def record(position, ref="A", alts=("C",), chrom="a", number=1):
    return VariantRecord(number, chrom, position, ".", ref, alts, "")


def is_near(one, others, reach):
    """Tell whether a record begins or ends within reach of one of others."""
    return any(
        one.chrom == other.chrom
        and one.position <= other.position + len(other.ref) + reach
        and other.position <= one.position + len(one.ref) + reach
        for other in others
    )


@given(files(), st.sampled_from([0, 3, 20]), st.sampled_from([1, 2, 4, 100]))
def test_every_record_is_in_one_unit_and_in_order(records, reach, unit):
    found = cut(records, reach, unit)
    assert [one for block in found for one in block.records] == records
    assert all(block.records for block in found)


@given(files(), st.sampled_from([0, 3]), st.sampled_from([1, 2, 4, 100]))
def test_a_unit_is_as_large_as_may_be_and_no_larger(records, reach, unit):
    sizes = [
        [max(len(one.alts), 1) for one in block.records] for block in cut(records, reach, unit)
    ]
    assert all(sum(one) <= unit or len(one) == 1 for one in sizes)
    assert all(sum(one) + following[0] > unit for one, following in pairwise(sizes))


@given(files(), st.sampled_from([1, 5, 20]), st.sampled_from([1, 2, 3, 100]))
def test_neighbours_are_exactly_those_within_reach(records, reach, unit):
    for block in cut(records, reach, unit):
        first, last = block.records[0].number - 1, block.records[-1].number
        before = [one for one in records[:first] if is_near(one, block.records, reach)]
        after = [one for one in records[last:] if is_near(one, block.records, reach)]
        assert list(block.before) == before
        assert list(block.after) == after


def test_a_long_deletion_reaches_further_than_the_last_record_of_its_unit():
    deletion, inside, behind = record(0, "A" * 25, ("A",)), record(1), record(30)
    block, _ = cut([deletion, inside, behind], reach=10, unit=2)
    assert list(block.after) == [behind]


@given(files(), st.sampled_from([1, 3]))
def test_without_reach_a_unit_has_no_neighbours(records, unit):
    assert all(not block.before and not block.after for block in cut(records, 0, unit))


def test_records_are_read_no_further_than_needed():
    asked = []

    def source():
        for number in range(100):
            asked.append(number)
            yield record(number, number=number)

    with mock.patch.object(module, "UNIT_ALLELES", 3):
        next(iter(blocks(source())))
    assert asked == [0, 1, 2, 3]


def test_nothing_is_no_unit():
    assert cut([], 5) == []


@pytest.mark.parametrize(
    "other",
    [record(6), record(5, "AA"), record(5, alts=("G",)), record(5, alts=("C", "G")),
     record(5, chrom="b"), record(5, alts=())],
)  # fmt: skip
def test_another_place_or_allele_is_another_key(other):
    assert Block([record(5)]).key() != Block([other]).key()


def test_numbers_and_names_are_no_part_of_the_key():
    named = VariantRecord(9, "a", 5, "rs1", "A", ("C",), "line")
    assert Block([record(5)]).key() == Block([named]).key()


def test_what_lies_around_is_part_of_the_key():
    one, two = record(5), record(6)
    keys = {
        Block([one, two]).key(),
        Block([one], after=[two]).key(),
        Block([two], before=[one]).key(),
        Block([one], after=[two]).key("0|1"),
    }
    assert len(keys) == 4
