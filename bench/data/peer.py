"""The same with PyTorch's DataLoader and two workers. Arguments: folder pillow|torchvision"""
import json
import os
import sys
import time

try:
    import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
except ImportError:
    pass
import torch
from torchvision import io
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

folder, kind = sys.argv[1], sys.argv[2]
torch.set_num_threads(1)
ends = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
shape = [v2.Resize(256, antialias=True), v2.CenterCrop(224)]
if kind == "pillow":
    data = ImageFolder(os.path.join(folder, "train"), v2.Compose([*shape, v2.ToImage(), *ends]))
else:
    decode = lambda path: io.read_image(path, io.ImageReadMode.RGB)
    data = ImageFolder(os.path.join(folder, "train"), v2.Compose([*shape, *ends]), loader=decode)
loader = torch.utils.data.DataLoader(data, batch_size=64, num_workers=2, persistent_workers=True)
for epoch in range(2):  # the second is measured: workers have started
    started = time.perf_counter()
    for _ in loader:
        pass
    seconds = time.perf_counter() - started
print(json.dumps({"first": round(len(data) / seconds)}))
