"""Golden values of the losses: pytorch-metric-learning's SupConLoss, torch's cross_entropy and kl_div, and ArcFace written out
with acos in float64; values and gradients.

    python losses.py > losses.json      (torch 2.13, pytorch-metric-learning 2.9)

Inputs are noise from the linear congruential generator of noise.py, which the test repeats.
"""

import json
import math

import torch
import torch.nn.functional as F
from pytorch_metric_learning.distances import DotProductSimilarity
from pytorch_metric_learning.losses import SupConLoss
from noise import noise, with_gradient

torch.set_default_dtype(torch.float64)


def supcon(temperature):
    # its default distance would normalise once more, and the gradient would lose its radial part
    return SupConLoss(temperature=temperature, distance=DotProductSimilarity(normalize_embeddings=False))


def arcface(cosine, labels, margin, scale, smoothing):
    theta = torch.acos(cosine)
    target = torch.where(theta + margin < math.pi, torch.cos(theta + margin), cosine - margin * math.sin(math.pi - margin))
    one_hot = F.one_hot(labels, cosine.shape[1]).bool()
    return F.cross_entropy(scale * torch.where(one_hot, target, cosine), labels, label_smoothing=smoothing)


labels = torch.tensor([0, 1, 2, 1, 0, 2, 2, 0])
embeddings = F.normalize(noise(1, 8, 5), dim=1)
cosines = noise(2, 8, 4) * 0.999
logits = noise(3, 8, 4) * 5
teacher = noise(4, 8, 4) * 5

golden = {
    "labels": labels.tolist(),
    "supcon": [{"temperature": t, **with_gradient(lambda z: supcon(t)(z, labels), embeddings)} for t in (0.07, 0.1, 0.5)],
    "crossEntropy": [
        {"labelSmoothing": s, **with_gradient(lambda z: F.cross_entropy(z, labels, label_smoothing=s), logits)} for s in (0.0, 0.1)
    ],
    "arcface": [
        {"margin": m, "scale": s, "labelSmoothing": e, **with_gradient(lambda c: arcface(c, labels, m, s, e), cosines)}
        for m, s, e in ((0.5, 30.0, 0.0), (0.3, 16.0, 0.1), (0.0, 10.0, 0.0))
    ],
    "kd": [
        {
            "temperature": t,
            **with_gradient(
                lambda z: t * t * F.kl_div(F.log_softmax(z / t, 1), F.softmax(teacher / t, 1), reduction="batchmean"), logits
            ),
        }
        for t in (1.0, 4.0)
    ],
}
print(json.dumps(golden, indent=1))
