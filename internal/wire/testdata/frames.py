"""Reads frames, one JSON object a line, with botocore's decoder, and says where it does not agree with what the line says of them."""
import json
import sys

from botocore.eventstream import EventStreamBuffer, ParserError

for number, line in enumerate(sys.stdin):
    want = json.loads(line)
    frame, cut = bytes.fromhex(want["frame"]), number % 50
    buffer = EventStreamBuffer()
    try:
        buffer.add_data(frame[:cut])
        messages = list(buffer)
        buffer.add_data(frame[cut:])
        messages += list(buffer)
    except ParserError:
        messages = []
    assert bool(messages) == want["sound"], (number, messages, want)
    for message in messages:
        assert message.headers == want["headers"], (number, message.headers, want)
        assert message.payload.hex() == want["payload"], (number, want)
print("ok")
