"""What a run is, as far as its units are concerned: which share it computes, what must agree."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dnabert_cli import __version__
from dnabert_cli.errors import OptionsError

FORMAT_VERSION = 1
_N_SHOWN = 3


@dataclass(frozen=True)
class Shard:
    """The share of one of several runs: units `number`, `number + count`, ..., counted from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `i/n`.

        Raises:
            OptionsError: it is not that, or i is not between 1 and n.
        """
        number, _, count = text.partition("/")
        if not (_is_whole(number) and _is_whole(count)):
            raise OptionsError(f"--shard {text}: it is i/n, such as 1/4")
        if not 1 <= int(number) <= int(count):
            raise OptionsError(f"--shard {text}: the shards of {int(count)} begin with 1")
        return cls(int(number), int(count))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


@dataclass(frozen=True)
class Run:
    """A run, as far as its answers are concerned; JSON can hold all of it.

    Attributes:
        command: the subcommand.
        identity: what must be the same for an answer to be used again: settings that change
            numbers, checksums of models. The input has no part in it: keys are digests of it.
        options: of the command line, by name; a merge calls the command with them.
        shard: which share of the units is computed; `None`: all.
    """

    command: str
    identity: Mapping[str, Any]
    options: Mapping[str, Any]
    shard: Shard | None = None

    def header(self) -> dict[str, Any]:
        """Return what stands at the beginning of a file of units."""
        return {
            "format_version": FORMAT_VERSION,
            "version": __version__,
            "command": self.command,
            "identity": self.identity,
            "options": self.options,
            "shard": str(self.shard) if self.shard else None,
        }

    def difference(self, header: Mapping[str, Any]) -> str:
        """Say in words how the run that wrote a header differs; empty where it does not."""
        ours = self.header()
        parts = ("format_version", "version", "command", "shard", "identity")
        return difference({n: header.get(n) for n in parts}, {n: ours[n] for n in parts})


def difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say in words where nested values differ; empty where they do not."""
    before, after = _flat(then), _flat(now)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    told = [f"{name} was {before.get(name)}, is {after.get(name)}" for name in names[:_N_SHOWN]]
    return "; ".join(told)


def _flat(values: Any, name: str = "") -> dict[str, str]:
    """Return nested values side by side, as JSON: `settings.compute.device`."""
    if isinstance(values, Mapping) and values:
        found: dict[str, str] = {}
        for key, value in values.items():
            inner = name if key == "identity" else f"{name}.{key}".lstrip(".")
            found |= _flat(value, inner)
        return found
    return {name: json.dumps(values)}
