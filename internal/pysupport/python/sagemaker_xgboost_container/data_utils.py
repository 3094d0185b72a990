"""Makes DMatrix objects of the files of a channel."""
import os

import numpy as np
import xgboost as xgb

from sagemaker_inference import content_types
from sagemaker_xgboost_container.constants import xgb_content_types
from sagemaker_xgboost_container.encoder import _delimiter

CSV, LIBSVM, PARQUET, RECORDIO_PROTOBUF = "csv", "libsvm", "parquet", "recordio-protobuf"
VALID_CONTENT_TYPES = [CSV, LIBSVM, PARQUET, RECORDIO_PROTOBUF, content_types.CSV, xgb_content_types.LIBSVM, xgb_content_types.X_LIBSVM,
                       xgb_content_types.X_PARQUET, xgb_content_types.X_RECORDIO_PROTOBUF]

_KINDS = {CSV: CSV, content_types.CSV: CSV, LIBSVM: LIBSVM, xgb_content_types.LIBSVM: LIBSVM, xgb_content_types.X_LIBSVM: LIBSVM,
          PARQUET: PARQUET, xgb_content_types.X_PARQUET: PARQUET,
          RECORDIO_PROTOBUF: RECORDIO_PROTOBUF, xgb_content_types.X_RECORDIO_PROTOBUF: RECORDIO_PROTOBUF}


class UserError(Exception):
    """A mistake in the data or in what is said of it."""


def get_content_type(content_type_cfg_val):
    """The short name of a content type: csv, libsvm, parquet or recordio-protobuf. None is libsvm."""
    if content_type_cfg_val is None:
        return LIBSVM
    name, _, rest = content_type_cfg_val.lower().partition(";")
    for parameter in rest.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip() == "label_size" and value.strip() != "1":
            raise UserError("%s is not an accepted csv ContentType. Optional parameter label_size must be equal to 1" % content_type_cfg_val)
    if name.strip() not in _KINDS:
        raise UserError("%s is not an accepted ContentType: %s." % (content_type_cfg_val, ", ".join(VALID_CONTENT_TYPES)))
    return _KINDS[name.strip()]


def _files(path):
    """The data files of a channel, in the order of their names, through all its folders."""
    if os.path.isfile(path):
        return [path]
    found = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        found += [os.path.join(folder, name) for name in sorted(names) if not name.startswith((".", "_"))]
    if not found:
        raise UserError("No data file was found in %s" % path)
    return found


def get_csv_dmatrix(path, csv_weights=0, is_pipe=False):
    """Reads CSV without a header: the label first, with csv_weights=1 the weight second."""
    if is_pipe:
        raise UserError("Pipe mode is not read here. Set input_mode='File'.")
    parts = []
    for name in _files(path):
        with open(name) as f:
            delimiter = _delimiter(f.readline())
        parts.append(np.genfromtxt(name, delimiter=delimiter, dtype=float, ndmin=2) if _HAS_NDMIN else np.atleast_2d(
            np.genfromtxt(name, delimiter=delimiter, dtype=float)))
    data = np.concatenate(parts)
    first = 2 if csv_weights == 1 else 1
    return xgb.DMatrix(data[:, first:], label=data[:, 0], weight=data[:, 1] if csv_weights == 1 else None)


_HAS_NDMIN = tuple(int(n) for n in np.__version__.split(".")[:2]) >= (1, 23)


def get_libsvm_dmatrix(files_path, is_pipe=False):
    """Reads LIBSVM lines: "label index:value …". Indices are columns counted from 0, and what a line leaves out is missing."""
    if is_pipe:
        raise UserError("Pipe mode not supported for LibSVM.")
    from scipy.sparse import csr_matrix
    labels, values, columns, starts = [], [], [], [0]
    for name in _files(files_path):
        with open(name) as f:
            for line in f:
                tokens = line.split("#")[0].split()
                if not tokens:
                    continue
                labels.append(float(tokens[0].split(":")[0]))
                for token in tokens[1:]:
                    column, value = token.split(":", 1)
                    columns.append(int(column))
                    values.append(float(value))
                starts.append(len(values))
    return xgb.DMatrix(csr_matrix((values, columns, starts)), label=labels)


def get_parquet_dmatrix(path, is_pipe=False):
    """Reads Parquet files: the label is the first column."""
    if is_pipe:
        raise UserError("Pipe mode is not read here. Set input_mode='File'.")
    import pandas
    data = pandas.concat([pandas.read_parquet(name) for name in _files(path)]).to_numpy()
    return xgb.DMatrix(data[:, 1:], label=data[:, 0])


def get_recordio_protobuf_dmatrix(path, is_pipe=False):
    """Reads records of RecordIO-protobuf, dense or sparse."""
    if is_pipe:
        raise UserError("Pipe mode is not read here. Set input_mode='File'.")
    from sagemaker_xgboost_container import recordio_protobuf
    data = b""
    for name in _files(path):
        with open(name, "rb") as f:
            data += f.read()
    try:
        features, labels = recordio_protobuf.read(data)
    except ValueError as e:
        raise UserError("%s is not RecordIO-protobuf: %s" % (path, e))
    return xgb.DMatrix(features, label=labels)


def get_dmatrix(data_path, content_type, csv_weights=0, is_pipe=False):
    """Reads a channel of one of the content types. None where the folder is not there, as for a channel that was not given."""
    if not data_path or not os.path.exists(data_path):
        return None
    kind = get_content_type(content_type)
    if kind == CSV:
        return get_csv_dmatrix(data_path, csv_weights, is_pipe)
    if kind == PARQUET:
        return get_parquet_dmatrix(data_path, is_pipe)
    if kind == RECORDIO_PROTOBUF:
        return get_recordio_protobuf_dmatrix(data_path, is_pipe)
    return get_libsvm_dmatrix(data_path, is_pipe)
