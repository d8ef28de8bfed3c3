"""Writes metrics.json: what scikit-learn 1.x and torch say of three small sets of logits.

Run with a Python that has numpy, scikit-learn and torch:  python tests/golden/metrics.py
"""
import json
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, top_k_accuracy_score


def case(name, samples, classes, seed, absent=()):
    rng = np.random.default_rng(seed)
    allowed = [c for c in range(classes) if c not in absent]
    labels = rng.choice(allowed, samples)
    logits = rng.normal(0, 2, (samples, classes)).astype(np.float32)
    logits[np.arange(samples), labels] += 2
    logits[:, list(absent)[:1]] -= 100  # the first absent class is never predicted either
    predicted = logits.argmax(1)
    everything = list(range(classes))
    per_class = precision_recall_fscore_support(labels, predicted, labels=everything, zero_division=0)

    def mean(kind):
        values = precision_recall_fscore_support(labels, predicted, labels=everything, average=kind, zero_division=0)
        return dict(zip(("precision", "recall", "f1"), map(float, values[:3])))

    logits64 = torch.tensor(logits, dtype=torch.float64)
    return {
        "name": name,
        "numClasses": classes,
        "logits": [float(v) for v in logits.ravel()],
        "labels": labels.tolist(),
        "confusion": confusion_matrix(labels, predicted, labels=everything).ravel().tolist(),
        "precision": per_class[0].tolist(),
        "recall": per_class[1].tolist(),
        "f1": per_class[2].tolist(),
        "support": per_class[3].tolist(),
        "macro": mean("macro"),
        "weighted": mean("weighted"),
        "topK": {
            str(k): float(top_k_accuracy_score(labels, logits, k=k, labels=everything))
            for k in (1, 2, 5)
            if k < classes and classes > 2  # with two classes scikit-learn wants one column of scores
        },
        "nll": float(torch.nn.functional.cross_entropy(logits64, torch.tensor(labels))),
        "energyScore": torch.logsumexp(logits64, 1).tolist(),
        "energyScoreT2": (2 * torch.logsumexp(logits64 / 2, 1)).tolist(),
    }


cases = [
    case("ten classes", 60, 10, 0),
    case("two classes without a label, one of them never predicted", 40, 6, 1, absent=(2, 4)),
    case("two classes", 25, 2, 2),
]
versions = {"scikit-learn": sklearn.__version__, "torch": torch.__version__}
path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"versions": versions, "cases": cases}) + "\n")
