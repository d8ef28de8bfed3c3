"""Golden values of supervised contrast with a cross-batch memory, in float64: the formula written out, value and gradient, and the value of
pytorch-metric-learning's CrossBatchMemory over SupConLoss after the same two batches, compared here. (Its gradient differs: it takes the
batch's own embeddings out of the memory too, where they are constants.)

    python supcon_memory.py > supcon_memory.json      (torch 2.13, pytorch-metric-learning 2.9)

Inputs are noise from the linear congruential generator of noise.py.
"""

import json

import torch
import torch.nn.functional as F
from pytorch_metric_learning.distances import DotProductSimilarity
from pytorch_metric_learning.losses import CrossBatchMemory, SupConLoss
from noise import noise

torch.set_default_dtype(torch.float64)


def supcon(z, y, memory, memory_labels, t):
    everything, classes = torch.cat([z, memory]), torch.cat([y, memory_labels])
    others = ~torch.eye(len(z), len(everything), dtype=torch.bool)
    s = z @ everything.T / t
    log_probability = s - s.masked_fill(~others, -torch.inf).logsumexp(1, keepdim=True)
    positives = (y[:, None] == classes[None]) & others
    count = positives.sum(1)
    per_anchor = (log_probability * positives).sum(1) / count.clamp(min=1)
    return -per_anchor[count > 0].mean()


past, past_labels = F.normalize(noise(11, 6, 5), dim=1), torch.tensor([0, 1, 3, 1, 0, 2])
embeddings, labels = F.normalize(noise(1, 8, 5), dim=1), torch.tensor([0, 1, 2, 1, 0, 2, 3, 4])
cases = []
for t in (0.07, 0.5):
    peer = CrossBatchMemory(SupConLoss(temperature=t, distance=DotProductSimilarity(normalize_embeddings=False)), 5, memory_size=64)
    peer(past, past_labels)
    value = peer(embeddings, labels).item()
    z = embeddings.clone().requires_grad_()
    loss = supcon(z, labels, past, past_labels, t)
    loss.backward()
    # one anchor, of class 4, has no positive; both leave it out
    assert abs(value - loss.item()) < 1e-10, (value, loss.item())
    cases.append({"temperature": t, "peer": value, "loss": loss.item(), "gradient": z.grad.flatten().tolist()})
print(json.dumps({"labels": labels.tolist(), "pastLabels": past_labels.tolist(), "cases": cases}, indent=1))
