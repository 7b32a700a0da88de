"""Model folders: read and write standard Hugging Face files.

A folder holds `config.json` (see `folder_config.py`), `vocab.txt` and `model.safetensors`; folders
of the original program (`pytorch_model.bin`) are read too, weights only: a pickle that carries code
is refused. `config.json` is written last, so a folder that has one is complete.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dnabert_cli.config import ModelConfig, TaskConfig
from dnabert_cli.core.baselines import ConvolutionalClassifier, RecurrentClassifier
from dnabert_cli.core.folder_config import (
    CONFIG,
    check_vocabulary,
    config_values,
    counts_bias_twice,
    model_config,
    read_config,
    task_config,
    to_json_bytes,
    tokenizer_values,
    with_chunks,
)
from dnabert_cli.core.hub import find_folder
from dnabert_cli.core.hub_names import (
    MASKED_BIAS,
    MASKED_DECODER,
    MASKED_DECODER_BIAS,
    WORD_VECTORS,
    modern_names,
    to_hub,
)
from dnabert_cli.core.long import LongClassifier
from dnabert_cli.core.network import (
    Encoder,
    MaskedLanguageModel,
    SequenceClassifier,
    TokenClassifier,
    max_tokens,
)
from dnabert_cli.core.whole_files import write_whole
from dnabert_cli.errors import ModelError
from dnabert_cli.sequence.kmers import Tokenizer

WEIGHTS = "model.safetensors"
LEGACY_WEIGHTS = "pytorch_model.bin"
VOCABULARY = "vocab.txt"
TOKENIZER = "tokenizer_config.json"

Classifier = (
    SequenceClassifier
    | TokenClassifier
    | LongClassifier
    | ConvolutionalClassifier
    | RecurrentClassifier
)


@dataclass(frozen=True)
class Model:
    """A network with what its task needs.

    Attributes:
        network: in evaluation mode, fp32, on the CPU.
        task: k, window, classes and so on.
        name: as the user called it.
        folder: where it was read from.
    """

    network: Classifier
    task: TaskConfig
    name: str
    folder: Path

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of this model."""
        return Tokenizer(self.task.k, self.task.token_stride)

    @property
    def max_tokens(self) -> int | None:
        """Tokens it reads at once, [CLS] and [SEP] not counted; `None`: any number."""
        return max_tokens(self.network.config)


def build_network(config: ModelConfig, task: TaskConfig) -> Classifier:
    """Build the network that answers a task; its weights are torch's defaults."""
    n_labels = len(task.classes)
    if config.arch == "cnn":
        return ConvolutionalClassifier(config, n_labels)
    if config.arch != "bert":
        return RecurrentClassifier(config, n_labels)
    if config.long is not None:
        return LongClassifier(config, n_labels)
    if task.head == "token":
        return TokenClassifier(config, n_labels, task.k, task.token_stride)
    return SequenceClassifier(config, n_labels, task.pooling)


