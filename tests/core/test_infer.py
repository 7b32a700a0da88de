"""The prediction loop: order, independence of threads and batches, limits, errors."""

import dataclasses
import threading

import numpy as np
import pytest
import torch
from torch import nn

from dnabert_cli.config import ComputeConfig, ModelConfig, TaskConfig
from dnabert_cli.core.baselines import ConvolutionalClassifier
from dnabert_cli.core.device import CPU
from dnabert_cli.core.infer import PlainNetwork, Predictor, average
from dnabert_cli.core.network import SequenceClassifier, initialize
from dnabert_cli.errors import ModelError, OptionsError
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.sequence.windows import TokenWindows, token_windows

K, WINDOW = 3, 30
N_TOKENS = WINDOW - K + 1
TASK = TaskConfig(k=K, classes=("other", "promoter"), window=WINDOW)
FP32 = ComputeConfig(precision="fp32", threads=2, batch_tokens=4 * (N_TOKENS + 2))
N_WINDOWS = 50


@pytest.fixture(autouse=True)
def one_thread():
    """The reference network runs in the test's own thread, on cores the workers use too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(n_labels=2, pooling="cls"):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ModelConfig(
            vocab_size=4**K + 5,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
        network = SequenceClassifier(config, n_labels, pooling)
        initialize(network, 0.2)
    return network.eval()


def build_cnn():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ModelConfig(vocab_size=9, hidden_size=8, num_hidden_layers=2, arch="cnn")
        return ConvolutionalClassifier(config, 2)


def some_windows(n_windows=N_WINDOWS, window=WINDOW, k=K, token_stride=1):
    """Windows seven bases apart, the last ones first, so that their order is their own."""
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), window + 7 * n_windows))
    starts = 7 * np.arange(n_windows, dtype=np.int64)[::-1]
    return token_windows(sequence, starts, window, Tokenizer(k, token_stride))


def predict(network, windows, compute=FP32, task=TASK):
    with Predictor(network, task, compute) as predictor:
        return predictor.probabilities(windows)


def ids_of(windows):
    """Return the ids `[B, T]` of all windows with [CLS] 2 and [SEP] 3, written out."""
    rows = [[2, *map(int, row), 3] for row in windows.rows(0, len(windows))]
    return torch.tensor(rows)


class Recorder(nn.Module):
    """Notes batches and threads; answers with the first k-mer's id, or fails when told to."""

    def __init__(self, error=None):
        super().__init__()
        self.config = build().config
        self.error = error
        self.batches, self.n_threads = [], set()

    def __deepcopy__(self, memo):
        return self  # the predictor's copy notes here too

    def forward(self, ids, attention_mask=None):
        self.batches.append(tuple(ids.shape))
        self.n_threads.add(torch.get_num_threads())
        assert torch.is_inference_mode_enabled()
        if self.error is not None:
            raise self.error
        return torch.stack((ids[:, 1], -ids[:, 1]), dim=1).float() / 100


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 1e-2)])
def test_answers_are_those_of_the_network_in_the_order_of_the_windows(
    pooling, precision, tolerance
):
    network, windows = build(pooling=pooling), some_windows()
    with torch.no_grad():
        expected = network(ids_of(windows)).softmax(-1).numpy()

    answers = predict(network, windows, dataclasses.replace(FP32, precision=precision))

    assert answers.shape == (N_WINDOWS, 2)
    assert answers.dtype == np.float32
    assert np.abs(answers - expected).max() < tolerance
    assert expected[:, 1].std() > 0.02


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_number_of_threads_does_not_change_a_bit(precision):
    network, windows = build(), some_windows()

    answers = [
        predict(network, windows, dataclasses.replace(FP32, precision=precision, threads=threads))
        for threads in (1, 2, 5)
    ]

    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-6), ("bf16", 1e-2)])
@pytest.mark.parametrize("batch_tokens", [1, 100, 1_000_000])
def test_the_batch_size_does_not_change_answers_beyond_the_tolerance(
    precision, tolerance, batch_tokens
):
    network, windows = build(), some_windows()
    compute = dataclasses.replace(FP32, precision=precision)

    other = predict(network, windows, dataclasses.replace(compute, batch_tokens=batch_tokens))

    assert np.abs(other - predict(network, windows, compute)).max() < tolerance


@pytest.mark.parametrize(("batch_tokens", "sizes"), [(1, [1] * 7), (30, [1] * 7), (95, [3, 3, 1])])
def test_micro_batches_hold_as_many_windows_as_fit_and_at_least_one(batch_tokens, sizes):
    recorder = Recorder()

    predict(recorder, some_windows(7), ComputeConfig(threads=1, batch_tokens=batch_tokens))

    assert recorder.batches == [(size, N_TOKENS + 2) for size in sizes]


