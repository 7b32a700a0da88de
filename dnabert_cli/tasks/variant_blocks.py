"""Records of variants, taken together in units, with those around them where they matter."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dnabert_cli.formats.units import unit_key
from dnabert_cli.formats.vcf import VariantRecord

# Alleles per unit: progress and answers to resume from appear this often, batches never cross it.
UNIT_ALLELES = 256


@dataclass(frozen=True)
class Block:
    """The records of a unit.

    Attributes:
        records: at least one.
        before: records of the same sequence within reach before the first one.
        after: records of the same sequence within reach behind the last one.
    """

    records: Sequence[VariantRecord]
    before: Sequence[VariantRecord] = field(default=())
    after: Sequence[VariantRecord] = field(default=())

    def key(self, *more: str) -> str:
        """Return what tells the answers to this unit from those to others.

        Args:
            more: what they depend on beside place and alleles.
        """
        counts = f"{len(self.before)} {len(self.records)}"
        return unit_key("variants", counts, *map(_text, self.everyone), *more)

    @property
    def everyone(self) -> Sequence[VariantRecord]:
        """The records of the unit and those around them."""
        return (*self.before, *self.records, *self.after)


def _text(record: VariantRecord) -> str:
    return f"{record.chrom}\t{record.position}\t{record.ref}\t{','.join(record.alts)}"


def blocks(records: Iterable[VariantRecord], reach: int = 0) -> Iterator[Block]:
    """Cut records into units: as many as have together at most `UNIT_ALLELES` alternatives.

    A record that alone has more is a unit of its own; one without alternatives counts as one.

    Args:
        records: sorted, if `reach` is above 0.
        reach: bases around a unit in which its neighbours are given along.
    """
    source, ahead = iter(records), deque[VariantRecord]()
    known: list[VariantRecord] = []  # of this unit and what is within reach before it
    while block := _taken(ahead, source):
        first, last = block[0], _farthest(block)
        before = [one for one in known if _is_near(one, first, reach)]
        after: list[VariantRecord] = []
        if reach:
            _read_ahead(ahead, source, last, reach)
            after = [one for one in ahead if _is_near(last, one, reach)]
            known = [*before, *block]
        yield Block(block, before, after)


def _taken(ahead: deque[VariantRecord], source: Iterator[VariantRecord]) -> list[VariantRecord]:
    block: list[VariantRecord] = []
    n_alleles = 0
    while record := (ahead.popleft() if ahead else next(source, None)):
        n_alleles += max(len(record.alts), 1)
        if block and n_alleles > UNIT_ALLELES:
            ahead.appendleft(record)
            break
        block.append(record)
    return block


def _farthest(block: Sequence[VariantRecord]) -> VariantRecord:
    """Return the record of the last sequence that reaches furthest: a deletion may be long."""
    of_last = [one for one in block if one.chrom == block[-1].chrom]
    return max(of_last, key=lambda one: one.position + len(one.ref))


def _read_ahead(
    ahead: deque[VariantRecord], source: Iterator[VariantRecord], last: VariantRecord, reach: int
) -> None:
    """Read until a record is out of reach of a unit."""
    while not ahead or _is_near(last, ahead[-1], reach):
        record = next(source, None)
        if record is None:
            return
        ahead.append(record)


def _is_near(one: VariantRecord, other: VariantRecord, reach: int) -> bool:
    """Tell whether a later record begins within reach of the end of an earlier one."""
    end = one.position + len(one.ref)
    return one.chrom == other.chrom and other.position <= end + reach
