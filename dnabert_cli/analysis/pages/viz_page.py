"""The page of `dnabert viz`: scores of all sequences, their mean, and one sequence at a time.

Positions within a sequence are counted from 0 along the sequence as it was read; places on the
genome are 0-based and half-open, as in BED.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.pages.page import definitions, escaped, render_page, short_number
from dnabert_cli.analysis.plots.canvas import OKABE_ITO

Floats = npt.NDArray[np.floating]

BASES = "ACGT"  # order of the columns of `VizSequence.mutations`
MOST_LABELS = 6  # of which the mean is drawn: more lines could not be told apart

# The deepest colour stands for this share of all scores, so that a few giants hide nothing.
_LIMIT_QUANTILE = 0.995
_ALL_COLOUR = "#000000"
_LABEL_COLOURS = [colour for colour in OKABE_ITO if colour != _ALL_COLOUR][:MOST_LABELS]
_DASHES = ("6 2", "2 2", "8 2 2 2", "4 4", "10 3", "1 3")
_SCRIPTS = ("viz_heatmap.js", "viz_landscape.js", "viz_sequence.js", "viz_context.js", "viz.js")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VizSequence:
    """One sequence with a score for each base.

    Attributes:
        name: plain text.
        sequence: its letters, as they were read.
        scores: `[L]`, one per base; NaN where there is none.
        probability: of the positive class, or None.
        label: of its group, or None.
        chrom: where it lies, or None.
        start: first base on the forward strand, 0-based; None if not known.
        strand: `+`, or `-` if the sequence is the reverse complement of the genome there.
        mutations: `[L, 4]`, change of the model's answer with A, C, G or T in the base's place,
            NaN for the base itself; or None.
    """

    name: str
    sequence: str
    scores: Floats
    probability: float | None = None
    label: str | None = None
    chrom: str | None = None
    start: int | None = None
    strand: str = "+"
    mutations: Floats | None = None

    def __post_init__(self) -> None:
        n_bases = len(self.sequence)
        if self.scores.shape != (n_bases,):
            raise ValueError(f"{self.name}: {n_bases} bases, scores {self.scores.shape}")
        if self.mutations is not None and self.mutations.shape != (n_bases, len(BASES)):
            raise ValueError(f"{self.name}: {n_bases} bases, mutations {self.mutations.shape}")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeadAttention:
    """The attention of each head of some layers for one sequence, a byte per weight.

    Attributes:
        tokens: `T` texts, k-mers and special ones.
        token_starts: first base of each, -1 for special ones.
        weights: `[layers, H, T, T]` uint8; from token to token.
        scale: `[layers, H, T]`, what 1 stands for in the row of each token.
        layers: their numbers, counted from 0.
    """

    tokens: Sequence[str]
    token_starts: Sequence[int]
    weights: npt.NDArray[np.uint8]
    scale: Floats
    layers: Sequence[int]

    def __post_init__(self) -> None:
        n_tokens = len(self.tokens)
        n_layers, n_heads = self.weights.shape[:2]
        wanted = (len(self.layers), n_heads, n_tokens, n_tokens)
        if self.weights.shape != wanted or self.scale.shape != wanted[:3]:
            raise ValueError(f"weights {self.weights.shape}, scale {self.scale.shape}")
        if len(self.token_starts) != n_tokens or self.weights.dtype != np.uint8:
            raise ValueError("a start for each token and a byte for each weight are needed")
        assert n_layers > 0

    @classmethod
    def from_weights(
        cls,
        tokens: Sequence[str],
        token_starts: Sequence[int],
        weights: Floats,
        layers: Sequence[int] | None = None,
    ) -> "HeadAttention":
        """Round weights to a byte each, 255 for the largest of each row.

        Args:
            tokens: as above.
            token_starts: as above.
            weights: `[layers, H, T, T]`, 0 or more.
            layers: numbers of the layers; None for 0, 1 and so on.
        """
        # A row of near-equal weights keeps its differences, which one scale for all would lose.
        scale = weights.max(-1) / 255
        steps = np.rint(weights / np.where(scale > 0, scale, 1)[..., None])
        return cls(
            tokens=tokens,
            token_starts=token_starts,
            weights=steps.astype(np.uint8),
            scale=scale,
            layers=range(len(weights)) if layers is None else layers,
        )


def viz_page(
    sequences: Sequence[VizSequence],
    *,
    title: str,
    method: str,
    score_label: str,
    model_text: str,
    anchor: int | None = None,
    attention: Mapping[int, HeadAttention] | None = None,
) -> str:
    """Return the page as the text of an HTML file.

    Args:
        sequences: in input order.
        title: plain text.
        method: how the scores were made, plain text.
        score_label: what one score is, plain text, for axes and legends.
        model_text: which model made them, plain text.
        anchor: position in every sequence that is marked, or None.
        attention: of some sequences, by their number in `sequences`.
    """
    facts = definitions([("Model", model_text), ("Scores", method)])
    if not sequences:
        return render_page(title, facts + "<p>There are no sequences to show.</p>\n")
    groups, left_out = mean_scores(sequences)
    data: dict[str, Any] = {
        "scoreLabel": score_label,
        "anchor": anchor,
        **_colour_limits(sequences),
        "groups": groups,
        "sequences": [_sequence_data(sequence) for sequence in sequences],
        "attention": {str(i): _attention_data(heads) for i, heads in (attention or {}).items()},
    }
    body = facts + _body(sequences, score_label, left_out)
    return render_page(title, body, scripts=_SCRIPTS, data=data)


def mean_scores(sequences: Sequence[VizSequence]) -> tuple[list[dict[str, Any]], int]:
    """Return the mean score of each position, over all sequences and over each label.

    Args:
        sequences: they begin at the same position; where lengths differ, the longer ones alone
            make the mean at the end.

    Returns:
        lines with `label` (None for all), `colour`, `dash`, `mean` and `count` (sequences with a
        score there), the labels with the most sequences first; and how many labels had to be
        left out.
    """
    labels = [sequence.label for sequence in sequences if sequence.label is not None]
    order = sorted(set(labels), key=lambda label: (-labels.count(label), label))
    lines = [_mean_line(sequences) | {"label": None, "colour": _ALL_COLOUR, "dash": ""}]
    for label, colour, dash in zip(order, _LABEL_COLOURS, _DASHES, strict=False):
        members = [sequence for sequence in sequences if sequence.label == label]
        lines.append(_mean_line(members) | {"label": label, "colour": colour, "dash": dash})
    return lines, max(0, len(order) - MOST_LABELS)


def _mean_line(sequences: Sequence[VizSequence]) -> dict[str, Any]:
    n_positions = max(len(sequence.sequence) for sequence in sequences)
    total, count = np.zeros(n_positions), np.zeros(n_positions, dtype=np.int64)
    for sequence in sequences:
        is_known = np.isfinite(sequence.scores)
        positions = np.flatnonzero(is_known)
        total[positions] += sequence.scores[is_known]
        count[positions] += 1
    mean = np.divide(total, count, out=np.full(n_positions, np.nan), where=count > 0)
    return {"mean": _short(mean), "count": count.tolist()}


def _colour_limits(sequences: Sequence[VizSequence]) -> dict[str, Any]:
    """Return the scores of the deepest colours, and whether there are negative ones."""
    scores = np.concatenate([sequence.scores for sequence in sequences])
    changes = [s.mutations.ravel() for s in sequences if s.mutations is not None]
    return {
        "limit": _limit(scores),
        "isSigned": bool((scores < 0).any()),
        "mutationLimit": _limit(np.concatenate(changes)) if changes else None,
    }


def _limit(values: Floats) -> float | int | None:
    sizes = np.abs(values[np.isfinite(values)].astype(np.float64))
    if not sizes.any():
        return 1
    limit = np.quantile(sizes, _LIMIT_QUANTILE)
    return short_number(float(limit if limit > 0 else sizes.max()))


def _sequence_data(sequence: VizSequence) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": sequence.name,
        "sequence": sequence.sequence,
        "scores": _short(sequence.scores),
        "probability": short_number(sequence.probability),
        "label": sequence.label,
        "chrom": sequence.chrom,
        "start": sequence.start,
        "strand": sequence.strand,
    }
    if sequence.mutations is not None:
        data["mutations"] = [_short(sequence.mutations[:, i]) for i in range(len(BASES))]
    return data


def _attention_data(heads: HeadAttention) -> dict[str, Any]:
    return {
        "tokens": list(heads.tokens),
        "starts": [int(start) for start in heads.token_starts],
        "layers": [int(layer) for layer in heads.layers],
        "heads": heads.weights.shape[1],
        "scale": _short(heads.scale.ravel()),
        "weights": base64.b64encode(heads.weights.tobytes()).decode("ascii"),
    }


def _short(values: Floats) -> list[float | int | None]:
    return [short_number(value) for value in values.tolist()]


def _body(sequences: Sequence[VizSequence], score_label: str, left_out: int) -> str:
    """Return the frame that the scripts fill, and a table that can be read without them."""
    left_out_text = (
        f'<p class="quiet">Drawn are the {MOST_LABELS} labels with the most sequences; '
        f"{left_out} more are left out.</p>"
        if left_out
        else ""
    )
    has_mutations = any(sequence.mutations is not None for sequence in sequences)
    return _BODY.format(
        n_sequences=f"{len(sequences):,} sequence{'' if len(sequences) == 1 else 's'}",
        score_label=escaped(score_label),
        left_out=left_out_text,
        mutation_text=_MUTATION_TEXT if has_mutations else "",
        rows="".join(map(_row, sequences)),
    )


def _row(sequence: VizSequence) -> str:
    """Return one line of the table of sequences, with the position of its highest score."""
    is_known = np.isfinite(sequence.scores)
    highest = int(np.where(is_known, sequence.scores, -np.inf).argmax()) if is_known.any() else None
    place = "-"
    if sequence.chrom is not None and sequence.start is not None:
        end = sequence.start + len(sequence.sequence)
        place = f"{sequence.chrom}:{sequence.start}-{end} ({sequence.strand})"
    texts = [
        sequence.label if sequence.label is not None else "-",
        _text(short_number(sequence.probability)),
        place,
        _text(len(sequence.sequence)),
        _text(None if highest is None else short_number(float(sequence.scores[highest]))),
        _text(highest),
    ]
    cells = "".join(f"<td>{escaped(text)}</td>" for text in texts)
    return f'<tr><th scope="row">{escaped(sequence.name)}</th>{cells}</tr>\n'


def _text(value: float | None) -> str:
    return "-" if value is None else str(value)


_MUTATION_TEXT = (
    " The four rows below the letters show how the model's answer changes with A, C, G or T in "
    "the base's place."
)
_BODY = """<p class="quiet">{n_sequences}. Positions are counted from 0 along each sequence; places
on the genome are 0-based and half-open, as in BED.<span class="screen-only"> Point at a picture, or
reach it with the Tab key and move with the arrow keys: the line at the bottom of the window says
what is there.</span></p>

