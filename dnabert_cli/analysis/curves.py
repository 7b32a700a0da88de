"""The picture of a training run: what `training.tsv` holds, to be seen at a glance."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

_INCHES = (7.0, 7.0)
_DPI = 120


def draw_curves(history: Sequence[Mapping[str, float]], metric: str, best_step: int) -> bytes:
    """Return a PNG of loss, deciding figure and learning rate; equal runs give equal bytes.

    Args:
        history: a row per evaluation with `step`, `loss`, `learning_rate` and the figure.
        metric: name of the figure that decided.
        best_step: the step whose weights were kept.
    """
    # loaded here: a second that no other command should wait, and a wheel few of them need
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [row["step"] for row in history]
    picture = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.subplots(3, 1, sharex=True)
    panels = (
        ("loss", "training loss"),
        (metric, f"{metric} (dev)"),
        ("learning_rate", "learning rate"),
    )
    for axis, (name, label) in zip(axes, panels, strict=True):
        axis.plot(steps, [row[name] for row in history], marker="o", markersize=3)
        axis.set_ylabel(label)
        axis.grid(visible=True, alpha=0.3)
    _mark_best(axes[1], history, metric, best_step)
    axes[-1].set_xlabel("step")
    content = io.BytesIO()
    picture.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _mark_best(
    axis: Any, history: Sequence[Mapping[str, float]], metric: str, best_step: int
) -> None:
    """Draw a ring around the evaluation whose weights were kept."""
    for row in history:
        if row["step"] == best_step:
            axis.plot(
                [best_step], [row[metric]], "o", markersize=10, fillstyle="none", color="black",
                label=f"kept: step {best_step}",
            )  # fmt: skip
            axis.legend()
