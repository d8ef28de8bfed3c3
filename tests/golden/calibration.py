"""Writes calibration.json: what torchmetrics and scikit-learn say of small sets of probabilities.

torchmetrics bins by [lo, hi) with a bin of its own for confidence 1; with confidences off the edges and below 1, as
here, that rule and (lo, hi] agree. The edges have hand-computed tests.

Run with a Python that has numpy, scikit-learn, torch and torchmetrics:  python tests/golden/calibration.py
"""
import json
from pathlib import Path

import numpy as np
import torch

# torchmetrics imports torchvision where it is installed, whose own operators may not fit this build of torch.
_register = torch.library.register_fake
torch.library.register_fake = lambda op, **k: (lambda f: f) if op.startswith("torchvision::") else _register(op, **k)

import torchmetrics  # noqa: E402
from sklearn.metrics import brier_score_loss  # noqa: E402
from torchmetrics.functional.classification import multiclass_calibration_error  # noqa: E402


def case(samples, classes, seed, sharpness):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    logits = rng.normal(0, sharpness, (samples, classes)).astype(np.float32)
    logits[np.arange(samples), labels] += 1
    probabilities = torch.softmax(torch.tensor(logits, dtype=torch.float64), 1)
    return {
        "numClasses": classes,
        "logits": [float(v) for v in logits.ravel()],
        "labels": labels.tolist(),
        "ece": {
            str(bins): float(multiclass_calibration_error(probabilities, torch.tensor(labels), classes, n_bins=bins))
            for bins in (5, 15)
        },
        "brier": float(brier_score_loss(labels, probabilities.numpy(), labels=list(range(classes)))),
    }


cases = [case(200, 10, 0, 1.0), case(50, 3, 1, 4.0)]
Path(__file__).with_suffix(".json").write_text(
    json.dumps({"versions": {"torchmetrics": torchmetrics.__version__, "torch": torch.__version__}, "cases": cases}) + "\n"
)
