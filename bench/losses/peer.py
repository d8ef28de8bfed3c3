"""The same loss and gradient. Arguments: [embeddings] [repetitions] [supcontrast | compiled | pml]

supcontrast: the formula of HobbitLong/SupContrast's losses.py, on the whole N x N matrix; compiled: the same under torch.compile;
pml: pytorch-metric-learning's SupConLoss. Needs torch, and for pml pytorch-metric-learning.
"""
import json
import re
import sys
import time

import torch

count = int(sys.argv[1]) if len(sys.argv) > 1 else 8192
repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 3
kind = sys.argv[3] if len(sys.argv) > 3 else "supcontrast"
torch.set_num_threads(1)
torch.manual_seed(1)


def formula(z, labels):
    same = (labels[:, None] == labels[None]).float()
    products = z @ z.T / 0.1
    products = products - products.max(1, keepdim=True).values.detach()
    others = 1 - torch.eye(len(z))
    positive = same * others
    log_probability = products - torch.log((torch.exp(products) * others).sum(1, keepdim=True))
    return -((positive * log_probability).sum(1) / positive.sum(1)).mean()


if kind == "pml":
    from pytorch_metric_learning.losses import SupConLoss

    loss_of = SupConLoss(temperature=0.1)
else:
    loss_of = torch.compile(formula) if kind == "compiled" else formula


def resident(line):
    with open("/proc/self/status") as file:
        return int(re.search(line + r":\s+(\d+) kB", file.read()).group(1)) / 1024


def work(rows):
    z = torch.nn.functional.normalize(torch.randn(rows, 128)).requires_grad_()
    labels = torch.arange(rows) % 10
    before = resident("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    start = time.process_time()
    loss_of(z, labels).backward()
    return (time.process_time() - start) * 1000, resident("VmHWM") - before


work(64)
if kind == "compiled":
    work(count)
runs = [work(count) for _ in range(repetitions)]
print(json.dumps({"milliseconds": [run[0] for run in runs], "megabytes": runs[0][1]}))
