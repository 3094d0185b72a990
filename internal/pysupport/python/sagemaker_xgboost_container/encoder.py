"""Makes DMatrix objects of the bodies of requests."""
import csv
import json
import logging

import numpy as np
import xgboost as xgb

from sagemaker_inference import content_types, errors
from sagemaker_xgboost_container.constants import xgb_content_types


def _text(body):
    return body.decode("utf-8") if isinstance(body, (bytes, bytearray)) else body


def _delimiter(line):
    """Guesses what parts the values of a line; a comma where nothing can be made out, as in a line of one value."""
    try:
        found = csv.Sniffer().sniff(line[:512]).delimiter
    except csv.Error:
        return ","
    return "," if found.isalnum() or found in ".-+" else found


def csv_to_dmatrix(input, dtype=None):  # noqa: A002, scripts pass it by this name
    """Makes a matrix of CSV without a header and without a label; an empty value is a missing one."""
    text = _text(input)
    delimiter = _delimiter(text.split("\n")[0])
    logging.info("Determined delimiter of CSV input is '%s'", delimiter)
    rows = [["nan" if value.strip() == "" else value for value in line.rstrip("\r").split(delimiter)] for line in text.split("\n")]
    return xgb.DMatrix(np.array(rows).astype(float if dtype is None else dtype))


def libsvm_to_dmatrix(string_like, width=None):
    """Makes a matrix of LIBSVM lines, "label index:value …". Indices are columns counted from 0, as XGBoost's own reader of files takes
    them, and what a line leaves out is missing. width is the number of columns, where it is known to be more than the largest index.
    """
    from scipy.sparse import csr_matrix
    values, columns, starts = [], [], [0]
    for line in _text(string_like).strip().split("\n"):
        for token in line.split():
            index, colon, value = token.partition(":")
            if colon:
                columns.append(int(index))
                values.append(float(value))
        starts.append(len(values))
    shape = (len(starts) - 1, max(max(columns, default=-1) + 1, width or 0))
    return xgb.DMatrix(csr_matrix((values, columns, starts), shape=shape))


def recordio_protobuf_to_dmatrix(string_like, width=None):
    """Makes a matrix of records of RecordIO-protobuf; labels in them are left aside."""
    from sagemaker_xgboost_container import recordio_protobuf
    return xgb.DMatrix(recordio_protobuf.read(bytes(string_like), width)[0])


_dmatrix_decoders_map = {
    content_types.CSV: csv_to_dmatrix,
    xgb_content_types.LIBSVM: libsvm_to_dmatrix,
    xgb_content_types.X_LIBSVM: libsvm_to_dmatrix,
    xgb_content_types.X_RECORDIO_PROTOBUF: recordio_protobuf_to_dmatrix,
}


def json_to_jsonlines(json_data):
    """Writes the list that is the only member of a JSON object as one line for each entry."""
    data = json_data if isinstance(json_data, dict) else json.loads(json_data)
    if len(data) != 1:
        raise ValueError("JSON response is not compatible for conversion to jsonlines.")
    return b"".join(json.dumps(entry).encode("utf-8") + b"\n" for value in data.values() for entry in value)


def decode(obj, content_type):
    """Makes a matrix of a body of one of the types CSV, LIBSVM and RecordIO-protobuf; parameters of the type are left aside."""
    media_type = content_type.split(";")[0].strip().lower()
    if media_type not in _dmatrix_decoders_map:
        raise errors.UnsupportedFormatError(media_type)
    return _dmatrix_decoders_map[media_type](obj)
