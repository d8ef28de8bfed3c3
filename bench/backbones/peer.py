"""The same with PyTorch and timm. Arguments: train|sam|infer NAME IMAGE_SIZE BATCH float32|bfloat16 [STEPS]

COMPILE=1 in the environment puts the network through torch.compile; its time is not counted. sam: two passes as davda54/sam does them.
DATA=1 makes each training batch anew by a DataLoader with torchvision v2's operations, WORKERS of it (0: in this process).
"""
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


def cifar_cnn():
    """Ours of that name, which timm does not have: seven 3x3 convolutions with batch norm, like airbench's (Jordan 2024, arXiv 2404.00498)."""

    def part(inputs, outputs, pool):
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [convolution, *([nn.MaxPool2d(2)] if pool else []), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    layers, inputs = part(3, 32, False), 32
    for outputs in (64, 256, 256):
        layers += part(inputs, outputs, True) + part(outputs, outputs, False)
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


try:
    network = cifar_cnn() if name == "cifar_cnn" else timm.create_model(name, num_classes=10, img_size=size)
except TypeError:  # convolutional networks take any size
    network = timm.create_model(name, num_classes=10)
if size == 32 and name.startswith("resnet"):
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
network = network.to(memory_format=torch.channels_last).train(mode != "infer")
if os.environ.get("COMPILE") == "1":
    network = torch.compile(network)
fixed = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
labels = torch.zeros(batch, dtype=torch.int64)
optimizer = torch.optim.AdamW(network.parameters(), lr=0.001, weight_decay=0.05, fused=True)


def batches():
    if os.environ.get("DATA") != "1":
        while True:
            yield fixed
    from torchvision.transforms import v2

    crop = v2.Compose([v2.RandomCrop(size, padding=size // 8), v2.RandomHorizontalFlip()])
    # of a whole batch at once, which is faster than picture by picture
    normalize = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    pictures = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return batch * (steps + 3)

        def __getitem__(self, index):
            return crop(pictures[index % batch])

    for made in torch.utils.data.DataLoader(Pictures(), batch_size=batch, num_workers=int(os.environ.get("WORKERS", "0"))):
        yield normalize(made).contiguous(memory_format=torch.channels_last)


data = batches()


def forward(images):
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        return network(images)


def train():
    loss = nn.functional.cross_entropy(forward(next(data)).float(), labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    loss.item()


def sam():
    images = next(data)
    loss = nn.functional.cross_entropy(forward(images).float(), labels)
    loss.backward()
    with torch.no_grad():
        gradients = [p.grad for p in network.parameters()]
        norm = torch.norm(torch.stack([g.norm(p=2) for g in gradients]), p=2)
        kept = [p.detach().clone() for p in network.parameters()]
        for p, g in zip(network.parameters(), gradients):
            p.add_(g * (0.05 / (norm + 1e-12)))
    optimizer.zero_grad()
    nn.functional.cross_entropy(forward(images).float(), labels).backward()
    with torch.no_grad():
        for p, weights in zip(network.parameters(), kept):
            p.copy_(weights)
    optimizer.step()
    optimizer.zero_grad()
    loss.item()


def infer():
    with torch.inference_mode():
        forward(fixed).float().numpy()


step = {"train": train, "sam": sam, "infer": infer}[mode]
milliseconds, cpu = [], []
for i in range(-3, steps):
    start, cpu_start = time.perf_counter(), time.process_time()
    step()
    if i >= 0:
        milliseconds.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - cpu_start) * 1000)
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"milliseconds": milliseconds, "cpuMilliseconds": cpu, "megabytes": megabytes}))
