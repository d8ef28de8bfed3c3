"""Golden values of losses over labels and teachers, in float64: cross-entropy with class weights (torch), focal loss (written out; with two
classes it is torchvision's sigmoid_focal_loss, compared here), decoupled distillation (megvii-research/mdistiller's dkd_loss, whose mask of
−1000 stands behind the division by T), hints (mse_loss) and embeddings (cosine_similarity).

    python label_losses.py > label_losses.json      (torch 2.13, torchvision 0.28)

Inputs are noise from the linear congruential generator of noise.py.
"""

import json

import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss
from noise import noise, with_gradient

torch.set_default_dtype(torch.float64)


def focal(z, labels, gamma, alpha, weights):
    p = z.softmax(1)[torch.arange(len(labels)), labels]
    return (-alpha * weights[labels] * (1 - p) ** gamma * p.log()).mean()


def cat_mask(p, mask):
    return torch.cat([(p * mask).sum(1, keepdim=True), (p * (1 - mask)).sum(1, keepdim=True)], 1)


def dkd(student, teacher, labels, alpha, beta, t):
    mask = F.one_hot(labels, student.shape[1]).double()
    p_student = cat_mask((student / t).softmax(1), mask)
    p_teacher = cat_mask((teacher / t).softmax(1), mask)
    tckd = F.kl_div(p_student.log(), p_teacher, reduction="sum") * t**2 / len(labels)
    among = lambda z: z / t - 1000.0 * mask
    nckd = F.kl_div(among(student).log_softmax(1), among(teacher).softmax(1), reduction="sum") * t**2 / len(labels)
    return alpha * tckd + beta * nckd


labels = torch.tensor([0, 1, 2, 1, 0, 2, 2, 0])
weights = torch.tensor([0.5, 2.0, 1.0, 0.0])
logits = noise(3, 8, 4) * 5
teacher = noise(4, 8, 4) * 5
features = noise(5, 8, 6) * 3
targets = noise(6, 8, 6) * 3

two = noise(8, 8) * 4
binary = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])
two_classes = torch.stack([torch.zeros(8), two], 1)
peer = sigmoid_focal_loss(two, binary.double(), alpha=-1, gamma=2.0, reduction="mean").item()
assert abs(peer - focal(two_classes, binary, 2.0, 1.0, torch.ones(2)).item()) < 1e-12, "torchvision's focal loss"

sheet = [torch.tensor([[2, 1, 0.1, -1], [0, 0.5, 1.5, -0.2]]), torch.tensor([[3, 0.5, 0.2, -2], [0.1, 0.2, 2.5, 0.3]]), torch.tensor([0, 2])]
assert abs(dkd(*sheet, 1, 8, 4).item() - 0.735200) < 1e-6, "the sheet's DKD"

golden = {
    "labels": labels.tolist(),
    "weights": weights.tolist(),
    "weighted": [
        {"labelSmoothing": s, **with_gradient(lambda z: F.cross_entropy(z, labels, weights, label_smoothing=s), logits)} for s in (0.0, 0.1)
    ],
    "focal": [
        {"gamma": g, "alpha": a, "weighted": w, **with_gradient(lambda z: focal(z, labels, g, a, weights if w else torch.ones(4)), logits)}
        for g, a, w in ((2.0, 1.0, False), (0.5, 0.25, False), (0.0, 1.0, False), (2.0, 1.0, True))
    ],
    "focalPeer": {"logits": two_classes.flatten().tolist(), "labels": binary.tolist(), "gamma": 2.0, "loss": peer},
    "dkd": [
        {"alpha": a, "beta": b, "temperature": t, **with_gradient(lambda z: dkd(z, teacher, labels, a, b, t), logits)}
        for a, b, t in ((1.0, 8.0, 4.0), (1.0, 0.0, 4.0), (0.0, 1.0, 1.0))
    ],
    "hint": with_gradient(lambda f: F.mse_loss(f, targets), features),
    "embedding": with_gradient(lambda f: (1 - F.cosine_similarity(f, targets)).mean(), features),
}
print(json.dumps(golden, indent=1))
