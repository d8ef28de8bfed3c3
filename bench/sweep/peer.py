"""Optuna's side of the sampler benchmark: the problems of problems.ts, its default TPE (or --sampler random), one JSON line.

    python peer.py [--seeds 20] [--trials 100] [--first-seed 0] [--sampler tpe|random]

Needs `pip install optuna`. Prints {"version", "values": {problem: [best of each seed]}, "milliseconds": {problem: [...]}};
milliseconds are those of the suggestions and the bookkeeping, 100 trials each.
"""
import argparse
import json
import math
import random
import time

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def mixed(t):
    lr = t.suggest_float("lr", 1e-5, 1, log=True)
    momentum = t.suggest_float("momentum", 0, 1)
    optimizer = t.suggest_categorical("optimizer", ["sgd", "adam", "rmsprop", "adagrad"])
    layers = t.suggest_int("layers", 1, 20)
    penalty = {"sgd": 0.3, "adam": 0, "rmsprop": 0.15, "adagrad": 0.6}[optimizer]
    return 0.25 * (math.log10(lr) + 2.5) ** 2 + 4 * (momentum - 0.9) ** 2 + penalty + (layers - 7) ** 2 / 50


def box(t, n, low, high):
    return [t.suggest_float(f"x{i}", low, high) for i in range(n)]


def rosenbrock(t):
    x = box(t, 6, -2.048, 2.048)
    return sum(100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def branin(t):
    x, y = t.suggest_float("x", -5, 10), t.suggest_float("y", 0, 15)
    b = 5.1 / (4 * math.pi**2)
    return (y - b * x * x + 5 / math.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


ALPHA = [1, 1.2, 3, 3.2]
A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
P = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def hartmann(t):
    x = box(t, 6, 0, 1)
    return -sum(
        alpha * math.exp(-sum(a * (xj - p) ** 2 for a, p, xj in zip(row, at, x))) for alpha, row, at in zip(ALPHA, A, P)
    )


def conditional(t):
    def off(name, low, high, middle):
        return math.log10(t.suggest_float(name, low, high, log=True)) - middle

    model = t.suggest_categorical("model", ["linear", "svm", "net"])
    if model == "linear":
        return 0.4 + 0.02 * off("decay", 1e-6, 1, -3) ** 2
    if model == "svm":
        c, gamma = off("c", 1e-3, 1e3, 1), off("gamma", 1e-4, 1e1, -2)
        return 0.2 + 0.05 * (c + gamma) ** 2 + 0.02 * gamma**2
    net = 0.1 * off("lr", 1e-5, 1, -2) ** 2 + 1.5 * (t.suggest_float("dropout", 0, 0.8) - 0.25) ** 2
    if t.suggest_categorical("optimizer", ["sgd", "adam"]) == "adam":
        return 0.1 + net
    return 0.05 + net + 0.8 * (t.suggest_float("momentum", 0, 1) - 0.9) ** 2


def noisy(t):
    return sum((x - c) ** 2 for x, c in zip(box(t, 4, -5, 5), [1, -2, 0.5, 3]))


problems = {
    "mixed-4": (mixed, 0),
    "rosenbrock-6": (rosenbrock, 0),
    "branin": (branin, 0),
    "hartmann-6": (hartmann, 0),
    "conditional": (conditional, 0),
    "noisy-4": (noisy, 1),
}


def best(function, noise, seed, trials, kind):
    sampler = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}[kind](seed=seed)
    study = optuna.create_study(sampler=sampler)
    gauss = random.Random(seed)
    clean = []

    def objective(trial):
        clean.append(function(trial))
        return clean[-1] + noise * gauss.gauss(0, 1)

    start = time.perf_counter()
    study.optimize(objective, n_trials=trials)
    return clean[study.best_trial.number], 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--sampler", default="tpe")
    options = parser.parse_args()
    values, milliseconds = {}, {}
    for name, (function, noise) in problems.items():
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        runs = [best(function, noise, seed, options.trials, options.sampler) for seed in seeds]
        values[name] = [value for value, _ in runs]
        milliseconds[name] = [round(time, 1) for _, time in runs]
    print(json.dumps({"version": optuna.__version__, "values": values, "milliseconds": milliseconds}))
