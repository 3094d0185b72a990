"""One worker: a process that answers one request at a time, so that user code need not be safe against itself.

Each connection carries one request. The kernel hands a connection to a worker that waits for one, so none queues behind a busy worker
while another is idle.
"""
import http.server
import os
import select
import signal
import socket
import struct
import sys
import time

from mobula_serving import trace

READ_TIMEOUT_S = 60  # how long a client may take to send its request
MOST_MESSAGE = 4096  # bytes of an error's text that are answered


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mobula", ""
    timeout = READ_TIMEOUT_S

    def address_string(self):
        return "-"

    def log_request(self, code="-", size="-"):
        if self.path != "/ping":
            print('"%s" %s %.1f ms' % (self.requestline, int(code), (time.time() - self.server.began) * 1e3), flush=True)

    def log_message(self, format, *args):  # noqa: A002, the name is the base class's
        print(format % args, flush=True)

    def do_GET(self):
        if self.path == "/ping":
            self._send(200, b"", "application/json")
        elif self.path == "/execution-parameters":
            self._run(lambda body: self.server.functions.execution_parameters())
        else:
            self._send(404, b"served are GET /ping, POST /invocations and GET /execution-parameters", "text/plain")

    def do_POST(self):
        if self.path != "/invocations":
            self._send(404, b"served are GET /ping, POST /invocations and GET /execution-parameters", "text/plain")
            return
        self._run(lambda body: self.server.functions.answer(body, self.headers))

    def _run(self, function):
        try:
            body = self._body()
            self.server.busy()
            answer = function(body)
            streamed = not isinstance(answer.body, bytes)
            first = next(answer.body, b"") if streamed else answer.body
        except Exception as e:  # whatever user code raises is its caller's to know
            print(trace.text(), end="", file=sys.stderr, flush=True)
            status = getattr(e, "status_code", 500)
            status = status if isinstance(status, int) and 400 <= status <= 599 else 500
            text = str(getattr(e, "message", "") or e) or type(e).__name__
            self._send(status, text.encode("utf-8", "replace")[:MOST_MESSAGE], "text/plain")
            return
        finally:
            self.server.idle()
            sys.stdout.flush()
        if streamed:
            self._stream(answer, first)
        else:
            self._send(answer.status, answer.body, answer.content_type, answer.headers)

    def _stream(self, answer, part):
        """Sends each part before the next is made. How long a worker may work is counted for each of them."""
        self._begin(answer.status, answer.content_type, answer.headers, ("Transfer-Encoding", "chunked"))
        while part:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            try:
                self.server.busy()
                part = next(answer.body, b"")
            except Exception:  # the answer stays without its end, by which its reader knows
                print(trace.text(), end="", file=sys.stderr, flush=True)
                return
            finally:
                self.server.idle()
                sys.stdout.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            parts = []
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                parts.append(self.rfile.read(size))
                self.rfile.readline()
                if size == 0:
                    return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, status, body, content_type, headers=()):
        self._begin(status, content_type, headers, ("Content-Length", str(len(body))))
        self.wfile.write(body)

    def _begin(self, status, content_type, headers, length):
        self.close_connection = True
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header(*length)
        self.send_header("Connection", "close")
        self.end_headers()


class Worker(object):
    """Since when it works on a request stands in memory that the master reads: 0 is idle."""

    def __init__(self, listeners, functions, memory, slot):
        self.listeners, self.functions, self.memory, self.slot = listeners, functions, memory, slot
        self.began, self.stopping = 0.0, False

    def busy(self):
        struct.pack_into("d", self.memory, 8 * self.slot, time.time())

    def idle(self):
        struct.pack_into("d", self.memory, 8 * self.slot, 0.0)

    def stop(self, *_):
        self.stopping = True

    def serve(self):
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGTERM, self.stop)
        master = os.getppid()
        while not self.stopping:
            ready = select.select(self.listeners + [wake], [], [], 5)[0]
            if os.getppid() != master:
                return  # nobody is left who would end it
            for listener in ready:
                if listener == wake:
                    os.read(wake, 512)
                elif not self.stopping:
                    self._take(listener)

    def _take(self, listener):
        try:
            connection, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # another worker was quicker, or the client gave up
        self.began = time.time()
        try:
            connection.setblocking(True)
            if connection.family != getattr(socket, "AF_UNIX", None):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Handler(connection, address, self)
        except (OSError, ValueError):
            pass  # the client is the only one to tell, and it has gone
        finally:
            connection.close()
