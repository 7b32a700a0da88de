"""The model `motifs` makes for itself: the bundled base, fine-tuned on the two classes given."""

import logging
import time
from pathlib import Path

from dnabert_cli.explain_config import MotifsConfig
from dnabert_cli.formats.files import open_output
from dnabert_cli.formats.tables import write_table
from dnabert_cli.progress import Progress
from dnabert_cli.tasks.finetune import Run, finetune
from dnabert_cli.tasks.motif_rows import MotifRows, labelled
from dnabert_cli.training_config import FinetuneConfig

logger = logging.getLogger(__name__)


def train(
    rows: MotifRows, config: MotifsConfig, folder: Path, target: Path | None, progress: Progress
) -> tuple[str, float]:
    """Fine-tune on the rows; return the model folder and its AUROC on rows kept aside.

    Args:
        rows: both classes; a tenth of them chooses the weights, a tenth judges.
        config: base, epochs, learning rate.
        folder: of this run alone, for files that do not stay.
        target: where the model is to stay; `None`: in `folder`.
        progress: told of every step.

    Raises:
        DataError: too few rows to split.
        OptionsError: `target` is not empty.
    """
    table = folder / "rows.tsv"
    with open_output(str(table), force=True) as handle:
        write_table(labelled(rows), ("sequence", "label"), handle, header=True)
    settings = FinetuneConfig(
        base=config.base,
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        token_stride=config.token_stride,
        attention_dropout=0.0,  # a third of the time; see docs/experiments.md
        evaluations_per_epoch=1,
        split="similarity",
        seed=config.seed,
        compute=config.compute,
    )
    output = target or folder / "model"
    begin = time.perf_counter()
    result = finetune([str(table)], settings, Run(output, progress=progress))
    seconds = time.perf_counter() - begin
    auroc = float(result.figures["test"]["auroc"])
    low, high = result.figures["test"]["auroc_interval_95"]
    logger.info(
        "fine-tuned %s in %.0f s: AUROC %.3f (%.3f to %.3f) on %d rows kept aside",
        config.base, seconds, auroc, low, high, result.figures["test"]["n"],
    )  # fmt: skip
    return str(output), auroc
