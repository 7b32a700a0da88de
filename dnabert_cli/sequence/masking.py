"""Span masking for pre-training: which tokens are hidden, and what stands in their place.

Neighbouring k-mers share bases, so hiding one token hides nothing. Hidden tokens come in spans
that are long enough to hide a base, and a loss per token is no loss per base: `hidden_bases` says
which bases no visible token holds. Shapes: B rows, T tokens (without [CLS] and [SEP]), L bases.
"""

import numpy as np
import numpy.typing as npt

from dnabert_cli.sequence.kmers import MASK, N_SPECIAL

Bools = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]

# Tokens hidden around a centre, per k (original program, `run_pretrain.py`, `mask_tokens`).
ORIGINAL_OFFSETS = {
    3: (-1, 0, 1),
    4: (-1, 0, 1, 2),
    5: (-2, -1, 0, 1, 2),
    6: (-2, -1, 0, 1, 2, 3),
}
# Of the hidden tokens (Devlin et al. 2019, section 3.1); the rest stays as it is.
SHARE_MASK, SHARE_RANDOM = 0.8, 0.1


def span_length(k: int, token_stride: int) -> int:
    """Return the fewest neighbouring tokens that hide a base together: k as published."""
    return -(-k // token_stride)


def span_mask(n_tokens: Int64s, span: int, share: float, generator: np.random.Generator) -> Bools:
    """Hide a share of the tokens in spans that do not overlap, all places equally likely.

    Args:
        n_tokens: `[B]`, tokens of each row.
        span: tokens per span; a row with fewer tokens is hidden whole or not at all.
        share: of the tokens that are hidden, in the mean over many rows; as many of them as make
            whole spans, where it is large and rows are short.
        generator: of random numbers.

    Returns:
        `[B, max(n_tokens)]`, True where hidden.
    """
    wanted = n_tokens * share / np.clip(n_tokens, 1, span)
    n_spans = np.floor(wanted + generator.random(len(n_tokens))).astype(np.int64)
    n_spans = np.minimum(n_spans, np.maximum(n_tokens // span, 1))
    # Every way to place m spans in n tokens is a way to choose m of n - m (span - 1) slots.
    n_slots = np.maximum(n_tokens - n_spans * (span - 1), 1)
    width = int(n_slots.max(initial=1))
    keys = generator.random((len(n_tokens), width), dtype=np.float32)
    keys[np.arange(width) >= n_slots[:, None]] = 2.0
    most = int(n_spans.max(initial=0))
    hidden = np.zeros((len(n_tokens), int(n_tokens.max(initial=0))), dtype=bool)
    if most == 0:
        return hidden
    slots = np.argpartition(keys, most - 1, axis=1)[:, :most]
    slots = np.take_along_axis(slots, np.argsort(np.take_along_axis(keys, slots, 1), axis=1), 1)
    slots[np.arange(most) >= n_spans[:, None]] = width  # to be sorted last
    slots.sort(axis=1)
    rows, order = np.nonzero(np.arange(most) < n_spans[:, None])
    starts = slots[rows, order] + order * (span - 1)
    for offset in range(span):
        inside = starts + offset < n_tokens[rows]
        hidden[rows[inside], starts[inside] + offset] = True
    return hidden


def original_mask(
    n_tokens: Int64s, k: int, probability: float, generator: np.random.Generator
) -> Bools:
    """Hide tokens as the original program does: around random centres.

    Args:
        n_tokens: `[B]`, tokens of each row.
        k: decides the span.
        probability: of a token to be a *centre*; 0.025 hides 14 % of the tokens with k = 6.
        generator: of random numbers.

    Returns:
        `[B, max(n_tokens)]`, True where hidden.
    """
    real = np.arange(int(n_tokens.max(initial=0))) < n_tokens[:, None]
    return spread_centres(real & (generator.random(real.shape) < probability), n_tokens, k)


def spread_centres(centres: Bools, n_tokens: Int64s, k: int) -> Bools:
    """Return the tokens `[B, T]` that centres `[B, T]` hide: spans may overlap, ends clip them."""
    hidden = np.zeros_like(centres)
    rows, columns = np.nonzero(centres)
    for offset in ORIGINAL_OFFSETS[k]:
        inside = (columns + offset >= 0) & (columns + offset < n_tokens[rows])
        hidden[rows[inside], columns[inside] + offset] = True
    return hidden


def corrupt(
    ids: npt.NDArray[np.int64],
    hidden: Bools,
    vocab_size: int,
    generator: np.random.Generator,
    *,
    first_random: int = N_SPECIAL,
) -> npt.NDArray[np.int64]:
    """Return the ids `[B, T]` a network sees: of the hidden ones 80 % [MASK], 10 % random.

    Args:
        ids: `[B, T]`.
        hidden: `[B, T]`.
        vocab_size: random ids lie below it.
        generator: of random numbers.
        first_random: smallest random id; the original draws from all ids, 0.
    """
    seen = ids.copy()
    rows, columns = np.nonzero(hidden)
    choice = generator.random(len(rows))
    masked = choice < SHARE_MASK
    seen[rows[masked], columns[masked]] = MASK
    drawn = (choice >= SHARE_MASK) & (choice < SHARE_MASK + SHARE_RANDOM)
    random_ids = generator.integers(first_random, vocab_size, size=len(rows))
    seen[rows[drawn], columns[drawn]] = random_ids[drawn]
    return seen


def hidden_bases(hidden: Bools, n_tokens: Int64s, k: int, token_stride: int) -> Int64s:
    """Return `[B, L]`: how many hidden tokens hold the base, 0 where a visible one holds it too.

    Args:
        hidden: `[B, T]`.
        n_tokens: `[B]`, tokens of each row; bases behind the last one count as visible.
        k: bases per token.
        token_stride: bases from one token to the next.
    """
    n_rows, n_columns = hidden.shape
    real = np.arange(n_columns) < n_tokens[:, None]
    n_bases = (n_columns - 1) * token_stride + k if n_columns else 0
    n_hidden = np.zeros((n_rows, n_bases), dtype=np.int64)
    n_visible = np.zeros_like(n_hidden)
    for offset in range(k if n_columns else 0):
        covered = slice(offset, offset + (n_columns - 1) * token_stride + 1, token_stride)
        n_hidden[:, covered] += hidden
        n_visible[:, covered] += real & ~hidden
    n_hidden[n_visible > 0] = 0
    return n_hidden
