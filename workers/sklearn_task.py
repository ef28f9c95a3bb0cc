"""An owner's task: logistic regression by scikit-learn on the digits of its worker (workers/frank.toml).

Needs scikit-learn beside fedsock: pip install scikit-learn
"""

import numpy as np
from sklearn.linear_model import SGDClassifier

CLASSES = np.arange(10)


def train(data, params=None, *, epochs=1, rate=0.01, seed=0):
    """Train ten one-against-all logistic regressions on the digits, from params on; streams each epoch's accuracy."""
    x = data["digits/pixels"] / 16
    y = data["digits/labels"]
    params = params or {"coef": np.zeros((len(CLASSES), x.shape[1])), "intercept": np.zeros(len(CLASSES))}
    accuracy = None
    for epoch in range(epochs):
        model = SGDClassifier(
            loss="log_loss", learning_rate="constant", eta0=rate, max_iter=1, tol=None, random_state=seed + epoch
        )
        # What a session gives is read-only, and fit writes into what it begins with.
        model.fit(x, y, coef_init=params["coef"].copy(), intercept_init=params["intercept"].copy())
        params = {"coef": model.coef_, "intercept": model.intercept_}
        accuracy = float(model.score(x, y))
        yield {"epoch": epoch + 1, "accuracy": accuracy}
    return {"params": params, "n": len(y), "metrics": {"accuracy": accuracy}}
