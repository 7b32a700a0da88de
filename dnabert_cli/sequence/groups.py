"""Similarity groups, and splits that keep each of them together.

Sequences that share a long stretch (overlapping windows, repeats, the same region on the other
strand) would let a model be tested on what it has learned by heart. They form one group, and a
group goes to one part of a split only.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dnabert_cli.sequence.stretches import Hashes, Rows, canonical, hashed_stretches

LARGE_SHARE = 0.01  # groups with a larger share of the rows are large (see `split`) ...
LARGE_ROWS = 5  # ... but not groups of so few rows, however small the table

Numbers = npt.NDArray[np.int64]


def similarity_groups(sequences: Sequence[str], size: int = 50) -> Numbers:
    """Return the group number of each sequence, `[N]`, from 0 in order of first appearance.

    Two sequences that share `size` consecutive bases, on either strand, are in one group, and so
    are all that such pairs connect. Case does not matter and U is T. Stretches with a letter
    other than A, C, G, T, U do not count; a sequence without any countable stretch (a shorter
    one, for example) is compared with others of that kind as a whole.

    Stretches are compared by 64-bit hashes: of 10^7 different ones, two are taken for equal with
    a chance of about 3 in a million.
    """
    n_rows = len(sequences)
    hashes, rows = hashed_stretches(sequences, size)
    wholes = _equal_wholes(sequences, np.bincount(rows, minlength=n_rows) == 0)
    links = np.concatenate([_equal_stretches(hashes, rows), wholes], axis=1)
    _, numbers = np.unique(_components(n_rows, links), return_inverse=True)
    return numbers.astype(np.int64)


def _equal_stretches(hashes: Hashes, rows: Rows) -> Rows:
    """Return links `[2, M]` between the rows that have a hash in common."""
    order = np.argsort(hashes)
    ranked = hashes[order]
    is_equal = ranked[1:] == ranked[:-1]
    neighbours = rows[order]
    left, right = neighbours[:-1][is_equal], neighbours[1:][is_equal]
    return np.stack([left, right])[:, left != right]


def _equal_wholes(sequences: Sequence[str], chosen: npt.NDArray[np.bool_]) -> Rows:
    """Return links `[2, M]` between the chosen sequences that are equal on either strand."""
    first_row: dict[str, int] = {}
    links = []
    for row in np.flatnonzero(chosen).tolist():
        first = first_row.setdefault(canonical(sequences[row]), row)
        links.append((first, row))
    return np.array(links, dtype=np.int32).reshape(-1, 2).T


def _components(n_rows: int, links: Rows) -> Rows:
    """Return the lowest row that each row is linked to, directly or not, `[N]`."""
    lowest = np.arange(n_rows, dtype=np.int32)
    while links.shape[1]:
        low, high = np.sort(lowest[links], axis=0)
        np.minimum.at(lowest, high, low)
        while (lowest[lowest] != lowest).any():
            lowest = lowest[lowest]
        links = links[:, lowest[links[0]] != lowest[links[1]]]
    return lowest


def split(
    groups: Numbers,
    fractions: Sequence[float],
    *,
    seed: int,
    labels: npt.NDArray[np.generic] | None = None,
) -> Numbers:
    """Return the part of each row, `[N]`: whole groups, drawn at random.

    Parts 1, 2 .. get about their fraction of the rows, part 0 (for training) the rest. Large
    groups (over `LARGE_SHARE` of the rows and over `LARGE_ROWS`) go to part 0. Only where the
    small ones do not suffice, as when every group is a chromosome, large ones are drawn too,
    if the wanted size is met better with them than without.

    Args:
        groups: `[N]` group numbers.
        fractions: of parts 1, 2 ..; together less than 1.
        seed: equal seeds give equal parts.
        labels: `[N]`; each part then gets its fraction of every label, where a group counts
            for the label that most of its rows have.
    """
    _, group_of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    is_large = sizes > max(LARGE_SHARE * len(groups), LARGE_ROWS)
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    drawn = drawn[np.argsort(is_large[drawn], kind="stable")]
    label_of_group = _majority(group_of_row, len(sizes), labels)
    parts = np.zeros(len(sizes), dtype=np.int64)
    wanted = np.zeros(len(fractions))
    for label in np.unique(label_of_group):
        members = drawn[label_of_group[drawn] == label]
        # What rounding left over is made up for by the next label.
        wanted += np.array(fractions) * sizes[members].sum()
        _fill(parts, wanted, members, sizes)
    return parts[group_of_row]


def _majority(
    group_of_row: Numbers, n_groups: int, labels: npt.NDArray[np.generic] | None
) -> Numbers:
    """Return the number of the most frequent label of each group, the first of equals."""
    if labels is None:
        return np.zeros(n_groups, dtype=np.int64)
    distinct, label_of_row = np.unique(labels, return_inverse=True)
    counts = np.zeros((n_groups, len(distinct)), dtype=np.int64)
    np.add.at(counts, (group_of_row, label_of_row), 1)
    return np.asarray(counts.argmax(axis=1), dtype=np.int64)


def _fill(
    parts: Numbers, wanted: npt.NDArray[np.float64], members: Numbers, sizes: Numbers
) -> None:
    """Give groups to parts in the order of `members` and lower `wanted`, in place."""
    for group in members.tolist():
        if wanted.max(initial=0) < 0.5:
            break
        part = int(wanted.argmax())
        if sizes[group] <= 2 * wanted[part]:  # closer to what is wanted with it than without
            parts[group] = part + 1
            wanted[part] -= sizes[group]