def test_windows_of_coarser_tokens_are_gathered_at_their_stride():
    network, windows = build(), some_windows(token_stride=K)
    assert windows.n_tokens == WINDOW // K

    with torch.no_grad():
        expected = network(ids_of(windows)).softmax(-1).numpy()
    assert np.abs(predict(network, windows) - expected).max() < 1e-5


def test_each_worker_has_one_thread_and_the_caller_keeps_its_own():
    torch.set_num_threads(3)
    recorder = Recorder()

    predict(recorder, some_windows(), dataclasses.replace(FP32, threads=4))

    assert recorder.n_threads == {1}
    assert torch.get_num_threads() == 3


def test_no_windows_give_no_rows():
    with Predictor(build(), TASK, FP32) as predictor:
        assert predictor.probabilities(some_windows(0)).shape == (0, 2)
        assert predictor.embeddings(some_windows(0)).shape == (0, 32)


def test_calibration_divides_the_logits():
    network, windows = build(), some_windows(5)
    with torch.no_grad():
        expected = (network(ids_of(windows)) / 2.5).softmax(-1).numpy()

    answers = predict(network, windows, task=dataclasses.replace(TASK, calibration=2.5))

    assert np.abs(answers - expected).max() < 1e-5


def test_a_single_output_is_returned_raw():
    network, windows = build(n_labels=1), some_windows(5)
    task = TaskConfig(k=K, classes=("expression",), head="regression", calibration=2.5)
    with torch.no_grad():
        expected = network(ids_of(windows)).numpy()

    answers = predict(network, windows, task=task)

    assert answers.shape == (5, 1)
    assert np.abs(answers - expected).max() < 1e-5
    assert answers.std() > 0.01


@pytest.mark.parametrize(("of_model", "asked"), [("bf16", "auto"), ("fp32", "bf16")])
def test_the_models_precision_holds_unless_another_is_asked_for(of_model, asked):
    network, windows = build(), some_windows()
    task = dataclasses.replace(TASK, precision=of_model)

    answers = predict(network, windows, dataclasses.replace(FP32, precision=asked), task)

    bf16 = predict(network, windows, dataclasses.replace(FP32, precision="bf16"))
    assert np.array_equal(answers, bf16)
    assert not np.array_equal(answers, predict(network, windows, FP32, task))


def test_fp16_on_a_cpu_is_refused():
    with pytest.raises(OptionsError, match="fp16 needs a GPU"):
        Predictor(build(), TASK, ComputeConfig(device="cpu", precision="fp16"))


def test_a_window_longer_than_the_model_reads_is_an_error_with_the_limit():
    """62 k-mers of 3 are 64 bases; the model has 64 positions, two of them [CLS] and [SEP]."""
    network = build()
    assert predict(network, some_windows(2, window=64)).shape == (2, 2)

    with pytest.raises(ModelError, match=r"65 bases has 63 tokens.*at most 62 .*at most 64 bases"):
        predict(network, some_windows(2, window=65))


def test_the_limit_in_bases_grows_with_the_token_stride():
    """188 bases hold 62 tokens three bases apart and two bases more, 189 hold 63."""
    assert predict(build(), some_windows(2, window=188, token_stride=3)).shape == (2, 2)

    with pytest.raises(ModelError, match=r"189 bases .*63 .*at most 62 .*at most 188 bases"):
        predict(build(), some_windows(2, window=189, token_stride=3))


def test_a_baseline_has_no_limit():
    windows = some_windows(3, window=700, k=1)

    assert predict(build_cnn(), windows, task=dataclasses.replace(TASK, k=1)).shape == (3, 2)


def test_windows_without_tokens_are_a_mistake_of_the_caller():
    windows = TokenWindows(np.empty(0, np.uint16), np.zeros(1, np.int64), 0)
    with pytest.raises(AssertionError, match="windows without tokens"):
        predict(build(), windows)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.1)])
def test_embeddings_are_the_mean_over_kmers_or_cls(precision, tolerance):
    """Hidden states reach 4 and bf16 keeps three digits of them."""
    network, windows = build(), some_windows()
    with torch.no_grad():
        hidden = network.embed(ids_of(windows)).numpy()

    with Predictor(network, TASK, dataclasses.replace(FP32, precision=precision)) as predictor:
        mean, cls = predictor.embeddings(windows), predictor.embeddings(windows, "cls")
        assert predictor.hidden_size == 32

    assert mean.dtype == cls.dtype == np.float32
    assert np.abs(mean - hidden[:, 1:-1].mean(1)).max() < tolerance
    assert np.abs(cls - hidden[:, 0]).max() < tolerance


