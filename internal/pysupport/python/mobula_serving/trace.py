"""Tracebacks of user code, without the frames that lead to it."""
import os
import sys
import traceback

OWN = os.path.dirname(os.path.abspath(__file__))


def text():
    """The traceback of the exception that is handled now, from the first frame on that is not the server's or the import system's."""
    kind, error, frames = sys.exc_info()
    users = frames
    while users is not None and (users.tb_frame.f_code.co_filename.startswith((OWN, "<frozen"))):
        users = users.tb_next
    return "".join(traceback.format_exception(kind, error, users or frames))
