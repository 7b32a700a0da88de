"""Several seeds: a folder each, the best above, and finished ones kept."""

import json

import pytest

from dnabert_cli.errors import ModelError, OptionsError
from dnabert_cli.formats.reports import write_json, write_toml
from dnabert_cli.tasks.model_output import run_values
from dnabert_cli.tasks.seeds import check_seed_folders, finished_figures, seed_folder, write_best
from dnabert_cli.training_config import FinetuneConfig

CONFIG = FinetuneConfig(seed=4, seeds=2, class_names=("no", "yes"))


def figures(auprc, mcc=0.5):
    return {
        "best_step": 3,
        "dev": {"n": 9, "auprc": auprc},
        "test": {"n": 9, "auprc": auprc / 2, "mcc": mcc, "mcc_interval_95": [0, 1], "labels": {}},
    }


def finished(output, seed, values=None):
    folder = seed_folder(output, seed)
    folder.mkdir(parents=True)
    write_toml(run_values(CONFIG, []), folder / "run.toml")
    write_json(values or figures(0.5), folder / "metrics.json")
    (folder / "config.json").write_text(f"config of {seed}")
    (folder / "model.safetensors").write_text(f"weights of {seed}")
    return folder


def unfinished(output, seed):
    state = seed_folder(output, seed) / "resume" / "state-3.pt"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"x")


def test_the_best_on_the_dev_part_is_copied(tmp_path):
    found = {4: figures(0.8), 5: figures(0.9), 6: figures(0.9)}
    for seed, values in found.items():
        finished(tmp_path, seed, values)

    write_best(tmp_path, found, "auprc")

    assert (tmp_path / "model.safetensors").read_text() == "weights of 5"
    assert (tmp_path / "config.json").read_text() == "config of 5"
    assert (tmp_path / "seed-5" / "model.safetensors").exists()


def test_mean_deviation_and_values_of_the_test_part_are_kept(tmp_path):
    found = {4: figures(0.8), 5: figures(0.4)}
    for seed, values in found.items():
        finished(tmp_path, seed, values)

    write_best(tmp_path, found, "auprc")

    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["dev"] == found[4]["dev"]
    assert written["seeds"]["best"] == 4
    assert written["seeds"]["seeds"] == [4, 5]
    assert list(written["seeds"]["test"]) == ["auprc", "mcc"]
    auprc = written["seeds"]["test"]["auprc"]
    assert auprc["values"] == [0.4, 0.2]
    assert auprc["mean"] == pytest.approx(0.3)
    assert auprc["sd"] == pytest.approx(0.2 / 2**0.5)


def test_a_figure_that_one_seed_lacks_has_no_mean(tmp_path):
    found = {4: figures(0.8), 5: figures(0.4, mcc=None)}
    for seed, values in found.items():
        finished(tmp_path, seed, values)
    written = write_best(tmp_path, found, "auprc")
    assert written["seeds"]["test"]["mcc"] == {"mean": None, "sd": None, "values": [0.5, None]}


def test_a_finished_run_is_known_by_its_options(tmp_path):
    folder = finished(tmp_path, 4)
    assert finished_figures(folder, run_values(CONFIG, [])) == figures(0.5)
    assert finished_figures(tmp_path / "seed-5", run_values(CONFIG, [])) is None
    with pytest.raises(ModelError, match="seed-4 belongs to a run with other options or rows"):
        finished_figures(folder, run_values(FinetuneConfig(seed=4, seeds=2), []))


def test_a_run_with_a_state_is_not_finished(tmp_path):
    folder = finished(tmp_path, 4)
    unfinished(tmp_path, 4)
    assert finished_figures(folder, run_values(CONFIG, [])) is None


@pytest.mark.parametrize("begin", [finished, unfinished])
def test_resume_goes_on_with_what_has_begun(tmp_path, begin):
    begin(tmp_path, 5)
    check_seed_folders(tmp_path, CONFIG, force=False, resume=True)


def test_resume_without_a_begun_run_is_refused(tmp_path):
    with pytest.raises(OptionsError, match="holds no unfinished run"):
        check_seed_folders(tmp_path, CONFIG, force=False, resume=True)
    finished(tmp_path, 4)
    finished(tmp_path, 5)
    (tmp_path / "config.json").write_text("all done")
    with pytest.raises(OptionsError, match="holds no unfinished run"):
        check_seed_folders(tmp_path, CONFIG, force=False, resume=True)


def test_a_folder_that_is_not_empty_is_kept(tmp_path):
    finished(tmp_path, 4)
    with pytest.raises(OptionsError, match="is not empty"):
        check_seed_folders(tmp_path, CONFIG, force=False, resume=False)
    check_seed_folders(tmp_path, CONFIG, force=True, resume=False)
