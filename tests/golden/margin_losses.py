"""Golden values of the margins: the target logits, losses and gradients (with respect to the cosines) in float64 of CosFace, AdaFace and
CurricularFace, written out with acos as in the authors' code (mk-minchul/AdaFace head.py, HuangYG123/CurricularFace head/metrics.py), and
sub-center ArcFace of pytorch-metric-learning. CosFace is also compared with pytorch-metric-learning here, value for value.

    python margin_losses.py > margin_losses.json      (torch 2.13, pytorch-metric-learning 2.9)

Inputs are noise from the linear congruential generator of noise.py.
"""

import json
import math

import torch
import torch.nn.functional as F
from pytorch_metric_learning.losses import CosFaceLoss, SubCenterArcFaceLoss
from noise import noise, with_gradient

torch.set_default_dtype(torch.float64)


def cosface(cosine, labels, m, s):
    return s * (cosine - m * F.one_hot(labels, cosine.shape[1]))


def adaface(cosine, labels, norms, mean, std, m, h, s, eps=1e-3):
    """norms, mean and std after the batch's update."""
    k = ((norms - mean) / (std + eps) * h).clip(-1, 1)[:, None]
    one_hot = F.one_hot(labels, cosine.shape[1])
    theta = (cosine.acos() - one_hot * m * k).clip(eps, math.pi - eps)
    # where no margin is, theta is the class's own angle: the clip must not touch it
    turned = torch.where(one_hot.bool(), theta.cos(), cosine)
    return s * (turned - one_hot * (m + m * k)), k.flatten()


def statistics(norms, mean, std, momentum):
    return momentum * norms.mean() + (1 - momentum) * mean, momentum * norms.std() + (1 - momentum) * std


def curricularface(cosine, labels, t, m, s):
    cosine = cosine.clone()
    target = cosine[torch.arange(len(labels)), labels][:, None]
    with_margin = target * math.cos(m) - (1 - target**2).sqrt() * math.sin(m)
    mask = cosine > with_margin
    final = torch.where(target > math.cos(math.pi - m), with_margin, target - math.sin(math.pi - m) * m)
    t = target.detach().mean() * 0.01 + 0.99 * t
    hard = torch.where(mask, cosine * (t + cosine), cosine)
    return s * hard.scatter(1, labels[:, None], final), t.item()


labels = torch.tensor([0, 1, 2, 1, 0, 2, 2, 0])
cosines = noise(2, 8, 4) * 0.999
features = noise(5, 8, 6) * 12
norms = features.norm(dim=1).clip(0.001, 100)
X = F.normalize(torch.tensor([[3, 1, 0.5], [0.2, 0.9, -0.4], [-1, 0.3, -2]]))
lengths = torch.tensor([[3, 1, 0.5], [0.2, 0.9, -0.4], [-1, 0.3, -2]]).norm(dim=1)
W = F.normalize(torch.tensor([[1, 0.2, 0], [0, 1, 0.3], [0.2, 0, 1]]))

pml = CosFaceLoss(num_classes=4, embedding_size=6, margin=0.35, scale=30)
pml.W.data = noise(6, 6, 4)
peer_cosines = F.normalize(features) @ F.normalize(pml.W.data, dim=0)
peer = pml(features, labels).item()
assert abs(peer - F.cross_entropy(cosface(peer_cosines, labels, 0.35, 30), labels).item()) < 1e-12, "pytorch-metric-learning's CosFace"

sub_centers = SubCenterArcFaceLoss(num_classes=4, embedding_size=6, margin=math.degrees(0.5), scale=16, sub_centers=3)
sub_centers.W.data = noise(7, 6, 12)


def adaface_case(momentum, first, m, h, s):
    mean, std = first if first else (norms.mean(), norms.std())
    if first:
        mean, std = statistics(norms, mean, std, momentum)
    logits, k = adaface(cosines, labels, norms, mean, std, m, h, s)
    loss = lambda c: F.cross_entropy(adaface(c, labels, norms, mean, std, m, h, s)[0], labels)
    return {
        "momentum": momentum, "start": list(map(float, first)) if first else None, "margin": m, "h": h, "scale": s,
        "mean": float(mean), "std": float(std), "quality": k.tolist(), "logits": logits.flatten().tolist(), **with_gradient(loss, cosines),
    }


sheet = X @ W.T
k_of_sheet = adaface(sheet, torch.arange(3), lengths, lengths.mean(), lengths.std(), 0.4, 0.333, 64)

golden = {
    "labels": labels.tolist(),
    "features": features.flatten().tolist(),
    "cosface": [
        {"margin": m, "scale": s, **with_gradient(lambda c: F.cross_entropy(cosface(c, labels, m, s), labels), cosines)}
        for m, s in ((0.35, 64.0), (0.2, 30.0))
    ],
    "cosfacePeer": {"cosines": peer_cosines.flatten().tolist(), "loss": peer},
    "adaface": [
        adaface_case(0.01, None, 0.4, 0.333, 64.0),
        adaface_case(0.01, (20.0, 100.0), 0.4, 0.333, 64.0),
        adaface_case(0.5, (10.0, 2.0), 0.3, 1.5, 30.0),
    ],
    "adafaceSheet": {
        "cosines": sheet.flatten().tolist(), "quality": k_of_sheet[1].tolist(), "target": k_of_sheet[0].diagonal().tolist(),
        "loss": F.cross_entropy(k_of_sheet[0], torch.arange(3)).item(),
    },
    "curricularface": [
        {
            "start": start, "margin": m, "scale": s, "t": curricularface(cosines, labels, start, m, s)[1],
            **with_gradient(lambda c: F.cross_entropy(curricularface(c, labels, start, m, s)[0], labels), cosines),
        }
        for start, m, s in ((0.0, 0.5, 64.0), (0.6, 0.3, 30.0))
    ],
    "curricularfaceSheet": {
        "t": curricularface(sheet, torch.arange(3), 0.0, 0.5, 64)[1],
        "loss": F.cross_entropy(curricularface(sheet, torch.arange(3), 0.0, 0.5, 64)[0], torch.arange(3)).item(),
    },
    "subCenters": {
        # [C·K, D]: the K directions of a class one after the other
        "weight": sub_centers.W.data.T.flatten().tolist(), "loss": sub_centers(features, labels).item(),
    },
}
print(json.dumps(golden, indent=1))
