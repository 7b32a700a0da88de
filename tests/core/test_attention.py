"""Attention as importance: toys by hand, the original program, and what is not built."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dnabert_cli.core.attention import ClsRow
from dnabert_cli.core.backends import PlainNetwork
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.core.device import CPU
from dnabert_cli.core.fast import prepare
from dnabert_cli.core.importance import (
    Importance,
    ImportanceOptions,
    attention_heads,
)
from dnabert_cli.errors import DataError, ModelError, OptionsError
from dnabert_cli.sequence.kmers import to_base_scores
from tests.importance_toys import BF16, FP32, SEQUENCES, TASK, build, explain

ORACLE = pytest.mark.parametrize(
    "name", ["k3_binary_L512", "k6_binary_L512", "k3_binary_L128", "k6_binary_L128"]
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def all_attention(network, ids):
    """Return the attention of every layer `[layers, B, H, T, T]`, written out in full."""
    hidden, result = network.encoder.embeddings(ids), []
    for layer in network.encoder.layers:
        query, key = (
            part(hidden).unflatten(-1, (layer.attention.n_heads, -1)).transpose(1, 2)
            for part in (layer.attention.query, layer.attention.key)
        )
        result.append(torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1))
        hidden = layer(hidden, None)
    return torch.stack(result)


def reference_attention(model, sequence):
    """Return `[layers, H, T, T]` float64 of one sequence."""
    kmers = model.tokenizer.encode(sequence)[:: model.task.token_stride].tolist()
    with torch.no_grad():
        attention = all_attention(model.network, torch.tensor([[2, *kmers, 3]]))
    return attention[:, 0].double().numpy()


def base_means(tokens, k, n_bases, stride=1):
    """Return the mean over the k-mers that hold a base, looked up one by one."""
    return [
        np.mean([tokens[i] for i in range(len(tokens)) if i * stride <= base < i * stride + k])
        for base in range(n_bases)
    ]


@pytest.mark.parametrize("layer", [None, 0, 1, 2])
@pytest.mark.parametrize("head", [None, 0, 1])
def test_attention_is_the_mean_of_cls_rows_over_kmers(layer, head):
    model = build()
    scores, _ = explain(model, SEQUENCES, ImportanceOptions(layer=layer, head=head))

    for sequence, found in zip(SEQUENCES, scores, strict=True):
        row = reference_attention(model, sequence)[-1 if layer is None else layer][:, 0, 1:-1]
        tokens = row.sum(0) if head is None else row[head]
        expected = base_means(tokens, 3, len(sequence))
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() < 1e-6


def test_with_a_token_stride_the_kmers_that_are_read_count():
    """Of 13 bases in 3-mers 4 apart bases 3, 7 are between k-mers, 11 and 12 behind the last."""
    model = build(dataclasses.replace(TASK, token_stride=4))
    sequence = SEQUENCES[1][:13]

    (found,), _ = explain(model, [sequence])

    tokens = reference_attention(model, sequence)[-1][:, 0, 1:-1].sum(0)
    assert len(tokens) == 3
    assert np.flatnonzero(np.isnan(found)).tolist() == [3, 7, 11, 12]
    held = [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert np.abs(found[held] - np.repeat(tokens, 3)).max() < 1e-6


@pytest.mark.parametrize("layer", [None, 0, 1])
def test_rollout_is_the_product_of_layers_with_their_residuals(layer):
    model, sequence = build(), SEQUENCES[0]
    (found,), _ = explain(model, [sequence], ImportanceOptions(rollout=True, layer=layer))

    product = np.eye(20)
    for heads in reference_attention(model, sequence)[: None if layer is None else layer + 1]:
        product = (0.5 * heads.mean(0) + 0.5 * np.eye(20)) @ product
    expected = to_base_scores(product[0, 1:-1], 3)
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.oracle
@ORACLE
@pytest.mark.parametrize("path", ["prepared", "plain", "padded"])
def test_the_row_is_that_of_the_original_program(oracle, name, path):
    network = load_model(oracle / "models" / name.rpartition("_")[0]).network
    expected = np.load(oracle / "forward" / f"{name}_visualize.npz")
    ids = torch.from_numpy(expected["input_ids"].astype(np.int64))
    mask = torch.from_numpy(expected["attention_mask"].astype(np.int64))
    rows = np.zeros_like(expected["cls_attention_last_layer"])

    if path == "padded":
        watch = ClsRow(1)
        with torch.inference_mode():
            network(ids, mask, watch)
        rows = watch.weights.numpy()
    else:
        backend = prepare(network, torch.float32)
        if path == "plain":
            backend = PlainNetwork(network, CPU, torch.float32)
        for i, n in enumerate(mask.sum(1).tolist()):
            with torch.inference_mode():
                rows[i, :, :n] = backend.with_cls_attention(ids[i : i + 1, :n])[1][0]

    assert np.abs(rows - expected["cls_attention_last_layer"]).max() < 1e-6


@pytest.mark.oracle
@ORACLE
def test_legacy_scores_are_those_of_the_original_program(oracle, name):
    """Of sequences it reads as we do: not those in lower case, as RNA, or cut at its length."""
    model = load_model(oracle / "models" / name.rpartition("_")[0])
    expected = np.load(oracle / "forward" / f"{name}_visualize.npz")
    read = [model.tokenizer.encode(one) for one in oracle_sequences(oracle)]
    kept = [
        i
        for i, ids in enumerate(read)
        if np.array_equal(ids, expected["input_ids"][i, 1 : len(ids) + 1]) and len(ids)
    ]
    sequences = [oracle_sequences(oracle)[i] for i in kept]

    scores, answers = explain(model, sequences, ImportanceOptions(legacy=int(name[-3:])))

    assert len(kept) >= 12
    assert np.abs(answers[:, 1] - expected["probs"][kept]).max() < 1e-5
    for i, found in zip(kept, scores, strict=True):
        assert np.abs(found - expected["atten"][i, : len(found)]).max() < 1e-5


def oracle_sequences(oracle):
    lines = (oracle / "inputs" / "short.tsv").read_text().splitlines()[1:]
    return [line.split("\t")[1] for line in lines]


@pytest.mark.parametrize("layer", [None, 0])
@pytest.mark.parametrize(("compute", "tolerance"), [(FP32, 1e-5), (BF16, 1e-2)])
def test_the_prepared_encoder_gives_the_row_of_the_network(compute, tolerance, layer):
    model = build()
    exact, _ = explain(model, SEQUENCES, ImportanceOptions(layer=layer))

    found, answers = explain(model, SEQUENCES, ImportanceOptions(layer=layer), compute)

    ids = torch.tensor([[2, *model.tokenizer.encode(SEQUENCES[0]).tolist(), 3]])
    with torch.no_grad():
        dtype = torch.float32 if compute is FP32 else torch.bfloat16
        logits, row = PlainNetwork(model.network, CPU, dtype).with_cls_attention(ids, layer)
        plain = to_base_scores(row.sum(1)[0, 1:-1].numpy(), 3)
    assert max(np.abs(a - b).max() for a, b in zip(exact, found, strict=True)) < tolerance
    assert np.abs(found[0] - plain).max() < tolerance
    assert np.abs(answers[0] - logits.float().softmax(-1)[0].numpy()).max() < tolerance
    assert exact[0].std() > 1e-3


class LargestTensor(TorchDispatchMode):
    """Notes how many numbers the largest result of any operation holds."""

    def __init__(self):
        super().__init__()
        self.n_numbers = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, torch.Tensor):
                self.n_numbers = max(self.n_numbers, each.numel())
        return result


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("backend", ["prepared", "plain"])
def test_no_matrix_is_built_for_a_row(dtype, backend):
    """Of one layer, 400 tokens, 4 windows: hidden states are 4 x 400 x 64, scores 400 x 400."""
    network = build(num_hidden_layers=1).network
    if backend == "prepared":
        run = prepare(network, dtype).with_cls_attention
    else:
        run = PlainNetwork(network, CPU, dtype).with_cls_attention
    ids = torch.randint(5, 69, (4, 400), generator=torch.Generator().manual_seed(0))

    with torch.inference_mode(), LargestTensor() as largest:
        run(ids)

    assert 4 * 400 * 32 <= largest.n_numbers < 400 * 400


def test_the_guard_against_matrices_sees_one():
    network = build(num_hidden_layers=1).network
    ids = torch.full((4, 400), 7)

    with torch.inference_mode(), LargestTensor() as largest:
        network.encoder(ids, None, lambda _, attention_of: attention_of(None))

    assert largest.n_numbers >= 4 * 2 * 400 * 400


def test_a_kmer_with_an_unknown_letter_has_attention():
    (found,), _ = explain(build(), ["ACGTNACGTA"])

    assert not np.isnan(found).any()


def test_legacy_needs_every_kmer_and_room():
    with pytest.raises(OptionsError, match="the token stride of model0 is 2"):
        Importance(
            [build(dataclasses.replace(TASK, token_stride=2))], FP32, ImportanceOptions(legacy=50)
        )
    with pytest.raises(OptionsError, match="--legacy 19 is too short for a sequence of 20 tokens"):
        explain(build(), SEQUENCES[:1], ImportanceOptions(legacy=19))


def test_attention_of_a_model_that_does_not_use_cls_is_warned_of(caplog):
    model = build(dataclasses.replace(TASK, pooling="mean"))

    explain(model, SEQUENCES[:1])
    explain(model, SEQUENCES[:1], ImportanceOptions(method="ig"))

    assert [record.getMessage()[:40] for record in caplog.records] == [
        "model0 answers from the mean over its k-"
    ]


@pytest.mark.parametrize("layer", [None, 0])
@pytest.mark.parametrize("token_stride", [1, 2])
def test_the_heads_of_one_sequence_are_shown_in_full(layer, token_stride):
    model, sequence = build(dataclasses.replace(TASK, token_stride=token_stride)), "ACGTNACGT"

    tokens, heads = attention_heads(model, sequence, layer)

    expected = reference_attention(model, sequence)[-1 if layer is None else layer]
    kmers = ["ACG", "CGT", "[UNK]", "[UNK]", "[UNK]", "ACG", "CGT"][::token_stride]
    assert tokens == ["[CLS]", *kmers, "[SEP]"]
    assert heads.shape == (2, len(tokens), len(tokens))
    assert heads.dtype == np.float32
    assert np.abs(heads - expected).max() < 1e-6


def test_heads_of_a_sequence_too_short_or_too_long_are_refused():
    model = build(max_position_embeddings=12)

    with pytest.raises(DataError, match="a sequence of 2 bases has no k-mer of 3"):
        attention_heads(model, "AC")
    with pytest.raises(ModelError, match=r"13 bases has 11 tokens.* at most 10 .*at most 12 bases"):
        attention_heads(model, "ACGTACGTACGTA")
    with pytest.raises(OptionsError, match="--layer 7"):
        attention_heads(model, "ACGTA", 7)
