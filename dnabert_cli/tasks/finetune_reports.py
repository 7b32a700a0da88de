"""What a fine-tuning run leaves beside the model: options, figures, the curve and its picture."""

import logging
from pathlib import Path
from typing import Any

from dnabert_cli.analysis.curves import draw_curves
from dnabert_cli.core.states import LoopState
from dnabert_cli.core.whole_files import write_whole
from dnabert_cli.formats import reports
from dnabert_cli.tasks.model_output import CURVE, METRICS, PICTURE, RUN

logger = logging.getLogger(__name__)


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
