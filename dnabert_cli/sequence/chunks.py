"""Lay tokens out as a network reads them: with [CLS] and [SEP], in one chunk or several."""

import numpy as np
import numpy.typing as npt

from dnabert_cli.sequence.kmers import CLS, PAD, SEP, Ids

MAX_TOKENS = 510  # of one chunk of the published models, [CLS] and [SEP] not counted

Layout = npt.NDArray[np.int64]


def lay_out(
    tokens: Ids, n_chunks: int | None, max_tokens: int = MAX_TOKENS
) -> tuple[Layout, Layout | None]:
    """Return what a network reads of tokens, and where that is not padding.

    With `n_chunks` the tokens are cut into pieces of `max_tokens`, the last one shorter. Each
    piece stands between [CLS] and [SEP] in a chunk of its own; [PAD] fills up what is left. As in
    the original the last piece may be empty: whenever `max_tokens` divides T and a chunk is left,
    that chunk begins with [CLS][SEP].

    Args:
        tokens: `[B, T]`, rows of equal length.
        n_chunks: chunks per row; `None`: one without padding, however long.
        max_tokens: tokens per chunk, [CLS] and [SEP] not counted; at most `n_chunks * max_tokens`
            tokens fit. (The original loses the rest without a word; here the caller checks.)

    Returns:
        Ids `[B, T']` and the attention mask `[B, T']` (1 at tokens, 0 at [PAD]; `None` when
        nothing is padded), T' = `n_chunks * (max_tokens + 2)`, or T + 2.

    Source: the original program, `DNATokenizer` (more than 512 ids: "DNABERT-XL").
    """
    n_rows, n_tokens = tokens.shape
    if n_chunks is None:
        ids = np.empty((n_rows, n_tokens + 2), dtype=np.int64)
        ids[:, 0], ids[:, 1:-1], ids[:, -1] = CLS, tokens, SEP
        return ids, None
    assert n_tokens <= n_chunks * max_tokens, f"{n_tokens} tokens in {n_chunks} chunks"
    ids = np.full((n_rows, n_chunks, max_tokens + 2), PAD, dtype=np.int64)
    for i in range(min(n_tokens // max_tokens + 1, n_chunks)):
        piece = tokens[:, i * max_tokens : (i + 1) * max_tokens]
        n_piece = piece.shape[1]
        ids[:, i, 0], ids[:, i, 1 : n_piece + 1], ids[:, i, n_piece + 1] = CLS, piece, SEP
    flat = ids.reshape(n_rows, n_chunks * (max_tokens + 2))
    return flat, (flat != PAD).astype(np.int64)