@pytest.mark.parametrize("window", [5, 40])
def test_a_baseline_runs_as_it_is_in_fp32_and_in_evaluation_mode(window):
    network, windows = build_cnn(), some_windows(window=window, k=1)
    reference = build_cnn().eval()
    ids = ids_of(windows)
    with torch.no_grad():
        expected = reference(ids).softmax(-1).numpy()
        hidden = reference.embed(ids).mean(1).numpy()

    task = dataclasses.replace(TASK, k=1)
    compute = dataclasses.replace(FP32, precision="bf16")
    with Predictor(network, task, compute) as predictor:
        assert np.abs(predictor.probabilities(windows) - expected).max() < 1e-6
        assert np.abs(predictor.embeddings(windows) - hidden).max() < 1e-6

    assert network.training


def test_a_baseline_has_no_cls_embedding():
    with (
        Predictor(build_cnn(), dataclasses.replace(TASK, k=1), FP32) as predictor,
        pytest.raises(ModelError, match=r"no \[CLS\] state \(hint: use --pooling mean\)"),
    ):
        predictor.embeddings(some_windows(k=1), "cls")


def test_later_training_of_the_network_does_not_change_the_predictor():
    for network, k in ((build(), K), (build_cnn(), 1)):
        windows = some_windows(3, k=k)
        with Predictor(network, dataclasses.replace(TASK, k=k), FP32) as predictor:
            before = predictor.probabilities(windows)
            with torch.no_grad():
                for weights in network.parameters():
                    weights.add_(0.5)
            assert np.array_equal(predictor.probabilities(windows), before)


@pytest.mark.parametrize("method", ["probabilities", "embeddings"])
def test_progress_counts_the_windows_of_each_micro_batch_in_the_calling_thread(method):
    told = []
    with Predictor(build(), TASK, FP32) as predictor:
        getattr(predictor, method)(
            some_windows(10), on_batch=lambda n: told.append((n, threading.get_ident()))
        )

    assert told == [(size, threading.get_ident()) for size in (4, 4, 2)]


def test_an_interrupt_leaves_no_work_behind(monkeypatch):
    """Of a hundred micro-batches three are handed out before the first is told, and no more."""

    def interrupt(_):
        raise KeyboardInterrupt("from the keyboard")

    recorder, handed_out = Recorder(), []
    with Predictor(recorder, TASK, ComputeConfig(threads=1, batch_tokens=1)) as predictor:
        submit = predictor._pool.submit
        monkeypatch.setattr(
            predictor._pool, "submit", lambda *args: handed_out.append(args) or submit(*args)
        )
        with pytest.raises(KeyboardInterrupt, match="from the keyboard"):
            predictor.probabilities(some_windows(100), interrupt)
        assert len(handed_out) == 3
        assert predictor.probabilities(some_windows(1)).shape == (1, 2)

    assert len(recorder.batches) <= 4


def test_an_error_in_a_worker_reaches_the_caller():
    with pytest.raises(ValueError, match="from the worker"):
        predict(Recorder(ValueError("from the worker")), some_windows())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_running_out_of_memory_names_the_cure(error):
    with pytest.raises(ModelError, match=r"out of memory with 120 tokens.*lower --batch-tokens"):
        predict(Recorder(error), some_windows())


def test_other_runtime_errors_are_not_taken_for_lack_of_memory():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        predict(Recorder(RuntimeError("shapes cannot be multiplied")), some_windows())


def test_a_closed_predictor_has_no_threads_left():
    before = threading.active_count()
    predictor = Predictor(build(), TASK, FP32)
    predictor.probabilities(some_windows())
    assert threading.active_count() > before

    predictor.close()

    assert threading.active_count() == before


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_network_under_autocast_agrees_with_the_reference(dtype):
    """The road that GPUs take, walked on the CPU."""
    network, ids = build(), ids_of(some_windows())
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    with torch.no_grad():
        expected, hidden = network(ids).softmax(-1), network.embed(ids)
        plain = PlainNetwork(network, CPU, dtype)
        answers, states, cls = plain(ids), plain.embed(ids), plain.embed_cls(ids)

    assert (answers.float().softmax(-1) - expected).abs().max() < tolerance
    assert states.dtype == torch.float32
    assert (states - hidden).abs().max() < 10 * tolerance
    assert torch.equal(cls, states[:, 0])


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 1e-2), ("fp16", 1e-2)]
)
def test_a_gpu_gives_the_answers_of_the_cpu(precision, tolerance):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    network, windows = build(), some_windows()
    compute = dataclasses.replace(FP32, device="cuda", precision=precision)

    answers = predict(network, windows, compute)

    assert np.abs(answers - predict(network, windows, FP32)).max() < tolerance


def test_the_average_of_models_is_the_mean_of_their_answers():
    first = np.array([[0.25, 0.75], [1.0, 0.0]], dtype=np.float32)
    second = np.array([[0.75, 0.25], [0.5, 0.5]], dtype=np.float32)

    mean = average([first, second, second])

    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, [[7 / 12, 5 / 12], [2 / 3, 1 / 3]], rtol=1e-6)
    assert np.array_equal(average([first]), first)
