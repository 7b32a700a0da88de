"""The pictures of `viz`: which data each kind of plot is given."""

from collections.abc import Sequence

import numpy as np

from dnabert_cli.analysis.plots.context import draw_context
from dnabert_cli.analysis.plots.faithfulness import FaithfulnessCurve, draw_faithfulness
from dnabert_cli.analysis.plots.heatmap import HeatmapRow, draw_heatmap
from dnabert_cli.analysis.plots.landscape import LandscapeCurve, draw_landscape, landscape
from dnabert_cli.analysis.plots.logo import draw_score_logo
from dnabert_cli.analysis.plots.mutations import MutationMap, draw_mutations
from dnabert_cli.core.checkpoint import Model, load_models
from dnabert_cli.core.importance import attention_heads
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.explain_config import ExplainConfig, VizConfig
from dnabert_cli.tasks import faithfulness
from dnabert_cli.tasks.mutation_map import mutation_scores
from dnabert_cli.tasks.viz import Shown
from dnabert_cli.tasks.viz_tracks import names_of

_LABELS = {
    "attention": "attention of [CLS]",
    "ig": "integrated gradients",
    "ism": "mean effect of substitutions",
}


def score_label(config: ExplainConfig, head: str) -> str:
    """Return what a score is, in words for an axis.

    Args:
        config: method.
        head: of the model: what numbers answer is explained in its own unit.
    """
    label = _LABELS[config.method]
    if config.method == "attention":
        return label.replace("attention", "attention rollout") if config.rollout else label
    return label if head == "regression" else f"{label} (log odds)"


def draw(shown: Shown, models: Sequence[str], config: VizConfig, fmt: str) -> bytes:
    """Return the picture asked for.

    Args:
        shown: sequences and scores.
        models: that gave them, for plots that ask again.
        config: which plot, and how.
        fmt: png, svg or pdf.

    Raises:
        OptionsError: no k-mer holds the base asked for; the model answers with numbers.
        DataError: the plot cannot hold the sequences.
        ModelError: a sequence is too long for the model, or this has no attention.
    """
    try:
        return _DRAWERS[config.plot](shown, models, config, fmt)
    except ValueError as error:  # a plot says in words what it cannot hold
        raise DataError(f"--plot {config.plot}: {error}") from error


def _heatmap(shown: Shown, models: Sequence[str], config: VizConfig, fmt: str) -> bytes:
    del models
    called, probabilities = shown.called(), shown.called_probabilities()
    order = list(range(len(shown.rows)))
    if not config.by_input:
        order.sort(key=lambda i: np.inf if np.isnan(called[i]) else -called[i])
    names = names_of(shown.rows)
    rows = [
        HeatmapRow(
            names[i], shown.scores[i], probabilities[i], shown.rows[i].label, shown.rows[i].sequence
        )
        for i in order
    ]
    return draw_heatmap(
        rows,
        positions=-shown.anchor,
        title="",
        score_label=score_label(config.explain, shown.task.head),
        x_label=_x_label(shown),
        marks=[(0, "anchor")] if shown.anchor else [],
        fmt=fmt,
    )


def _landscape(shown: Shown, models: Sequence[str], config: VizConfig, fmt: str) -> bytes:
    del models
    groups: dict[str, list[int]] = {}
    for i, row in enumerate(shown.rows):
        groups.setdefault(row.label or "all", []).append(i)
    curves = [
        LandscapeCurve(name, *landscape([shown.scores[i] for i in numbers]), len(numbers))
        for name, numbers in sorted(groups.items())
    ]
    return draw_landscape(
        curves,
        first=-shown.anchor,
        x_label=_x_label(shown),
        y_label=score_label(config.explain, shown.task.head),
        marks=[(0, "anchor")] if shown.anchor else [],
        title="",
        fmt=fmt,
    )


def _logo(shown: Shown, models: Sequence[str], config: VizConfig, fmt: str) -> bytes:
    del models
    row = shown.rows[0]
    return draw_score_logo(
        row.sequence.upper(),
        shown.scores[0],
        first=-shown.anchor,
        title=_told(shown),
        y_label=score_label(config.explain, shown.task.head),
        fmt=fmt,
        x_label=_x_label(shown),
    )


def _context(shown: Shown, models: Sequence[str], config: VizConfig, fmt: str) -> bytes:
    row = shown.rows[0]
    (model,) = load_models(models[:1])
    tokens, weights = attention_heads(model, row.sequence, config.explain.layer)
    starts = token_starts(model, len(tokens))
    query = 0
    if config.token is not None:
        last = model.task.k - 1
        holding = [
            i for i, at in enumerate(starts) if at is not None and at <= config.token <= at + last
        ]
        if not holding:
            raise OptionsError(f"--token {config.token}: no k-mer of the sequence holds that base")
        query = holding[0]
    return draw_context(
        tokens,
        weights,
        query=query,
        cutoff=config.cutoff,
        bases=[None if at is None else at - shown.anchor for at in starts],
        title=f"{_told(shown)}, layer {_layer(model, config)}",
        fmt=fmt,
    )


def _mutations(shown: Shown, models: Sequence[str], config: VizConfig, fmt: str) -> bytes:
    row = shown.rows[0]
    loaded = load_models(models)
    target = _target(shown, config)
    name, wild_type, mutant = mutation_scores(row.sequence, loaded, config.compute, target)
    return draw_mutations(
        MutationMap(row.sequence.upper(), shown.scores[0], wild_type, mutant),
        first=-shown.anchor,
        title=_told(shown),
        score_label=name if shown.task.head == "regression" else f"probability of {name}",
        fmt=fmt,
    )


def _faithfulness(shown: Shown, models: Sequence[str], config: VizConfig, fmt: str) -> bytes:
    found = faithfulness.measure(
        shown,
        list(models),
        config.compute,
        n_shuffles=config.n_shuffles,
        seed=config.seed,
        target=_target(shown, config),
    )
    method = config.explain.method
    curves = [
        FaithfulnessCurve(
            f"{method}, {name}" if name == faithfulness.TOP else name, found.shares, *points.T
        )
        for name, points in found.curves.items()
    ]
    title = f"{found.n_sequences} sequences, {found.area_between():+.3f} between the curves"
    return draw_faithfulness(curves, y_label="mean probability", title=title, fmt=fmt)


def _layer(model: Model, config: VizConfig) -> int:
    layer = config.explain.layer
    return model.network.config.num_hidden_layers - 1 if layer is None else layer


def token_starts(model: Model, n_tokens: int) -> list[int | None]:
    """Return the first base of each token, `None` for [CLS] and [SEP]."""
    stride = model.task.token_stride
    return [None, *(i * stride for i in range(n_tokens - 2)), None]


def _target(shown: Shown, config: VizConfig) -> int | None:
    target = config.explain.target
    return None if target is None else shown.task.classes.index(target)


def _told(shown: Shown) -> str:
    """Return name and answer of the one sequence shown."""
    answer = shown.probabilities[0]
    column = max(shown.task.called_classes, key=lambda i: float(answer[i]))
    return f"{names_of(shown.rows)[0]}: {shown.task.classes[column]} {answer[column]:.3f}"


def _x_label(shown: Shown) -> str:
    return "position (bases from the anchor)" if shown.anchor else "position (bases, from 0)"


_DRAWERS = {
    "heatmap": _heatmap,
    "landscape": _landscape,
    "logo": _logo,
    "context": _context,
    "mutations": _mutations,
    "faithfulness": _faithfulness,
}
