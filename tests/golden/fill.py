"""Values that Python and C++ compute alike, so that golden files need not hold weights: native/tests/fill.h is the twin."""
import zlib

import numpy as np
import torch


def uniform(name, count):
    """`count` doubles in [-1, 1), a function of the name and the position alone (murmur3's finaliser over a Weyl sequence)."""
    h = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(zlib.crc32(name.encode()))
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return h.astype(np.float64) / 2**31 - 1


def filled(name, shape, dtype=torch.float32):
    """Nothing stays at a value that hides a mistake: no zero scale, no unit variance."""
    count = int(np.prod(shape)) if len(shape) else 1
    u = uniform(name, count)
    if name.endswith("num_batches_tracked"):
        return torch.full(tuple(shape), 3, dtype=torch.int64)
    if name.endswith("running_var"):
        u = 1 + 0.4 * u
    elif name.endswith("running_mean"):
        u = 0.1 * u
    elif len(shape) > 1 and shape[0] > 1:
        u = u * np.sqrt(3.0 / (count / shape[0]))
    elif len(shape) == 1 and name.endswith("weight"):
        u = 1 + 0.3 * u
    else:
        u = 0.2 * u
    return torch.from_numpy(u).reshape(tuple(shape)).to(dtype)


def fill_module(module):
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            tensor.copy_(filled(name, tensor.shape))
