"""TensorBoard is optional: curves where it is there, a sentence where it is not."""

import sys
from types import ModuleType

import pytest

from dnabert_cli.core.tensorboard import TensorBoardLog
from dnabert_cli.errors import OptionsError


def test_each_figure_is_a_curve(monkeypatch, tmp_path):
    written = []

    class Writer:
        def __init__(self, folder):
            written.append(folder)

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def flush(self):
            pass

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)

    TensorBoardLog(tmp_path)({"step": 3, "loss": 0.5, "learning_rate": 0.1})

    assert written == [str(tmp_path), ("loss", 0.5, 3), ("learning_rate", 0.1, 3)]


def test_without_tensorboard_the_cure_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)

    with pytest.raises(OptionsError, match=r"pip install 'dnabert\[tensorboard\]'"):
        TensorBoardLog(tmp_path)
