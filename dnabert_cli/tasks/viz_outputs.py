"""Where the scores of `viz` go: numbers, a picture, or a page."""

from dnabert_cli.explain_config import VizConfig
from dnabert_cli.formats.files import open_output
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.tasks.viz import (
    PAGE_FORMAT,
    TRACK_FORMATS,
    Target,
    VizCounts,
    VizInputs,
    shown_at_once,
    shown_in_parts,
    tell_without_scores,
)
from dnabert_cli.tasks.viz_html import page
from dnabert_cli.tasks.viz_pictures import draw
from dnabert_cli.tasks.viz_tracks import write_tracks


def show(
    inputs: VizInputs, config: VizConfig, target: Target, *, progress: Progress = SILENT
) -> VizCounts:
    """Read sequences, ask the model, and write in the format asked for, whole or not at all.

    Args:
        inputs: sequences and models, `check`ed.
        config: what importance is, which plot.
        target: path and format.
        progress: told of the sequences done.

    Returns:
        how many sequences there were.

    Raises:
        FormatError, DataError: an input is broken, or the format or plot cannot hold it.
        ModelError, OptionsError: a model has no such importance, or options contradict.
    """
    counts = VizCounts()
    if target.fmt in TRACK_FORMATS:
        parts = shown_in_parts(inputs, config, counts=counts, progress=progress)
        write_tracks(
            parts, target.path, target.fmt, inputs.genome,
            header=target.header, force=target.force,
        )  # fmt: skip
    else:
        shown = shown_at_once(inputs, config, target.fmt, counts=counts, progress=progress)
        content = (
            page(shown, inputs.models, config).encode()
            if target.fmt == PAGE_FORMAT
            else draw(shown, inputs.models, config, target.fmt)
        )
        with open_output(target.path, force=target.force) as handle:
            handle.buffer.write(content)
    tell_without_scores(counts, config.explain)
    return counts
