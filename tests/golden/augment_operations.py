"""Golden values of the augmentations: torchvision v2's functional kernels and policies on uint8 tensors.

    python augment_operations.py > augment_operations.json       (torchvision 0.28, torch 2.13)

Pictures are noise from a linear congruential generator that the test repeats; "muted" ones have levels 60–156. Results are the raw
RGB bytes in base64. "ties" are pixels whose source lies half-way between two pixels (a shear of 0.2 five rows down): nearest
interpolation in float32 takes either, by the rounding of its grid.
"""

import base64
import json
import math

import torch
import torchvision
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F
from torchvision.transforms.v2.functional._geometry import _get_inverse_affine_matrix


def picture(kind, height, width, seed):
    out, x = [], seed
    for _ in range(height * width * 3):
        x = (x * 1664525 + 1013904223) % 2**32
        level = x >> 24
        out.append(60 + level % 97 if kind == "muted" else level)
    return torch.tensor(out, dtype=torch.uint8).view(height, width, 3).permute(2, 0, 1).contiguous()


def packed(image):
    return base64.b64encode(image.permute(1, 2, 0).contiguous().numpy().tobytes()).decode()


def affine(image, **o):
    o = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0], "interpolation": "nearest", "fill": [0, 0, 0]} | o
    mode = v2.InterpolationMode.NEAREST if o.pop("interpolation") == "nearest" else v2.InterpolationMode.BILINEAR
    return F.affine(image, interpolation=mode, **o)


def rotate(image, angle, interpolation, fill=None):
    mode = v2.InterpolationMode.NEAREST if interpolation == "nearest" else v2.InterpolationMode.BILINEAR
    return F.rotate(image, angle, interpolation=mode, fill=fill)


NEUTRAL = {"brightness": [1, 1], "contrast": [1, 1], "saturation": [1, 1], "hue": [0, 0]}
cases = []


def case(name, options, run, exact=False, size=(20, 27), kind="noise"):
    seed = len(cases) + 1
    image = picture(kind, *size, seed)
    cases.append({"name": name, "options": options, "height": size[0], "width": size[1], "kind": kind, "seed": seed, "exact": exact,
                  "pixels": packed(run(image))})


case("horizontal_flip", {"p": 1}, F.horizontal_flip, exact=True)
case("horizontal_flip", {"p": 1}, F.horizontal_flip, exact=True, size=(3, 49))
case("vertical_flip", {"p": 1}, F.vertical_flip, exact=True)
for factor in (0.0, 0.37, 1.0, 1.63, 3.1):
    for name, adjust in (("brightness", F.adjust_brightness), ("contrast", F.adjust_contrast), ("saturation", F.adjust_saturation)):
        case("color_jitter", NEUTRAL | {name: [factor, factor]}, lambda image: adjust(image, factor))
    case("sharpness", {"factor": [factor, factor], "p": 1}, lambda image: F.adjust_sharpness(image, factor))
case("sharpness", {"factor": [0.5, 0.5], "p": 1}, lambda image: F.adjust_sharpness(image, 0.5), size=(2, 9))
case("sharpness", {"factor": [1.5, 1.5], "p": 1}, lambda image: F.adjust_sharpness(image, 1.5), size=(3, 5))
for shift in (-0.5, -0.31, -0.05, 0.07, 0.2, 0.4, 0.5):
    case("color_jitter", NEUTRAL | {"hue": [shift, shift]}, lambda image: F.adjust_hue(image, shift))
case("greyscale", {"p": 1}, lambda image: F.rgb_to_grayscale(image, 3))
for bits in (1, 3, 4, 8):
    case("posterize", {"bits": bits, "p": 1}, lambda image: F.posterize(image, bits), exact=True)
for threshold in (0, 77.5, 128, 255):
    case("solarize", {"threshold": threshold, "p": 1}, lambda image: F.solarize(image, threshold), exact=True)
for kind in ("noise", "muted"):
    case("autocontrast", {"p": 1}, F.autocontrast, exact=True, kind=kind)
    case("equalize", {"p": 1}, F.equalize, exact=True, kind=kind, size=(33, 40))
case("equalize", {"p": 1}, F.equalize, exact=True, size=(9, 9))
case("autocontrast", {"p": 1}, F.autocontrast, exact=True, size=(1, 1))
case("invert", {"p": 1}, F.invert, exact=True)
for size, sigma in ((3, 0.1), (3, 0.8), (5, 1.3), (9, 2.0)):
    case("gaussian_blur", {"kernel_size": size, "sigma": [sigma, sigma], "p": 1}, lambda image: F.gaussian_blur(image, [size, size], [sigma, sigma]))
