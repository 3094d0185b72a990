"""Trains with Python's XGBoost what the Go tests train, and leaves its models and predictions for them to compare.

usage: peer.py FOLDER, which holds jobs.json: a list of
  {"name", "rows", "cols", "params": {name: text}, "rounds", "validation_rows", "early_stopping", "types": [...] or null}
and for each job NAME.x and NAME.y (float32, little-endian, row after row). Leaves NAME.ubj, NAME.json, NAME.pred and NAME.log.
"""
import json
import pathlib
import sys

import numpy as np
import xgboost as xgb

folder = pathlib.Path(sys.argv[1])
for job in json.loads((folder / "jobs.json").read_text()):
    name = job["name"]
    x = np.fromfile(folder / f"{name}.x", dtype="<f4").reshape(job["rows"], job["cols"])
    y = np.fromfile(folder / f"{name}.y", dtype="<f4")
    cut = job["rows"] - job["validation_rows"]
    extra = {}
    if job["types"]:
        extra = {"feature_types": job["types"], "enable_categorical": True}
    train = xgb.DMatrix(x[:cut], label=y[:cut], **extra)
    evals, stop = [(train, "train")], None
    if job["validation_rows"]:
        evals.append((xgb.DMatrix(x[cut:], label=y[cut:], **extra), "validation"))
    if job["early_stopping"]:
        stop = [xgb.callback.EarlyStopping(job["early_stopping"], save_best=True)]
    history = {}
    model = xgb.train(job["params"], train, job["rounds"], evals=evals, callbacks=stop, evals_result=history, verbose_eval=False)
    model.save_model(folder / f"{name}.ubj")
    model.save_model(folder / f"{name}.json")
    model.predict(xgb.DMatrix(x, **extra)).astype("<f4").tofile(folder / f"{name}.pred")
    rounds = len(history["train"][next(iter(history["train"]))])
    lines = []
    for i in range(rounds):
        parts = [f"[{i}]"]
        for data, metrics in history.items():
            parts += [f"{data}-{metric}:{values[i]:.5f}" for metric, values in metrics.items()]
        lines.append("\t".join(parts))
    (folder / f"{name}.log").write_text("\n".join(lines) + "\n")
