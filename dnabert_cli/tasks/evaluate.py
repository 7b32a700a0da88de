"""`dnabert evaluate`: systems and labelled rows in, figures with intervals and comparisons out.

A system is a model, several averaged, a baseline trained beside them, or a table of predictions.
All systems are judged on the same rows. Calls of a scan are judged in `evaluate_scan.py`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dnabert_cli.analysis import figures
from dnabert_cli.analysis.evaluation import ALL, Figure, class_figures
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.evaluate_config import EvaluateConfig
from dnabert_cli.tasks.comparisons import (
    NOBODY,
    Judged,
    Tested,
    compare_systems,
    quoted,
    told,
)
from dnabert_cli.tasks.evaluate_scan import ScanEvaluation, evaluate_scan
from dnabert_cli.tasks.model_systems import positive_number, read_model_sets
from dnabert_cli.tasks.prediction_tables import read_prediction_sets
from dnabert_cli.tasks.systems import DataSet, Run, System, check_drawable, judged_together

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """What came out: a judgement per data set, and all tests."""

    judged: list[Judged]
    tests: list[Tested]


def evaluate(
    inputs: Sequence[str], config: EvaluateConfig, run: Run
) -> Evaluation | ScanEvaluation:
    """Judge systems on rows whose truth is known.

    Args:
        inputs: with models: labelled rows, a data set per file. With start sites: calls, a system
            per file. Else predictions: a table per system, or a folder of tables per system.
        config: everything that decides the result.
        run: the models and the other files, and how the run is watched.

    Raises:
        DataError: systems do not answer the same rows or the same question; labels nobody knows;
            nothing to judge by.
        FormatError: an input breaks its format.
        ModelError: a model is missing or answers per base.
        OptionsError: options that do not belong together.
    """
    check_options(inputs, config, run)
    if run.tss is not None:
        return evaluate_scan(inputs, config, run)
    if run.models:
        sets, positive = read_model_sets(inputs, config, run)
    else:
        sets, positive = read_prediction_sets(inputs), None
        for data in sets:
            check_drawable(data.kind, len(data.classes), len(data.systems), run)
    if len({data.kind for data in sets}) > 1:
        raise DataError("the data sets are not of one kind", hint="judge them one by one")
    judged = []
    for data in sets:
        number = positive_number(config.positive, data, positive)
        rows = judged_together(data, number, config.threshold)
        judged.append(Judged(rows, {one.name: _figures(rows, one, config) for one in rows.systems}))
    evaluation = Evaluation(judged, compare_systems(judged, config))
    _tell(evaluation)
    return evaluation


def check_options(inputs: Sequence[str], config: EvaluateConfig, run: Run) -> None:
    """Refuse options that belong to another way of judging.

    Raises:
        OptionsError: naming the option.
    """
    of_models = {
        "--against": run.against,
        "--baselines": config.baselines,
        "--train": run.train,
        "--dev": run.devs,
        "--motifs": run.motifs,
        "--genome": run.genome,
    }
    given = [option for option, value in of_models.items() if value]
    if given and not run.models:
        raise OptionsError(f"{given[0]} needs a model: name it with --model or --task")
    of_rows = {"--threshold": config.threshold, "--positive": config.positive}
    of_scans = {
        "--regions": run.regions is not None,
        "--within": config.within != EvaluateConfig.within,
        "--any-strand": config.any_strand,
    }
    if run.tss is None:
        for option, is_given in of_scans.items():
            if is_given:
                raise OptionsError(f"{option} is for calls of a scan, which need --tss BED")
    else:
        for option, value in ({"--model": run.models or None} | of_rows).items():
            if value is not None:
                raise OptionsError(f"{option} has no part in judging calls (--tss); leave it out")
    _check_files(inputs, run)


def _check_files(inputs: Sequence[str], run: Run) -> None:
    if list(inputs).count("-") + (run.tss == "-") + (run.regions == "-") > 1:
        raise OptionsError("only one input can be standard input")
    if run.genome == "-" and len([*inputs, *run.train, *run.devs]) > 1:
        raise OptionsError("--genome is read for each input; name a file instead of '-'")
    for path in (*run.train, *run.devs):
        if any(path == one or _same(path, one) for one in inputs):
            raise OptionsError(f"{path} would both train and judge", hint="judge by other rows")


def _same(first: str, second: str) -> bool:
    return Path(first).is_file() and Path(second).is_file() and Path(first).samefile(second)


def _figures(data: DataSet, system: System, config: EvaluateConfig) -> list[Figure]:
    if data.kind == "classes":
        return class_figures(
            data.truth,
            system.answers,
            data.classes,
            threshold=config.threshold,
            seed=config.seed,
            n_resamples=config.resamples,
        )
    compared = figures.compare(data.kind, data.truth, system.answers)
    rows = np.arange(len(data.truth))
    drawn = [
        list(compared.quoted(weights).values())
        for weights in figures.resampled(
            rows, len(rows), seed=config.seed, n_resamples=config.resamples
        )
    ]
    found = [
        Figure(name, ALL, value, *figures.percentile_interval(column))
        for (name, value), column in zip(compared.figures().items(), np.array(drawn).T, strict=True)
    ]
    if isinstance(compared, figures.Labels):
        for name, values in zip(data.classes, compared.by_label(), strict=True):
            found += [
                Figure(area, name, values[area], np.nan, np.nan) for area in ("auroc", "auprc")
            ]
    return found


def _tell(evaluation: Evaluation) -> None:
    """Say per system and per comparison what a person wants to read once."""
    for one in evaluation.judged:
        share = one.data.share_of(ALL) if one.data.is_binary else np.nan
        shown = "" if np.isnan(share) else f", {share:.1%} {one.data.classes[1]}"
        for name, found in one.figures.items():
            texts = [f"{each} {told(value)}" for each, value in quoted(one.data, found).items()]
            n_rows = f"{len(one.data.truth):,} rows"
            where = _where(one.data.name)
            logger.info("%s%s: %s (%s%s)", where, name, ", ".join(texts), n_rows, shown)
    for test in evaluation.tests:
        # of several data sets, what holds over all of them is what is read first
        is_detail = len(evaluation.judged) > 1 and test.data != ALL
        pair = "all systems" if test.system_a == NOBODY else f"{test.system_a} - {test.system_b}"
        tested = test.found
        value = Figure(tested.figure, ALL, tested.difference, tested.low, tested.high)
        difference = "" if np.isnan(tested.difference) else f" {told(value, sign='+')}"
        what = f"{_where(test.data)}{pair}: {tested.figure}{difference}"
        level = logging.DEBUG if is_detail else logging.INFO
        logger.log(level, "%s (%s, q = %.2g)", what, tested.test, test.q_value)


def _where(name: str) -> str:
    return "" if name == "." else f"{name}, "
