"""Motif matrices in and out: MEME (version 4 and newer) and JASPAR.

MEME: the minimal format, and the text output of the MEME programs, of which the parts named
`MOTIF` and `letter-probability matrix` are read. JASPAR: `>ID NAME` and a row of counts for each
of A, C, G and T, with or without letters and brackets; one matrix may lack its `>` line.
"""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice, pairwise, takewhile
from pathlib import Path
from typing import TextIO

from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.formats.bed import finite_number
from dnabert_cli.formats.files import looks_like, open_text
from dnabert_cli.records import Motif

LETTERS = "ACGT"
SUM_TOLERANCE = 0.01  # how far a row of rounded probabilities may be from 1
UNKNOWN_SITES = 100  # counts of a motif that does not say how many sites it has

_MATRIX = "letter-probability matrix"
_VERSION = re.compile(r"MEME version\s+(\d+)")
_MOTIF = re.compile(r"MOTIF(\s|$)")
_ALPHABET = re.compile(r"ALPHABET\s*=?\s*(.*)")
# The last two where the version is missing, so that the message can say so.
_MEME_BEGINS = ("MEME version", "***", "ALPHABET", "MOTIF")
# What may follow a matrix in a motif; the rules of `-` and `*` are those of MEME's text output.
_AFTER_MATRIX = ("URL", _MATRIX, "log-odds matrix", "Time ", "---", "***")
_FIELD = re.compile(r"(\w+)\s*=\s*(\S+)")
_COUNTS = re.compile(r"(?P<letter>[A-Za-z])?\s*[\[|:]?\s*(?P<cells>[-+.\d][^\]]*?)\s*\]?")
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f]+")
_WANTED = "motifs are read from MEME files (version 4 or newer) and JASPAR files"

Line = tuple[int, str]
Row = tuple[float, float, float, float]


def read_motifs(path: str) -> list[Motif]:
    """Read the motifs of a MEME or JASPAR file, in its order.

    Rows of probabilities are divided by their sum, columns of counts become probabilities.

    Args:
        path: the file, plain or gzip, or `-` for standard input.

    Returns:
        The motifs; none for a MEME file without any.

    Raises:
        FormatError: with the line: not a motif file, letters other than A, C, G, T, rows that
            are no 4 numbers of 0 or more or do not sum to 1, fewer or more rows than announced.
    """
    lines = _content(path)
    first = list(islice(lines, 2))  # a large file of another kind is not read to its end
    if not first:
        raise FormatError(path, "is no motif file: it is empty", hint=_WANTED)
    if first[0][1].startswith(_MEME_BEGINS):
        return _meme_motifs(path, [*first, *lines])
    is_named = first[0][1].startswith(">")
    if not all(_COUNTS.fullmatch(text) for _, text in first[1 if is_named else 0 :]):
        found = looks_like(first[0][1].encode())
        raise FormatError(path, f"is no motif file: it looks like {found}", hint=_WANTED)
    title = [] if is_named else [(first[0][0], f">{Path(path).stem if path != '-' else 'motif'}")]
    return _jaspar_motifs(path, [*title, *first, *lines])


def find_motif(motifs: Sequence[Motif], name: str) -> Motif:
    """Return the motif of an ID or a name, whatever the case; an ID goes before a name.

    Raises:
        DataError: there is none, and which are near; or a name is that of several.
    """
    for key in (_identifier, _alternate_name):
        for fold in (str, str.lower):
            found = [motif for motif in motifs if fold(key(motif)) == fold(name) != "."]
            if len(found) > 1:
                raise DataError(
                    f"{len(found)} motifs are called {name!r}",
                    hint="give the ID of one: " + ", ".join(map(_label, found)),
                )
            if found:
                return found[0]
    raise DataError(f"no motif is called {name!r}", hint=_near(motifs, name))


def _identifier(motif: Motif) -> str:
    return motif.name


def _alternate_name(motif: Motif) -> str:
    return motif.alternate_name


