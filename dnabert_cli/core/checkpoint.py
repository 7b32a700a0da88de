"""Model folders: read and write standard Hugging Face files; the only place that knows their names.

A folder holds `config.json` (with our task parameters under `"dnabert"`), `vocab.txt` and
`model.safetensors`; folders of the original program (`pytorch_model.bin`) are read too, weights
only: a pickle that carries code is refused. `config.json` is written last, so a folder that has
one is complete.
"""

import json
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dnabert_cli.config import K_CHOICES, MAX_SIZE, ModelConfig, TaskConfig
from dnabert_cli.core.baselines import ConvolutionalClassifier
from dnabert_cli.core.hub import find_folder
from dnabert_cli.core.network import Encoder, SequenceClassifier
from dnabert_cli.errors import ModelError
from dnabert_cli.sequence.kmers import Tokenizer

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
LEGACY_WEIGHTS = "pytorch_model.bin"
VOCABULARY = "vocab.txt"
TOKENIZER = "tokenizer_config.json"

# Ours and Hugging Face's, most specific first; applied to every name of the encoder.
_RENAMES = (
    ("embeddings.tokens.", "embeddings.word_embeddings."),
    ("embeddings.positions.", "embeddings.position_embeddings."),
    ("embeddings.token_types.", "embeddings.token_type_embeddings."),
    ("embeddings.norm.", "embeddings.LayerNorm."),
    (".attention.query.", ".attention.self.query."),
    (".attention.key.", ".attention.self.key."),
    (".attention.value.", ".attention.self.value."),
    (".attention.output.", ".attention.output.dense."),
    (".attention.norm.", ".attention.output.LayerNorm."),
    (".intermediate.", ".intermediate.dense."),
    (".output.", ".output.dense."),
    (".norm.", ".output.LayerNorm."),
    ("pooler.", "pooler.dense."),
)
# Names TensorFlow gave to the parameters of a layer norm.
_OLD_NAMES = ((".gamma", ".weight"), (".beta", ".bias"))


@dataclass(frozen=True)
class Model:
    """A network with what its task needs.

    Attributes:
        network: in evaluation mode, fp32, on the CPU.
        task: k, window, classes and so on.
        name: as the user called it.
        folder: where it was read from.
    """

    network: SequenceClassifier | ConvolutionalClassifier
    task: TaskConfig
    name: str
    folder: Path

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of this model."""
        return Tokenizer(self.task.k, self.task.token_stride)


def build_network(
    config: ModelConfig, n_labels: int, pooling: str
) -> SequenceClassifier | ConvolutionalClassifier:
    """Build a network of the configured architecture; its weights are torch's defaults."""
    if config.arch == "cnn":
        return ConvolutionalClassifier(config, n_labels)
    return SequenceClassifier(config, n_labels, pooling)


def load_model(folder: Path, name: str | None = None) -> Model:
    """Read a model that can classify sequences.

    Raises:
        ModelError: a file is missing or broken, or the folder holds no classification head.
    """
    values = _read_config(folder)
    config = _model_config(values, folder)
    task = _task_config(values, config, folder)
    _check_vocabulary(folder, config, task)
    weights = _read_weights(folder, config)
    network = build_network(config, len(task.classes), task.pooling)
    if config.arch == "bert" and "classifier.weight" not in weights:
        raise ModelError(
            f"{folder} has no classification head",
            hint=f"fine-tune it first: dnabert finetune data.tsv --base {folder} -o model/",
        )
    _assign(network, weights, folder)
    return Model(network.eval(), task, name or str(folder), folder)


def load_models(names: Sequence[str], *, download: bool = False) -> list[Model]:
    """Read models by bundled name, folder, or `hf:owner/name` (see `hub.py`).

    Args:
        names: one or more.
        download: models of the hub may be fetched over the network.

    Raises:
        ModelError: one is missing or cannot classify.
    """
    return [load_model(find_folder(name, download=download), name) for name in names]


def load_encoder(folder: Path) -> tuple[Encoder, TaskConfig]:
    """Read the encoder of a folder, whatever head it has; the base of fine-tuning.

    Raises:
        ModelError: a file is missing or broken, or the folder is no BERT.
    """
    values = _read_config(folder)
    config = _model_config(values, folder)
    if config.arch != "bert":
        raise ModelError(f"{folder} is a {config.arch}, which cannot be a base")
    task = _task_config(values, config, folder)
    _check_vocabulary(folder, config, task)
    weights = _read_weights(folder, config)
    encoder = Encoder(config)
    wrapped = nn.ModuleDict({"encoder": encoder})
    _assign(wrapped, weights, folder, headless=True)
    return encoder, task


