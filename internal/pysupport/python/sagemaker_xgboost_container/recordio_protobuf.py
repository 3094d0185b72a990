"""Rows as SageMaker's algorithms take them: messages aialgs.data.Record in MXNet's RecordIO.

Source of the messages: github.com/aws/sagemaker-python-sdk, src/sagemaker/amazon/record.proto.
"""
import struct

import numpy as np

_MAGIC = 0xCED7230A
_WHOLE, _FIRST, _LAST = 0, 1, 3  # what the upper 3 bits of the length say of a part
_FEATURES, _LABEL = 1, 2
_TENSORS = {2: "<f4", 3: "<f8", 7: None}  # field of Value: type of its values, None for integers as varints


def _payloads(data):
    at, joined = 0, b""
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("the data ends within the record at byte %d" % at)
        magic, word = struct.unpack_from("<II", data, at)
        length, part = word & 0x1FFFFFFF, word >> 29
        if magic != _MAGIC:
            raise ValueError("there is no RecordIO record at byte %d" % at)
        if at + 8 + length > len(data):
            raise ValueError("the data ends within the record at byte %d" % at)
        payload = data[at + 8:at + 8 + length]
        joined = payload if part in (_WHOLE, _FIRST) else joined + struct.pack("<I", _MAGIC) + payload
        at += 8 + (length + 3) // 4 * 4
        if part in (_WHOLE, _LAST):
            yield joined


def _varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data):
            raise ValueError("a record is no protobuf")
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def _varints(data):
    at, found = 0, []
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _fields(message):
    """The number of each field and its bytes; those of a varint are as they lie in the message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        start, kind = at, tag & 7
        if kind == 0:
            _, end = _varint(message, at)
        elif kind == 2:
            length, start = _varint(message, at)
            end = start + length
        elif kind in (1, 5):
            end = at + (8 if kind == 1 else 4)
        else:
            raise ValueError("a record is no protobuf")
        if end > len(message):
            raise ValueError("a record is no protobuf")
        yield tag >> 3, message[start:end]
        at = end


def _tensor(value):
    """The values, keys and shape of a tensor of numbers."""
    values, keys, shape = [], [], []
    for kind, tensor in _fields(value):
        if kind not in _TENSORS:
            raise ValueError("a record has a tensor that is not of numbers")
        for number, data in _fields(tensor):
            if number == 1 and _TENSORS[kind] is None:
                values.extend(np.array(_varints(data), dtype=np.uint64).astype(np.uint32).astype(np.int32))
            elif number == 1:
                values.extend(np.frombuffer(data, dtype=_TENSORS[kind]))
            elif number == 2:
                keys.extend(_varints(data))
            elif number == 3:
                shape.extend(_varints(data))
    return values, keys, shape


def _record(message):
    found = {}
    for number, entry in _fields(message):
        if number in (_FEATURES, _LABEL):
            pair = dict(_fields(entry))
            if pair.get(1) == b"values":
                found[number] = _tensor(pair.get(2, b""))
    if _FEATURES not in found:
        raise ValueError("a record has no features named values")
    return found[_FEATURES], found.get(_LABEL)


def read(data, width=None):
    """The features of the rows, a CSR matrix where they are sparse, and their labels, or None where the rows have none. width is the number of
    columns of a sparse matrix, where it is known to be more than the rows tell.
    """
    from scipy.sparse import csr_matrix
    values, columns, starts, labels, most, sparse = [], [], [0], [], width or 0, None
    for message in _payloads(data):
        (row, keys, shape), label = _record(message)
        is_sparse = bool(keys) or not row and bool(shape)
        if sparse is None:
            sparse = is_sparse
        if sparse != is_sparse:
            raise ValueError("some records are sparse and some are dense")
        if sparse and len(keys) != len(row):
            raise ValueError("a record has %d keys and %d values" % (len(keys), len(row)))
        values.append(row)
        columns.extend(keys)
        starts.append(starts[-1] + len(row))
        most = max([most] + shape[-1:] + [key + 1 for key in keys])
        if label is not None and len(label[0]) == 1:
            labels.append(float(label[0][0]))
    if sparse is None:
        raise ValueError("there is no record")
    if labels and len(labels) != len(values):
        raise ValueError("some records have a label and some have none")
    labels = np.array(labels, dtype=np.float32) if labels else None
    if not sparse:
        if len(set(len(row) for row in values)) != 1:
            raise ValueError("the records differ in their number of features")
        return np.array(values, dtype=np.float32), labels
    flat = np.array([value for row in values for value in row], dtype=np.float32)
    return csr_matrix((flat, columns, starts), shape=(len(values), most)), labels
