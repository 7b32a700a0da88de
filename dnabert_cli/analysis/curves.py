"""The picture of a training run: what `training.tsv` holds, to be seen at a glance."""

from collections.abc import Mapping, Sequence
from typing import Any

from dnabert_cli.analysis.plots import canvas

_INCHES = (7.0, 7.0)
_DPI = 120  # for a screen


@canvas.style()
def draw_curves(history: Sequence[Mapping[str, float]], metric: str, best_step: int) -> bytes:
    """Return a PNG of loss, deciding figure and learning rate; equal runs give equal bytes.

    Args:
        history: a row per evaluation with `step`, `loss`, `learning_rate` and the figure.
        metric: name of the figure that decided.
        best_step: the step whose weights were kept.
    """
    steps = [row["step"] for row in history]
    picture = canvas.new_figure(*_INCHES, dpi=_DPI)
    axes = picture.subplots(3, 1, sharex=True)
    panels = (
        ("loss", "training loss"),
        (metric, f"{metric} (dev)"),
        ("learning_rate", "learning rate"),
    )
    for axis, (name, label) in zip(axes, panels, strict=True):
        axis.plot(steps, [row[name] for row in history], color=canvas.OKABE_ITO[0], marker="o")
        axis.set_ylabel(label)
        axis.grid(visible=True)
    _mark_best(axes[1], history, metric, best_step)
    axes[-1].set_xlabel("step")
    return canvas.save(picture, "png")


def _mark_best(
    axis: Any, history: Sequence[Mapping[str, float]], metric: str, best_step: int
) -> None:
    """Draw a ring around the evaluation whose weights were kept."""
    for row in history:
        if row["step"] == best_step:
            canvas.ring(axis, best_step, row[metric], label=f"kept: step {best_step}")
            axis.legend()
