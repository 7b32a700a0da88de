"""`dnabert pretrain`: the options; the work is `tasks.pretrain`."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from dnabert_cli.cli import options
from dnabert_cli.cli.console import configure
from dnabert_cli.cli.signals import StopRequest
from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import OptionsError
from dnabert_cli.training_config import LENGTH_UNITS, MASKINGS, STARTS, PretrainConfig

logger = logging.getLogger(__name__)

_PRESETS = "preset's"


def pretrain(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Genomes (FASTA, 2bit), or one corpus of --save-packed."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Model folder to write.")
    ],
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="Architecture and schedule: models/configs/.")
    ] = PretrainConfig.preset,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR", help="Model to go on from.", show_default="random weights"
        ),
    ] = PretrainConfig.base,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(STARTS),
            help="Fresh weights: random as published, or knowing that k-mers are made of bases and "
            "positions lie on a line.",
            show_default=_PRESETS,
        ),
    ] = PretrainConfig.start,
    token_stride: Annotated[
        int | None,
        typer.Option(
            metavar="BASES",
            min=1,
            help="Bases from one k-mer to the next.",
            show_default="the base's, else 1",
        ),
    ] = PretrainConfig.token_stride,
    steps: Annotated[
        int | None,
        typer.Option(metavar="INT", min=1, help="Optimisation steps.", show_default=_PRESETS),
    ] = PretrainConfig.steps,
    schedule_steps: Annotated[
        int | None,
        typer.Option(
            metavar="INT",
            min=1,
            help="Step at which the learning rate would reach 0.",
            show_default="--steps, else the preset's",
        ),
    ] = PretrainConfig.schedule_steps,
    warmup_steps: Annotated[
        int | None,
        typer.Option(
            metavar="INT", min=0, help="Steps to the peak of the rate.", show_default=_PRESETS
        ),
    ] = PretrainConfig.warmup_steps,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="PIECES",
            min=1,
            help="Pieces per step, over all processes.",
            show_default=_PRESETS,
        ),
    ] = PretrainConfig.batch_size,
    learning_rate: Annotated[
        float | None,
        typer.Option(metavar="RATE", help="Peak of the learning rate.", show_default=_PRESETS),
    ] = PretrainConfig.learning_rate,
    mask_share: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Tokens that are hidden.", show_default=_PRESETS),
    ] = PretrainConfig.mask_share,
    late_mask_share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="The same from --late-mask-from on.", show_default=_PRESETS
        ),
    ] = PretrainConfig.late_mask_share,
    late_mask_from: Annotated[
        int | None,
        typer.Option(
            metavar="STEP",
            min=0,
            help="Step from which more is hidden.",
            show_default="preset's; never with --steps alone",
        ),
    ] = PretrainConfig.late_mask_from,
    masking: Annotated[
        str,
        typer.Option(
            metavar="|".join(MASKINGS),
            help="Whole spans; or around random centres as the original, shares being of centres.",
        ),
    ] = PretrainConfig.masking,
    min_length: Annotated[
        int, typer.Option(metavar="INT", min=1, help="Shortest piece, in --length-unit.")
    ] = PretrainConfig.min_length,
    max_length: Annotated[
        int, typer.Option(metavar="INT", min=1, help="Longest piece, in --length-unit.")
    ] = PretrainConfig.max_length,
    length_unit: Annotated[
        str, typer.Option(metavar="|".join(LENGTH_UNITS), help="What lengths of pieces count.")
    ] = PretrainConfig.length_unit,
    full_share: Annotated[
        float, typer.Option(metavar="SHARE", help="Pieces of the greatest length.")
    ] = PretrainConfig.full_share,
    sampled_share: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="Pieces from random places; the others cover the sequence once."
        ),
    ] = PretrainConfig.sampled_share,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="W,W...",
            help="How often each file is read, in order.",
            show_default="1 for all",
        ),
    ] = None,
    reverse_complement: Annotated[
        bool, typer.Option("--reverse-complement", help="Read half of the pieces in reverse.")
    ] = PretrainConfig.reverse_complement,
    weight_decay: Annotated[
        float, typer.Option(metavar="RATE", help="Decoupled weight decay.")
    ] = PretrainConfig.weight_decay,
    beta2: Annotated[
        float, typer.Option(metavar="B", help="AdamW's memory of squared gradients.")
    ] = PretrainConfig.beta2,
    eps: Annotated[
        float, typer.Option(metavar="E", help="AdamW's floor of the denominator.")
    ] = PretrainConfig.eps,
    max_gradient_norm: Annotated[
        float, typer.Option(metavar="NORM", help="Longer gradients are shortened to this.")
    ] = PretrainConfig.max_gradient_norm,
    hidden_dropout: Annotated[
        float, typer.Option(metavar="P", help="Dropout between layers.")
    ] = PretrainConfig.hidden_dropout,
    attention_dropout: Annotated[
        float, typer.Option(metavar="P", help="Dropout of attention; 0 trains a third faster.")
    ] = PretrainConfig.attention_dropout,
    dev_fraction: Annotated[
        float, typer.Option(metavar="SHARE", help="Bases held out, in stretches of 65 kb.")
    ] = PretrainConfig.dev_fraction,
    dev_pieces: Annotated[
        int, typer.Option(metavar="INT", min=1, help="Held-out pieces judged at an evaluation.")
    ] = PretrainConfig.dev_pieces,
    evaluate_every: Annotated[
        int, typer.Option(metavar="STEPS", min=1, help="Steps between evaluations.")
    ] = PretrainConfig.evaluate_every,
    save_every: Annotated[
        int, typer.Option(metavar="STEPS", min=1, help="Steps between saved states.")
    ] = PretrainConfig.save_every,
    log_every: Annotated[
        int, typer.Option(metavar="STEPS", min=1, help="Steps per row of the log.")
    ] = PretrainConfig.log_every,
    log_tsv: options.LogTsv = None,
    tensorboard: options.TensorBoard = None,
    save_packed: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.npz", help="Keep the packed corpus; any machine with numpy reads it."
        ),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store the weights in half precision.")
    ] = PretrainConfig.half,
    compile: options.Compile = PretrainConfig.compile,  # noqa: A002  the name of the option
    checkpoint_activations: options.CheckpointActivations = PretrainConfig.checkpoint_activations,
    seed: options.Seed = PretrainConfig.seed,
    resume: options.Resume = False,
    force: options.Force = False,
    device: options.Device = ComputeConfig.device,
    precision: options.Precision = ComputeConfig.precision,
    threads: options.Threads = ComputeConfig.threads,
    batch_tokens: options.BatchTokens = ComputeConfig.batch_tokens,
    download: options.Download = False,
    config: options.Config = None,  # noqa: ARG001  works through its callback
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a masked language model on genomes; a model folder."""
    from dnabert_cli.tasks.pretrain import PretrainRun
    from dnabert_cli.tasks.pretrain import pretrain as run

    progress = configure(verbose - quiet)
    settings = PretrainConfig(
        base=base,
        preset=preset,
        start=start,
        token_stride=token_stride,
        batch_size=batch_size,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        schedule_steps=schedule_steps,
        steps=steps,
        mask_share=mask_share,
        late_mask_share=late_mask_share,
        late_mask_from=late_mask_from,
        masking=masking,
        min_length=min_length,
        max_length=max_length,
        length_unit=length_unit,
        full_share=full_share,
        sampled_share=sampled_share,
        weights=None if weights is None else _numbers(weights),
        reverse_complement=reverse_complement,
        weight_decay=weight_decay,
        beta2=beta2,
        eps=eps,
        max_gradient_norm=max_gradient_norm,
        hidden_dropout=hidden_dropout,
        attention_dropout=attention_dropout,
        dev_fraction=dev_fraction,
        dev_pieces=dev_pieces,
        evaluate_every=evaluate_every,
        save_every=save_every,
        log_every=log_every,
        half=half,
        compile=compile,
        checkpoint_activations=checkpoint_activations,
        seed=seed,
        compute=ComputeConfig(
            device=device, precision=precision, threads=threads, batch_tokens=batch_tokens
        ),
    )
    stop = StopRequest()
    result = run(
        inputs,
        settings,
        PretrainRun(
            output=output,
            save_packed=save_packed,
            log_tsv=log_tsv,
            tensorboard=tensorboard,
            force=force,
            resume=resume,
            download=download,
            should_stop=stop.is_set,
            progress=progress,
        ),
    )
    logger.info("model written to %s", result.folder)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(one) for one in text.split(","))
    except ValueError as error:
        raise OptionsError(f"--weights {text}: numbers separated by commas are needed") from error
