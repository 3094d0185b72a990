"""The XGBoost image without a script: whatever model a training job of its left, answered as the image does."""
import io
import json
import os
import pickle

from mobula_serving import contract, settings

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
SERVED = (JSON, JSON_LINES, CSV)


class Refusal(Exception):
    def __init__(self, status_code, message):
        Exception.__init__(self, message)
        self.status_code = status_code


class Algorithm(object):
    def load(self):
        names = sorted(name for name in os.listdir(settings.MODEL) if not name.startswith("."))
        paths = [path for path in (os.path.join(settings.MODEL, name) for name in names) if os.path.isfile(path)]
        if not paths:
            raise RuntimeError("the model archive holds no model")
        if os.environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true") != "true":
            paths = paths[:1]
        self.boosters = [load(path) for path in paths]
        # XGBoost 0.90 does not tell a model's objective.
        self.objective = json.loads(self.boosters[0].save_config())["learner"]["objective"]["name"] if hasattr(self.boosters[0], "save_config") else ""

    def execution_parameters(self):
        parameters = {"MaxConcurrentTransforms": settings.workers(), "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}
        return contract.Answer(json.dumps(parameters).encode(), JSON)

    def answer(self, body, headers):
        if not body:
            return contract.Answer(b"", CSV, 204)
        data = self.read(body, headers.get("Content-Type"))
        try:
            predictions = self.predict(data)
        except Exception as e:
            raise Refusal(400, "Unable to evaluate payload provided: %s" % e)
        accept = contract.media_type(headers.get("Accept"))
        if accept in ("", "*/*"):
            accept = settings.default_accept(CSV)
        if os.environ.get("SAGEMAKER_BATCH"):  # batch transform gets a line for each row, whatever it accepts
            return contract.Answer("".join("%s\n" % row for row in predictions.tolist()).encode(), accept)
        if accept not in SERVED:
            raise Refusal(406, "Accept type %s is not supported. Please use supported accept types: %s." % (accept, list(SERVED)))
        return contract.Answer(encode(predictions, accept), accept)

    def read(self, body, header):
        from sagemaker_xgboost_container import data_utils, encoder
        try:
            kind = data_utils.get_content_type(header)
            if kind == data_utils.RECORDIO_PROTOBUF:
                return encoder.recordio_protobuf_to_dmatrix(body, self.width())
            text = body.strip().decode("utf-8")
            return encoder.csv_to_dmatrix(text, dtype=float) if kind == data_utils.CSV else encoder.libsvm_to_dmatrix(text, self.width())
        except Exception as e:
            raise Refusal(415, "Loading %s data failed with Exception, please ensure data is in that format:\n %s\n %s" % (header, type(e), e))

    def width(self):
        """The number of features, so that a sparse row that leaves the last ones out fits the model."""
        return self.boosters[0].num_features() if hasattr(self.boosters[0], "num_features") else None

    def predict(self, data):
        import numpy
        results = [predict(booster, data) for booster in self.boosters]
        if len(results) == 1:
            return results[0]
        if self.objective in ("multi:softmax", "binary:hinge"):  # a vote
            votes = numpy.stack(results)
            return numpy.array([numpy.unique(column, return_counts=True)[0][numpy.argmax(numpy.unique(column, return_counts=True)[1])]
                                for column in votes.T])
        return numpy.mean(results, axis=0)


def load(path):
    """Loads a booster that was pickled, as early versions of the image did, or saved by XGBoost itself."""
    import xgboost
    try:
        with open(path, "rb") as f:
            return pickle.load(f)
    except Exception as pickled:
        booster = xgboost.Booster()
        try:
            booster.load_model(path)
        except Exception as saved:
            raise RuntimeError("Model %s cannot be loaded:\nPickle load error=%s\nXGB load model error=%s" % (path, pickled, saved))
        return booster


def predict(booster, data):
    """Predicts with the trees up to the best iteration, which early stopping leaves."""
    best = booster.attr("best_iteration")
    if best is None:
        return booster.predict(data, validate_features=False)
    if not hasattr(booster, "num_boosted_rounds"):  # before 1.4 trees were counted, and 0 were all of them
        return booster.predict(data, validate_features=False, ntree_limit=getattr(booster, "best_ntree_limit", 0))
    return booster.predict(data, validate_features=False, iteration_range=(0, int(best) + 1))


def encode(predictions, accept):
    rows = predictions.tolist()
    if accept == JSON:
        return json.dumps({"predictions": [{"score": row} for row in rows]}).encode()
    if accept == JSON_LINES:
        return "".join(json.dumps({"score": row}) + "\n" for row in rows).encode()
    out = io.StringIO()
    for row in rows:
        out.write(",".join(map(str, row)) if isinstance(row, list) else str(row))
        out.write("\n")
    return out.getvalue().encode()
