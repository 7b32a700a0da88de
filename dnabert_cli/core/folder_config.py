"""`config.json` of a model folder: Hugging Face's words, and ours under `"dnabert"`.

Folders of the original program and of transformers have no `"dnabert"`; what they answer is told
from Hugging Face's words, and how a long model joins its chunks from its weights.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from dnabert_cli.config import ARCHITECTURES, K_CHOICES, MAX_SIZE, ModelConfig, TaskConfig
from dnabert_cli.errors import ModelError
from dnabert_cli.sequence.kmers import Tokenizer

CONFIG = "config.json"

# What Hugging Face calls our heads, in `problem_type`; a token classifier has none.
_PROBLEM_TYPES = {
    "class": "single_label_classification",
    "multi-label": "multi_label_classification",
    "regression": "regression",
}
_LONG_FIELDS = ("long", "chunks", "rnn_layers", "rnn_dropout")
_LONG_CLASSES = {
    "concat": "BertForLongSequenceClassificationCat",
    "lstm": "BertForLongSequenceClassification",
    "gru": "BertForLongSequenceClassification",
    "mean": "BertForSequenceClassification",
}
_BASELINE_CLASSES = {
    "cnn": "ConvolutionalClassifier",
    "cnn-lstm": "RecurrentClassifier",
    "cnn-gru": "RecurrentClassifier",
}
_GATES = {4: "lstm", 3: "gru"}  # blocks of rows in the matrices of a recurrent layer


def read_config(folder: Path) -> dict[str, Any]:
    """Return the parsed file.

    Raises:
        ModelError: it is missing or broken.
    """
    path = folder / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{folder} is no model folder: it has no {CONFIG}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{path} is not a JSON object")
    return values


def model_config(values: dict[str, Any], folder: Path) -> ModelConfig:
    """Return the sizes of the network; how an original's chunks are joined is not known yet."""
    known = {f.name for f in fields(ModelConfig)} - {"arch"}
    kept = {name: value for name, value in values.items() if name in known}
    if "long" not in kept:  # the original writes an `rnn_dropout` everywhere
        kept = {name: value for name, value in kept.items() if name not in _LONG_FIELDS}
    arch = str(values.get("model_type", "bert")).removeprefix("dnabert-")
    if arch not in ARCHITECTURES:
        raise ModelError(f"{folder / CONFIG}: model_type {values['model_type']!r} is not supported")
    try:
        return ModelConfig(**kept, arch=arch)
    except TypeError as error:
        raise ModelError(f"{folder / CONFIG} is incomplete: {error}") from error


