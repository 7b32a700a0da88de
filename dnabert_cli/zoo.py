"""From a model name or path to a model folder.

Bundled models lie in `dnabert_cli/_models` of an installed wheel and in `models/` of a source
checkout (editable installs have no `_models`); both are looked at.
"""

import tomllib
from pathlib import Path
from typing import Any

from dnabert_cli.errors import ModelError

_PACKAGE = Path(__file__).resolve().parent
_HOMES = (_PACKAGE / "_models", _PACKAGE.parent / "models")
HUB_PREFIX = "hf:"
_MASKED_MODEL = '"BertForMaskedLM"'  # as Hugging Face names the network in config.json


def bundled_models() -> tuple[str, ...]:
    """Return the names of the bundled models that answer a task, sorted."""
    return tuple(name for name, is_base in _bundled() if not is_base)


def bundled_bases() -> tuple[str, ...]:
    """Return the names of the bundled models that only training begins with, sorted."""
    return tuple(name for name, is_base in _bundled() if is_base)


def _bundled() -> list[tuple[str, bool]]:
    """Name of each bundled folder, and whether it is a masked language model."""
    found = {
        (folder.name, _MASKED_MODEL in path.read_text(encoding="utf-8"))
        for home in _HOMES
        if home.is_dir()
        for folder in home.iterdir()
        if (path := folder / "config.json").is_file()
    }
    return sorted(found)


def find_model(name: str) -> Path:
    """Return the folder of a model given as a path or as the name of a bundled model.

    Raises:
        ModelError: there is neither; the message lists the bundled names.
    """
    if Path(name).is_dir():
        return Path(name)
    if Path(name).name == name:
        for home in _HOMES:
            if (home / name / "config.json").is_file():
                return home / name
    known = ", ".join((*bundled_models(), *bundled_bases())) or "none"
    raise ModelError(
        f"no model {name!r}: neither a folder nor a bundled model (bundled: {known})",
        hint=f"a model of the Hugging Face hub is written {HUB_PREFIX}owner/name",
    )


def read_preset(name: str) -> dict[str, Any]:
    """Return the tables of an architecture preset `models/configs/<name>.toml`.

    Raises:
        ModelError: no such preset; the message lists the presets.
    """
    for home in _HOMES:
        path = home / "configs" / f"{name}.toml"
        if Path(name).name == name and path.is_file():
            return tomllib.loads(path.read_text(encoding="utf-8"))
    presets = sorted({path.stem for home in _HOMES for path in home.glob("configs/*.toml")})
    raise ModelError(f"no preset {name!r}; there are: {', '.join(presets)}")
