"""`dnabert pretrain`: genomes in, a model folder to fine-tune out.

Reads like this: pack the sequence, hold some of it out, train, judge beside a Markov model, write
the folder. The folder is written with every saved state, so that it can be used meanwhile.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dnabert_cli.config import TaskConfig
from dnabert_cli.core.checkpoint import save_model
from dnabert_cli.core.device import check_compute
from dnabert_cli.core.distributed import world
from dnabert_cli.core.hub import find_folder
from dnabert_cli.core.masked_batches import HeldOut, MaskedRows, hold_out_pieces
from dnabert_cli.core.network import MaskedLanguageModel
from dnabert_cli.core.pretraining import (
    Watch,
    build_masked_model,
    corpus_key,
    make_masking,
    pretrain_network,
)
from dnabert_cli.errors import DataError, FormatError, OptionsError
from dnabert_cli.formats import reports
from dnabert_cli.formats.arrays import map_arrays, write_arrays
from dnabert_cli.formats.fasta import read_fasta
from dnabert_cli.formats.files import check_outputs
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.sequence.corpus import (
    Corpus,
    CorpusBuilder,
    PieceRules,
    check_weights,
    corpus_from_arrays,
)
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.sequence.markov import MarkovModel
from dnabert_cli.tasks.model_output import (
    CURVE,
    METRICS,
    RESUME_FOLDER,
    RUN,
    check_folder,
    forget_states,
    make_log,
    prepare_folder,
    run_values,
)
from dnabert_cli.training_config import PretrainConfig
from dnabert_cli.zoo import read_preset

logger = logging.getLogger(__name__)

PACKED_SUFFIX = ".npz"
MARKOV_ORDER = 5
# Bases of the training part a Markov model of order 5 is fitted to; 4,096 numbers need no more.
_MARKOV_BASES = 20_000_000
_HELD_OUT_TOKENS = 4096


@dataclass(frozen=True)
class PretrainResult:
    """Where the model lies and what it reached (`metrics.json`)."""

    folder: Path
    figures: dict[str, Any]


@dataclass(frozen=True)
class PretrainRun:
    """Where a run reads and writes, and how it is watched; nothing of it changes the result.

    Attributes:
        output: the model folder to write.
        save_packed: write the packed corpus to this file.
        log_tsv: write the training log to this file.
        tensorboard: and to this folder, for TensorBoard.
        force: write into a folder that is not empty.
        resume: continue the run that lies in `output`.
        download: a base of the hub may be fetched.
        should_stop: asked after every step.
        progress: told of every step.
    """

    output: Path
    save_packed: str | None = None
    log_tsv: Path | None = None
    tensorboard: Path | None = None
    force: bool = False
    resume: bool = False
    download: bool = False
    should_stop: Callable[[], bool] = lambda: False
    progress: Progress = SILENT


def pretrain(inputs: Sequence[str], config: PretrainConfig, run: PretrainRun) -> PretrainResult:
    """Train a masked language model on sequence and write its folder.

    Args:
        inputs: FASTA or 2bit files, or one packed corpus of an earlier `save_packed`.
        config: everything that decides the result; gaps are filled from the preset.
        run: where to write, and how the run is watched.

    Raises:
        DataError: too little sequence, or weights that do not fit the files.
        OptionsError: the output folder is not empty, or options contradict each other.
    """
    _check_run(inputs, config, run)
    base = find_folder(config.base, download=run.download) if config.base else None
    preset = read_preset(config.preset)
    config = filled_in(config, preset)
    network, tokenizer = build_masked_model(config, base, preset)
    _check_k(tokenizer, config, preset)
    rules = _rules(config, tokenizer, network.config.max_position_embeddings - 2)
    corpus = _read_corpus(inputs, rules, run)
    training, held_out_part = _split(corpus, config, rules)
    held_out = hold_out_pieces(
        held_out_part,
        rules,
        tokenizer,
        n_pieces=config.dev_pieces,
        max_tokens=_HELD_OUT_TOKENS,
        seed=config.seed,
    )
    markov = markov_bits(training, held_out)
    logger.info("an order-%d Markov model needs %.4f bits per base", MARKOV_ORDER, markov)
    task = TaskConfig(k=tokenizer.k, token_stride=tokenizer.token_stride, classes=())
    state = pretrain_network(
        network,
        MaskedRows(training, rules, tokenizer, make_masking(config), config.seed),
        held_out,
        config,
        _watch(run, lambda current: save_model(run.output, current, task, half=config.half)),
        corpus_key(training, rules),
    )
    figures = _figures(state.history, corpus, markov, state.step)
    if world().is_first:
        _write(run.output, network, task, config, inputs, figures, state.history)
    return PretrainResult(run.output, figures)


def _check_run(inputs: Sequence[str], config: PretrainConfig, run: PretrainRun) -> None:
    """Refuse what would fail after the long part."""
    check_compute(config.compute)
    if world().is_first:  # it alone writes; what it has made already is no obstacle to the others
        check_folder(run.output, force=run.force, resume=run.resume)
        written = [None if one is None else str(one) for one in (run.log_tsv, run.save_packed)]
        check_outputs(written, run.force or run.resume, inputs)


def _watch(run: PretrainRun, save: Callable[[Any], None]) -> Watch:
    """Make the folder; nothing was touched while anything could be wrong."""
    log = make_log(run.output, run.log_tsv, run.tensorboard, resume=run.resume)
    if world().is_first:
        prepare_folder(run.output, resume=run.resume)
    return Watch(run.output / RESUME_FOLDER, run.should_stop, log, save, run.progress)


def _check_k(tokenizer: Tokenizer, config: PretrainConfig, preset: dict[str, Any]) -> None:
    if tokenizer.k != preset["k"]:
        raise OptionsError(
            f"{config.base} reads {tokenizer.k}-mers, --preset {config.preset} {preset['k']}-mers",
            hint=f"name a preset of {tokenizer.k}-mers; the sizes are those of the base",
        )


def filled_in(config: PretrainConfig, preset: dict[str, Any]) -> PretrainConfig:
    """Return the config with the gaps filled from the preset's `[pretraining]`.

    Raises:
        OptionsError: the schedule ends before the run.
    """
    gaps = {
        name: value
        for name, value in preset["pretraining"].items()
        if getattr(config, name) is None
    }
    if config.steps is not None and config.schedule_steps is None:
        # a shorter run gets a shorter schedule, not the beginning of a long one
        gaps["schedule_steps"] = config.steps
        gaps["warmup_steps"] = min(gaps.get("warmup_steps", 0), config.steps // 10)
        gaps.pop("late_mask_from", None)
    if config.warmup_steps is not None:
        gaps.pop("warmup_steps", None)
    filled = replace(config, **gaps)
    if filled.steps > filled.schedule_steps:  # type: ignore[operator]  # both are filled in
        raise OptionsError("--schedule-steps is smaller than --steps: the learning rate would be 0")
    return filled


def _rules(config: PretrainConfig, tokenizer: Tokenizer, most_tokens: int) -> PieceRules:
    if config.length_unit == "bases":
        shortest, longest, step = config.min_length, config.max_length, 1
    else:
        shortest = tokenizer.n_bases(config.min_length)
        longest = tokenizer.n_bases(config.max_length)
        step = tokenizer.token_stride
    if tokenizer.n_tokens(longest) > most_tokens:
        raise OptionsError(f"--max-length: the model reads at most {most_tokens} tokens")
    if longest < tokenizer.k:
        raise OptionsError(f"--max-length {config.max_length} bases hold no {tokenizer.k}-mer")
    return PieceRules(
        min_bases=max(shortest, tokenizer.k),
        max_bases=longest,
        step=step,
        full_share=config.full_share,
        sampled_share=config.sampled_share,
        weights=config.weights or (),
        reverse=config.reverse_complement,
    )


def _read_corpus(inputs: Sequence[str], rules: PieceRules, run: PretrainRun) -> Corpus:
    if any(path.endswith(PACKED_SUFFIX) for path in inputs):
        if len(inputs) > 1:
            raise OptionsError("a packed corpus is read alone; pack all files together")
        corpus = _read_packed(inputs[0])
    else:
        builder = CorpusBuilder(rules.min_bases)
        run.progress.start("reading", None, "bases")
        for path in inputs:
            builder.add_source(Path(path).name)
            for record in read_fasta(path):
                builder.add(record.sequence)
                run.progress.advance(len(record.sequence))
        run.progress.finish()
        corpus = builder.finish()
    logger.info("%d bases in %d runs without N", corpus.n_bases, len(corpus.lengths))
    if not check_weights(rules.weights, corpus.names):
        raise OptionsError(
            "--weights needs a number per file, 0 or more and not all 0; "
            f"the files: {', '.join(corpus.names)}"
        )
    if run.save_packed is not None and world().is_first:
        write_arrays(run.save_packed, force=run.force or run.resume, **corpus.to_arrays())
        logger.info("packed corpus written to %s", run.save_packed)
    return corpus


def _read_packed(path: str) -> Corpus:
    try:
        return corpus_from_arrays(map_arrays(path))
    except (KeyError, ValueError) as error:
        raise FormatError(path, f"not a packed corpus: {error}") from error


def _split(corpus: Corpus, config: PretrainConfig, rules: PieceRules) -> tuple[Corpus, Corpus]:
    if corpus.n_bases < 2 * rules.max_bases:
        raise DataError(
            f"{corpus.n_bases} bases outside N are too few: a piece has up to {rules.max_bases}"
        )
    training, held_out = corpus.hold_out(config.dev_fraction, config.seed)
    if min(training.n_bases, held_out.n_bases) < rules.max_bases:
        raise DataError(
            f"{held_out.n_bases} of {corpus.n_bases} bases held out are too few: "
            f"a piece has up to {rules.max_bases}",
            hint="raise --dev-fraction, lower --max-length, or give more sequence",
        )
    logger.info("held out: %d bases", held_out.n_bases)
    return training, held_out


def markov_bits(training: Corpus, held_out: HeldOut) -> float:
    """Return the bits per hidden base of a Markov model, weighted as `held_out_figures` does."""
    kept, n_bases = [], 0
    for start, length in zip(training.starts.tolist(), training.lengths.tolist(), strict=True):
        n_more = min(length, _MARKOV_BASES - n_bases)
        if n_more <= 0:
            break
        kept.append(training.rows(np.array([start]), n_more)[0])
        n_bases += n_more
    model = MarkovModel.fit(kept, MARKOV_ORDER)
    total = 0.0
    for digits, n_hidden in zip(held_out.digits, held_out.n_hidden, strict=True):
        for row, counts in zip(digits, n_hidden, strict=True):
            total += float((model.bits(row) * counts).sum())
    return total / held_out.n_base_tokens


def _figures(
    history: Sequence[dict[str, float]], corpus: Corpus, markov: float, n_steps: int
) -> dict[str, Any]:
    last = dict(history[-1]) if history else {}
    for name in ("step", "learning_rate", "loss"):
        last.pop(name, None)
    return {
        "steps": n_steps,
        "corpus_bases": corpus.n_bases,
        **last,
        f"markov_{MARKOV_ORDER}_bits_per_base": markov,
    }


def _write(
    folder: Path,
    network: MaskedLanguageModel,
    task: TaskConfig,
    config: PretrainConfig,
    inputs: Sequence[str],
    figures: dict[str, Any],
    history: Sequence[dict[str, float]],
) -> None:
    """Write the folder, `run.toml`, `metrics.json` and the curve; the states go away."""
    save_model(folder, network, task, half=config.half)
    reports.write_toml(run_values(config, inputs), folder / RUN)
    reports.write_json(figures, folder / METRICS)
    reports.write_curve(history, folder / CURVE)
    forget_states(folder)