def _label(motif: Motif) -> str:
    known = motif.alternate_name != "."
    return f"{motif.name} ({motif.alternate_name})" if known else motif.name


def _near(motifs: Sequence[Motif], name: str) -> str:
    if not motifs:
        return "the file has no motifs"
    labels = {motif.name.lower(): _label(motif) for motif in motifs}
    named = [motif for motif in motifs if motif.alternate_name != "."]
    labels |= {motif.alternate_name.lower(): _label(motif) for motif in named}
    near = difflib.get_close_matches(name.lower(), labels, n=5)
    if not near:
        return f"it has {len(motifs)} motifs, the first is {_label(motifs[0])}"
    return "near: " + ", ".join(dict.fromkeys(labels[key] for key in near))


def _content(path: str) -> Iterator[Line]:
    """Yield (line number, text) of the lines that are neither blank nor comments."""
    with open_text(path) as handle:
        for number, line in enumerate(handle, 1):
            text = line.strip()
            if text and not text.startswith("#"):
                yield number, text


def _meme_motifs(path: str, lines: list[Line]) -> list[Motif]:
    starts = [index for index, (_, text) in enumerate(lines) if _MOTIF.match(text)]
    _check_heading(path, lines[: starts[0]] if starts else lines)
    return [_meme_motif(path, lines[a:b]) for a, b in pairwise([*starts, len(lines)])]


def _check_heading(path: str, lines: list[Line]) -> None:
    """Check the lines above the first motif: version and alphabet."""
    is_meme = False
    for number, text in lines:
        if version := _VERSION.match(text):
            is_meme = True
            if int(version[1]) < 4:
                raise FormatError(path, f"MEME version {version[1]}", line=number, hint=_WANTED)
        alphabet = _ALPHABET.match(text)
        if alphabet and alphabet[1].upper() != LETTERS:
            raise FormatError(
                path, f"the alphabet is {alphabet[1]!r}, not {LETTERS}", line=number, hint=_WANTED
            )
        if text.startswith(_MATRIX):
            raise FormatError(
                path, "a matrix without a name", line=number, hint="put a line `MOTIF ID` above it"
            )
    if not is_meme:
        raise FormatError(path, "the line `MEME version 4` is missing", hint=_WANTED)


def _meme_motif(path: str, lines: list[Line]) -> Motif:
    """Return the motif of the lines from `MOTIF` to the next `MOTIF`."""
    number, heading = lines[0]
    words = heading.split()
    if len(words) == 1:
        raise FormatError(path, "a motif without a name", line=number, hint="write `MOTIF ID NAME`")
    starts = [index for index, (_, text) in enumerate(lines) if text.startswith(_MATRIX)]
    if len(starts) != 1:
        problem = f"has {len(starts)} matrices" if starts else "has no matrix"
        raise FormatError(
            path, f"motif {words[1]} {problem}", line=number, hint=f"one line `{_MATRIX}:` each"
        )
    start = starts[0]
    below = takewhile(lambda line: not line[1].startswith(_AFTER_MATRIX), lines[start + 1 :])
    rows = tuple(_probabilities(path, *line) for line in below)
    fields = _fields(path, *lines[start])
    _check_size(path, lines[start][0], fields, len(rows))
    n_sites, e_value = fields.get("nsites"), fields.get("E")
    return Motif(
        words[1],
        rows,
        words[2] if len(words) > 2 else ".",
        round(n_sites) if n_sites else None,
        e_value,
    )


def _fields(path: str, line: int, text: str) -> dict[str, float]:
    """Return the numbers `key= value` of the line above a matrix; an E that is none is left out."""
    fields = {}
    for key, value in _FIELD.findall(text):
        number = finite_number(value)
        if number is not None:
            fields[key] = number
        elif key != "E":
            raise FormatError(path, f"{key}= {value!r} is not a number", line=line)
    return fields


