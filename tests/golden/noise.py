"""Inputs of the golden values of losses, and a loss with its gradient. Tests repeat the generator: no file of inputs is needed."""

import math

import torch


def noise(seed, *shape):
    """A linear congruential generator's numbers in [-1, 1), in the default type."""
    out, x = [], seed
    for _ in range(math.prod(shape)):
        x = (x * 1664525 + 1013904223) % 2**32
        out.append(x / 2**31 - 1)
    return torch.tensor(out).reshape(shape)


def with_gradient(function, value):
    value = value.clone().requires_grad_()
    loss = function(value)
    loss.backward()
    return {"loss": loss.item(), "gradient": value.grad.flatten().tolist()}
