"""Files that say something about alleles or places: which of it is asked for, and its values.

VCF and BCF go by allele: entries of INFO and the columns ID, QUAL and FILTER. So do tables whose
header line names columns `ref` and `alt`. Other tables and BED go by place. Any column of a table
can be asked for. Positions are 0-based and half-open here, whatever the file counts from.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from dnabert_cli.errors import FormatError, OptionsError
from dnabert_cli.formats.files import as_text, open_binary
from dnabert_cli.formats.indexed_rows import IndexedRows, Layout, as_utf8, open_rows
from dnabert_cli.formats.vcf_header import meta_id

_VCF_COLUMNS = {"ID": 2, "QUAL": 5, "FILTER": 6}
_VCF_ALLELES = (3, 4)
_INFO = 7
_BED_COLUMNS = ("chrom", "start", "end", "name", "score", "strand")
_MISSING = frozenset({"", "."})

_IS_KEY = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*").fullmatch  # of INFO: VCF 4.3, section 1.6.1
_NO_KEY = re.compile(r"[^0-9A-Za-z_.]+")
_META_NUMBER = re.compile(r"[<,]Number=([^,>]+)")
_META_TEXT = re.compile(r'[<,]Description="((?:[^"\\]|\\.)*)"')
_OWN = "DNABERT_"
_N_SHOWN = 12  # fields that an error lists

# (cells of the row, number of alternative alleles) -> a value for each of them
_Take = Callable[[Sequence[str], int], tuple[str | None, ...]]


@dataclass(frozen=True, slots=True)
class Field:
    """Something to look up.

    Attributes:
        name: the key of INFO it is written to.
        source: the entry of INFO or the column it is read from.
        description: what the header of a VCF says about it; may be empty.
    """

    name: str
    source: str
    description: str = ""


class Annotated(NamedTuple):
    """A row of the file.

    Attributes:
        position: 0-based, of the first letter of `ref`, or of the place.
        end: the base behind the last one.
        ref: the reference allele, as written; `None` where the file goes by place.
        alts: the alternative alleles, of any kind; none where the file goes by place.
        cells: its columns.
        take: how the fields are found in them.
    """

    position: int
    end: int
    ref: str | None
    alts: tuple[str, ...]
    cells: Sequence[str]
    take: Mapping[str, _Take]

    @property
    def values(self) -> dict[str, tuple[str | None, ...]]:
        """Values by name of the field: one for each of `alts`, or one for a place.

        `None` where there is none. Items of a list are separated by `|`; the percent-encoding of
        VCF is undone.
        """
        n_values = max(len(self.alts), 1)
        return {name: take(self.cells, n_values) for name, take in self.take.items()}


class Annotations:
    """An indexed file, with the fields asked for.

    Attributes:
        path: the file.
        fields: in the order asked for.
        contigs: its sequences, with their lengths where the header has them.
        by_allele: whether rows have alleles; else they go by place.
        has_extent: whether the index knows where a row ends; else only where it starts.
    """

    def __init__(
        self,
        rows: IndexedRows,
        fields: Sequence[tuple[Field, _Take]],
        alleles: tuple[int, int] | None,
    ) -> None:
        self.path = rows.path
        self.fields = tuple(field for field, _ in fields)
        self.contigs = rows.contigs
        self.by_allele = alleles is not None
        self.has_extent = rows.layout.has_extent
        self._rows = rows
        self._take = {field.name: take for field, take in fields}
        self._alleles = alleles
        self._n_cuts = _INFO + 1 if rows.is_vcf else -1  # samples stay together

    def records(self, chrom: str, start: int, end: int) -> Iterator[Annotated]:
        """Yield the rows that overlap bases `start` to `end` (exclusive), by position.

        Args:
            chrom: one of `contigs`.
            start: at least 0.
            end: more than `start`.

        Raises:
            FormatError: the file is damaged, or a row lacks columns.
        """
        for line in self._rows.lines(chrom, start, end):
            cells = line.split("\t", self._n_cuts)
            try:
                yield self._record(cells)
            except (IndexError, ValueError) as error:
                place = as_utf8(":".join(cells[:2]))
                raise FormatError(
                    self.path,
                    f"the row {place} lacks columns, or has one that is no whole number",
                    hint="write the file and its index again",
                ) from error

    def _record(self, cells: list[str]) -> Annotated:
        layout = self._rows.layout
        start = int(cells[layout.start]) - (not layout.is_zero_based)
        if self._alleles is None:
            end = int(cells[layout.end]) if layout.end >= 0 else start + 1
            return Annotated(start, max(end, start + 1), None, (), cells, self._take)
        ref, alt = cells[self._alleles[0]], cells[self._alleles[1]]
        if self._n_cuts > len(cells):
            raise ValueError("a record of VCF has eight columns")
        alts = () if alt in _MISSING else tuple(alt.split(","))
        return Annotated(start, start + len(ref), ref, alts, cells, self._take)


def open_annotations(path: str, fields: Sequence[str] | None = None) -> Annotations:
    """Open VCF, BCF, BED or a table, packed by bgzip and with an index beside it.

    Args:
        path: the file.
        fields: what to look up: entries of INFO, ID, QUAL and FILTER of a VCF; names or 1-based
            numbers of the columns of others. `NEW:=OLD` writes OLD as NEW. `None` is ID for VCF
            and the name for BED.

    Raises:
        FormatError: as `open_rows`; or there is no such field.
        OptionsError: a name cannot be a key of INFO or comes twice; a table needs `fields`.
    """
    rows = open_rows(path)
    if rows.is_vcf:
        declared = {}
        for line in rows.header:
            named = meta_id(line)
            if named and named[0] == "INFO":
                declared[named[1]] = line
        asked = ("ID",) if fields is None else fields
        found = [_vcf_field(path, declared, text) for text in asked]
        return Annotations(rows, _distinct(found), _VCF_ALLELES)
    names = _column_names(path, rows.layout)
    asked = _columns_by_default(path, names, rows.layout) if fields is None else fields
    found = [_table_field(path, names, text) for text in asked]
    lower = [name.lower() for name in names]
    has_alleles = {"ref", "alt"} <= set(lower)
    alleles = (lower.index("ref"), lower.index("alt")) if has_alleles else None
    return Annotations(rows, _distinct(found), alleles)


def _vcf_field(path: str, declared: Mapping[str, str], text: str) -> tuple[Field, _Take]:
    new, old = _named(text)
    if old in _VCF_COLUMNS:
        take = _column(_VCF_COLUMNS[old], separator=";")
        return Field(_key(new, old, old), old), take
    source = old.removeprefix("INFO/")
    if source not in declared:
        raise _unknown(path, source, [*declared, *_VCF_COLUMNS])
    number, about = _META_NUMBER.search(declared[source]), _META_TEXT.search(declared[source])
    description = as_utf8(re.sub(r"\\(.)", r"\1", about[1])) if about else ""
    field = Field(_key(new, old, source), source, description)
    return field, _info(source, number[1] if number else ".")


def _table_field(path: str, names: Sequence[str], text: str) -> tuple[Field, _Take]:
    new, old = _named(text)
    lower = [name.lower() for name in names]
    if old.lower() in lower:
        column = names.index(old) if old in names else lower.index(old.lower())
    elif old.isascii() and old.isdigit() and 1 <= int(old) <= len(names):
        column = int(old) - 1
    else:
        raise _unknown(path, old, names)
    return Field(_key(new, old, names[column]), names[column]), _column(column)


def _named(text: str) -> tuple[str, str]:
    """Split `NEW:=OLD`; NEW is empty where it is not given."""
    new, given, old = text.partition(":=")
    return (new.strip(), old.strip()) if given else ("", text.strip())


def _key(new: str, old: str, column: str) -> str:
    """Return the key of INFO: the one asked for, else made from the name of the column."""
    key = new or re.sub(r"^(?=[0-9])", "_", _NO_KEY.sub("_", column))
    if not _IS_KEY(key):
        raise OptionsError(
            f"--fields {new}:={old}: {key!r} cannot be a key of INFO",
            hint="letters, digits, '_' and '.', not beginning with a digit or '.'",
        )
    if key.startswith(_OWN):
        raise OptionsError(
            f"--fields {key}: names with {_OWN} are kept for scores",
            hint=f"give it another name: OLD_{key}:={old}",
        )
    return key


def _distinct(found: list[tuple[Field, _Take]]) -> list[tuple[Field, _Take]]:
    names = [field.name for field, _ in found]
    for name in names:
        if names.count(name) > 1:
            raise OptionsError(
                f"--fields has {name} more than once", hint=f"give it another name: NEW:={name}"
            )
    return found


def _unknown(path: str, name: str, known: Sequence[str]) -> FormatError:
    of_lower = {one.lower(): one for one in known}
    near = [of_lower[one] for one in difflib.get_close_matches(name.lower(), of_lower, n=5)]
    more = ", …" if len(known) > _N_SHOWN else ""
    cure = f"near: {', '.join(near)}" if near else f"it has {', '.join(known[:_N_SHOWN])}{more}"
    return FormatError(path, f"has no field {name!r} for --fields", hint=cure)


def _info(key: str, number: str) -> _Take:
    """Return what takes an entry of INFO: by allele for Number A and R, else whole."""
    n_before = {"A": 0, "R": 1}.get(number)

    def take(cells: Sequence[str], n_alts: int) -> tuple[str | None, ...]:
        entries = cells[_INFO].split(";")
        entry = next((one for one in entries if one.partition("=")[0] == key), None)
        if entry is None:
            return (None,) * n_alts
        items = entry.partition("=")[2].split(",") if "=" in entry else ["1"]
        if n_before is None:
            return (_joined(items),) * n_alts
        if len(items) != n_alts + n_before:  # no telling which is whose
            return (None,) * n_alts
        return tuple(_joined([item]) for item in items[n_before:])

    return take


def _joined(items: Sequence[str]) -> str | None:
    """Return items that were separated by commas as one value."""
    if all(item in _MISSING for item in items):
        return None
    text = as_utf8("|".join(items))
    return unquote(text) if "%" in text else text


def _column(column: int, separator: str | None = None) -> _Take:
    """Return what takes a column, whose items may have a separator."""

    def take(cells: Sequence[str], n_alts: int) -> tuple[str | None, ...]:
        text = cells[column].strip() if column < len(cells) else ""
        if text in _MISSING:
            return (None,) * n_alts
        return (as_utf8(text.replace(separator, "|") if separator else text),) * n_alts

    return take


def _column_names(path: str, layout: Layout) -> list[str]:
    """Return the names of a table's columns; those of BED where no line names them."""
    heading, first = "", ""
    with as_text(open_binary(path)) as lines:
        for number, line in enumerate(lines):
            if not (line.startswith(layout.comment) or number < layout.n_skipped):
                first = line.rstrip("\n")
                break
            heading = line.rstrip("\n") or heading
    n_columns = len(first.split("\t"))
    names = [name.strip() for name in heading.lstrip(layout.comment).split("\t")]
    if len(names) > max(layout.chrom, layout.start):
        return names
    known = _BED_COLUMNS if _is_bed(layout) else ()
    return [*known[:n_columns], *(f"column{n + 1}" for n in range(len(known), n_columns))]


def _columns_by_default(path: str, names: Sequence[str], layout: Layout) -> Sequence[str]:
    if _is_bed(layout) and len(names) > _BED_COLUMNS.index("name"):
        return (f"{_BED_COLUMNS.index('name') + 1}",)
    raise OptionsError(
        f"--annotate {path}: what to look up? It has {', '.join(map(str, names))}",
        hint="name one or more of them with --fields",
    )


def _is_bed(layout: Layout) -> bool:
    return layout.is_zero_based and layout[:3] == (0, 1, 2)