def load_model(folder: Path, name: str | None = None) -> Model:
    """Read a model that answers a question, whatever its head.

    Raises:
        ModelError: a file is missing or broken, or the folder holds no classification head.
    """
    values, config, task, weights = _read_folder(folder)
    heads = ("classifier.weight", "classifier2.weight")
    if config.arch == "bert" and not any(head in weights for head in heads):
        raise ModelError(
            f"{folder} has no classification head",
            hint=f"fine-tune it first: dnabert finetune data.tsv --base {folder} -o model/",
        )
    config = with_chunks(config, values, weights)
    if not task.classes:
        raise ModelError(f"{folder / CONFIG} names no classes")
    if task.head == "token" and (config.arch != "bert" or config.long is not None):
        raise ModelError(f"{folder / CONFIG}: head token is for a BERT of one chunk")
    network = build_network(config, task)
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

    The base of a long model is that of its chunks.

    Raises:
        ModelError: a file is missing or broken, or the folder is no BERT.
    """
    _, config, task, weights = _read_folder(folder)
    if config.arch != "bert":
        raise ModelError(f"{folder} is a {config.arch}, which cannot be a base")
    encoder = Encoder(replace(config, long=None, chunks=1))
    _assign(nn.ModuleDict({"encoder": encoder}), weights, folder, headless=True)
    return encoder, task


def load_masked_model(folder: Path) -> tuple[MaskedLanguageModel, TaskConfig]:
    """Read a pre-trained model with its head; the task has k and token stride, and no classes.

    The original program adds its output bias twice; of its folders the double is taken, so that
    the logits are the same.

    Raises:
        ModelError: a file is missing or broken, or the folder holds no such head.
    """
    values, config, task, weights = _read_folder(folder)
    bias = weights.pop(MASKED_DECODER_BIAS, None)
    bias = weights.get(MASKED_BIAS, bias)
    if config.arch != "bert" or bias is None:
        raise ModelError(
            f"{folder} has no head for masked bases",
            hint="pre-training goes on from a folder that dnabert pretrain wrote",
        )
    decoder = weights.pop(MASKED_DECODER, None)
    if decoder is not None and not torch.equal(decoder, weights.get(WORD_VECTORS, decoder)):
        raise ModelError(f"{folder}: {MASKED_DECODER} is not the table of the token vectors")
    weights[MASKED_BIAS] = 2 * bias if counts_bias_twice(values) else bias
    network = MaskedLanguageModel(replace(config, long=None, chunks=1))
    _assign(network, weights, folder)
    return network.eval(), replace(task, classes=(), head="class", background=None)


def save_model(folder: Path, network: nn.Module, task: TaskConfig, *, half: bool = False) -> None:
    """Write a folder that we and, for a BERT of one chunk, transformers read.

    Args:
        folder: made when absent; other files in it stay.
        network: a classifier, or a `MaskedLanguageModel`, whose task has no classes.
        task: its task parameters.
        half: store the weights in half precision.
    """
    from safetensors.torch import save

    config = network.config
    if not isinstance(config, ModelConfig):
        raise TypeError(f"{type(network).__name__} has no ModelConfig")
    has_classes = not isinstance(network, MaskedLanguageModel)
    assert has_classes == bool(task.classes), "classes are for classifiers, and only for them"
    folder.mkdir(parents=True, exist_ok=True)
    dtype = torch.float16 if half else torch.float32
    weights = {
        to_hub(name): tensor.detach()
        .to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        .contiguous()
        for name, tensor in network.state_dict().items()
    }
    if half and not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise ModelError(
            "the weights are too large for half precision", hint="use --resume without --half"
        )
    tokenizer = Tokenizer(task.k, task.token_stride)
    described = to_json_bytes(config_values(config, task, half=half))
    if (folder / CONFIG).is_file() and (folder / CONFIG).read_bytes() != described:
        (folder / CONFIG).unlink()  # of an earlier model: it must not describe this one
    write_whole(folder / WEIGHTS, save(weights, {"format": "pt"}))
    write_whole(folder / VOCABULARY, "\n".join((*tokenizer.vocabulary, "")).encode())
    write_whole(folder / TOKENIZER, to_json_bytes(tokenizer_values(config)))
    write_whole(folder / CONFIG, described)


def _read_folder(
    folder: Path,
) -> tuple[dict[str, Any], ModelConfig, TaskConfig, dict[str, Tensor]]:
    values = read_config(folder)
    config = model_config(values, folder)
    task = task_config(values, config, folder)
    check_vocabulary(folder / VOCABULARY, config, task)
    return values, config, task, _read_weights(folder, config)


def _read_weights(folder: Path, config: ModelConfig) -> dict[str, Tensor]:
    """Return tensors by Hugging Face's names of today; enough of them for the network's sizes.

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
    if config.long in ("lstm", "gru"):
        n_needed += config.rnn_layers * 12 * width**2  # two directions, three gates, two matrices
    if config.long == "concat":
        n_needed += config.chunks * width**2
    n_there = sum(tensor.numel() for tensor in weights.values())
    if n_there < n_needed:
        raise ModelError(
            f"{folder}: there are {n_there:,} weights, config.json says {n_needed:,} or more"
        )
    return modern_names(weights)


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


def _assign(
    network: nn.Module, weights: dict[str, Tensor], folder: Path, *, headless: bool = False
) -> None:
    """Copy weights into a network: all it needs, and none it has no place for.

    Args:
        network: to fill.
        weights: by Hugging Face name; those used are taken out.
        folder: for messages.
        headless: heads in the file are ignored, and the pooler may be missing.
    """
    # transformers writes no pooler where none is read
    has_pooler = not (headless or isinstance(network, TokenClassifier | MaskedLanguageModel))
    for name, parameter in network.state_dict(keep_vars=True).items():
        tensor = weights.pop(to_hub(name), None)
        if tensor is None and not has_pooler and name.startswith("encoder.pooler."):
            continue
        if tensor is None:
            raise ModelError(f"{folder}: the weights lack {to_hub(name)}")
        if tensor.shape != parameter.shape:
            raise ModelError(
                f"{folder}: {to_hub(name)} has shape {tuple(tensor.shape)}, "
                f"config.json says {tuple(parameter.shape)}"
            )
        if not tensor.isfinite().all():
            raise ModelError(f"{folder}: {to_hub(name)} holds values that are no numbers")
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
