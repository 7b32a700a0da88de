"""The prepared encoder agrees with the network it was prepared from."""

import pytest
import torch
from torch.nn import functional as F

from dnabert_cli.config import ModelConfig
from dnabert_cli.core import fast
from dnabert_cli.core.fast import prepare
from dnabert_cli.core.network import SequenceClassifier, initialize

FP32, BF16 = torch.float32, torch.bfloat16
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES = {
    "1 layer": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
    "2x32": TINY,
    "3x96, heads of 24": {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4},
    "4x128": {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 2},
}
CASES = [
    ("1 layer", 20, 3),
    ("2x32", 1, 64),
    ("2x32", 20, 3),
    ("3x96, heads of 24", 7, 101),
    ("4x128", 12, 40),
    ("4x128", 1, 512),
]
FP32_TOLERANCE, BF16_TOLERANCE = 1e-5, 1e-2


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks gain nothing from threads, and lose much when the cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["packed", "plain"])
def linear(request, monkeypatch):
    """Run with oneDNN's packed linear layers (where torch has them) and without."""
    if request.param == "plain":
        monkeypatch.setattr(fast, "_can_pack", lambda _: False)


def build(size, *, pooling="cls", std=0.08, n_labels=2):
    """Return a network whose weights, biases and norms are all far from their start values."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ModelConfig(vocab_size=69, intermediate_size=4 * size["hidden_size"], **size)
        network = SequenceClassifier(config, n_labels, pooling)
        initialize(network, std)
        with torch.no_grad():
            for name, weights in network.named_parameters():
                if "norm" in name or name.endswith("bias"):
                    weights.add_(0.1 * torch.randn_like(weights))
    return network.eval()


def some_ids(n_windows, n_tokens):
    ids = torch.randint(5, 69, (n_windows, n_tokens), generator=torch.Generator().manual_seed(1))
    ids[:, 0], ids[:, -1] = 2, 3
    return ids


def reference_attention(network, ids):
    """Return the last layer's attention, all rows: `[B, H, T, T]`, written out in full."""
    hidden = network.encoder.embeddings(ids)
    for layer in network.encoder.layers[:-1]:
        hidden = layer(hidden, None)
    attention = network.encoder.layers[-1].attention
    query, key = (
        part(hidden).unflatten(-1, (attention.n_heads, -1)).transpose(1, 2)
        for part in (attention.query, attention.key)
    )
    return torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1)


@pytest.mark.parametrize(("size", "n_windows", "n_tokens"), CASES)
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_fp32_equals_the_network(linear, size, pooling, n_windows, n_tokens):
    network, ids = build(SIZES[size], pooling=pooling), some_ids(n_windows, n_tokens)
    with torch.no_grad():
        expected = network(ids)

    logits = prepare(network, FP32)(ids)

    assert logits.dtype == FP32
    assert (logits - expected).abs().max() < FP32_TOLERANCE
    assert (logits.softmax(-1) - expected.softmax(-1)).abs().max() < FP32_TOLERANCE


@pytest.mark.parametrize(("size", "n_windows", "n_tokens"), CASES)
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_bf16_equals_the_network_within_its_tolerance(linear, size, pooling, n_windows, n_tokens):
    network, ids = build(SIZES[size], pooling=pooling), some_ids(n_windows, n_tokens)
    with torch.no_grad():
        expected = network(ids).softmax(-1)

    logits = prepare(network, BF16)(ids)

    assert logits.dtype == FP32
    assert (logits.softmax(-1) - expected).abs().max() < BF16_TOLERANCE


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_networks_compared_here_give_answers_that_differ(pooling):
    """Otherwise agreement would prove nothing."""
    with torch.no_grad():
        probabilities = build(SIZES["4x128"], pooling=pooling)(some_ids(20, 12)).softmax(-1)

    assert probabilities[:, 1].std() > 2 * BF16_TOLERANCE


