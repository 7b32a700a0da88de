"""The training log for TensorBoard, where that is installed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dnabert_cli.errors import OptionsError


class TensorBoardLog:
    """Writes each figure of a row of the log as a curve.

    Args:
        folder: where TensorBoard looks.

    Raises:
        OptionsError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise OptionsError(
                "--tensorboard needs the package tensorboard",
                hint="pip install 'dnabert[tensorboard]'",
            ) from error
        self._writer: Any = SummaryWriter(str(folder))

    def __call__(self, values: Mapping[str, float]) -> None:
        """Write a row: `step`, and figures by name."""
        for name, value in values.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(values["step"]))
        self._writer.flush()
