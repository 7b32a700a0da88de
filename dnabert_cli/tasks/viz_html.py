"""The page of `viz`: what it is given."""

from collections.abc import Sequence

import numpy as np

from dnabert_cli.analysis.pages.viz_page import HeadAttention, VizSequence, viz_page
from dnabert_cli.core.checkpoint import Model, load_models
from dnabert_cli.core.importance import attention_heads
from dnabert_cli.explain_config import VizConfig
from dnabert_cli.tasks.viz import Shown
from dnabert_cli.tasks.viz_pictures import score_label, token_starts
from dnabert_cli.tasks.viz_tracks import names_of

# Sequences whose attention is in the page, and weights it may hold: four bytes of text for three.
N_WITH_ATTENTION = 5
_MOST_WEIGHTS = 6_000_000


def page(shown: Shown, models: Sequence[str], config: VizConfig) -> str:
    """Return the page as text: no other file is needed to look at it."""
    sequences = [
        VizSequence(
            name=name,
            sequence=row.sequence,
            scores=scores,
            probability=probability,
            label=row.label,
            chrom=row.chrom,
            start=row.start,
            strand="-" if row.strand == "-" else "+",
        )
        for name, row, scores, probability in zip(
            names_of(shown.rows),
            shown.rows,
            shown.scores,
            shown.called_probabilities(),
            strict=True,
        )
    ]
    return viz_page(
        sequences,
        title="dnabert viz",
        method=config.explain.method,
        score_label=score_label(config.explain, shown.task.head),
        model_text=", ".join(models),
        anchor=shown.anchor or None,
        attention=_attention(shown, models),
    )


def _attention(shown: Shown, models: Sequence[str]) -> dict[int, HeadAttention]:
    """Return the attention of the most probable sequences, as far as the page can hold it."""
    model = load_models(models[:1])[0]
    if model.network.config.arch != "bert" or model.network.config.long is not None:
        return {}
    called = np.nan_to_num(np.array(shown.called()), nan=-np.inf)
    order = np.argsort(-called, kind="stable")
    found: dict[int, HeadAttention] = {}
    room = _MOST_WEIGHTS
    for i in order[:N_WITH_ATTENTION].tolist():
        heads = _of_sequence(model, shown.rows[i].sequence, room)
        if heads is None:
            break
        found[i] = heads
        room -= heads.weights.size
    return found


def _of_sequence(model: Model, sequence: str, room: int) -> HeadAttention | None:
    """Return the attention of all layers, or of the last ones that there is room for."""
    config, tokenizer = model.network.config, model.tokenizer
    n_tokens = tokenizer.n_tokens(len(sequence)) + 2
    if n_tokens == 2 or n_tokens > config.max_position_embeddings:
        return None
    per_layer = config.num_attention_heads * n_tokens**2
    n_layers = min(config.num_hidden_layers, room // per_layer)
    if n_layers == 0:
        return None
    layers = range(config.num_hidden_layers - n_layers, config.num_hidden_layers)
    answers = [attention_heads(model, sequence, layer) for layer in layers]
    tokens = answers[0][0]
    starts = [-1 if at is None else at for at in token_starts(model, len(tokens))]
    weights = np.stack([each for _, each in answers])
    return HeadAttention.from_weights(tokens, starts, weights, list(layers))
