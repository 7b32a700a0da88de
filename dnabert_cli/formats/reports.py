"""What a run says of itself (`run.toml`, `metrics.json`, `training.tsv`, the manifest), and arrays.

No file here holds dates, host names or run times: equal runs write equal files.
"""

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli import __version__
from dnabert_cli.formats.files import open_output, sha256
from dnabert_cli.zoo import HUB_PREFIX, find_model

MANIFEST_SCHEMA_VERSION = 1
# In the order in which they are looked for when a model is read.
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def write_toml(values: Mapping[str, Any], path: str | Path) -> None:
    """Write a TOML file whole or not at all.

    Args:
        values: texts, numbers, booleans and lists of them; a mapping becomes a table, one level
            deep. `None` is left out: TOML has no such value.
        path: the file; an existing one is replaced.
    """
    tables = {name: value for name, value in values.items() if isinstance(value, Mapping)}
    lines = _toml_lines({name: value for name, value in values.items() if name not in tables})
    for name, table in tables.items():
        lines += ["", f"[{_toml_key(name)}]", *_toml_lines(table)]
    _write_whole("".join(f"{line}\n" for line in lines), path)


def _toml_lines(values: Mapping[str, Any]) -> list[str]:
    return [
        f"{_toml_key(name)} = {_toml_value(value)}"
        for name, value in values.items()
        if value is not None
    ]


def _toml_key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _toml_value(name)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(float(value))  # of numpy's float64, too, the digits only
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    raise TypeError(f"no TOML value: {value!r}")


def write_json(values: Mapping[str, Any], path: str | Path) -> None:
    """Write a JSON file whole or not at all.

    Args:
        values: keys keep their order; NaN and infinities, which JSON does not have, become null.
        path: the file; an existing one is replaced.
    """
    _write_whole(json.dumps(_json_value(values), indent=1, allow_nan=False) + "\n", path)


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _json_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_curve(history: Sequence[Mapping[str, float]], path: str | Path) -> None:
    """Write a training curve as TSV: a header line, then a row per evaluation.

    Args:
        history: the same keys in the same order in every row.
        path: the file; an existing one is replaced.
    """
    rows = [list(history[0])] if history else []
    rows += [[_cell(value) for value in row.values()] for row in history]
    _write_whole("".join("\t".join(row) + "\n" for row in rows), path)


def _cell(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def save_arrays(path: str | Path, **arrays: npt.NDArray[Any]) -> None:
    """Write arrays under their names as `.npz`, whole or not at all; an old file is replaced."""
    whole = io.BytesIO()  # zip looks back at what it wrote, which pipes and /dev/null cannot
    np.savez(whole, **arrays)  # type: ignore[arg-type]  # numpy takes any name
    with open_output(str(path), force=True) as handle:
        handle.buffer.write(whole.getbuffer())


def write_manifest(
    path: str | Path,
    command: str,
    settings: Any,
    inputs: Sequence[str],
    models: Sequence[str],
    counts: Mapping[str, int | None],
) -> None:
    """Write what made a result, as JSON.

    Args:
        path: the file; an existing one is replaced.
        command: the subcommand.
        settings: the config dataclass of the run.
        inputs: paths that were read; `-` is standard input.
        models: names or paths of models; of the hub's only the name is written.
        counts: what the log says in numbers: records read, windows skipped, calls written.
    """
    values = origin(command, settings, inputs) | {
        "models": [{"name": name, "sha256": weights_checksum(name)} for name in models],
        "counts": counts,
    }
    write_json(values, path)


def origin(command: str, settings: Any, inputs: Sequence[str]) -> dict[str, Any]:
    """Return what made a result, but for its models; arguments as for `write_manifest`."""
    return {
        "schema_version": MANIFEST_SCHEMA_VERSION,
        "version": __version__,
        "command": command,
        "options": asdict(settings),
        "inputs": [{"path": name, "sha256": _checksum(name)} for name in inputs],
    }


def _checksum(path: str) -> str | None:
    """A pipe cannot be read twice: it has none."""
    return sha256(path) if Path(path).is_file() else None


def weights_checksum(model: str) -> str | None:
    """Return the SHA-256 of the weights of a model; of the hub's there is none."""
    if model.startswith(HUB_PREFIX):
        return None
    folder = find_model(model)
    found = (_checksum(str(folder / name)) for name in _WEIGHTS)
    return next(filter(None, found), None)


def _write_whole(text: str, path: str | Path) -> None:
    # A path of undecodable bytes may be among the values; it must not spoil the record of a run.
    text = text.encode("utf-8", "replace").decode()
    with open_output(str(path), force=True) as handle:
        handle.write(text)
