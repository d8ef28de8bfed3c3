"""Writes ood.json: Mahalanobis distances and ViM scores of small sets of features, by scikit-learn and numpy.

Mahalanobis as pokaxpoka/deep_Mahalanobis_detector computes it (lib_generation.py): class means, then EmpiricalCovariance of the
features less their class's mean. ViM as haoqiwang/vim computes it (benchmark.py), with eigh in place of eig. RMDS: Ren et al. 2021,
eq. 3. Features of length 1: Mueller and Hein 2025. All in float64.

Run with a Python that has numpy, scipy and scikit-learn:  python tests/golden/ood.py
"""
import json
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.special import logsumexp
from sklearn.covariance import EmpiricalCovariance


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def mahalanobis(train, labels, test, relative):
    classes = np.unique(labels)
    means = np.stack([train[labels == c].mean(0) for c in classes])
    centred = train - means[np.searchsorted(classes, labels)]
    tied = EmpiricalCovariance(assume_centered=False).fit(centred)
    distances = np.stack([tied.mahalanobis(test - mean) for mean in means], 1).min(1)
    if relative:
        background = EmpiricalCovariance(assume_centered=False).fit(train)
        distances = distances - background.mahalanobis(test)
    return distances


def vim(train, train_logits, test, test_logits, u, dimension):
    cov = EmpiricalCovariance(assume_centered=True).fit(train - u)
    values, vectors = np.linalg.eigh(cov.covariance_)
    residual = np.ascontiguousarray(vectors.T[np.argsort(values * -1)[dimension:]].T)
    norms = np.linalg.norm((train - u) @ residual, axis=-1)
    alpha = train_logits.max(axis=-1).mean() / norms.mean()
    scores = -alpha * np.linalg.norm((test - u) @ residual, axis=-1) + logsumexp(test_logits, axis=-1)
    return float(alpha), scores


def case(name, samples, classes, features, seed, absent=()):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(features, features))
    present = [c for c in range(classes) if c not in absent]
    labels = rng.choice(present, samples)
    centres = rng.normal(0, 3, (classes, features))
    rounded = lambda x: np.round(x, 4).astype(np.float32)
    train = rounded((centres[labels] + rng.normal(size=(samples, features))) @ mixing + 5)
    test = rounded(rng.normal(0, 4, (12, features)) @ mixing + 5)
    weight = rounded(rng.normal(size=(classes, features)))
    bias = rounded(rng.normal(size=classes) + 2)
    logits = lambda x: rounded(x.astype(np.float64) @ weight.T.astype(np.float64) + bias)
    a, t = train.astype(np.float64), test.astype(np.float64)
    f, g = (logits(x).astype(np.float64) for x in (train, test))
    u = -np.linalg.pinv(weight.astype(np.float64)) @ bias.astype(np.float64)
    half, third = features // 2, features // 3
    flat = lambda x: [float(v) for v in np.asarray(x).ravel()]
    return {
        "name": name,
        "classes": classes,
        "features": features,
        "labels": labels.tolist(),
        "train": flat(train),
        "trainLogits": flat(f),
        "test": flat(test),
        "testLogits": flat(g),
        "weight": flat(weight),
        "bias": flat(bias),
        "mahalanobis": flat(mahalanobis(a, labels, t, False)),
        "mahalanobisNormalized": flat(mahalanobis(unit(a), labels, unit(t), False)),
        "mahalanobisRelative": flat(mahalanobis(a, labels, t, True)),
        "mahalanobisRelativeNormalized": flat(mahalanobis(unit(a), labels, unit(t), True)),
        "neutralPoint": flat(u),
        **dict(zip(("vimAlpha", "vim"), (lambda r: (r[0], flat(r[1])))(vim(a, f, t, g, u, half)))),
        "vimThird": flat(vim(a, f, t, g, u, third)[1]),
        "vimNormalized": flat(vim(unit(a), f, unit(t), g, np.zeros(features), half)[1]),
    }


cases = [case("four classes", 60, 4, 6, 0), case("an absent class, more classes than features", 80, 7, 5, 1, absent=(3,))]
Path(__file__).with_suffix(".json").write_text(
    json.dumps(
        {
            "versions": {"sklearn": sklearn.__version__, "numpy": np.__version__, "scipy": scipy.__version__},
            "cases": cases,
        }
    )
    + "\n"
)
