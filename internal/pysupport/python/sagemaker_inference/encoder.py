"""Writes predictions, which are arrays or like them, in the type that a caller accepts."""
import io
import json

import numpy as np

from sagemaker_inference import content_types, errors


def _array_to_json(array_like):
    def default(value):
        if hasattr(value, "tolist"):
            return value.tolist()
        return json.JSONEncoder().default(value)

    return json.dumps(array_like, default=default)


def _array_to_npy(array_like):
    out = io.BytesIO()
    np.save(out, array_like)
    return out.getvalue()


def _array_to_csv(array_like):
    out = io.StringIO()
    np.savetxt(out, array_like, delimiter=",", fmt="%s")
    return out.getvalue()


_encoder_map = {
    content_types.NPY: _array_to_npy,
    content_types.CSV: _array_to_csv,
    content_types.JSON: _array_to_json,
}

SUPPORTED_CONTENT_TYPES = set(_encoder_map)


def encode(array_like, content_type):
    """Encodes a prediction as npy, CSV or JSON."""
    if content_type not in _encoder_map:
        raise errors.UnsupportedFormatError(content_type)
    return _encoder_map[content_type](array_like)
