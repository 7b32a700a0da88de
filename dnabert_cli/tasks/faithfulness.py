"""How far to trust a score: does the answer fall faster when high bases are shuffled than others?

A growing share of the bases, those of highest score first, is replaced by letters drawn from the
same sequence, and the model answers anew; beside it the same with bases chosen at random. A method
whose curve does not lie below that of random bases says nothing of what the model uses.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.config import ComputeConfig
from dnabert_cli.core.checkpoint import load_models
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.core.importance import choose_targets
from dnabert_cli.errors import OptionsError
from dnabert_cli.explain_config import SHARES
from dnabert_cli.tasks.base_importance import Floats
from dnabert_cli.tasks.viz import Shown

TOP, RANDOM = "top bases", "random bases"
_STANDARD_ERRORS = 1.96  # of a 95 % interval

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Faithfulness:
    """Mean probability by share of the bases shuffled.

    Attributes:
        shares: `[P]`.
        curves: `TOP` and `RANDOM`: `[P, 3]`, mean over the sequences and the ends of its 95 %
            interval.
        n_sequences: how many there were.
    """

    shares: Doubles
    curves: dict[str, Doubles]
    n_sequences: int

    def area_between(self) -> float:
        """Return the mean height of random over top: above 0 where the scores mean something."""
        gap = self.curves[RANDOM][:, 0] - self.curves[TOP][:, 0]
        width = self.shares[-1] - self.shares[0]
        return float(((gap[1:] + gap[:-1]) / 2 * np.diff(self.shares)).sum() / width)


def measure(
    shown: Shown,
    models: list[str],
    compute: ComputeConfig,
    *,
    n_shuffles: int,
    seed: int,
    target: int | None = None,
) -> Faithfulness:
    """Shuffle more and more bases, those of highest score or any, and ask the model anew.

    Args:
        shown: sequences and their scores; those without scores are left out.
        models: that gave the scores.
        compute: where and how.
        n_shuffles: per sequence and share.
        seed: of the shuffles.
        target: the class whose probability is followed; `None`: of each sequence the most
            probable one that is called.

    Raises:
        OptionsError: the model answers with numbers.
        ModelError: a sequence is longer than a model reads at once.
    """
    generator = np.random.default_rng(seed)
    kept = [i for i, scores in enumerate(shown.scores) if not np.isnan(scores).all()]
    texts = [shown.rows[i].sequence for i in kept]
    if shown.task.head not in {"class", "multi-label"}:
        raise OptionsError("--plot faithfulness follows a probability; this model answers numbers")
    with Ensemble(load_models(models), compute) as ensemble:
        targets = choose_targets(shown.task, shown.probabilities[kept], target)
        curves: dict[str, list[list[float]]] = {TOP: [], RANDOM: []}
        for share in SHARES:
            for name, points in curves.items():
                means = np.zeros(len(kept))
                for _ in range(n_shuffles):
                    changed = [
                        _shuffled(text, shown.scores[i], share, name == TOP, generator)
                        for i, text in zip(kept, texts, strict=True)
                    ]
                    answers = ensemble.score_sequences(changed)
                    means += answers[np.arange(len(kept)), targets] / n_shuffles
                points.append(_interval(means))
    found = {name: np.array(points) for name, points in curves.items()}
    return Faithfulness(np.array(SHARES), found, len(kept))


def _shuffled(
    text: str, scores: Floats, share: float, is_top: bool, generator: np.random.Generator
) -> str:
    """Return the text with a share of its bases replaced by letters drawn from all of it.

    Not put in another order among themselves: top bases lie together and are alike, and would
    change less than bases from anywhere.
    """
    n_chosen = round(share * len(text))
    if is_top:
        chosen = np.argsort(np.nan_to_num(scores, nan=-np.inf), kind="stable")[::-1][:n_chosen]
    else:
        chosen = generator.choice(len(text), n_chosen, replace=False)
    letters = np.array(list(text))
    letters[chosen] = generator.choice(letters, n_chosen)
    return "".join(letters.tolist())


def _interval(means: Doubles) -> list[float]:
    """Return mean and ends of its interval, which a probability cannot leave."""
    mean = float(means.mean())
    if len(means) < 2:
        return [mean, np.nan, np.nan]
    reach = _STANDARD_ERRORS * float(means.std(ddof=1) / np.sqrt(len(means)))
    return [mean, max(mean - reach, 0.0), min(mean + reach, 1.0)]
