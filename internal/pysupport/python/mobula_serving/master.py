"""The first process: installs, listens, and keeps as many workers as are asked for."""
import gc
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback

from mobula_serving import families, settings, trace, usercode, worker

BACKLOG = 1024
GRACE_S = 4.0  # between asking a worker to end and ending it
STEADY_S = 5.0  # a worker that lived so long is replaced at once
LONGEST_WAIT_S = 10.0


def main(args):
    try:
        if len(args) != 1 or args[0] not in families.FAMILIES:
            raise ValueError("one argument is needed, one of %s, not %r" % (", ".join(sorted(families.FAMILIES)), args))
        usercode.install()
        master = Master(families.FAMILIES[args[0]])
    except Exception as e:
        traceback.print_exc()
        settings.fail(str(e))
        return 1
    return master.run()


def listen():
    """Binds the port, and the unix socket where one is asked for."""
    host = "127.0.0.1" if os.environ.get("MOBULA_ML_DIR") else "0.0.0.0"
    port = settings.number("MOBULA_SERVE_PORT", settings.number("SAGEMAKER_BIND_TO_PORT", 8080))
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((host, port))
    listeners = [tcp]
    path = os.environ.get("MOBULA_SERVE_SOCKET")
    if path:
        if os.path.exists(path):
            os.remove(path)  # left by a server that was killed
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(path)
        listeners.append(unix)
    for listener in listeners:
        listener.listen(BACKLOG)
        listener.setblocking(False)
    return listeners


class Slot(object):
    """The place of one worker."""

    def __init__(self):
        self.pid, self.started, self.deaths, self.due, self.ready = 0, 0.0, 0, 0.0, None


class Master(object):
    def __init__(self, family):
        self.family, self.timeout_s = family, settings.timeout_s()
        self.slots = [Slot() for _ in range(settings.workers())]
        self.memory = mmap.mmap(-1, 8 * len(self.slots))
        self.listeners = listen()
        self.stopping = False

    def run(self):
        self.wake, woken = os.pipe()
        for end in (self.wake, woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        # The first worker shows whether the model loads at all: a start that fails does so once, and leaves one traceback.
        self.fork(0)
        if os.read(self.slots[0].ready, 1) != b"1":
            os.waitpid(self.slots[0].pid, 0)
            return 0 if self.stopping else 1
        self.slots[0].deaths = 0
        print("Serving with %d workers" % len(self.slots), flush=True)
        while not self.stopping:
            wait = self.fill()
            select.select([self.wake], [], [], wait)
            self.clear()
            self.reap()
            self.end_hung()
        return self.end()

    def stop(self, *_):
        self.stopping = True
        if self.slots[0].pid:
            self.signal(signal.SIGTERM)

    def signal(self, number):
        for slot in self.slots:
            if slot.pid:
                try:
                    os.kill(slot.pid, number)
                except ProcessLookupError:
                    pass

    def clear(self):
        try:
            while os.read(self.wake, 512):
                pass
        except BlockingIOError:
            pass

    def fill(self):
        """Starts the workers that are due, and returns how long to wait for the next."""
        wait = 1.0
        for i, slot in enumerate(self.slots):
            if not slot.pid:
                left = slot.due - time.monotonic()
                if left <= 0:
                    self.fork(i)
                else:
                    wait = min(wait, left)
        return wait

    def fork(self, i):
        slot = self.slots[i]
        if slot.ready is not None:
            os.close(slot.ready)
        slot.ready, told = os.pipe()
        struct.pack_into("d", self.memory, 8 * i, 0.0)
        slot.started = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()
        slot.pid = os.fork()
        if slot.pid == 0:
            status = 1
            try:
                os.close(slot.ready)
                self.work(i, told)
                status = 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        os.close(told)

    def work(self, i, told):
        """What a worker does: loads the model, says so, and serves."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            functions = self.family()
            functions.load()
        except BaseException:
            print(trace.text(), end="", file=sys.stderr, flush=True)
            settings.fail(trace.text())
            raise
        served = worker.Worker(self.listeners, functions, self.memory, i)
        os.write(told, b"1")
        os.close(told)
        served.serve()

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for slot in self.slots:
                if slot.pid == pid:
                    lived = time.monotonic() - slot.started
                    slot.deaths = 0 if lived > STEADY_S else slot.deaths + 1
                    wait = 0.0 if slot.deaths < 2 else min(0.1 * 2 ** min(slot.deaths, 10), LONGEST_WAIT_S)
                    slot.pid, slot.due = 0, time.monotonic() + wait
                    if not self.stopping:
                        print("Worker %d ended (%s) and is replaced" % (pid, describe(status)), flush=True)

    def end_hung(self):
        """Ends the workers whose request takes longer than it may."""
        for i, slot in enumerate(self.slots):
            began, = struct.unpack_from("d", self.memory, 8 * i)
            if slot.pid and began and time.time() - began > self.timeout_s:
                print("Worker %d has worked on a request for more than %d s and is ended" % (slot.pid, self.timeout_s), flush=True)
                struct.pack_into("d", self.memory, 8 * i, 0.0)
                os.kill(slot.pid, signal.SIGKILL)

    def end(self):
        self.signal(signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        while any(slot.pid for slot in self.slots) and time.monotonic() < until:
            select.select([self.wake], [], [], 0.1)
            self.clear()
            self.reap()
        self.signal(signal.SIGKILL)
        return 0


def describe(status):
    return "signal %d" % os.WTERMSIG(status) if os.WIFSIGNALED(status) else "status %d" % os.WEXITSTATUS(status)
