"""The XGBoost image without a script: trains on the channels train and validation with the hyper-parameters of the job.

    python -m mobula_training.xgboost_algorithm TAG      TAG is the image's, such as 1.0-1
"""
import json
import os
import pickle
import re
import shutil
import sys
import tempfile

ML = os.environ.get("MOBULA_ML_DIR", "/opt/ml")
MODEL = "xgboost-model"
NOT_FOR_THE_LIBRARY = ("num_round", "early_stopping_rounds", "csv_weights", "eval_metric", "save_model_on_termination")


class Mistake(Exception):
    """Something that the user can mend."""


def config(name):
    path = os.path.join(ML, "input", "config", name)
    if not os.path.exists(path):
        return {}
    with open(path) as f:
        return json.load(f)


def number(parameters, name, kind, default=None):
    text = parameters.get(name, default)
    if text is None:
        raise Mistake("Hyperparameter %s is required" % name)
    try:
        return kind(text)
    except ValueError:
        raise Mistake("Hyperparameter %s: the value '%s' must be %s" % (name, text, "an integer" if kind is int else "a number"))


def files_of(channel):
    folder = os.path.join(ML, "input", "data", channel)
    found = []
    for place, _, names in os.walk(folder):
        found += [os.path.join(place, name) for name in names if not name.startswith(".") and os.path.getsize(os.path.join(place, name))]
    return sorted(found)


def drained(channel):
    """The pipe of a channel's first epoch as a file: the rounds of a training read its rows again and again."""
    path = os.path.join(tempfile.mkdtemp(), channel)
    with open(os.path.join(ML, "input", "data", channel + "_0"), "rb") as pipe, open(path, "wb") as f:
        shutil.copyfileobj(pipe, f)
    return [path] if os.path.getsize(path) else []


def matrix(channel, declared, weights):
    import numpy
    import xgboost

    kind = (declared.get("ContentType") or "text/libsvm").split(";")[0].strip().lower()
    if declared.get("TrainingInputMode") != "Pipe":
        files = files_of(channel)
    elif kind in ("csv", "text/csv", "recordio-protobuf", "application/x-recordio-protobuf"):
        files = drained(channel)
    else:
        raise Mistake("Channel %s: input mode Pipe is served for text/csv and application/x-recordio-protobuf, not for %s; use File" % (channel, kind))
    if not files:
        raise Mistake("Channel %s has no data" % channel)
    if kind in ("csv", "text/csv"):
        import pandas

        try:
            table = pandas.concat([pandas.read_csv(f, header=None, dtype=numpy.float32) for f in files])
        except ValueError as e:
            raise Mistake("Channel %s is not CSV of numbers without a header: %s" % (channel, e))
        values = table.to_numpy()
        label, rest = values[:, 0], values[:, 1:]
        if weights:
            return xgboost.DMatrix(rest[:, 1:], label=label, weight=rest[:, 0])
        return xgboost.DMatrix(rest, label=label)
    if kind in ("libsvm", "text/libsvm", "text/x-libsvm"):
        from sklearn.datasets import load_svmlight_files
        from scipy.sparse import vstack

        try:
            parts = load_svmlight_files(files, zero_based=True)
        except ValueError as e:
            raise Mistake("Channel %s is not libsvm: %s" % (channel, e))
        return xgboost.DMatrix(vstack(parts[0::2]), label=numpy.concatenate(parts[1::2]))
    if kind in ("parquet", "application/x-parquet"):
        import pandas

        values = pandas.concat([pandas.read_parquet(f) for f in files]).to_numpy(dtype=numpy.float32)
        return xgboost.DMatrix(values[:, 1:], label=values[:, 0])
    if kind in ("recordio-protobuf", "application/x-recordio-protobuf"):
        from sagemaker_xgboost_container import recordio_protobuf

        data = b""
        for name in files:
            with open(name, "rb") as f:
                data += f.read()
        try:
            features, labels = recordio_protobuf.read(data)
        except ValueError as e:
            raise Mistake("Channel %s is not RecordIO-protobuf: %s" % (channel, e))
        if labels is None:
            raise Mistake("Channel %s has no labels named values" % channel)
        return xgboost.DMatrix(features, label=labels)
    raise Mistake("Channel %s: content type %s is not served; text/csv, text/libsvm, application/x-parquet and application/x-recordio-protobuf are" % (channel, declared.get("ContentType")))


def pickles(tag):
    """Says whether an image leaves its model as a pickle: those before 1.3 did, and what reads their models expects one."""
    version = re.match(r"(\d+)\.(\d+)", tag)
    return bool(version) and (int(version.group(1)), int(version.group(2))) < (1, 3)


def save(booster, path, tag):
    if not pickles(tag):
        booster.save_model(path)
        return
    with open(path, "wb") as f:
        pickle.dump(booster, f)


def log_of_rounds():
    """Makes a callback that writes a round as the image does, where a tab arrives in the log as #011."""
    import xgboost

    def write(number, pairs):
        print("[%d]#011%s" % (number, "#011".join("%s:%.5f" % pair for pair in pairs)), flush=True)

    if not hasattr(xgboost.callback, "TrainingCallback"):  # before 1.3 a callback was a function
        return lambda env: write(env.iteration, env.evaluation_result_list)

    class Log(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            write(epoch, [("%s-%s" % (name, metric), values[-1]) for name, metrics in evals_log.items() for metric, values in metrics.items()])
            return False

    return Log()


def train(tag):
    import xgboost

    parameters, channels = config("hyperparameters.json"), config("inputdataconfig.json")
    hosts = config("resourceconfig.json").get("hosts", [])
    if len(hosts) > 1:
        raise Mistake("InstanceCount %d: the XGBoost image trains on one host here; set ResourceConfig.InstanceCount to 1" % len(hosts))
    rounds = number(parameters, "num_round", int)
    stopping = number(parameters, "early_stopping_rounds", int, 0) or None
    if "train" not in channels:
        raise Mistake("Channel train is required")
    weights = parameters.get("csv_weights") == "1"
    data = {name: matrix(name, channels[name], weights) for name in ("train", "validation") if name in channels}
    for name, m in data.items():
        print("%s matrix has %d rows and %d columns" % (name.capitalize(), m.num_row(), m.num_col()), flush=True)
    if stopping and "validation" not in data:
        print("early_stopping_rounds has no effect without a validation channel")
        stopping = None
    own = {k: v for k, v in parameters.items() if not k.startswith(("sagemaker_", "_")) and k not in NOT_FOR_THE_LIBRARY}
    own.setdefault("nthread", os.environ.get("SM_NUM_CPUS", "0"))
    own["verbosity"] = own.get("verbosity", "1")
    if parameters.get("eval_metric"):
        own["eval_metric"] = [m.strip() for m in parameters["eval_metric"].split(",")]
    evals = [(m, name) for name, m in data.items()]

    try:
        booster = xgboost.train(own, data["train"], num_boost_round=rounds, evals=evals, early_stopping_rounds=stopping, verbose_eval=False, callbacks=[log_of_rounds()])
    except xgboost.core.XGBoostError as e:
        raise Mistake(str(e).split("Stack trace")[0].strip())
    folder = os.path.join(ML, "model")
    os.makedirs(folder, exist_ok=True)
    save(booster, os.path.join(folder, MODEL), tag)


def main(tag):
    try:
        train(tag)
    except Mistake as e:
        print("ERROR: %s" % e, file=sys.stderr)
        os.makedirs(os.path.join(ML, "output"), exist_ok=True)
        with open(os.path.join(ML, "output", "failure"), "w") as f:
            f.write(str(e)[:1024])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
