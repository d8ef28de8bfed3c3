"""The same with PyTorch and timm. Arguments: train|infer NAME IMAGE_SIZE BATCH float32|bfloat16 [STEPS]"""
import json
import os
import resource
import sys
import time
import warnings

warnings.filterwarnings("ignore")
try:
    import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
except ImportError:
    pass
import timm
import torch
from torch import nn

defaults = ["train", "resnet18", "32", "32", "float32", "10"]
mode, name, size, batch, precision, steps = (sys.argv[1:] + defaults[len(sys.argv) - 1 :])[:6]
size, batch, steps = int(size), int(batch), int(steps)
torch.set_num_threads(int(os.environ.get("THREADS", "2")))
try:
    network = timm.create_model(name, num_classes=10, img_size=size)
except TypeError:  # convolutional networks take any size
    network = timm.create_model(name, num_classes=10)
if size == 32 and name.startswith("resnet"):
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
network = network.to(memory_format=torch.channels_last).train(mode == "train")
images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
labels = torch.zeros(batch, dtype=torch.int64)
optimizer = torch.optim.AdamW(network.parameters(), lr=0.001, weight_decay=0.05, fused=True)


def forward():
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        return network(images)


def train():
    loss = nn.functional.cross_entropy(forward().float(), labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    loss.item()


def infer():
    with torch.inference_mode():
        forward().float().numpy()


milliseconds = []
for i in range(-3, steps):
    start = time.perf_counter()
    train() if mode == "train" else infer()
    if i >= 0:
        milliseconds.append((time.perf_counter() - start) * 1000)
print(json.dumps({"milliseconds": milliseconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
