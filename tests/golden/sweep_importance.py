"""Writes sweep_importance.json: variances of single trees and importances, as Optuna's fANOVA computes them.

Run with a Python that has optuna 5 and scikit-learn:  python tests/golden/sweep_importance.py

`trees`: a scikit-learn tree on random points of [0, 1]^D, its leaves as boxes, and the variances that optuna's _FanovaTree gives.
`studies`: random trials of functions whose main effects are known, with optuna.importance.FanovaImportanceEvaluator's figures (mean of
five seeds) beside the exact ones. Optuna averages over raw values (transform_log=False: nine tenths of [1e-5, 1e-1] are the last decade)
and over the cube of one-hot columns, not over the prior; studies with a logarithm or categories are compared with the exact figures only.
For "logarithm and square" Optuna says 0.977 and 0.023 where 0.810 and 0.190 are exact.
"""
import json
import warnings
from pathlib import Path

import numpy as np
import optuna
import sklearn
from optuna.importance import FanovaImportanceEvaluator
from optuna.importance._fanova._tree import _FanovaTree
from sklearn.tree import DecisionTreeRegressor

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")


def leaves_of(tree, dimensions):
    leaves = []

    def visit(node, box):
        if tree.children_left[node] < 0:
            leaves.append({"value": float(tree.value[node].ravel()[0]), "box": [list(side) for side in box]})
            return
        at, axis = float(tree.threshold[node]), int(tree.feature[node])
        low, high = box[axis]
        visit(tree.children_left[node], box[:axis] + [(low, at)] + box[axis + 1 :])
        visit(tree.children_right[node], box[:axis] + [(at, high)] + box[axis + 1 :])

    visit(0, [(0.0, 1.0)] * dimensions)
    return leaves


def tree_case(seed, samples, dimensions):
    rng = np.random.default_rng(seed)
    # float32: scikit-learn compares in it, so that both sides see the same points.
    points = rng.random((samples, dimensions)).astype(np.float32).astype(np.float64)
    targets = np.sin(5 * points[:, 0]) + points[:, 1] * points[:, -1] + 0.1 * rng.normal(size=samples)
    fitted = DecisionTreeRegressor(random_state=0).fit(points, targets).tree_
    fanova = _FanovaTree(fitted, np.array([[0.0, 1.0]] * dimensions))
    return {
        "points": points.tolist(),
        "targets": targets.tolist(),
        "leaves": leaves_of(fitted, dimensions),
        "variance": float(fanova.variance),
        "marginals": [float(fanova.get_marginal_variance(np.array([d]))) for d in range(dimensions)],
    }


def study_case(name, parameters, objective, exact, trials, seed, compare):
    rng = np.random.default_rng(seed)
    study = optuna.create_study()
    distributions = {
        key: optuna.distributions.CategoricalDistribution(spec["choices"])
        if "choices" in spec
        else optuna.distributions.FloatDistribution(spec["low"], spec["high"], log=spec["log"])
        for key, spec in parameters.items()
    }
    rows = []
    for _ in range(trials):
        params = {}
        for key, spec in parameters.items():
            if "choices" in spec:
                params[key] = spec["choices"][int(rng.integers(len(spec["choices"])))]
            elif spec["log"]:
                params[key] = float(np.exp(rng.uniform(np.log(spec["low"]), np.log(spec["high"]))))
            else:
                params[key] = float(rng.uniform(spec["low"], spec["high"]))
        value = float(objective(params))
        rows.append({"params": params, "value": value})
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    case = {"name": name, "parameters": parameters, "trials": rows, "exact": exact}
    if compare:
        runs = [
            optuna.importance.get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=s))
            for s in range(5)
        ]
        case["optuna"] = {key: float(np.mean([run[key] for run in runs])) for key in parameters}
    return case


def number(low, high, log=False):
    return {"low": low, "high": high, "log": log}


unit = number(0.0, 1.0)
# Additive: the main effect of a·x is a²/12, of b·x² on [-1, 1] is b²·4/45.
linear = {k: v / (9 / 12 + 4 / 12 + 1 / 12) for k, v in {"a": 9 / 12, "b": 4 / 12, "c": 1 / 12}.items()}
square = 4 / 45 * 4
decades = (4**2) / 12 * 0.25**2
mixed = {k: v / (square + decades) for k, v in {"x": square, "lr": decades}.items()}
# Four equally likely classes with means 0, 0, 1, 2: variance 11/16.
group = 11 / 16
kinds = {k: v / (group + 1 / 12) for k, v in {"kind": group, "x": 1 / 12}.items()}
level = {"adam": 0.0, "lamb": 0.0, "sgd": 1.0, "lion": 2.0}

out = {
    "optuna": optuna.__version__,
    "sklearn": sklearn.__version__,
    "trees": [tree_case(1, 24, 2), tree_case(2, 60, 3), tree_case(3, 7, 4)],
    "studies": [
        study_case("linear", {"a": unit, "b": unit, "c": unit}, lambda p: 3 * p["a"] + 2 * p["b"] + p["c"], linear, 200, 0, True),
        study_case(
            "logarithm and square",
            {"x": number(-1.0, 1.0), "lr": number(1e-5, 1e-1, True)},
            lambda p: 2 * p["x"] ** 2 + 0.25 * np.log10(p["lr"]),
            mixed,
            200,
            1,
            False,
        ),
        study_case(
            "categories", {"kind": {"choices": list(level)}, "x": unit}, lambda p: level[p["kind"]] + p["x"], kinds, 200, 2, False
        ),
    ],
}
path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps(out) + "\n")
