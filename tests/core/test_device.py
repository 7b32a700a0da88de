"""Names of devices and precisions, and what they come to here or on a machine with a GPU."""

import os
import random

import numpy as np
import pytest
import torch

from dnabert_cli.core import device as module
from dnabert_cli.core.device import (
    CPU,
    has_native_bf16,
    n_threads,
    resolve_device,
    resolve_precision,
    seed_everything,
)
from dnabert_cli.errors import ModelError, OptionsError

CUDA = torch.device("cuda")


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize("requested", ["auto", "cpu"])
def test_without_a_gpu_auto_is_the_cpu(no_gpu, requested):
    assert resolve_device(requested) == CPU


@pytest.mark.parametrize(
    ("requested", "expected"),
    [("auto", "cuda"), ("cpu", "cpu"), ("cuda", "cuda"), ("cuda:1", "cuda:1")],
)
def test_with_a_gpu_auto_is_the_gpu(two_gpus, requested, expected):
    assert resolve_device(requested) == torch.device(expected)


@pytest.mark.parametrize("requested", ["cuda", "cuda:0"])
def test_a_gpu_that_is_not_there_is_an_error_with_a_cure(no_gpu, requested):
    with pytest.raises(ModelError, match=rf"{requested}: torch sees no GPU.*use --device cpu"):
        resolve_device(requested)


def test_a_gpu_beyond_the_last_is_an_error(two_gpus):
    with pytest.raises(ModelError, match="cuda:2: there are 2 GPUs, counted from 0"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("requested", ["gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", "cpu:0", ""])
def test_unknown_devices_are_refused(two_gpus, requested):
    with pytest.raises(OptionsError, match="is unknown; known: auto, cpu, cuda, cuda:N"):
        resolve_device(requested)


@pytest.mark.parametrize(
    ("requested", "device", "expected"),
    [
        ("fp32", CPU, torch.float32),
        ("bf16", CPU, torch.bfloat16),
        ("fp32", CUDA, torch.float32),
        ("bf16", CUDA, torch.bfloat16),
        ("fp16", CUDA, torch.float16),
    ],
)
def test_a_named_precision_is_taken(requested, device, expected):
    assert resolve_precision(requested, device) is expected


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
@pytest.mark.parametrize("device", [CPU, CUDA])
def test_auto_is_bf16_only_where_it_is_native(monkeypatch, native, expected, device):
    monkeypatch.setattr(module, "has_native_bf16", lambda asked: asked == device and native)

    assert resolve_precision("auto", device) is expected


def test_fp16_on_a_cpu_is_refused_with_a_cure():
    with pytest.raises(OptionsError, match=r"fp16 needs a GPU \(hint: use --precision bf16"):
        resolve_precision("fp16", CPU)


def test_unknown_precisions_are_refused():
    with pytest.raises(OptionsError, match="int8 is unknown; known: auto, fp32, bf16, fp16"):
        resolve_precision("int8", CPU)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags : fpu avx512f avx512_bf16 vme\n", True),
        ("processor : 0\nflags : amx_tile amx_bf16\n", True),
        ("processor : 0\nflags : fpu avx2 avx512f\n", False),
        ("processor : 0\nmodel name : none\n", False),
        (None, False),
    ],
)
def test_where_torch_cannot_tell_the_system_is_asked_for_bf16(
    monkeypatch, tmp_path, text, expected
):
    cpu_info = tmp_path / "cpuinfo"
    if text is not None:
        cpu_info.write_text(text)
    monkeypatch.setattr(module, "_CPU_INFO", cpu_info)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)

    assert has_native_bf16() is expected


def test_torch_knowing_bf16_is_enough(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_CPU_INFO", tmp_path / "missing")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)

    assert has_native_bf16(CPU) is True


@pytest.mark.parametrize("native", [True, False])
def test_emulated_bf16_of_a_gpu_does_not_count(monkeypatch, native):
    def supported(including_emulation=True):
        return including_emulation or native

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)

    assert has_native_bf16(CUDA) is native


def test_threads_default_to_the_cores_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)

    assert n_threads(None) == 3
    assert n_threads(7) == 7


@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_threads_default_to_all_cores_where_affinity_is_unknown(monkeypatch, count, expected):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)

    assert n_threads(None) == expected


@pytest.mark.parametrize("seed", [0, 2**32 + 1])
def test_equal_seeds_give_equal_random_numbers(seed):
    def draw(value):
        seed_everything(value)
        return random.random(), np.random.random(), torch.rand(1).item()

    assert draw(seed) == draw(seed)
    assert all(a != b for a, b in zip(draw(seed), draw(seed + 1), strict=True))