for interpolation in ("nearest", "bilinear"):
    exact = interpolation == "nearest"
    common = {"interpolation": interpolation}
    for angle in (13.7, -101.3, 90, 180):
        size = (21, 21) if angle == 90 else (20, 27)
        case("rotation", common | {"degrees": [angle, angle]}, lambda image: rotate(image, angle, interpolation), exact=exact, size=size)
    case("rotation", common | {"degrees": [33, 33], "fill": [200, 10, 90]}, lambda image: rotate(image, 33, interpolation, [200, 10, 90]),
         exact=exact)
    case("affine", common | {"degrees": [21.5, 21.5], "scale": [1.3, 1.3], "shear_x": [11.2, 11.2], "shear_y": [-7.3, -7.3],
                             "translate_x": [0.2, 0.2], "translate_y": [-0.15, -0.15], "fill": [0, 0, 0]},
         lambda image: affine(image, angle=21.5, scale=1.3, shear=[11.2, -7.3], translate=[5, -3], interpolation=interpolation), exact=exact)
    case("affine", common | {"scale": [0.6, 0.6], "fill": [50, 60, 70]},
         lambda image: affine(image, scale=0.6, interpolation=interpolation, fill=[50, 60, 70]), exact=exact)
    case("affine", common | {"shear_x": [17, 17]}, lambda image: affine(image, shear=[17.0, 0.0], interpolation=interpolation, fill=None),
         exact=exact)

EXACT = {"Identity", "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert"}
NAMES = {"Identity": "identity", "ShearX": "shear_x", "ShearY": "shear_y", "TranslateX": "translate_x", "TranslateY": "translate_y",
         "Rotate": "rotate", "Brightness": "brightness", "Color": "color", "Contrast": "contrast", "Sharpness": "sharpness",
         "Posterize": "posterize", "Solarize": "solarize", "AutoContrast": "autocontrast", "Equalize": "equalize", "Invert": "invert"}


def ties(name, value, height, width):
    """Pixels of a nearest warp whose source is within 1e-4 of a half, from torchvision's matrix in float64."""
    degrees = math.degrees(math.atan(value))
    given = {"ShearX": ([-width / 2, -height / 2], 0.0, [degrees, 0.0]), "ShearY": ([-width / 2, -height / 2], 0.0, [0.0, degrees]),
             "Rotate": ([0.0, 0.0], -value, [0.0, 0.0])}.get(name)
    if given is None:
        return []
    center, angle, shear = given
    a, b, c, d, e, f = _get_inverse_affine_matrix(center, angle, [0.0, 0.0], 1.0, shear)
    found = []
    for i in range(height * width):
        y, x = i // width - (height - 1) / 2, i % width - (width - 1) / 2
        for at in (a * x + b * y + c + (width - 1) / 2, d * x + e * y + f + (height - 1) / 2):
            if abs(at - math.floor(at) - 0.5) < 1e-4:
                found.append(i)
    return sorted(set(found))


def choices(policy, space, bins, indices, interpolation, height=13, width=11, seed=77):
    image = picture("noise", height, width, seed)
    mode = v2.InterpolationMode.NEAREST if interpolation == "nearest" else v2.InterpolationMode.BILINEAR
    found = []
    for name, (scale, signed) in space.items():
        magnitudes = scale(bins, height, width)
        values = [None] if magnitudes is None else sorted({sign * float(magnitudes[i]) for i in indices for sign in ((1, -1) if signed else (1,))})
        for value in values:
            result = policy._apply_image_or_video_transform(image, name, value or 0.0, interpolation=mode, fill={torch.Tensor: None})
            found.append({"operation": NAMES[name], "magnitude": value, "exact": name in EXACT, "pixels": packed(result),
                          "ties": ties(name, value or 0.0, height, width) if interpolation == "nearest" else []})
    return {"height": height, "width": width, "seed": seed, "bins": bins, "interpolation": interpolation, "results": found}


policies = {
    "randaugment": choices(v2.RandAugment(), v2.RandAugment._AUGMENTATION_SPACE, 31, [9], "nearest"),
    "randaugment_bilinear": choices(v2.RandAugment(), v2.RandAugment._AUGMENTATION_SPACE, 11, [7], "bilinear"),
    "trivialaugment": choices(v2.TrivialAugmentWide(), v2.TrivialAugmentWide._AUGMENTATION_SPACE, 6, range(6), "nearest"),
    "autoaugment": choices(v2.AutoAugment(), v2.AutoAugment._AUGMENTATION_SPACE, 10, range(10), "nearest"),
    "augmix": choices(v2.AugMix(), v2.AugMix._AUGMENTATION_SPACE, 10, range(3), "bilinear"),
}
print(json.dumps({"torchvision": torchvision.__version__.split("+")[0], "operations": cases, "policies": policies}, indent=0))
