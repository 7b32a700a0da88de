"""Options that several commands have, one meaning each.

Use: `device: Device = ComputeConfig.device`; defaults come from `config.py`. `Config` works
through its callback alone, the command has no use for its value.
"""

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from dnabert_cli.config import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS, PRECISIONS
from dnabert_cli.errors import FormatError, OptionsError
from dnabert_cli.zoo import bundled_models

RUN_FORMAT_VERSION = 1
# What a run.toml holds beside options: what made it and from what.
_NOT_OPTIONS = ("format_version", "version", "command", "inputs")


def _read_config(context: typer.Context, path: str | None) -> str | None:
    """Make the values of a file the defaults of the command: flag, then file, then `config.py`.

    They go in as text, so that they are checked like text of the command line; typer would read
    TOML's `true` as the number 1.

    Raises:
        FormatError: the file is not TOML, or a run.toml of a later version.
        OptionsError: a key is no option of the command.
    """
    if path is None or context.resilient_parsing:
        return path
    options = {option.name: option for option in context.command.params if option.name != "config"}
    defaults: dict[str, Any] = {}
    for name, value in _load(path).items():
        if name not in options:
            raise OptionsError(f"{path}: unknown option {name!r}", hint=_nearest(name, options))
        values = [str(one) for one in value] if isinstance(value, list) else [str(value)]
        takes_many = options[name].multiple or options[name].nargs != 1
        defaults[name] = values if takes_many else ",".join(values)
    context.default_map = defaults
    return path


def _load(path: str) -> dict[str, Any]:
    """Return the options in a TOML file; those of its tables (`[compute]`) stand beside them."""
    with Path(path).open("rb") as file:
        try:
            values = tomllib.load(file)
        except ValueError as error:
            raise FormatError(path, f"not TOML: {error}") from error
    if values.get("format_version", RUN_FORMAT_VERSION) != RUN_FORMAT_VERSION:
        raise FormatError(path, f"format_version is not {RUN_FORMAT_VERSION}: of another dnabert")
    if "format_version" in values:
        values = {name: value for name, value in values.items() if name not in _NOT_OPTIONS}
    flat = {name: value for name, value in values.items() if not isinstance(value, dict)}
    for table in values.values():
        flat |= table if isinstance(table, dict) else {}
    return flat


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.replace("-", "_"), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"


def model_names(models: list[str] | None, task: str | None) -> list[str]:
    """Return the models that `--model` or `--task` name.

    Raises:
        OptionsError: both or none are given, or no bundled model is made for the task.
    """
    if models and task is not None:
        raise OptionsError("--task stands for its bundled model; leave it or --model out")
    if models:
        return models
    bundled = bundled_models()
    known = f"bundled: {', '.join(bundled) or 'none'}"
    if task is None:
        raise OptionsError(f"no model: name one with --task or --model ({known})")
    name = task.replace(":", "-")  # tf:CTCF lies in the folder tf-CTCF
    if name not in bundled:
        raise OptionsError(f"no model is bundled for --task {task} ({known})")
    return [name]


Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME|DIR",
        help="Model: name of a bundled one, model folder, or hf:owner/name; may be given several "
        "times.",
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        "--task",
        metavar="TASK",
        help="The bundled model of a task, such as prom; instead of --model.",
    ),
]
Genome = Annotated[
    str | None,
    typer.Option(
        "--genome",
        metavar="FASTA",
        help="Sequences that coordinates refer to; plain, gzip or bgzip.",
    ),
]
Regions = Annotated[
    str | None,
    typer.Option(
        "--regions",
        metavar="BED",
        help="Regions to read, 0-based and half-open.",
        show_default="everything",
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "-o", "--output", metavar="FILE", help="Where the result goes; '-' is standard output."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there already.")]
NoHeader = Annotated[bool, typer.Option("--no-header", help="Leave the header line out.")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="INT",
        min=1,
        help="Processor threads.",
        show_default="one per core",
    ),
]
Device = Annotated[
    str,
    typer.Option("--device", metavar="auto|cpu|cuda|cuda:N", help="Where the model runs."),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="|".join(PRECISIONS),
        help="Numbers the model computes with; auto is bf16 where the hardware has it, else fp32.",
    ),
]
BatchTokens = Annotated[
    int | None,
    typer.Option(
        "--batch-tokens",
        metavar="INT",
        min=1,
        help="Tokens computed at once; changes speed and memory, not results (a CNN's training: "
        "a little).",
        show_default=f"{CPU_BATCH_TOKENS} on a CPU, {GPU_BATCH_TOKENS} on a GPU",
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="INT", min=0, help="Decides every random choice.")
]
Download = Annotated[
    bool, typer.Option("--download", help="Fetch an hf: model that is not on this computer yet.")
]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE.toml",
        callback=_read_config,
        is_eager=True,
        help="Options from a file, by name (batch_tokens = 1024); flags win over it.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the run that lies in the output folder.")
]
LogTsv = Annotated[
    Path | None,
    typer.Option("--log-tsv", metavar="FILE", help="Write loss, learning rate and speed as TSV."),
]
TensorBoard = Annotated[
    Path | None,
    typer.Option("--tensorboard", metavar="DIR", help="Write the same for TensorBoard."),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Let torch.compile make the network faster (GPU).")
]
CheckpointActivations = Annotated[
    bool,
    typer.Option(
        "--checkpoint-activations", help="Compute layers twice and need less memory for it."
    ),
]
Layer = Annotated[
    int | None,
    typer.Option(
        "--layer",
        metavar="INT",
        min=0,
        help="Layer of the attention, from 0.",
        show_default="the last",
    ),
]
Head = Annotated[
    int | None,
    typer.Option(
        "--head",
        metavar="INT",
        min=0,
        help="Head of the attention, from 0.",
        show_default="the sum of all",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="CLASS",
        help="Class that ig and ism explain.",
        show_default="the most probable called one",
    ),
]
Steps = Annotated[
    int, typer.Option("--steps", metavar="INT", min=1, help="Of integrated gradients.")
]
Manifest = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="Write what made the result, as JSON: version, options, checksums, counts.",
    ),
]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Say more: also why decisions fell.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but errors.")]
