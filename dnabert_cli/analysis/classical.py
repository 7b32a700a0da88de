"""The classical models a network is compared with, trained on the same rows.

The models are those of the paper (Ji et al. 2021), as scikit-learn has them, with plain settings
that were not tuned to any data set:

| kind     | model                        | settings                                              |
|----------|------------------------------|-------------------------------------------------------|
| logistic | logistic regression          | standardised features, L2 with C = 1, 1,000 steps     |
| svm      | support vector machine       | standardised features, RBF kernel with C = 1 and      |
|          |                              | gamma 1 / (features * variance), Platt's              |
|          |                              | probabilities from 5 folds, `SVM_ROWS` rows at most   |
| tree     | decision tree                | 20 rows or more in a leaf                             |
| forest   | random forest                | 300 trees                                             |
| boosting | gradient boosting of         | 100 steps of 0.1, 31 leaves or fewer, 20 rows or more |
|          | histograms                   | in a leaf                                             |

scikit-learn is an optional extra; a motif's score needs numpy only.
"""

import importlib.util
import logging
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import DataError, OptionsError

CLASSICAL = ("logistic", "svm", "tree", "forest", "boosting")

SVM_ROWS = 5_000  # the time of an SVM grows with the square of its rows
LOGISTIC_STEPS = 1000
FOREST_TREES = 300
LEAF_ROWS = 20
FOLDS = 5  # of the inner split that turns distances to the SVM's border into probabilities

_CACHE_MB = 1000  # rows of the kernel that the SVM keeps; no result depends on it
_CHUNK = 4096  # rows predicted together: bounds the memory of their copies
_NEWTON_STEPS = 100
_HALVINGS = 30

logger = logging.getLogger(__name__)

Labels = npt.NDArray[np.integer]
Features = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]


def check_installed(kind: str) -> None:
    """Check, before the long part, that scikit-learn is there; it is not loaded.

    Raises:
        OptionsError: it is not, and how to install it.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise OptionsError(
            f"--baselines {kind}: scikit-learn is not installed",
            hint="pip install 'dnabert[baselines]'",
        )


def fit_predict(
    kind: str,
    features_train: Features,
    labels_train: Labels,
    features_test: Features,
    n_classes: int,
    *,
    seed: int,
) -> Floats:
    """Train a classical model and return the probability of each class, `[M, K]`.

    A class that no row is trained on has probability 0; where there is one class only, it has 1.

    Args:
        kind: one of `CLASSICAL`.
        features_train: `[N, F]`.
        labels_train: `[N]` class numbers.
        features_test: `[M, F]`.
        n_classes: `K`.
        seed: of the draws that the model makes; equal seeds give equal probabilities.

    Raises:
        OptionsError: scikit-learn is not installed.
        DataError: there is no row to train on.
    """
    check_installed(kind)
    rows = _training_rows(kind, labels_train, seed)
    labels = labels_train[rows]
    probabilities = np.zeros((len(features_test), n_classes))
    classes, sizes = np.unique(labels, return_counts=True)
    if len(classes) == 0:
        raise DataError(f"baseline {kind}: no rows to train on")
    if len(classes) == 1:
        logger.warning("baseline %s: the rows to train on are of one class only", kind)
        probabilities[:, classes] = 1
        return probabilities
    model = _model(kind, int(sizes.min()), seed)
    _fit(kind, model, features_train[rows], labels)
    for first in range(0, len(features_test), _CHUNK):
        part = slice(first, first + _CHUNK)
        # fp64: in fp32 all probabilities near 1 would be one, and rows lose their order
        features = features_test[part].astype(np.float64)
        probabilities[part, classes] = model.predict_proba(features)
    return probabilities


def _training_rows(kind: str, labels: Labels, seed: int) -> npt.NDArray[np.int64]:
    """Return the rows a model is trained on: all, but for the SVM."""
    rows = np.arange(len(labels))
    if kind != "svm":
        return rows
    if len(rows) > SVM_ROWS:
        rows = _stratified(labels, SVM_ROWS, seed)
        logger.info("baseline svm: trained on %d of %d rows, drawn", len(rows), len(labels))
    _, number, sizes = np.unique(labels[rows], return_inverse=True, return_counts=True)
    is_alone = sizes[number] < 2
    if is_alone.any() and len(sizes) > 1:
        logger.info("baseline svm: %d class(es) with one row left out", is_alone.sum())
        rows = rows[~is_alone]
    return rows


def _stratified(labels: Labels, n_rows: int, seed: int) -> npt.NDArray[np.int64]:
    """Return `n_rows` rows in order, drawn such that each class keeps its share."""
    drawn = np.random.default_rng(seed).permutation(len(labels))
    by_class = drawn[np.argsort(labels[drawn], kind="stable")]
    return np.sort(by_class[np.arange(n_rows) * len(labels) // n_rows])


def _model(kind: str, smallest_class: int, seed: int) -> Any:
    """Return a model that is not trained yet."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    match kind:
        case "logistic":
            return make_pipeline(
                StandardScaler(), LogisticRegression(C=1.0, max_iter=LOGISTIC_STEPS)
            )
        case "svm":
            machine = SVC(C=1.0, kernel="rbf", gamma="scale", cache_size=_CACHE_MB)
            folds = StratifiedKFold(min(FOLDS, smallest_class), shuffle=True, random_state=seed)
            # one machine of all rows; those of the folds only give its probabilities their scale
            return CalibratedClassifierCV(
                make_pipeline(StandardScaler(), machine), cv=folds, ensemble=False, n_jobs=1
            )
        case "tree":
            return DecisionTreeClassifier(min_samples_leaf=LEAF_ROWS, random_state=seed)
        case "forest":
            return RandomForestClassifier(FOREST_TREES, n_jobs=1, random_state=seed)
        case "boosting":
            # by default large tables would stop early and small ones not
            return HistGradientBoostingClassifier(early_stopping=False, random_state=seed)
        case _:
            raise AssertionError(kind)


