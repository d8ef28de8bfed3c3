"""The same with torchvision v2 and a DataLoader, on PIL images or on tensors. Needs torch, torchvision, Pillow, numpy.
Arguments: [32 | 224] [light | full] [threads = workers] [batches] [pil | tensor]"""
import json
import math
import resource
import sys
import time

try:
    import shim  # noqa: F401  (a torchvision whose own operators do not load)
except ImportError:
    pass
import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

side = int(sys.argv[1]) if len(sys.argv) > 1 else 32
full = (sys.argv[2] if len(sys.argv) > 2 else "full") == "full"
workers = int(sys.argv[3]) if len(sys.argv) > 3 else 2
batches = int(sys.argv[4]) if len(sys.argv) > 4 else 20
kind = sys.argv[5] if len(sys.argv) > 5 else "pil"
batch = 512 if side == 32 else 128
edge = 32 if side == 32 else 256

steps = [v2.RandomCrop(32, padding=4)] if side == 32 else [v2.RandomResizedCrop(224, antialias=True)]
steps.append(v2.RandomHorizontalFlip())
if full:
    steps += [v2.RandAugment(2, 9), v2.ColorJitter(0.4, 0.4, 0.4, 0.1)]
steps += [v2.PILToTensor()] if kind == "pil" else []
steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
if full:
    steps.append(v2.RandomErasing(p=0.25))
transform = v2.Compose(steps)

y, x, c = np.meshgrid(np.arange(edge), np.arange(edge), np.arange(3), indexing="ij")
rng = np.random.default_rng(1)


def picture(i):
    wave = 100 + 60 * np.sin((x * (c + 1) + i) / 17) + 40 * np.cos((y + 3 * i) / 11)
    return np.clip(wave + rng.integers(0, 16, wave.shape) - 8, 0, 255).astype(np.uint8)


pictures = [picture(i) for i in range(batch)]
samples = [Image.fromarray(p) for p in pictures] if kind == "pil" else [torch.from_numpy(p).permute(2, 0, 1).contiguous() for p in pictures]


class Pictures(torch.utils.data.Dataset):
    def __len__(self):
        return batch * (batches + 3)

    def __getitem__(self, index):
        return transform(samples[index % batch])


torch.set_num_threads(1 if workers > 0 else 2)
loader = torch.utils.data.DataLoader(Pictures(), batch_size=batch, num_workers=workers, worker_init_fn=lambda _: torch.set_num_threads(1))
milliseconds, start = [], None
for number, result in enumerate(loader):
    now = time.perf_counter()
    if number >= 3:
        milliseconds.append((now - start) * 1000 / batch)
    start = now
# batches of several workers come in bursts: the mean over all is what counts
mean = math.fsum(milliseconds) / len(milliseconds)
print(json.dumps({"milliseconds": [mean], "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
