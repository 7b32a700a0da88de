"""run.toml, metrics.json, training.tsv and the manifest."""

import hashlib
import json
import math
import os
import tomllib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnabert_cli import __version__
from dnabert_cli.config import ComputeConfig, ScanConfig
from dnabert_cli.errors import DnabertError
from dnabert_cli.formats import reports

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))  # files hold no lone surrogates
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda values: st.lists(values, max_size=4),
    max_leaves=8,
)
TABLES = st.dictionaries(TEXTS, VALUES, max_size=4)


def written(write, values, tmp_path):
    path = tmp_path / "file"
    write(values, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"], "a temporary file is left"
    return path.read_bytes().decode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(TEXTS, VALUES | TABLES, max_size=5))
def test_toml_comes_back_as_it_was(values, tmp_path):
    assert tomllib.loads(written(reports.write_toml, values, tmp_path)) == values


def test_toml_reads_like_a_config(tmp_path):
    values = {
        "format_version": 1,
        "compute": {"device": "cpu", "threads": None},
        "rate": np.float64(2e-4),
        "half": False,
        "anchor": None,
        "class_names": ("no", "TATA box"),
        "inputs": {"a b.tsv": "00ff"},
    }
    assert written(reports.write_toml, values, tmp_path) == (
        "format_version = 1\n"
        "rate = 0.0002\n"
        "half = false\n"
        'class_names = ["no", "TATA box"]\n'
        "\n[compute]\n"
        'device = "cpu"\n'
        "\n[inputs]\n"
        '"a b.tsv" = "00ff"\n'
    )


def test_toml_keeps_nan(tmp_path):
    text = written(reports.write_toml, {"x": math.nan}, tmp_path)
    assert math.isnan(tomllib.loads(text)["x"])


def test_toml_with_an_undecodable_path_can_be_read_back(tmp_path):
    text = written(reports.write_toml, {"base": os.fsdecode(b"m\xff")}, tmp_path)
    assert tomllib.loads(text) == {"base": "m?"}


@pytest.mark.parametrize("value", [{"deep": {"deeper": {}}}, [None], b"bytes", object()])
def test_value_toml_cannot_hold_is_refused(tmp_path, value):
    with pytest.raises(TypeError, match="no TOML value: "):
        reports.write_toml({"a": value}, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_json_keeps_order_and_turns_numpy_and_nan_into_plain_json(tmp_path):
    values = {
        "n": np.int64(3),
        "auroc": np.float32(0.5),
        "interval": (0.25, math.nan),
        "by source": {"b": math.inf, "a": None},
    }
    text = written(reports.write_json, values, tmp_path)
    assert text.endswith("\n}\n")
    assert list(json.loads(text)) == list(values)
    assert json.loads(text) == {
        "n": 3,
        "auroc": 0.5,
        "interval": [0.25, None],
        "by source": {"b": None, "a": None},
    }


def test_report_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(TypeError, match="not JSON serializable"):
        reports.write_json({"a": object()}, path)
    assert path.read_text() == "old"


def test_folder_that_is_not_there_is_an_expected_error(tmp_path):
    with pytest.raises(DnabertError, match="does not exist"):
        reports.write_json({}, tmp_path / "no" / "metrics.json")


def test_curve_has_a_header_and_a_row_per_evaluation(tmp_path):
    history = [{"step": 10, "loss": 0.123456789}, {"step": 1_234_567, "loss": 2e-5}]
    text = written(reports.write_curve, history, tmp_path)
    assert text == "step\tloss\n10\t0.123457\n1234567\t2e-05\n"


def test_curve_without_evaluations_is_empty(tmp_path):
    assert written(reports.write_curve, [], tmp_path) == ""


def test_arrays_come_back_as_they_were_and_equal_arrays_make_equal_files(tmp_path):
    names, vectors = np.array(["a", "bé"]), np.arange(6, dtype=np.float32).reshape(2, 3)
    for path in (tmp_path / "1.npz", tmp_path / "2.npz"):
        reports.save_arrays(path, names=names, vectors=vectors)
    with np.load(tmp_path / "1.npz", allow_pickle=False) as saved:
        assert saved["names"].tolist() == ["a", "bé"]
        np.testing.assert_array_equal(saved["vectors"], vectors)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()


@pytest.fixture
def manifest(tmp_path):
    """Write a manifest of a scan and return its text."""

    def call(inputs, models):
        config = ScanConfig(stride=25, compute=ComputeConfig(threads=2))
        path = tmp_path / "manifest.json"
        reports.write_manifest(path, "scan", config, inputs, models, {"n_records": 1})
        return path.read_text()

    return call


def test_manifest_says_what_made_the_result(manifest, tmp_path):
    genome, folder = tmp_path / "a.fa", tmp_path / "model"
    genome.write_text(">a\nACGT\n")
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    values = json.loads(manifest([str(genome), "-"], [str(folder)]))
    assert values == {
        "schema_version": 1,
        "version": __version__,
        "command": "scan",
        "options": {
            "stride": 25,
            "threshold": None,
            "strand": "both",
            "max_unknown": 0.1,
            "all_windows": False,
            "compute": {
                "device": "auto",
                "precision": "auto",
                "threads": 2,
                "batch_tokens": None,
            },
        },
        "inputs": [
            {"path": str(genome), "sha256": hashlib.sha256(b">a\nACGT\n").hexdigest()},
            {"path": "-", "sha256": None},
        ],
        "models": [{"name": str(folder), "sha256": hashlib.sha256(b"weights").hexdigest()}],
        "counts": {"n_records": 1},
    }


def test_equal_runs_write_equal_manifests(manifest, tmp_path):
    (tmp_path / "a.fa").write_text(">a\n")
    assert manifest([str(tmp_path / "a.fa")], []) == manifest([str(tmp_path / "a.fa")], [])


def test_pipe_has_no_checksum(manifest, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert json.loads(manifest([str(tmp_path / "pipe")], []))["inputs"][0]["sha256"] is None


def test_weights_of_the_original_program_and_of_the_hub(manifest, tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"weights")
    models = json.loads(manifest([], [str(tmp_path), "hf:owner/name"]))["models"]
    assert [model["sha256"] for model in models] == [hashlib.sha256(b"weights").hexdigest(), None]