def _fit(kind: str, model: Any, features: Features, labels: Labels) -> None:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said below, in our words
        model.fit(features, labels)
    if kind == "logistic" and model[-1].n_iter_.max() >= LOGISTIC_STEPS:
        logger.warning("baseline logistic: not at its optimum after %d steps", LOGISTIC_STEPS)


def logistic_of_score(
    scores_train: npt.NDArray[np.floating],
    labels_train: Labels,
    scores_test: npt.NDArray[np.floating],
) -> Floats:
    """Turn a score, of a motif for example, into probabilities of two classes, `[M, 2]`.

    Fits 1 / (1 + exp(-(a * score + b))), which rises or falls with the score as the labels say.
    The targets are a little inside of 0 and 1, so that a score that separates the classes
    perfectly has a finite slope.

    Args:
        scores_train: `[N]`, finite, N above 0.
        labels_train: `[N]`, 1 is positive.
        scores_test: `[M]`, finite.

    Source: Platt 1999 (targets); Lin, Lin and Weng 2007, Mach. Learn. 68:267 (Newton's method
    with shorter steps where the full one does not pay).
    """
    assert len(scores_train) > 0
    middle = float(np.mean(scores_train, dtype=np.float64))
    scale = float(np.std(scores_train, dtype=np.float64)) or 1.0
    positive = labels_train == 1
    n_positive = int(positive.sum())
    targets = np.where(
        positive, (n_positive + 1) / (n_positive + 2), 1 / (len(positive) - n_positive + 2)
    )
    slope, intercept = _newton((scores_train.astype(np.float64) - middle) / scale, targets)
    logits = slope * (scores_test.astype(np.float64) - middle) / scale + intercept
    return np.stack([_sigmoid(-logits), _sigmoid(logits)], axis=1)


def _newton(scores: Floats, targets: Floats) -> tuple[float, float]:
    """Return slope and intercept with the least cross-entropy."""
    design = np.stack([scores, np.ones_like(scores)], axis=1)
    weights = np.zeros(2)
    for _ in range(_NEWTON_STEPS):
        probabilities = _sigmoid(design @ weights)
        gradient = design.T @ (probabilities - targets)
        if np.abs(gradient).max() < 1e-9 * len(scores):
            break
        spread = probabilities * (1 - probabilities)
        # the small part on the diagonal is for scores that are all equal
        hessian = (design * spread[:, np.newaxis]).T @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        loss = _cross_entropy(design @ weights, targets)
        for _ in range(_HALVINGS):
            if _cross_entropy(design @ (weights - step), targets) <= loss:
                break
            step /= 2
        weights -= step
    return float(weights[0]), float(weights[1])


def _cross_entropy(logits: Floats, targets: Floats) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).sum())


def _sigmoid(logits: Floats) -> Floats:
    values: Floats = np.exp(-np.logaddexp(0, -logits))
    return values
