"""The picture of a run: a PNG, the same for the same run."""

import io

import matplotlib.image

from dnabert_cli.analysis.curves import draw_curves

HISTORY = [
    {"step": 10, "learning_rate": 2e-4, "loss": 0.7, "auprc": 0.5},
    {"step": 20, "learning_rate": 1e-4, "loss": 0.4, "auprc": 0.9},
    {"step": 30, "learning_rate": 0.0, "loss": 0.3, "auprc": 0.8},
]


def pixels(history, best_step=20):
    return matplotlib.image.imread(io.BytesIO(draw_curves(history, "auprc", best_step)))


def test_equal_runs_draw_equal_bytes_without_a_date():
    content = draw_curves(HISTORY, "auprc", 20)

    assert content == draw_curves(HISTORY, "auprc", 20)
    assert content.startswith(b"\x89PNG")
    assert b"tEXt" not in content


def test_what_happened_can_be_seen():
    empty = pixels([])
    assert empty.shape == pixels(HISTORY).shape
    for changed in (pixels(HISTORY), pixels(HISTORY, best_step=30), pixels(HISTORY[:2])):
        assert (changed != empty).any()
    assert (pixels(HISTORY) != pixels(HISTORY, best_step=30)).any()


def test_pyplot_and_its_windows_stay_out():
    import subprocess
    import sys

    code = (
        "import sys; from dnabert_cli.analysis.curves import draw_curves; "
        f"draw_curves({HISTORY!r}, 'auprc', 20); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
