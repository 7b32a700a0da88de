"""Where the scores of `viz` go: numbers, a picture, or a page."""

from dnabert_cli.explain_config import VizConfig
from dnabert_cli.formats.files import open_output
from dnabert_cli.tasks.viz import PAGE_FORMAT, TRACK_FORMATS, Shown, Target, VizInputs
from dnabert_cli.tasks.viz_html import page
from dnabert_cli.tasks.viz_pictures import draw
from dnabert_cli.tasks.viz_tracks import write_tracks


def write(shown: Shown, inputs: VizInputs, config: VizConfig, target: Target) -> None:
    """Write what was found in the format asked for, whole or not at all.

    Args:
        shown: sequences and scores.
        inputs: models, and the genome for its sizes.
        config: which plot.
        target: path and format.

    Raises:
        OptionsError, DataError: the format or plot cannot hold these sequences.
    """
    if target.fmt in TRACK_FORMATS:
        write_tracks(
            shown, target.path, target.fmt, inputs.genome,
            header=target.header, force=target.force,
        )  # fmt: skip
        return
    content = (
        page(shown, inputs.models, config).encode()
        if target.fmt == PAGE_FORMAT
        else draw(shown, inputs.models, config, target.fmt)
    )
    with open_output(target.path, force=target.force) as handle:
        handle.buffer.write(content)
