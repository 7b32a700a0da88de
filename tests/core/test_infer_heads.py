"""The prediction loop with the other heads, and with inputs of several chunks."""

import dataclasses

import numpy as np
import pytest
import torch

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.backends import PlainNetwork
from dnabert_cli.core.checkpoint import build_network
from dnabert_cli.core.device import CPU
from dnabert_cli.core.infer import Predictor
from dnabert_cli.core.network import initialize
from dnabert_cli.errors import ModelError
from dnabert_cli.sequence.chunks import lay_out
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.sequence.windows import token_windows
from tests.toys import bert_config

K, P = 3, 22  # P positions: 20 tokens in a chunk
TASK = TaskConfig(k=K, classes=("a", "b", "c"))
FP32 = ComputeConfig(precision="fp32", threads=2, batch_tokens=200)
TOLERANCES = [("fp32", 1e-5), ("bf16", 1e-2)]
LONG = ["lstm", "gru", "concat", "mean"]


@pytest.fixture(autouse=True)
def one_thread():
    """The reference network runs in the test's own thread, on cores the workers use too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(task=TASK, **changes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"max_position_embeddings": P} | changes
        network = build_network(bert_config(task.k, **sizes), task)
        initialize(network, 0.2)
    return network.eval()


def some_windows(window, n_windows=12, token_stride=1):
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), window + n_windows))
    starts = np.arange(n_windows, dtype=np.int64)
    return token_windows(sequence, starts, window, Tokenizer(K, token_stride))


def laid_out(windows, n_chunks=None):
    ids, mask = lay_out(windows.rows(0, len(windows)), n_chunks, P - 2)
    return torch.from_numpy(ids), None if mask is None else torch.from_numpy(mask)


def logits_of(network, windows, n_chunks=None):
    with torch.no_grad():
        return network(*laid_out(windows, n_chunks))


def compute(precision):
    return dataclasses.replace(FP32, precision=precision)


@pytest.mark.parametrize(("precision", "tolerance"), TOLERANCES)
def test_several_labels_are_each_a_probability(precision, tolerance):
    task = dataclasses.replace(TASK, head="multi-label", calibration=2.0)
    network, windows = build(task), some_windows(20)

    with Predictor(network, task, compute(precision)) as predictor:
        answers = predictor.probabilities(windows)

    expected = (logits_of(network, windows) / 2).sigmoid().numpy()
    assert np.abs(answers - expected).max() < tolerance
    assert expected.std() > 0.03


def test_several_numbers_are_returned_raw():
    task = dataclasses.replace(TASK, head="regression", calibration=2.0)
    network, windows = build(task), some_windows(20)

    with Predictor(network, task, FP32) as predictor:
        answers = predictor.probabilities(windows)

    assert np.abs(answers - logits_of(network, windows).numpy()).max() < 1e-5


@pytest.mark.parametrize("token_stride", [1, 2])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 2e-2)])
def test_each_base_has_probabilities(precision, tolerance, token_stride):
    """In bf16 the last layer is rounded for all tokens, not only for [CLS]: twice the tolerance."""
    task = dataclasses.replace(TASK, head="token", token_stride=token_stride, calibration=2.0)
    network, windows = build(task), some_windows(22, token_stride=token_stride)

    with Predictor(network, task, compute(precision)) as predictor:
        scores = predictor.base_scores(windows)

    expected = (logits_of(network, windows) / 2).softmax(-1).numpy()
    assert scores.shape == (12, 22 - (22 - K) % token_stride, 3)
    assert np.abs(scores - expected).max() < tolerance
    assert expected.std() > 0.05


def test_a_single_output_per_base_is_a_number():
    task = TaskConfig(k=K, classes=("conservation",), head="token", calibration=2.0)
    network, windows = build(task), some_windows(20)

    with Predictor(network, task, FP32) as predictor:
        scores = predictor.base_scores(windows)

    assert np.abs(scores - logits_of(network, windows).numpy()).max() < 1e-5


def test_a_base_between_kmers_has_no_answer():
    """3-mers five bases apart hold the bases 0-2, 5-7 and 10-12."""
    task = dataclasses.replace(TASK, head="token", token_stride=5)

    with Predictor(build(task), task, FP32) as predictor:
        scores = predictor.base_scores(some_windows(13, token_stride=5))

    assert np.flatnonzero(np.isnan(scores).all((0, 2))).tolist() == [3, 4, 8, 9]
    assert np.isnan(scores).any((0, 2)).sum() == 4


@pytest.mark.parametrize(("head", "method"), [("token", "probabilities"), ("class", "base_scores")])
def test_a_head_is_asked_for_what_it_answers(head, method):
    task = dataclasses.replace(TASK, head=head)
    with (
        Predictor(build(task), task, FP32) as predictor,
        pytest.raises(AssertionError, match=r"see (base_scores|probabilities)"),
    ):
        getattr(predictor, method)(some_windows(20))


@pytest.mark.parametrize("long", LONG)
@pytest.mark.parametrize("window", [10, 22, 43, 62])
@pytest.mark.parametrize(("precision", "tolerance"), TOLERANCES)
def test_chunks_are_answered_as_by_the_network(long, window, precision, tolerance):
    """8 tokens: two chunks of padding; 20: an empty chunk [CLS][SEP]; 41: three; 60: all full."""
    network, windows = build(long=long, chunks=3), some_windows(window)

    with Predictor(network, TASK, compute(precision)) as predictor:
        answers = predictor.probabilities(windows)

    expected = logits_of(network, windows, 3).softmax(-1).numpy()
    assert np.abs(answers - expected).max() < tolerance
    assert expected.std() > 0.01


def test_chunks_too_many_are_an_error_with_the_limit():
    """Three chunks of 20 tokens are 62 bases."""
    network = build(long="lstm", chunks=3)
    with (
        Predictor(network, TASK, FP32) as predictor,
        pytest.raises(ModelError, match=r"63 bases .* 61 tokens.*at most 60 .*at most 62 bases"),
    ):
        predictor.probabilities(some_windows(63))


@pytest.mark.parametrize("n_layers", [1, 2])
def test_the_embedding_of_chunks_is_the_mean_over_kmers(n_layers):
    network, windows = build(long="lstm", chunks=3, num_hidden_layers=n_layers), some_windows(33)
    ids, mask = laid_out(windows, 3)
    with torch.no_grad():
        hidden = network.embed(ids, mask).numpy()

    with Predictor(network, TASK, FP32) as predictor:
        vectors = predictor.embeddings(windows)

    # 31 tokens: 1-20 of the first chunk and 1-11 of the second
    kmers = np.concatenate((hidden[:, 1:21], hidden[:, P + 1 : P + 12]), axis=1)
    assert np.abs(vectors - kmers.mean(1)).max() < 1e-5


def test_chunks_have_no_single_cls_embedding():
    with (
        Predictor(build(long="mean", chunks=3), TASK, FP32) as predictor,
        pytest.raises(ModelError, match=r"per chunk, not one \(hint: use --pooling mean\)"),
    ):
        predictor.embeddings(some_windows(33), "cls")


@pytest.mark.parametrize("long", LONG)
def test_chunks_on_a_device_agree_with_the_network(long):
    """The road that GPUs take, walked on the CPU."""
    network, windows = build(long=long, chunks=3), some_windows(33)
    ids, mask = laid_out(windows, 3)
    plain = PlainNetwork(network, CPU, torch.float32)

    with torch.no_grad():
        assert torch.allclose(plain(ids), network(ids, mask), atol=1e-6)
        assert torch.allclose(plain.embed(ids), network.embed(ids, mask), atol=1e-6)


@pytest.mark.parametrize("arch", ["cnn-lstm", "cnn-gru"])
def test_recurrent_baselines_run_as_they_are(arch):
    task = TaskConfig(k=1, classes=("a", "b"))
    network = build(task, arch=arch)
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), 50))
    windows = token_windows(sequence, np.arange(5), 40, Tokenizer(1))

    with Predictor(network, task, compute("bf16")) as predictor:
        answers = predictor.probabilities(windows)

    assert np.abs(answers - logits_of(network, windows).softmax(-1).numpy()).max() < 1e-6


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 2e-2)])
@pytest.mark.parametrize("changes", [{}, {"long": "lstm", "chunks": 3}])
def test_a_gpu_gives_the_answers_of_the_cpu(precision, tolerance, changes):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    task = TASK if changes else dataclasses.replace(TASK, head="token")
    network, windows = build(task, **changes), some_windows(22)
    answers = []
    for config in (FP32, dataclasses.replace(FP32, device="cuda", precision=precision)):
        with Predictor(network, task, config) as predictor:
            answer = predictor.probabilities if changes else predictor.base_scores
            answers.append(answer(windows))

    assert np.abs(answers[0] - answers[1]).max() < tolerance
