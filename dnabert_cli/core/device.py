"""Where and how precisely to compute: devices, precisions, threads, seeds."""

import os
import random
from pathlib import Path

import numpy as np
import torch

from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import ModelError, OptionsError

CPU = torch.device("cpu")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_CPU_INFO = Path("/proc/cpuinfo")
# The x86 instructions that multiply bf16; without them bf16 is slower than fp32.
_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


def resolve_device(requested: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `cuda:N`; `auto` is a GPU where there is one.

    Raises:
        OptionsError: the name is unknown.
        ModelError: a GPU is asked for that is not there.
    """
    kind, colon, index = requested.partition(":")
    if requested not in ("auto", "cpu", "cuda") and not (kind == "cuda" and index.isdecimal()):
        raise OptionsError(f"--device {requested} is unknown; known: auto, cpu, cuda, cuda:N")
    if requested == "cpu" or (requested == "auto" and not torch.cuda.is_available()):
        return CPU
    if not torch.cuda.is_available():
        raise ModelError(
            f"--device {requested}: torch sees no GPU here",
            hint="use --device cpu, or install a CUDA build of torch",
        )
    if colon and int(index) >= torch.cuda.device_count():
        raise ModelError(
            f"--device {requested}: there are {torch.cuda.device_count()} GPUs, counted from 0",
            hint="use --device cuda for the first one",
        )
    return torch.device("cuda", int(index)) if colon else torch.device("cuda")


def has_native_bf16(device: torch.device = CPU) -> bool:
    """Tell whether the processor or GPU multiplies bf16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Private in torch and absent in some releases; what Linux says is the second source.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported and supported()) or not _BF16_FLAGS.isdisjoint(_cpu_flags())


def resolve_precision(requested: str, device: torch.device) -> torch.dtype:
    """Return the dtype for `fp32`, `bf16`, `fp16`, or `auto`: bf16 where native, else fp32.

    Raises:
        OptionsError: the precision is unknown, or fp16 is asked for on a CPU.
    """
    if requested == "auto":
        return torch.bfloat16 if has_native_bf16(device) else torch.float32
    if requested not in _DTYPES:
        raise OptionsError(f"--precision {requested} is unknown; known: auto, {', '.join(_DTYPES)}")
    if requested == "fp16" and device.type == "cpu":
        raise OptionsError(
            "--precision fp16 needs a GPU", hint="use --precision bf16 or fp32 on a CPU"
        )
    return _DTYPES[requested]


def check_compute(compute: ComputeConfig) -> None:
    """Refuse a device that is not there, or a precision it does not have, before any work.

    Raises:
        ModelError, OptionsError: as `resolve_device` and `resolve_precision`.
    """
    resolve_precision(compute.precision, resolve_device(compute.device))


def n_threads(requested: int | None) -> int:
    """Return the requested number of threads; `None`: one per core this process may use."""
    if requested is not None:
        return requested
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether torch could not allocate, on a GPU or (a plain error there) on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _cpu_flags() -> set[str]:
    """Return the flags of the first processor; empty where the system does not tell."""
    if not _CPU_INFO.exists():
        return set()
    for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
        if line.startswith("flags"):
            return set(line.split())
    return set()