def save_model(folder: Path, network: nn.Module, task: TaskConfig, *, half: bool = False) -> None:
    """Write a folder that `load_model` and, for a BERT, transformers read.

    Args:
        folder: made when absent; other files in it stay.
        network: `SequenceClassifier` or `ConvolutionalClassifier`.
        task: its task parameters.
        half: store the weights in half precision.
    """
    from safetensors.torch import save

    config = network.config
    if not isinstance(config, ModelConfig):
        raise TypeError(f"{type(network).__name__} has no ModelConfig")
    folder.mkdir(parents=True, exist_ok=True)
    dtype = torch.float16 if half else torch.float32
    weights = {
        _to_hub(name): tensor.detach()
        .to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        .contiguous()
        for name, tensor in network.state_dict().items()
    }
    tokenizer = Tokenizer(task.k, task.token_stride)
    (folder / CONFIG).unlink(missing_ok=True)  # of an earlier model: it must not describe this one
    _write(folder / WEIGHTS, save(weights, {"format": "pt"}))
    _write(folder / VOCABULARY, "\n".join((*tokenizer.vocabulary, "")).encode())
    _write(folder / TOKENIZER, _json_bytes(_tokenizer_values(config)))
    _write(folder / CONFIG, _json_bytes(_config_values(config, task, half=half)))


def _read_config(folder: Path) -> dict[str, Any]:
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


def _model_config(values: dict[str, Any], folder: Path) -> ModelConfig:
    known = {f.name for f in fields(ModelConfig)} - {"arch"}
    kept = {name: value for name, value in values.items() if name in known}
    model_type = values.get("model_type", "bert")
    arch = {"bert": "bert", "dnabert-cnn": "cnn"}.get(str(model_type))
    if arch is None:
        raise ModelError(f"{folder / CONFIG}: model_type {model_type!r} is not supported")
    try:
        return ModelConfig(**kept, arch=arch)
    except TypeError as error:
        raise ModelError(f"{folder / CONFIG} is incomplete: {error}") from error


def _task_config(values: dict[str, Any], config: ModelConfig, folder: Path) -> TaskConfig:
    """The `"dnabert"` part; k and the classes can be told without it."""
    told = values.get("dnabert", {})
    if not isinstance(told, dict):
        raise ModelError(f'{folder / CONFIG}: "dnabert" is not a JSON object')
    if "k" in told and "classes" in told:
        return TaskConfig.from_json(told)
    sizes = {Tokenizer(k).vocab_size: k for k in K_CHOICES}
    if config.vocab_size not in sizes:
        raise ModelError(
            f"{folder}: a vocabulary of {config.vocab_size} is none of DNABERT's "
            f"({', '.join(map(str, sizes))})"
        )
    classes = _labels(values, folder)
    return TaskConfig.from_json({"k": sizes[config.vocab_size], "classes": list(classes)} | told)


def _labels(values: dict[str, Any], folder: Path) -> tuple[str, ...]:
    """The classes in Hugging Face's words."""
    labels, n_labels = values.get("id2label"), values.get("num_labels", 2)
    if not labels and isinstance(n_labels, int) and 0 < n_labels <= MAX_SIZE:
        return tuple(map(str, range(n_labels)))
    if isinstance(labels, dict) and all(str(key).isdecimal() for key in labels):
        return tuple(str(labels[key]) for key in sorted(labels, key=int))
    raise ModelError(f"{folder / CONFIG}: id2label does not name the classes 0, 1, ...")


def _check_vocabulary(folder: Path, config: ModelConfig, task: TaskConfig) -> None:
    """A folder whose tokens are numbered otherwise would give wrong answers without a word."""
    tokenizer = Tokenizer(task.k, task.token_stride)
    if config.vocab_size != tokenizer.vocab_size:
        raise ModelError(
            f"{folder}: vocab_size is {config.vocab_size}, "
            f"but {task.k}-mers make {tokenizer.vocab_size}"
        )
    path = folder / VOCABULARY
    if path.is_file() and tuple(path.read_text("utf-8", "replace").split()) != tokenizer.vocabulary:
        raise ModelError(f"{path} is not the published DNABERT-{task.k} vocabulary")


