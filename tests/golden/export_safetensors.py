"""A file written by the Python library, for the native reader: python export_safetensors.py > export_safetensors.hex   (safetensors 0.8, torch 2.13)

Many types, a scalar, an empty tensor, names and metadata that need escapes, one name outside the Basic Multilingual Plane.
"""

import textwrap

import torch
from safetensors.torch import save

tensors = {
    'weight': torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4,
    'z.é"\\': torch.tensor([1.5, -2.5, 3.0], dtype=torch.float64),
    'half': torch.tensor([0.5, -1.0, 2.0], dtype=torch.float16),
    'brain': torch.tensor([1.0, -3.0], dtype=torch.bfloat16),
    'eight': torch.tensor([0.5, 1.0, -2.0], dtype=torch.float8_e4m3fn),
    'flags': torch.tensor([True, False, True]),
    'empty': torch.zeros(0, 4),
    'steps': torch.tensor(7),
    'bytes': torch.tensor([0, 255], dtype=torch.uint8),
    '😀': torch.tensor([-5], dtype=torch.int32),
}
print('\n'.join(textwrap.wrap(save(tensors, {'note': 'line\nü "quoted" \x01'}).hex(), 120)))