@pytest.mark.parametrize(("dtype", "tolerance"), [(FP32, 1e-6), (BF16, 1e-2)])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("n_tokens", [3, 64, 297])
def test_the_cls_row_equals_that_of_the_full_matrix(dtype, tolerance, pooling, n_tokens):
    network, ids = build(SIZES["3x96, heads of 24"], pooling=pooling), some_ids(3, n_tokens)
    encoder = prepare(network, dtype)
    with torch.no_grad():
        expected = reference_attention(network, ids)[:, :, 0]

    logits, row = encoder.with_cls_attention(ids)

    assert row.shape == (3, 4, n_tokens)
    assert row.dtype == FP32
    assert (row - expected).abs().max() < tolerance
    assert (row.sum(-1) - 1).abs().max() < 1e-5
    assert (logits - encoder(ids)).abs().max() < 1e-6


@pytest.mark.parametrize(("dtype", "tolerance"), [(FP32, 1e-5), (BF16, 0.1)])
def test_hidden_states_equal_those_of_the_network(linear, dtype, tolerance):
    """Hidden states are of size 1 and reach 4: 0.1 is one in forty, bf16 over three layers."""
    network, ids = build(SIZES["3x96, heads of 24"]), some_ids(4, 60)
    encoder = prepare(network, dtype)
    with torch.no_grad():
        expected = network.embed(ids)

    hidden = encoder.embed(ids)

    assert hidden.dtype == FP32
    assert (hidden - expected).abs().max() < tolerance
    assert (encoder.embed_cls(ids) - expected[:, 0]).abs().max() < tolerance


@pytest.mark.parametrize("dtype", [FP32, BF16])
def test_the_network_is_not_changed_and_later_changes_do_not_show(dtype):
    network, ids = build(TINY).train(), some_ids(2, 20)
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    encoder = prepare(network, dtype)
    answer = encoder(ids)

    assert network.training
    assert all(weights.requires_grad for weights in network.parameters())
    assert all(torch.equal(before[name], weights) for name, weights in network.state_dict().items())
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(1)
    assert torch.equal(encoder(ids), answer)


@pytest.mark.parametrize(("dtype", "tolerance"), [(FP32, 1e-5), (BF16, BF16_TOLERANCE)])
def test_attention_in_groups_of_windows_changes_nothing(monkeypatch, dtype, tolerance):
    encoder, ids = prepare(build(TINY), dtype), some_ids(5, 30)
    together = encoder(ids)

    monkeypatch.setattr(fast, "_SCORES_AT_ONCE", 2 * 2 * 30**2)  # two windows, two, and one

    assert (encoder(ids) - together).abs().max() < tolerance


@pytest.mark.parametrize("dtype", [FP32, BF16])
def test_very_large_scores_neither_overflow_nor_vanish(dtype):
    network, ids = build(TINY), some_ids(2, 20)
    with torch.no_grad():
        for layer in network.encoder.layers:
            layer.attention.query.weight.mul_(300)

    logits, row = prepare(network, dtype).with_cls_attention(ids)

    assert torch.isfinite(logits).all()
    assert (row.sum(-1) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", [FP32, BF16])
@pytest.mark.parametrize("failure", [AttributeError, RuntimeError, TypeError])
def test_a_missing_or_changed_onednn_operator_is_noticed(monkeypatch, dtype, failure):
    def fail(*_):
        raise failure

    monkeypatch.setattr(fast, "_onednn_linear", fail)

    assert fast._can_pack.__wrapped__(dtype) is False


@pytest.mark.parametrize("dtype", [FP32, BF16])
@pytest.mark.parametrize("name", ["_onednn_linear", "_onednn_linear_plus"])
def test_a_onednn_operator_that_computes_something_else_is_noticed(monkeypatch, dtype, name):
    monkeypatch.setattr(fast, name, lambda inputs, *_: torch.zeros(len(inputs), 8, dtype=dtype))

    assert fast._can_pack.__wrapped__(dtype) is False


def test_the_tanh_gelu_in_place_of_the_exact_one_is_noticed(monkeypatch):
    exact = fast._onednn_linear

    def with_tanh(inputs, packed, bias, post="none"):
        plain = exact(inputs, packed, bias)
        return F.gelu(plain, approximate="tanh") if post == "gelu" else plain

    if not fast._can_pack(FP32):
        pytest.skip("torch has no oneDNN here")
    monkeypatch.setattr(fast, "_onednn_linear", with_tanh)

    assert fast._can_pack.__wrapped__(FP32) is False


def test_without_onednn_nothing_is_packed(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)

    assert fast._can_pack.__wrapped__(FP32) is False
