"""The image families: what each does where the user's module leaves a function out, or where there is no module at all."""
import json
import os

from mobula_serving import contract, settings, usercode


class Defaults(object):
    """What all images share. An image's own functions are those of the containers that AWS publishes."""

    default_program = None
    gives_context = False

    def model_fn(self, model_dir):
        raise NotImplementedError("Please provide a model_fn implementation: the script has none, and the image has no default.")

    def input_fn(self, data, content_type):
        from sagemaker_inference import decoder
        return decoder.decode(data, contract.media_type(content_type))

    def predict_fn(self, data, model):
        return model.predict(data)

    def output_fn(self, prediction, accept):
        if contract.streamed(prediction):  # its parts are what is answered, as they come
            return prediction, accept.split(",")[0]
        from sagemaker_inference import encoder, errors
        for part in accept.split(","):
            name = contract.media_type(part)
            name = settings.default_accept("application/json") if name == "*/*" else name
            if name in encoder.SUPPORTED_CONTENT_TYPES:
                return encoder.encode(prediction, name), name
        raise errors.UnsupportedFormatError(accept)


class ScikitLearn(Defaults):
    def input_fn(self, data, content_type):
        array = Defaults.input_fn(self, data, content_type)
        if getattr(array, "ndim", 2) == 1:
            array = array.reshape(1, -1)
        return array.astype("float32") if contract.media_type(content_type) in contract.UTF8_TYPES else array


class XGBoost(Defaults):
    def input_fn(self, data, content_type):
        from sagemaker_xgboost_container import encoder
        return encoder.decode(data.strip() if isinstance(data, str) else data, content_type)

    def predict_fn(self, data, model):
        return model.predict(data, validate_features=False)


class PyTorch(Defaults):
    default_program = "inference.py"
    gives_context = True

    def model_fn(self, model_dir):
        import torch
        path = os.path.join(model_dir, "model.pt")
        if not os.path.isfile(path):
            found = [name for name in sorted(os.listdir(model_dir)) if name.endswith((".pt", ".pth"))]
            if len(found) != 1:
                raise ValueError("Exactly one .pth or .pt file is required for PyTorch models: %s" % found)
            path = os.path.join(model_dir, found[0])
        return torch.jit.load(path, map_location="cpu").eval()

    def input_fn(self, data, content_type):
        import torch
        array = Defaults.input_fn(self, data, content_type)
        return torch.FloatTensor(array) if contract.media_type(content_type) in contract.UTF8_TYPES else torch.from_numpy(array)

    def predict_fn(self, data, model):
        import torch
        with torch.no_grad():
            return model.to("cpu")(data)

    def output_fn(self, prediction, accept):
        if hasattr(prediction, "detach"):
            prediction = prediction.detach().cpu().numpy()
        return Defaults.output_fn(self, prediction, accept)


class Script(contract.Functions):
    """A module of the user's with the defaults of its image."""

    def __init__(self, defaults, module):
        contract.Functions.__init__(self, module, defaults)
        self.parameters_fn = getattr(module, "execution_parameters_fn", None)

    def execution_parameters(self):
        if self.parameters_fn is not None:
            return contract.answer_of(self.parameters_fn(), "application/json")
        parameters = {"MaxConcurrentTransforms": settings.workers(), "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}
        return contract.Answer(json.dumps(parameters).encode(), "application/json")


def script(defaults):
    return Script(defaults, usercode.module(defaults.default_program))


def xgboost():
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in the image: the workers share the processors already
    module = usercode.module()
    if module is None:
        from mobula_serving import algorithm
        return algorithm.Algorithm()
    return Script(XGBoost(), module)


FAMILIES = {
    "xgboost": xgboost,
    "scikit-learn": lambda: script(ScikitLearn()),
    "pytorch": lambda: script(PyTorch()),
    "python": lambda: script(Defaults()),
}
