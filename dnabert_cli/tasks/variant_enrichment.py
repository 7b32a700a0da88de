"""Strong against weak alleles: what was found of them, counted and tested.

Apart from the look-up itself, because what tests it takes a second to load.
"""

from collections.abc import Iterable
from typing import TextIO

from dnabert_cli.analysis.strong_weak import EnrichmentRow, StrongWeak
from dnabert_cli.formats.files import open_output
from dnabert_cli.formats.tables import write_table

ENRICHMENT_COLUMNS = (
    "field", "value", "n_strong_with", "n_strong", "n_weak_with", "n_weak", "odds_ratio",
    "p_value", "q_value",
)  # fmt: skip


class Enrichment(StrongWeak):
    """Counts alleles; see `StrongWeak`."""

    def save(self, path: str, *, force: bool, header: bool) -> None:
        """Write the tests as TSV, whole or not at all."""
        with open_output(path, force=force) as handle:
            write_enrichment(self.rows(), handle, header=header)


def write_enrichment(rows: Iterable[EnrichmentRow], handle: TextIO, *, header: bool) -> None:
    """Write tests of strong against weak alleles as TSV, one row each (`ENRICHMENT_COLUMNS`)."""
    cells = ([getattr(row, column) for column in ENRICHMENT_COLUMNS] for row in rows)
    write_table(cells, ENRICHMENT_COLUMNS, handle, header=header)