<section id="heatmap-section" hidden>
<h2>All sequences</h2>
<div class="controls">
<label>Order <select id="order">
<option value="input">as in the input</option>
<option value="probability">probability, highest first</option>
<option value="name">name</option>
<option value="label">label, then probability</option>
</select></label>
<button type="button" id="save-all">Save all scores (TSV)</button>
</div>
<div class="legend" id="heatmap-legend"></div>
<figure id="heatmap-figure"><canvas id="heatmap" class="pointable" tabindex="0" role="application"
aria-label="Scores of all sequences, one row each. Arrow keys move, Enter chooses the row.">
</canvas>
</figure>
<p class="quiet screen-only">A click or Enter chooses the sequence that is shown below.</p>
</section>

<section id="landscape-section" hidden>
<h2>Mean over the sequences</h2>
<div class="legend" id="landscape-legend"></div>
<figure id="landscape"></figure>
{left_out}
</section>

<section id="sequence-section" hidden>
<h2>One sequence: <span id="selected-name"></span></h2>
<div class="controls">
<label>Sequence <select id="selected"></select></label>
<button type="button" id="previous">previous</button>
<button type="button" id="next">next</button>
<button type="button" id="save-one">Save its scores (TSV)</button>
</div>
<p class="quiet" id="selected-facts"></p>
<p class="quiet">Bars and shades: {score_label}.{mutation_text}</p>
<div class="legend" id="sequence-legend"></div>
<figure id="letters"></figure>
<details id="numbers"><summary>Table of its scores</summary>
<div class="scroll" tabindex="0"><table><thead><tr id="numbers-head"></tr></thead>
<tbody id="numbers-body"></tbody></table></div>
</details>
</section>