def with_chunks(
    config: ModelConfig, values: dict[str, Any], weights: Mapping[str, Tensor]
) -> ModelConfig:
    """Return the sizes of a long model of the original, whose kind only its weights tell.

    Its `config.json` names a number of chunks (`split`) and an `rnn` for short models too.
    """
    joined, recurrent = weights.get("classifier1.weight"), weights.get("rnn.weight_ih_l0")
    if config.long is not None or config.arch != "bert":
        return config
    if joined is not None:
        return replace(config, long="concat", chunks=joined.shape[-1] // config.hidden_size)
    if recurrent is None:
        return config
    chunks, dropout = values.get("split", 1), values.get("rnn_dropout", 0.0)
    kind = _GATES.get(len(recurrent) // config.hidden_size)
    n_layers = sum(
        name.startswith("rnn.weight_ih_l") and not name.endswith("_reverse") for name in weights
    )
    return replace(config, long=kind, chunks=chunks, rnn_layers=n_layers, rnn_dropout=dropout)


def task_config(values: dict[str, Any], config: ModelConfig, folder: Path) -> TaskConfig:
    """Return the `"dnabert"` part; k, the classes and the head can be told without it."""
    told = values.get("dnabert", {})
    if not isinstance(told, dict):
        raise ModelError(f'{folder / CONFIG}: "dnabert" is not a JSON object')
    k = told["k"] if "k" in told else _told_k(config, folder)
    classes = told["classes"] if "classes" in told else list(_labels(values, folder))
    head = told["head"] if "head" in told else _head(values, classes, folder)
    return TaskConfig.from_json({**told, "k": k, "classes": classes, "head": head})


def check_vocabulary(path: Path, config: ModelConfig, task: TaskConfig) -> None:
    """Refuse a folder whose tokens are numbered otherwise: its answers would be wrong.

    Args:
        path: `vocab.txt`, which may be missing.
        config: with the size of the vocabulary.
        task: with k.
    """
    tokenizer = Tokenizer(task.k, task.token_stride)
    if config.vocab_size != tokenizer.vocab_size:
        raise ModelError(
            f"{path.parent}: vocab_size is {config.vocab_size}, "
            f"but {task.k}-mers make {tokenizer.vocab_size}"
        )
    if path.is_file() and tuple(path.read_text("utf-8", "replace").split()) != tokenizer.vocabulary:
        raise ModelError(f"{path} is not the published DNABERT-{task.k} vocabulary")


def counts_bias_twice(values: dict[str, Any]) -> bool:
    """Tell whether the output bias of a masked language model counts twice.

    So it does in the original program, which is known by its `split`; folders of ours and what
    transformers writes today (with its version) have it once.
    """
    return "split" in values or not {"dnabert", "transformers_version"} & values.keys()


def config_values(config: ModelConfig, task: TaskConfig, *, half: bool) -> dict[str, Any]:
    """Return what `config.json` says of a network and its task."""
    sizes = asdict(config)
    arch = sizes.pop("arch")
    if config.long is None:
        sizes = {name: value for name, value in sizes.items() if name not in _LONG_FIELDS}
    values = {
        "architectures": [_class_name(config, task)],
        "model_type": "bert" if arch == "bert" else f"dnabert-{arch}",
        **sizes,
    }
    if task.classes:
        values["id2label"] = {str(i): name for i, name in enumerate(task.classes)}
        values["label2id"] = {name: i for i, name in enumerate(task.classes)}
        if task.head in _PROBLEM_TYPES:
            values["problem_type"] = _PROBLEM_TYPES[task.head]
    return {
        **values,
        "pad_token_id": 0,
        "dtype": "float16" if half else "float32",
        "dnabert": task.to_json(),
    }


def tokenizer_values(config: ModelConfig) -> dict[str, Any]:
    """Return what `tokenizer_config.json` tells transformers."""
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": False,
        "model_max_length": config.max_position_embeddings,
    }


def to_json_bytes(values: dict[str, Any]) -> bytes:
    """Return the bytes of a JSON file."""
    return (json.dumps(values, indent=1) + "\n").encode()


def _class_name(config: ModelConfig, task: TaskConfig) -> str:
    """The class that reads such weights, of Hugging Face, the original program, or ours."""
    if config.arch != "bert":
        return _BASELINE_CLASSES[config.arch]
    if config.long is not None:
        return _LONG_CLASSES[config.long]
    if not task.classes:
        return "BertForMaskedLM"
    return "BertForTokenClassification" if task.head == "token" else "BertForSequenceClassification"


def _told_k(config: ModelConfig, folder: Path) -> int:
    sizes = {Tokenizer(k).vocab_size: k for k in K_CHOICES}
    if config.vocab_size not in sizes:
        raise ModelError(
            f"{folder}: a vocabulary of {config.vocab_size} is none of DNABERT's "
            f"({', '.join(map(str, sizes))})"
        )
    return sizes[config.vocab_size]


def _labels(values: dict[str, Any], folder: Path) -> tuple[str, ...]:
    """The classes in Hugging Face's words."""
    labels, n_labels = values.get("id2label"), values.get("num_labels", 2)
    if not labels and isinstance(n_labels, int) and 0 < n_labels <= MAX_SIZE:
        return tuple(map(str, range(n_labels)))
    if isinstance(labels, dict) and all(str(key).isdecimal() for key in labels):
        return tuple(str(labels[key]) for key in sorted(labels, key=int))
    raise ModelError(f"{folder / CONFIG}: id2label does not name the classes 0, 1, ...")


def _head(values: dict[str, Any], classes: Any, folder: Path) -> str:
    """The head in Hugging Face's words: `problem_type`, else one label is a number."""
    if values.get("architectures") == ["BertForTokenClassification"]:
        return "token"
    problem_type = values.get("problem_type")
    if problem_type is None:
        return "regression" if isinstance(classes, list) and len(classes) == 1 else "class"
    heads = {theirs: ours for ours, theirs in _PROBLEM_TYPES.items()}
    if not isinstance(problem_type, str) or problem_type not in heads:
        raise ModelError(f"{folder / CONFIG}: problem_type {problem_type!r} is not supported")
    return heads[problem_type]
