"""scikit-learn, watched: iterations of a fit, batches, the curve that boosting keeps, a forest's out-of-bag error, a tree."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDRegressor
from sklearn.tree import DecisionTreeClassifier

from watchkeeper.integrations.sklearn import PartialFit, WatchCallback, read_fitted
from watchkeeper.integrations.sklearn_trees import judge_trees, oob_curve

DRAWN = np.random.default_rng(0)
X = DRAWN.normal(size=(1200, 12))
Y = (X[:, :6].sum(axis=1) + DRAWN.normal(size=1200) > 0).astype(int)
TRAIN, HELD = (X[:800], Y[:800]), (X[800:], Y[800:])


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return batches of rows, with a number to predict."""
    return [(X[i : i + 32], 3 * X[i : i + 32, 0] + X[i : i + 32, 1]) for _ in range(4) for i in range(0, 800, 32)]


def main() -> None:
    """Print what is found in each."""
    iterations = WatchCallback(held=HELD)
    LogisticRegression().set_callbacks(iterations).fit(*TRAIN)
    print("logistic regression:", *iterations.findings or ["nothing found"], sep="\n  ")
    for rate in (0.01, 0.3):
        watch = PartialFit(SGDRegressor(learning_rate="constant", eta0=rate), stop_on="critical").fit(batches())
        print(f"batches, learning rate {rate}:", *watch.findings or ["nothing found"], sep="\n  ")
    noise = DRAWN.integers(0, 2, 1200)
    boosted = GradientBoostingClassifier(n_estimators=100, learning_rate=0.3, max_depth=4).fit(X[:800], noise[:800])
    print("boosting on noise:", *read_fitted(boosted, (X[800:], noise[800:])).findings, sep="\n  ")
    print("forest:", oob_curve(RandomForestClassifier(100, random_state=0), *TRAIN), sep="\n  ")
    print("tree:", *judge_trees(DecisionTreeClassifier().fit(*TRAIN), TRAIN, HELD), sep="\n  ")


if __name__ == "__main__":
    main()