<section id="context-section" hidden>
<h2>Attention of one head</h2>
<p id="context-missing"></p>
<div id="context-content">
<div class="controls">
<label>Layer <select id="layer"></select></label>
<label>Head <select id="head"></select></label>
<label>Cut-off <input type="range" id="cutoff" min="0" max="100" step="1" value="30">
<output id="cutoff-text" for="cutoff"></output></label>
<button type="button" id="cls">from [CLS]</button>
</div>
<p id="context-query"></p>
<figure id="context"></figure>
<p class="quiet screen-only">Layers and heads are counted from 0. A click on a base, here or above,
or the left and right keys choose the k-mer the arcs start from; up and down step through the arcs,
Home goes back to [CLS].</p>
<details><summary>Table of the strongest weights</summary>
<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">Token</th>
<th scope="col" class="number">Position</th><th scope="col" class="number">Weight</th></tr></thead>
<tbody id="context-body"></tbody></table></div>
</details>
</div>
</section>

<section>
<h2>List of the sequences</h2>
<details><summary>{n_sequences}</summary>
<div class="scroll" tabindex="0"><table><thead><tr>
<th scope="col">Name</th><th scope="col">Label</th>
<th scope="col">Probability</th><th scope="col">Place</th><th scope="col">Bases</th>
<th scope="col">Highest score</th><th scope="col">at position</th></tr></thead>
<tbody>
{rows}</tbody></table></div>
</details>
</section>"""
