"""What an evaluation leaves behind: tables, one JSON file with everything, pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dnabert_cli.core.checkpoint import LEGACY_WEIGHTS, WEIGHTS
from dnabert_cli.core.hub import find_folder
from dnabert_cli.errors import OptionsError
from dnabert_cli.evaluate_config import EvaluateConfig
from dnabert_cli.formats import files, reports, tables
from dnabert_cli.tasks.comparisons import Judged, Tested
from dnabert_cli.tasks.evaluate import Evaluation
from dnabert_cli.tasks.evaluate_scan import ScanEvaluation
from dnabert_cli.tasks.evaluation_pictures import (
    bins_of,
    check_pictures,
    confusions,
    drawn,
    drawn_scan,
    path_of,
)
from dnabert_cli.tasks.prediction_tables import table_names
from dnabert_cli.tasks.systems import Run, stem

COLUMNS = ("data", "system", "figure", "of", "value", "low", "high", "n", "share_of_positives")
TEST_COLUMNS = ("data", "system_a", "system_b", "test", "figure", "difference", "low", "high",
                "statistic", "p_value", "q_value")  # fmt: skip
THRESHOLD_COLUMNS = ("system", "threshold", "n_calls", "precision", "recall", "f1")
_ONLY_SET = "."


@dataclass(frozen=True)
class Outputs:
    """Where results go; `None` where one is not wanted.

    Attributes:
        output: table of the figures, `-` for standard output.
        tests: table of the comparisons.
        thresholds: table of the figures of calls by threshold.
        json: everything.
        figure, confusion: pictures.
        manifest: what made the result.
        header: whether tables name their columns.
        force: whether files may be overwritten.
    """

    output: str = "-"
    tests: str | None = None
    thresholds: str | None = None
    json: str | None = None
    figure: str | None = None
    confusion: str | None = None
    manifest: str | None = None
    header: bool = True
    force: bool = False


def check_outputs(
    outputs: Outputs, inputs: Sequence[str], config: EvaluateConfig, run: Run
) -> None:
    """Check, before the long part, that everything can be written.

    Raises:
        OptionsError: an output this way of judging does not have, or one that is an input.
        DnabertError: a file exists already, or its folder is missing.
    """
    is_scan = run.tss is not None
    for option, value, fits in (
        ("--tests", outputs.tests, not is_scan),
        ("--confusion", outputs.confusion, not is_scan),
        ("--thresholds-tsv", outputs.thresholds, is_scan),
    ):
        if value is not None and not fits:
            cure = "has no part in judging calls (--tss)" if is_scan else "needs calls and --tss"
            raise OptionsError(f"{option} {cure}; leave it out")
    n_systems = 1 + len(run.against) + len(config.baselines) if run.models else len(inputs)
    if outputs.tests is not None and n_systems < 2:
        raise OptionsError(
            "--tests compares systems, and there is one",
            hint="add --against, --baselines or another table",
        )
    check_pictures([outputs.figure, outputs.confusion])
    names = _data_names(inputs, run)
    pictures = [
        path_of(path, name, len(names))
        for path in (outputs.figure, outputs.confusion) if path is not None
        for name in names
    ]  # fmt: skip
    others = (outputs.output, outputs.tests, outputs.thresholds, outputs.json, outputs.manifest)
    files.check_outputs([*others, *pictures], outputs.force, _read_files(inputs, run))


def _data_names(inputs: Sequence[str], run: Run) -> list[str]:
    if run.models:
        return [stem(path) for path in inputs]
    folder = next((path for path in inputs if _is_folder(path)), None)
    return [_ONLY_SET] if folder is None or run.tss is not None else sorted(table_names(folder))


def _is_folder(path: str) -> bool:
    return path != "-" and Path(path).is_dir()


def _read_files(inputs: Sequence[str], run: Run) -> list[str]:
    """Return every file that is read, tables of folders one by one, models left out."""
    found: list[str] = []
    for path in inputs:
        found += table_names(path).values() if _is_folder(path) else [path]
    others = (run.motifs, run.genome, run.tss, run.regions)
    return [*found, *run.train, *run.devs, *(path for path in others if path is not None)]


def write_evaluation(
    result: Evaluation | ScanEvaluation,
    outputs: Outputs,
    inputs: Sequence[str],
    config: EvaluateConfig,
    run: Run,
) -> None:
    """Write all outputs, each whole or not at all; pictures are drawn before any is written."""
    written: list[tuple[str | None, Iterator[list[object]], Sequence[str]]]
    if isinstance(result, ScanEvaluation):
        pictures = drawn_scan(result, outputs.figure)
        written = [
            (outputs.output, _scan_rows(result), COLUMNS),
            (outputs.thresholds, _threshold_rows(result), THRESHOLD_COLUMNS),
        ]
        values, counts = _scan_json(result), _scan_counts(result)
    else:
        pictures = drawn(result.judged, outputs.figure, outputs.confusion, config.threshold)
        written = [
            (outputs.output, _rows(result.judged), COLUMNS),
            (outputs.tests, map(_test_row, result.tests), TEST_COLUMNS),
        ]
        values, counts = _json(result, config), _counts(result)
    for path, rows, columns in written:
        if path is not None:
            with files.open_output(path, force=outputs.force) as handle:
                tables.write_table(rows, columns, handle, header=outputs.header)
    if outputs.json is not None:
        reports.write_json(_origin(inputs, config, run) | values, outputs.json)
    for path, content in pictures.items():
        with files.open_output(path, force=True) as handle:
            handle.buffer.write(content)
    if outputs.manifest is not None:
        read = _read_files(inputs, run)
        reports.write_manifest(outputs.manifest, "evaluate", config, read, _models(run), counts)


def _counts(result: Evaluation) -> dict[str, int | None]:
    return {
        "n_sets": len(result.judged),
        "n_systems": len(result.judged[0].data.systems),
        "n_rows": sum(len(one.data.truth) for one in result.judged),
        "n_left_out": sum(one.data.n_left_out for one in result.judged),
    }


def _scan_counts(result: ScanEvaluation) -> dict[str, int | None]:
    return {
        "n_systems": len(result.systems),
        "n_sites": result.n_sites,
        "n_calls": sum(one.n_calls for one in result.systems),
        "n_left_out": sum(one.n_left_out for one in result.systems),
    }


def _rows(judged: Sequence[Judged]) -> Iterator[list[object]]:
    for one in judged:
        n_rows = len(one.data.truth)
        for name, found in one.figures.items():
            for figure in found:
                values = [figure.name, figure.of, figure.value, figure.low, figure.high]
                yield [one.data.name, name, *values, n_rows, one.data.share_of(figure.of)]


def _scan_rows(result: ScanEvaluation) -> Iterator[list[object]]:
    for one in result.systems:
        n_of = {"recall": result.n_sites, "sites_near_a_call": result.n_sites,
                "f1": one.n_calls + result.n_sites}  # fmt: skip
        for figure in one.figures:
            values = [figure.name, figure.of, figure.value, figure.low, figure.high]
            n_counted = n_of.get(figure.name, one.n_calls)
            yield [_ONLY_SET, one.name, *values, n_counted, None]


def _test_row(test: Tested) -> list[object]:
    found = test.found
    return [test.data, test.system_a, test.system_b, found.test, found.figure, found.difference,
            found.low, found.high, found.statistic, found.p_value, test.q_value]  # fmt: skip


def _threshold_rows(result: ScanEvaluation) -> Iterator[list[object]]:
    for one in result.systems:
        for at in one.thresholds:
            yield [one.name, at.threshold, at.n_calls, at.precision, at.recall, at.f1]


def _origin(inputs: Sequence[str], config: EvaluateConfig, run: Run) -> dict[str, Any]:
    """What made the result; no dates, so that equal runs write equal files."""
    models = [{"name": name, "sha256": _weights_checksum(name)} for name in _models(run)]
    return reports.origin("evaluate", config, _read_files(inputs, run)) | {"models": models}


def _models(run: Run) -> list[str]:
    return [*run.models, *run.against]


def _weights_checksum(model: str) -> str | None:
    folder = find_folder(model)
    paths = (folder / name for name in (WEIGHTS, LEGACY_WEIGHTS))
    return next((files.sha256(str(path)) for path in paths if path.is_file()), None)


def _json(result: Evaluation, config: EvaluateConfig) -> dict[str, Any]:
    return {
        "data": [_judged_json(one, config) for one in result.judged],
        "tests": [dict(zip(TEST_COLUMNS, _test_row(test), strict=True)) for test in result.tests],
    }


def _judged_json(judged: Judged, config: EvaluateConfig) -> dict[str, Any]:
    data = judged.data
    systems = []
    for system in data.systems:
        values: dict[str, Any] = {
            "name": system.name,
            "figures": [_figure_json(one) for one in judged.figures[system.name]],
        }
        if data.kind == "classes":
            values["confusion"] = confusions(judged, system, config.threshold).tolist()
            values["calibration"] = {
                name: [asdict(one) for one in bins]
                for name, bins in bins_of(judged, system).items()
            }
        systems.append(values)
    return {
        "name": data.name,
        "kind": data.kind,
        "classes": data.classes,
        "positive_class": data.classes[1] if data.is_binary else None,
        "share_of_positives": data.share_of("") if data.is_binary else None,
        "n": len(data.truth),
        "n_left_out": data.n_left_out,
        "systems": systems,
    }


def _figure_json(figure: Any) -> dict[str, Any]:
    values = asdict(figure)
    return {"figure": values.pop("name"), **values}


def _scan_json(result: ScanEvaluation) -> dict[str, Any]:
    return {
        "n_sites": result.n_sites,
        "n_sites_left_out": result.n_sites_left_out,
        "megabases": result.megabases,
        "systems": [
            {
                "name": one.name,
                "n_calls": one.n_calls,
                "n_left_out": one.n_left_out,
                "figures": [_figure_json(figure) for figure in one.figures],
                "thresholds": [asdict(at) for at in one.thresholds],
            }
            for one in result.systems
        ],
    }
