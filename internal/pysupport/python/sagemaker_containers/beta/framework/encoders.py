"""Arrays from bodies and bodies from arrays, under the names of this library."""
from sagemaker_inference.decoder import (  # noqa: F401
    _csv_to_numpy as csv_to_numpy,
    _json_to_numpy as json_to_numpy,
    _npy_to_numpy as npy_to_numpy,
    decode,
)
from sagemaker_inference.encoder import (  # noqa: F401
    _array_to_csv as array_to_csv,
    _array_to_json as array_to_json,
    _array_to_npy as array_to_npy,
    encode,
)
