"""Golden values of the resampler: Pillow's resize, torchvision's Resize + CenterCrop on PIL images.

    python augment_resize.py > augment_resize.json       (Pillow 13, torchvision 0.28)

Pictures are noise from a linear congruential generator that the test repeats; results are SHA-256 of the raw RGB bytes.
"""

import hashlib
import json

import numpy as np
import PIL
import torchvision.transforms as T
from PIL import Image
from torchvision.transforms import InterpolationMode


def noise(height, width, seed):
    out, x = bytearray(), seed
    for _ in range(height * width * 3):
        x = (x * 1664525 + 1013904223) % 2**32
        out.append(x >> 24)
    return Image.fromarray(np.frombuffer(bytes(out), np.uint8).reshape(height, width, 3))


def digest(image):
    return hashlib.sha256(np.asarray(image).tobytes()).hexdigest()


SIZES = [(8, 8, 32, 32), (37, 53, 16, 24), (53, 37, 24, 16), (20, 30, 20, 11), (20, 30, 7, 30), (1, 1, 5, 3), (5, 41, 4, 63),
         (86, 56, 63, 70), (90, 12, 10, 2), (3, 200, 64, 64), (64, 64, 64, 64), (75, 100, 8, 8)]
CROPS = [(60, 80, 32, 28), (81, 60, 32, 28), (33, 33, 33, 20), (47, 94, 31, 31), (120, 40, 37, 30), (40, 121, 37, 12), (15, 20, 64, 57)]

resize, crop = [], []
for name, mode in (("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)):
    for seed, (h, w, oh, ow) in enumerate(SIZES, 1):
        image = noise(h, w, seed)
        resize.append({"height": h, "width": w, "outHeight": oh, "outWidth": ow, "interpolation": name, "seed": seed,
                       "sha256": digest(image.resize((ow, oh), mode))})
    for seed, (h, w, to, size) in enumerate(CROPS, 101):
        image = noise(h, w, seed)
        result = T.CenterCrop(size)(T.Resize(to, interpolation=InterpolationMode(name))(image))
        crop.append({"height": h, "width": w, "resizeTo": to, "cropTo": size, "interpolation": name, "seed": seed,
                     "sha256": digest(result)})
print(json.dumps({"source": f"Pillow {PIL.__version__}", "resize": resize, "crop": crop}, indent=1))