def _check_size(path: str, line: int, fields: dict[str, float], n_rows: int) -> None:
    n_letters, width = fields.get("alength", 4), fields.get("w", n_rows)
    if n_letters != 4:
        raise FormatError(
            path, f"alength= {n_letters:g}: the alphabet is not {LETTERS}", line=line, hint=_WANTED
        )
    if n_rows == 0:
        raise FormatError(path, "no row of probabilities below this line", line=line)
    if width != n_rows:
        raise FormatError(
            path,
            f"w= {width:g}, but {n_rows} rows follow",
            line=line,
            hint="is the file complete?" if width > n_rows else None,
        )


def _probabilities(path: str, line: int, text: str) -> Row:
    """Return a row of a MEME matrix, divided by its sum."""
    values = _numbers(path, line, text)
    if len(values) != 4:
        raise FormatError(
            path,
            f"expected 4 probabilities (A, C, G, T), found {len(values)}",
            line=line,
            hint="MEME has a row per position",
        )
    total = sum(values)
    if abs(total - 1) > SUM_TOLERANCE:
        raise FormatError(
            path,
            f"the probabilities sum to {total:g}, not 1",
            line=line,
            hint="divide counts by the sum of their row" if total > 2 else None,
        )
    return _divided(values)


def _numbers(path: str, line: int, text: str) -> list[float]:
    values = []
    for cell in text.split():
        value = finite_number(cell)
        if value is None:
            raise FormatError(
                path, f"{cell!r} is not a number", line=line, hint="a matrix has numbers only"
            )
        if value < 0:
            raise FormatError(
                path,
                f"{cell} is negative",
                line=line,
                hint="probabilities and counts are needed, not log-odds scores",
            )
        values.append(value)
    return values


def _divided(values: Sequence[float]) -> Row:
    total = sum(values)
    a, c, g, t = (value / total for value in values)
    return a, c, g, t


def _jaspar_motifs(path: str, lines: list[Line]) -> list[Motif]:
    starts = [index for index, (_, text) in enumerate(lines) if text.startswith(">")]
    return [_jaspar_motif(path, lines[a:b]) for a, b in pairwise([*starts, len(lines)])]


def _jaspar_motif(path: str, lines: list[Line]) -> Motif:
    """Return the motif of a line `>ID NAME` and the four rows below it."""
    number, words = lines[0][0], lines[0][1].removeprefix(">").split()
    if not words:
        raise FormatError(path, "a motif without a name", line=number, hint="write `>ID NAME`")
    if len(lines) != 5:
        raise FormatError(
            path,
            f"motif {words[0]}: expected 4 rows (A, C, G, T), found {len(lines) - 1}",
            line=number,
            hint="JASPAR has a row per letter; a file with a row per position begins with "
            "`MEME version 4`",
        )
    counts = _counts(path, lines[1:])
    columns = list(zip(*(counts[letter] for letter in LETTERS), strict=True))
    for position, column in enumerate(columns, 1):
        if sum(column) == 0:
            raise FormatError(
                path, f"motif {words[0]}: position {position} has no counts", line=number
            )
    most = max(map(sum, columns))
    is_counted = most > 1 + SUM_TOLERANCE  # else the rows are probabilities
    return Motif(
        words[0],
        tuple(map(_divided, columns)),
        words[1] if len(words) > 1 else ".",
        round(most) if is_counted else None,
    )


def _counts(path: str, lines: list[Line]) -> dict[str, list[float]]:
    """Return the counts of each letter; rows without letters are A, C, G, T."""
    counts: dict[str, list[float]] = {}
    for expected, (number, text) in zip(LETTERS, lines, strict=True):
        match = _COUNTS.fullmatch(text)
        if match is None:
            raise FormatError(
                path,
                f"expected counts, found {text[:40]!r}",
                line=number,
                hint="a row is `A [ 1 2 3 ]` or `1 2 3`",
            )
        letter = (match["letter"] or expected).upper()
        if letter not in LETTERS or letter in counts:
            problem = "stands twice" if letter in counts else f"is none of {LETTERS}"
            raise FormatError(path, f"letter {letter} {problem}", line=number)
        counts[letter] = _numbers(path, number, match["cells"])
        first = len(next(iter(counts.values())))
        if len(counts[letter]) != first:
            raise FormatError(
                path,
                f"{len(counts[letter])} counts, {first} in the row of {next(iter(counts))}",
                line=number,
                hint="every row has one count per position",
            )
    return counts


