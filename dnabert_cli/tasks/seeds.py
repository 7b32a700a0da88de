"""Several runs that differ in their seed: a folder each, and the best of them above.

The split is that of the first seed for all, so that their figures differ by training alone.
"""

import json
import logging
import shutil
import statistics
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnabert_cli.core.folder_config import CONFIG
from dnabert_cli.core.states import states
from dnabert_cli.errors import ModelError, OptionsError
from dnabert_cli.formats import reports
from dnabert_cli.tasks.model_output import METRICS, RESUME_FOLDER, RUN, check_folder
from dnabert_cli.training_config import FinetuneConfig

logger = logging.getLogger(__name__)


def seed_folder(output: Path, seed: int) -> Path:
    """Return the folder of one run."""
    return output / f"seed-{seed}"


def seeds_of(config: FinetuneConfig) -> range:
    """Return the seeds of all runs."""
    return range(config.seed, config.seed + config.seeds)


def check_seed_folders(output: Path, config: FinetuneConfig, *, force: bool, resume: bool) -> None:
    """Refuse an output that holds something else, or no runs to resume.

    Raises:
        OptionsError: as `model_output.check_folder`.
    """
    if not resume:
        check_folder(output, force=force, resume=False)
        return
    folders = [seed_folder(output, seed) for seed in seeds_of(config)]
    begun = any(is_finished(one) or states(one / RESUME_FOLDER) for one in folders)
    if not begun or (output / CONFIG).exists():
        raise OptionsError(f"{output} holds no unfinished run; leave --resume out")


def is_finished(folder: Path) -> bool:
    """Tell whether a run has written its model, and nothing is left to go on with."""
    return (folder / CONFIG).exists() and not states(folder / RESUME_FOLDER)


def forget(output: Path, config: FinetuneConfig) -> None:
    """Make folders of an earlier call unfinished: they are about to be written again."""
    for folder in (output, *(seed_folder(output, seed) for seed in seeds_of(config))):
        (folder / CONFIG).unlink(missing_ok=True)
        for state in states(folder / RESUME_FOLDER):
            state.unlink()


def finished_figures(folder: Path, run: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the figures of a run that was finished before; `None` where it was not.

    Args:
        folder: of the run.
        run: what its `run.toml` must say, but for `compute`.

    Raises:
        ModelError: it is the run of other options or rows.
    """
    if not is_finished(folder):
        return None
    found = tomllib.loads((folder / RUN).read_text(encoding="utf-8"))
    expected = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in run.items()
        if value is not None
    }
    if {**found, "compute": None} != {**expected, "compute": None}:
        raise ModelError(
            f"{folder} belongs to a run with other options or rows",
            hint="--resume needs the options and files of the first start",
        )
    figures: dict[str, Any] = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    return figures


def write_best(
    output: Path, figures: Mapping[int, Mapping[str, Any]], metric: str
) -> dict[str, Any]:
    """Copy the run that was best on the dev part; its figures get a table of all seeds.

    Args:
        output: folder above those of the runs.
        figures: of each run, by seed.
        metric: figure of the dev part that decides; of equals the first.

    Returns:
        The figures written.
    """
    best = max(figures, key=lambda seed: figures[seed]["dev"][metric])
    logger.info("the best of %d seeds by %s is %d", len(figures), metric, best)
    all_figures = {**figures[best], "seeds": {"best": best, **_spread(figures)}}
    files = [path for path in seed_folder(output, best).iterdir() if path.is_file()]
    (output / CONFIG).unlink(missing_ok=True)
    for path in sorted(files, key=lambda path: (path.name == CONFIG, path.name)):
        if path.name == METRICS:
            reports.write_json(all_figures, output / METRICS)
        else:
            shutil.copyfile(path, output / path.name)
    return all_figures


def _spread(figures: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Mean, standard deviation and values of each figure over the seeds, for each tested part."""
    first = next(iter(figures.values()))
    table: dict[str, Any] = {"seeds": list(figures)}
    for part, values in first.items():
        if part == "dev" or not isinstance(values, dict):
            continue
        table[part] = {
            name: _summary([found[part][name] for found in figures.values()])
            for name, value in values.items()
            if name not in {"n", "n_bases", "share_of_positives"}
            and (value is None or isinstance(value, float))
        }
    return table


def _summary(values: list[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    whole = len(known) == len(values)
    return {
        "mean": statistics.fmean(known) if whole else None,
        "sd": statistics.stdev(known) if whole else None,
        "values": values,
    }
