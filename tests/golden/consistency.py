"""Golden values of AugMix's Jensen-Shannon consistency loss: the lines of google-research/augmix (cifar.py, train), in float64.

    python consistency.py > consistency.json      (torch 2.13)

Inputs are noise from the linear congruential generator of noise.py.
"""

import json

import torch
import torch.nn.functional as F
from noise import noise

torch.set_default_dtype(torch.float64)


def consistency(logits_all):
    logits_clean, logits_aug1, logits_aug2 = torch.split(logits_all, logits_all.shape[0] // 3)
    p_clean, p_aug1, p_aug2 = F.softmax(logits_clean, dim=1), F.softmax(logits_aug1, dim=1), F.softmax(logits_aug2, dim=1)
    # Clamp mixture distribution to avoid exploding KL divergence
    p_mixture = torch.clamp((p_clean + p_aug1 + p_aug2) / 3.0, 1e-7, 1).log()
    return (
        F.kl_div(p_mixture, p_clean, reduction="batchmean")
        + F.kl_div(p_mixture, p_aug1, reduction="batchmean")
        + F.kl_div(p_mixture, p_aug2, reduction="batchmean")
    ) / 3.0


logits = (noise(7, 12, 5) * 4).requires_grad_()
loss = consistency(logits)
loss.backward()
print(json.dumps({"loss": loss.item(), "gradient": logits.grad.flatten().tolist()}, indent=1))
