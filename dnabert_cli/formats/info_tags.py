"""Tags in the INFO column of VCF: their values as text, put behind what is there."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What separates things in INFO, and control characters (VCF 4.3, section 1.2).
_RESERVED = re.compile(r"[\x00-\x20;=,%\x7f]")

_NO_KEY = re.compile(r"[^0-9A-Za-z]+")

InfoValue = str | float | bool | None
InfoValues = Mapping[str, InfoValue | Iterable[InfoValue]]


@dataclass(frozen=True, slots=True)
class InfoTag:
    """An entry of INFO to add.

    Attributes:
        id: its key.
        number: how many values: `A` one per alternative allele, `R` one per allele, `.` any, `0`
            for a flag, or a number.
        type: `Float`, `Integer`, `String` or `Flag`.
        description: what it means, for the header.
        replaces: whether older values in a record are ours to replace; else they are an error.
    """

    id: str
    number: str
    type: str
    description: str
    replaces: bool = True

    def header_line(self) -> str:
        """Return its line of the header."""
        text = " ".join(self.description.split()).replace("\\", r"\\").replace('"', r"\"")
        return f'##INFO=<ID={self.id},Number={self.number},Type={self.type},Description="{text}">'


def info_key(name: str) -> str:
    """Return a name as part of a key of INFO: letters, digits and `_`; may be empty."""
    return _NO_KEY.sub("_", name).strip("_")


def without_tags(info: str, ids: frozenset[str]) -> tuple[str, list[str]]:
    """Return INFO without the entries of some keys, and the keys there were."""
    if not any(key in info for key in ids):
        return info, []
    keys = [entry.partition("=")[0] for entry in info.split(";")]
    removed = [key for key in keys if key in ids]
    if not removed:
        return info, []
    pairs = zip(info.split(";"), keys, strict=True)
    return ";".join(entry for entry, key in pairs if key not in ids) or ".", removed


def joined_info(info: str, added: str) -> str:
    """Return INFO with entries behind what it holds, which stays as it is."""
    if not added:
        return info
    if info in {"", "."}:
        return added
    return f"{info}{'' if info.endswith(';') else ';'}{added}"


def info_entry(tag: InfoTag, items: Sequence[str]) -> str:
    """Return an entry of INFO; `items` as `value_texts` returns them."""
    return tag.id if tag.type == "Flag" else f"{tag.id}={','.join(items)}"


def value_texts(tag: InfoTag, value: InfoValue | Iterable[InfoValue], n_alts: int) -> list[str]:
    """Return the values of a tag as written; none for a flag that is not set.

    Numbers have six significant digits; text is percent-encoded. `None`, NaN, infinity and empty
    text are `.`, which stands for missing.
    """
    if tag.type == "Flag":
        return ["1"] if value else []
    given: Any = value
    is_single = isinstance(given, str) or not isinstance(given, Iterable)
    items = [given] if is_single else list(given)
    known = {"A": n_alts, "R": n_alts + 1, ".": len(items)}
    expected = known[tag.number] if tag.number in known else int(tag.number)
    assert len(items) == expected, f"{tag.id}: {len(items)} values, not {expected}"
    return [_value_text(tag, item) for item in items]


def _value_text(tag: InfoTag, item: InfoValue) -> str:
    if item is None:
        return "."
    if tag.type == "Float":
        number = float(item)
        return f"{number + 0.0:.6g}" if math.isfinite(number) else "."  # no minus zero
    if tag.type == "Integer":
        return str(int(item))
    return _RESERVED.sub(lambda match: f"%{ord(match[0]):02X}", str(item)) or "."