def _read_weights(folder: Path, config: ModelConfig) -> dict[str, Tensor]:
    """Return tensors by Hugging Face name, old spellings renamed; enough for the network's sizes.

    Sizes a file makes up must not cost the memory to build them.
    """
    if (folder / WEIGHTS).is_file():
        weights = _read_safetensors(folder / WEIGHTS)
    elif (folder / LEGACY_WEIGHTS).is_file():
        weights = _read_legacy(folder / LEGACY_WEIGHTS)
    else:
        raise ModelError(f"{folder} has neither {WEIGHTS} nor {LEGACY_WEIGHTS}")
    width, n_layers = config.hidden_size, config.num_hidden_layers
    n_needed = n_layers * width**2
    if config.arch == "bert":
        n_needed += width * (2 * n_layers * config.intermediate_size + config.vocab_size)
        n_needed += width * config.max_position_embeddings
    n_there = sum(tensor.numel() for tensor in weights.values())
    if n_there < n_needed:
        raise ModelError(
            f"{folder}: there are {n_there:,} weights, config.json says {n_needed:,} or more"
        )
    return {_modern(name): tensor for name, tensor in weights.items()}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is broken: {error}", hint="copy or download it again") from error


def _read_legacy(path: Path) -> dict[str, Tensor]:
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path} holds more than weights and is refused") from error
    except Exception as error:  # damaged pickles raise whatever they like
        cause = str(error).partition(". ")[0] or type(error).__name__
        raise ModelError(f"{path} is broken: {cause}", hint="copy or download it again") from error
    if not isinstance(values, Mapping):
        raise ModelError(f"{path} is not a table of weights")
    return {str(name): tensor for name, tensor in values.items() if isinstance(tensor, Tensor)}


def _modern(name: str) -> str:
    for old, new in _OLD_NAMES:
        name = name.removesuffix(old) + new if name.endswith(old) else name
    return name


def _to_hub(name: str) -> str:
    """Our name of a parameter in Hugging Face's words; heads and the CNN keep their names."""
    if not name.startswith("encoder."):
        return name
    name = name.replace("encoder.", "bert.", 1).replace("bert.layers.", "bert.encoder.layer.")
    for ours, theirs in _RENAMES:
        if ours in name:
            return name.replace(ours, theirs)
    return name


def _assign(
    network: nn.Module, weights: dict[str, Tensor], folder: Path, *, headless: bool = False
) -> None:
    """Copy weights into a network: all it needs, and none it has no place for.

    Args:
        network: to fill.
        weights: by Hugging Face name, `bert.` perhaps left out.
        folder: for messages.
        headless: heads in the file are ignored, and the pooler may be missing.
    """
    if not any(name.startswith("bert.") for name in weights):
        weights = {
            f"bert.{name}" if name.startswith(("embeddings.", "encoder.", "pooler.")) else name: one
            for name, one in weights.items()
        }
    for name, parameter in network.state_dict(keep_vars=True).items():
        tensor = weights.pop(_to_hub(name), None)
        if tensor is None and headless and name.startswith("encoder.pooler."):
            continue
        if tensor is None:
            raise ModelError(f"{folder}: the weights lack {_to_hub(name)}")
        if tensor.shape != parameter.shape:
            raise ModelError(
                f"{folder}: {_to_hub(name)} has shape {tuple(tensor.shape)}, "
                f"config.json says {tuple(parameter.shape)}"
            )
        if not tensor.isfinite().all():
            raise ModelError(f"{folder}: {_to_hub(name)} holds values that are no numbers")
        with torch.no_grad():
            parameter.copy_(tensor)
    # A layer, or another kind of head, that is left over means other answers than the original's.
    ignored = ("bert.embeddings.position_ids", "cls.")
    left = [name for name in weights if not name.startswith(ignored)]
    left = [name for name in left if not headless or name.startswith("bert.")]
    if left:
        raise ModelError(
            f"{folder}: the network of config.json has no place for {min(left)} "
            f"({len(left)} such weights): it is of another kind, or has more layers"
        )


def _config_values(config: ModelConfig, task: TaskConfig, *, half: bool) -> dict[str, Any]:
    architecture = asdict(config)
    arch = architecture.pop("arch")
    return {
        "architectures": [
            "BertForSequenceClassification" if arch == "bert" else "ConvolutionalClassifier"
        ],
        "model_type": "bert" if arch == "bert" else f"dnabert-{arch}",
        **architecture,
        "id2label": {str(i): name for i, name in enumerate(task.classes)},
        "label2id": {name: i for i, name in enumerate(task.classes)},
        "pad_token_id": 0,
        "dtype": "float16" if half else "float32",
        "dnabert": task.to_json(),
    }


def _tokenizer_values(config: ModelConfig) -> dict[str, Any]:
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": False,
        "model_max_length": config.max_position_embeddings,
    }


def _json_bytes(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
