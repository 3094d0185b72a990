"""Reads the body of a request into NumPy arrays."""
import io
import json

import numpy as np

from sagemaker_inference import content_types, errors


def _json_to_numpy(string_like, dtype=None):
    return np.array(json.loads(string_like), dtype=dtype)


def _csv_to_numpy(string_like, dtype=None):
    text = string_like.decode("utf-8") if isinstance(string_like, (bytes, bytearray)) else string_like
    return np.genfromtxt(io.StringIO(text), dtype=dtype, delimiter=",")


def _npy_to_numpy(npy_array):
    return np.load(io.BytesIO(npy_array), allow_pickle=True)


def _npz_to_sparse(npz_bytes):
    import scipy.sparse
    return scipy.sparse.load_npz(io.BytesIO(npz_bytes))


_decoder_map = {
    content_types.NPY: _npy_to_numpy,
    content_types.CSV: _csv_to_numpy,
    content_types.JSON: _json_to_numpy,
    content_types.NPZ: _npz_to_sparse,
}


def decode(obj, content_type):
    """Decodes a body of one of the four types: npy, npz, CSV and JSON."""
    if content_type not in _decoder_map:
        raise errors.UnsupportedFormatError(content_type)
    return _decoder_map[content_type](obj)
