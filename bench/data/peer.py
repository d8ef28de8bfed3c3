"""The same with PyTorch's DataLoader and two workers. Arguments: folder pillow|torchvision

Prints {"first": pictures a second, "cpu_first": milliseconds of processor time a picture}, or {"unavailable": why} and exits with 3 where torchvision.io cannot be had.
"""
import json
import os
import sys
import time

from torchvision_image import prepare

folder, kind = sys.argv[1], sys.argv[2]
why = prepare() if kind == "torchvision" else None
if why is None:
    try:
        import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
    except ImportError:
        pass
    import torch
    from torchvision import io
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    if kind == "torchvision" and not hasattr(torch.ops.image, "decode_jpeg"):
        why = "torchvision's image extension does not load (TORCHVISION_WARN_WHEN_EXTENSION_LOADING_FAILS=1 says why)"
if why is not None:
    print(json.dumps({"unavailable": why}))
    sys.exit(3)


def decode(path):
    return io.read_image(path, io.ImageReadMode.RGB)


torch.set_num_threads(1)
ends = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
shape = [v2.Resize(256, antialias=True), v2.CenterCrop(224)]
if kind == "pillow":
    data = ImageFolder(os.path.join(folder, "train"), v2.Compose([*shape, v2.ToImage(), *ends]))
else:
    data = ImageFolder(os.path.join(folder, "train"), v2.Compose([*shape, *ends]), loader=decode)
loader = torch.utils.data.DataLoader(data, batch_size=64, num_workers=2, persistent_workers=True)
EPOCHS = 3
before = sum(os.times()[:2])
for epoch in range(EPOCHS):  # the last is measured: workers have started
    started = time.perf_counter()
    for _ in loader:
        pass
    seconds = time.perf_counter() - started
rate = round(len(data) / seconds)
del loader  # ends the workers, whose time counts from then on
times = os.times()
cpu = times.user + times.system - before + times.children_user + times.children_system
print(json.dumps({"first": rate, "cpu_first": round(cpu * 1000 / EPOCHS / len(data), 3)}))
