"""The functions of a user's module, and what stands in for those that it leaves out."""
import inspect
import json

from mobula_serving import settings

UTF8_TYPES = ("application/json", "text/csv")


def media_type(header):
    return (header or "").split(";")[0].strip().lower()


class Answer(object):
    """What a request came to. The body is bytes, or a generator of them where it is made part by part."""

    def __init__(self, body, content_type, status=200, headers=()):
        self.body, self.content_type, self.status, self.headers = body, content_type, status, list(headers)


class Context(object):
    """What functions that ask for a context get: the properties of the server and of the request."""

    def __init__(self, model_dir):
        self.system_properties = {"model_dir": model_dir, "gpu_id": None, "server_name": "mobula", "server_version": "1.0"}
        self.manifest = {}
        self.request_processor = [self]
        self._headers, self.status, self.content_type, self.headers = {}, None, None, []

    def begin(self, headers):
        self._headers, self.status, self.content_type, self.headers = dict(headers), None, None, []

    def get_request_properties(self):
        return self._headers

    def get_all_request_header(self, idx=0):
        return self._headers

    def get_request_header(self, idx, key):
        for name, value in self._headers.items():
            if name.lower() == key.lower():
                return value
        return None

    def set_response_content_type(self, idx, value):
        self.content_type = value

    def set_response_status(self, code=200, phrase="", idx=0):
        self.status = code

    def set_response_header(self, idx, key, value):
        self.headers.append((key, value))


class Functions(object):
    """Loads the model, and turns requests into answers, by the user's functions and the defaults of an image."""

    def __init__(self, module, defaults):
        self.defaults = defaults
        self.context = Context(settings.MODEL)
        transform = getattr(module, "transform_fn", None)
        own = [name for name in ("input_fn", "predict_fn", "output_fn") if getattr(module, name, None)]
        if transform and own:
            raise ValueError("Cannot use transform_fn implementation in conjunction with %s implementation" % ", ".join(own))
        self.model_fn = getattr(module, "model_fn", None) or defaults.model_fn
        self.input_fn = getattr(module, "input_fn", None) or defaults.input_fn
        self.predict_fn = getattr(module, "predict_fn", None) or defaults.predict_fn
        self.output_fn = getattr(module, "output_fn", None) or defaults.output_fn
        self.transform_fn = transform or self._transform
        self.model = None

    def load(self):
        self.model = self._call(self.model_fn, settings.MODEL)

    def answer(self, body, headers):
        self.context.begin(headers)
        content_type = self.context.get_request_header(0, "Content-Type") or "application/json"
        accept = self.context.get_request_header(0, "Accept")
        if not accept or accept == "*/*":
            accept = settings.default_accept("application/json")
        if media_type(content_type) in UTF8_TYPES:
            body = body.decode("utf-8")
        result = self._call(self.transform_fn, self.model, body, content_type, accept)
        answer = answer_of(result, self.context.content_type or accept)
        answer.status = self.context.status or answer.status
        answer.headers += self.context.headers
        return answer

    def _transform(self, model, body, content_type, accept):
        data = self._call(self.input_fn, body, content_type)
        return self._call(self.output_fn, self._call(self.predict_fn, data, model), accept)

    def _call(self, function, *args):
        return function(*(args + (self.context,) if self._wants_context(function, len(args)) else args))

    def _wants_context(self, function, given):
        parameters = [p for p in inspect.signature(function).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(parameters) != given + 1:
            return False
        last = parameters[-1]
        return last.default is last.empty or last.name in ("context", "ctx") or self.defaults.gives_context


def answer_of(result, accept):
    """Reads what output_fn or transform_fn returned: a body, a pair of body and content type, or a response of a web framework."""
    if isinstance(result, tuple) and len(result) == 2:
        return Answer(body_of(result[0]), result[1] or accept)
    if hasattr(result, "get_data") and hasattr(result, "status_code"):
        content_type = getattr(result, "content_type", None) or getattr(result, "mimetype", None) or accept
        body = parts_of(iter(result.iter_encoded())) if getattr(result, "is_streamed", False) else to_bytes(result.get_data())
        return Answer(body, content_type, result.status_code)
    return Answer(body_of(result), accept)


def streamed(result):
    """Says whether a result is made part by part: a generator or another iterator, asynchronous or not."""
    return hasattr(result, "__next__") or hasattr(result, "__anext__")


def body_of(result):
    return parts_of(result) if streamed(result) else to_bytes(result)


def parts_of(result):
    """The parts of a body as bytes. One that is neither text nor bytes is a line of JSON."""
    for part in drained(result) if hasattr(result, "__anext__") else result:
        own = isinstance(part, (str, bytes, bytearray, memoryview))
        part = to_bytes(part) if own else to_bytes(part) + b"\n"
        if part:  # an empty one would be the end
            yield part


def drained(result):
    import asyncio  # which takes its time, and few need
    loop = asyncio.new_event_loop()
    try:
        while True:
            yield loop.run_until_complete(result.__anext__())
    except StopAsyncIteration:
        return
    finally:
        loop.close()


def to_bytes(body):
    if body is None:
        return b""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    if isinstance(body, str):
        return body.encode("utf-8")
    if hasattr(body, "tolist"):
        body = body.tolist()
    return json.dumps(body).encode("utf-8")
