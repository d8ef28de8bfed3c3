"""Picture files of every kind that users have, made by Pillow and numpy, with the RGB pixels that Pillow reads from them.

    python data_decode.py > data_decode.json             (Pillow 13)

Files are base64; `rgb` is base64 of the expected [height, width, 3] bytes after EXIF orientation and convert("RGB").
"""

import base64
import io
import json
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps

H, W = 12, 20
y, x = np.mgrid[0:H, 0:W]
RGB = np.stack([x * 12, y * 20, 255 - x * 6 - y * 8], -1).astype(np.uint8)
RGB[:4, :6] = [250, 10, 10]  # a corner that tells the orientations apart
cases = []


def b64(data):
    return base64.b64encode(data).decode()


def save(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def add(name, data, expected=None, tolerance=0):
    if expected is None:
        expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    cases.append({"name": name, "file": b64(data), "height": expected.shape[0], "width": expected.shape[1],
                  "rgb": b64(expected.astype(np.uint8).tobytes()), "tolerance": tolerance})


def png16(array):
    """A 16-bit PNG, grey or RGB: Pillow cannot write the latter."""
    channels = 1 if array.ndim == 2 else 3
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, 0 if channels == 1 else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


picture = Image.fromarray(RGB)
add("rgb png", save(picture, "PNG"))
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    add(f"jpeg with EXIF orientation {orientation}", save(picture, "JPEG", quality=95, exif=exif))
add("grey jpeg", save(picture.convert("L"), "JPEG", quality=95))
add("progressive jpeg", save(picture, "JPEG", quality=90, progressive=True))
add("cmyk jpeg", save(picture.convert("CMYK"), "JPEG", quality=95), tolerance=-1)  # colour-managed: only the size is compared
add("grey png", save(picture.convert("L"), "PNG"))
add("1-bit png", save(picture.convert("1"), "PNG"))
palette = picture.quantize(16)
add("palette png", save(palette, "PNG"))
add("palette png with a transparent entry", save(palette, "PNG", transparency=3), np.asarray(palette.convert("RGB")))
alpha = picture.copy()
alpha.putalpha(Image.fromarray((x * 13).astype(np.uint8)))
add("rgba png", save(alpha, "PNG"), RGB)
add("grey and alpha png", save(alpha.convert("LA"), "PNG"), np.asarray(picture.convert("L").convert("RGB")))
deep = RGB.astype(np.uint16) * 256 + 200
add("16-bit rgb png", png16(deep), RGB)
add("16-bit grey png", png16(deep[..., 0]), np.repeat(RGB[..., :1], 3, -1))
other = Image.fromarray(255 - RGB)
add("animated gif", save(palette, "GIF", save_all=True, append_images=[other.quantize(16)], duration=40))
add("lossless webp", save(picture, "WEBP", lossless=True))
add("animated webp", save(picture, "WEBP", lossless=True, save_all=True, append_images=[other], duration=40))
add("webp with alpha", save(alpha, "WEBP", lossless=True, exact=True), RGB)
add("tiff", save(picture, "TIFF"))
add("lzw tiff with two pages", save(picture, "TIFF", compression="tiff_lzw", save_all=True, append_images=[other]))
add("avif", save(picture, "AVIF", quality=95, subsampling="4:4:4"), tolerance=4)  # decoders round YUV differently
print(json.dumps({"source": f"Pillow {PIL.__version__}", "cases": cases}, indent=1))
