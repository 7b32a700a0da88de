"""What a fine-tuning run leaves beside the model: options, figures, the curve and its picture."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dnabert_cli import __version__
from dnabert_cli.analysis.curves import draw_curves
from dnabert_cli.core.states import LoopState
from dnabert_cli.core.whole_files import write_whole
from dnabert_cli.formats import reports
from dnabert_cli.formats.files import sha256
from dnabert_cli.training_config import FinetuneConfig

logger = logging.getLogger(__name__)

RUN, METRICS, CURVE, PICTURE = "run.toml", "metrics.json", "training.tsv", "training.png"


def run_values(config: FinetuneConfig, inputs: Sequence[str]) -> dict[str, Any]:
    """Return what `run.toml` says: version, every option, checksums of the inputs."""
    options = asdict(config)
    compute = options.pop("compute")
    files = [*inputs, *([config.labels] if config.labels is not None else [])]
    checksums = {Path(path).name: sha256(path) for path in files if path != "-"}
    run = {"format_version": 1, "version": __version__, **options}
    return run | {"compute": compute, "inputs": checksums}


def write_reports(
    folder: Path,
    run: dict[str, Any],
    figures: dict[str, Any],
    state: LoopState,
    metric: str,
) -> None:
    """Write `run.toml`, `metrics.json`, `training.tsv` and `training.png`.

    Args:
        folder: of the model.
        run: of `run_values`.
        figures: of all parts.
        state: the end of the training.
        metric: the figure that decided.
    """
    reports.write_toml(run, folder / RUN)
    reports.write_json(figures, folder / METRICS)
    reports.write_curve(state.history, folder / CURVE)
    try:
        picture = draw_curves(state.history, metric, state.best_step)
    except ImportError:
        logger.warning("matplotlib is not installed: no %s is drawn", PICTURE)
        return
    write_whole(folder / PICTURE, picture)
