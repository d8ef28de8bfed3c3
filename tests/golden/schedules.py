"""Golden values of torch.optim.lr_scheduler (torch 2.13), and of SGDR's formula (Loshchilov and Hutter 2016, eq. 5) written out.

usage: python schedules.py > schedules.json        Peak 0.5, 20 steps, no warm-up.
"""
import json
import math

import torch
from torch.optim import lr_scheduler as s

PEAK, STEPS = 0.5, 20


def rates(make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
    scheduler = make(optimizer)
    values = []
    for _ in range(STEPS):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


def restarts(cycle, multiplier, decay, floor):
    values, start, length, peak = [], 0, cycle, 1.0
    for step in range(STEPS):
        if step >= start + length:
            start, length, peak = start + length, length * multiplier, peak * decay
        values.append(PEAK * (floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * (step - start) / length))))
    return values


def plateau():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
    scheduler = s.ReduceLROnPlateau(optimizer, "min", factor=0.5, patience=1, threshold=0.01, threshold_mode="rel", min_lr=PEAK * 0.2)
    losses = [1.0, 0.8, 0.795, 0.9, 0.79, 0.9, 0.9, 0.78, 0.9, 0.9, 0.9, 0.9]
    values = []
    for loss in losses:
        scheduler.step(loss)
        values.append(optimizer.param_groups[0]["lr"])
    return {"losses": losses, "rates": values}


if __name__ == "__main__":
    cosine = rates(lambda o: s.CosineAnnealingWarmRestarts(o, T_0=6, T_mult=2))
    assert all(abs(a - b) < 1e-12 for a, b in zip(cosine, restarts(6, 2, 1.0, 0.0)))
    print(json.dumps({
        "step": rates(lambda o: s.StepLR(o, step_size=6, gamma=0.3)),
        "multistep": rates(lambda o: s.MultiStepLR(o, milestones=[3, 11], gamma=0.2)),
        "exponential": rates(lambda o: s.ExponentialLR(o, gamma=0.01 ** (1 / STEPS))),
        "polynomial": rates(lambda o: s.PolynomialLR(o, total_iters=STEPS, power=2.0)),
        "cosine": rates(lambda o: s.CosineAnnealingLR(o, T_max=STEPS, eta_min=0.1 * PEAK)),
        "cosine_restarts": restarts(5, 2, 0.5, 0.1),
        "onecycle": rates(lambda o: s.OneCycleLR(o, max_lr=PEAK, total_steps=STEPS + 1, pct_start=0.25, div_factor=20, final_div_factor=5)),
        "plateau": plateau(),
    }, indent=1))
