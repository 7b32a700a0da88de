"""What was left out and why: counted by reason, told once, never silent."""

import logging
from collections import Counter

logger = logging.getLogger(__name__)


class Dropped:
    """Counts rows that were left out, by reason, and remembers the first of each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, reason: str, what: str) -> None:
        """Count one; `what` names it: a place, a row."""
        self._counts[reason] += 1
        self._first.setdefault(reason, what)

    def to_json(self) -> dict[str, int]:
        """Return the counts by reason, the most frequent first."""
        return dict(self._counts.most_common())

    def summary(self) -> str:
        """Say in one line what was left out; empty where nothing was."""
        return "; ".join(
            f"{count:,} {reason} (first: {self._first[reason]})"
            for reason, count in self._counts.most_common()
        )

    def log(self, what: str) -> None:
        """Log the summary as a warning, if there is anything to say."""
        if self._counts:
            logger.warning("%s left out: %s", what, self.summary())
