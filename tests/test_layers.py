"""Imports point downwards, and asking for help loads nothing heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers", "scipy", "statsmodels", "pandas", "numpy", "matplotlib", "pysam",
         "pyfaidx", "ahocorasick", "rich")  # fmt: skip


def test_import_contracts_hold(monkeypatch, capsys):
    use_cases = pytest.importorskip("importlinter.application.use_cases")
    from importlinter.configuration import configure

    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    configure()
    assert use_cases.lint_imports(cache_dir=None), capsys.readouterr().out


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["scan", "--help"],
                                  ["predict", "--help"], ["finetune", "--help"],
                                  ["evaluate", "--help"], ["viz", "--help"],
                                  ["motifs", "--help"], ["merge", "--help"]])  # fmt: skip
def test_help_loads_no_heavy_library(argv):
    code = (
        "import sys\n"
        "from dnabert_cli.cli.app import main\n"
        f"code = main({argv!r})\n"
        f"print(code, *sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stderr == "0\n"