def write_meme(
    motifs: Iterable[Motif],
    handle: TextIO,
    *,
    background: Sequence[float] | None = None,
    strands: str = "+ -",
) -> None:
    """Write motifs in the minimal MEME format, version 4; no motif is a valid file too.

    Blanks in names become `_`, and a name used before gets a number, since some readers keep one
    motif per name. Every matrix ends with an empty line: older readers lose the last one else.

    Args:
        motifs: with probabilities, `n_sites` and `e_value` where known.
        handle: where to.
        background: frequencies of A, C, G, T; `None`: all equal.
        strands: `+ -`, or `+` where the motifs were looked for on one strand only.
    """
    frequencies = zip(LETTERS, background or (0.25,) * 4, strict=True)
    handle.write(
        f"MEME version 4\n\nALPHABET= {LETTERS}\n\nstrands: {strands}\n\n"
        "Background letter frequencies\n"
        + " ".join(f"{letter} {share:.6f}" for letter, share in frequencies)
        + "\n\n"
    )
    for motif, names in _named(motifs):
        rows = (" ".join(f"{value:.6f}" for value in row) for row in motif.matrix)
        handle.write(f"MOTIF {' '.join(names)}\n{_MATRIX}: {_statistics(motif)}\n")
        handle.writelines(f" {row}\n" for row in rows)
        handle.write("\n")


def write_jaspar(motifs: Iterable[Motif], handle: TextIO) -> None:
    """Write motifs in the JASPAR format: counts, of which every position has `n_sites`.

    Names are made safe as in `write_meme`. A motif that does not say its number of sites gets
    `UNKNOWN_SITES`. Counts are whole numbers; they are rounded so that their sum is kept.
    """
    for motif, names in _named(motifs):
        columns = [_whole_counts(row, motif.n_sites or UNKNOWN_SITES) for row in motif.matrix]
        width = len(str(max(map(max, columns))))
        handle.write(">" + "\t".join(names) + "\n")
        rows = (" ".join(f"{cell:{width}d}" for cell in row) for row in zip(*columns, strict=True))
        handle.writelines(f"{a}  [ {row} ]\n" for a, row in zip(LETTERS, rows, strict=True))


def _named(motifs: Iterable[Motif]) -> Iterator[tuple[Motif, list[str]]]:
    """Yield each motif with its names as they are written: ID, and name where there is one."""
    seen: set[str] = set()
    for motif in motifs:
        safe = _UNSAFE.sub("_", motif.name) or "motif"
        numbered = (safe if n == 1 else f"{safe}_{n}" for n in count(1))
        name = next(name for name in numbered if name not in seen)
        seen.add(name)
        alternate = _UNSAFE.sub("_", motif.alternate_name)
        yield motif, [name] if alternate in {"", "."} else [name, alternate]


def _statistics(motif: Motif) -> str:
    """Return what stands above a matrix, with the blanks that older readers need."""
    text = f"alength= 4 w= {len(motif.matrix)}"
    if motif.n_sites:
        text += f" nsites= {motif.n_sites:d}"
    if motif.e_value is not None and math.isfinite(motif.e_value):
        text += f" E= {motif.e_value:.6g}"
    return text


def _whole_counts(row: Row, n_sites: int) -> list[int]:
    """Share out sites by probability: rounded down, the rest to those that lost most."""
    exact = [value * n_sites for value in _divided(row)]
    counts = [math.floor(value) for value in exact]
    by_loss = sorted(range(4), key=lambda letter: counts[letter] - exact[letter])
    for letter in by_loss[: n_sites - sum(counts)]:
        counts[letter] += 1
    return counts
