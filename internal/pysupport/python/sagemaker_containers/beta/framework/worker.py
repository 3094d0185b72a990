"""The response that output_fn may return, with the members of the web framework's that scripts read."""
from sagemaker_inference import content_types


class Response(object):
    default_mimetype = content_types.JSON

    def __init__(self, response=None, accept=None, status=200, headers=None, mimetype=None, direct_passthrough=False):
        self.response, self.status_code, self.headers = response, int(status), dict(headers or {})
        self.mimetype = mimetype or accept or self.default_mimetype
        self.content_type = self.headers.get("Content-Type", self.mimetype)

    def get_data(self, as_text=False):
        parts = self.response if isinstance(self.response, (list, tuple)) else [self.response]
        body = b"".join(part.encode("utf-8") if isinstance(part, str) else bytes(part or b"") for part in parts)
        return body.decode("utf-8") if as_text else body

    data = property(get_data)
