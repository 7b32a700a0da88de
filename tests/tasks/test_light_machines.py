"""A GPU machine with torch and numpy trains and predicts from tables: nothing else is loaded."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dnabert_cli.formats.arrays import write_arrays
from dnabert_cli.sequence.corpus import CorpusBuilder

ROOT = Path(__file__).resolve().parents[2]
MISSING = ("pysam", "pyfaidx", "scipy", "statsmodels", "matplotlib", "ahocorasick", "typer", "rich")
# `None` in sys.modules makes an import fail as a missing package does.
BLOCK = f"import sys; sys.modules.update(dict.fromkeys({MISSING!r}))\n"


def python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", BLOCK + code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


@pytest.mark.parametrize("task", ["finetune", "pretrain", "predict", "scan"])
def test_a_task_is_imported_without_other_wheels(task):
    done = python(f"import dnabert_cli.tasks.{task}")
    assert done.returncode == 0, done.stderr


def test_a_table_is_trained_on_and_predicted_without_them(tmp_path):
    generator = np.random.default_rng(0)
    rows = ["".join(generator.choice(list("ACGT"), 20)) + f"\t{i % 2}\n" for i in range(60)]
    (tmp_path / "rows.tsv").write_text("sequence\tlabel\n" + "".join(rows))
    code = (
        "from pathlib import Path\n"
        "from dnabert_cli.config import ComputeConfig, PredictConfig\n"
        "from dnabert_cli.training_config import FinetuneConfig\n"
        "from dnabert_cli.tasks.finetune import Run, finetune\n"
        "from dnabert_cli.tasks.predict import predict\n"
        "folder = Path(sys.argv[1])\n"
        "rows = str(folder / 'rows.tsv')\n"
        "one = ComputeConfig(threads=1)\n"
        "config = FinetuneConfig(arch='cnn', epochs=1, compute=one)\n"
        "finetune([rows], config, Run(folder / 'out'))\n"
        "answers = predict(rows, [str(folder / 'out')], PredictConfig(compute=one))\n"
        "print(len(list(answers.rows)))\n"
    )
    done = python(code, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "60\n"
    assert "matplotlib is not installed: no training.png is drawn" in done.stderr
    assert (tmp_path / "out" / "config.json").exists()


def test_a_packed_corpus_is_trained_on_without_them(tmp_path):
    builder = CorpusBuilder(7)
    builder.add_source("toy")
    builder.add("ACGTTGCA" * 5000)
    write_arrays(tmp_path / "corpus.npz", force=False, **builder.finish().to_arrays())
    code = (
        "from pathlib import Path\n"
        "from dnabert_cli.config import ComputeConfig\n"
        "from dnabert_cli.training_config import PretrainConfig\n"
        "from dnabert_cli.tasks.pretrain import PretrainRun, pretrain\n"
        "folder = Path(sys.argv[1])\n"
        "config = PretrainConfig(preset='dnabert-3-tiny', steps=2, batch_size=2, max_length=40,\n"
        "    dev_pieces=4, compute=ComputeConfig(threads=1))\n"
        "pretrain([str(folder / 'corpus.npz')], config, PretrainRun(folder / 'out'))\n"
    )
    done = python(code, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "model.safetensors").is_file()
