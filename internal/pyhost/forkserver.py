"""A Python that has started already, and forks.

Descriptor 3 is the server's end of it: each message brings a connection, for which a process is forked at once. That process enters the
namespaces of one host, waits for the order (forkOrder in internal/runner), and becomes the host's command: `python3 script.py …`, -m or -c,
as if it had been started there. What it cannot do as a new Python would, a new Python does, which it then executes in its place. To serve
another version of Python, run the package's tests with it (MOBULA_TEST_PYTHONS) and add it to `forkable` in forkserver.go.
"""
import atexit
import sys

started = set(sys.modules)
kept = {}


@atexit.register  # first, hence called last
def leave():
    """Lets Python end without taking apart the modules that it shares with other processes: what is `kept` is never freed."""
    for name, module in kept.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]


import array  # noqa: E402
import ctypes  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import site  # noqa: E402
import socket  # noqa: E402
import stat  # noqa: E402
import struct  # noqa: E402
import types  # noqa: E402

# What scripts import of the standard library. Only what looks at nothing of the process, such as its folder, when it is imported.
import argparse, base64, collections, concurrent.futures, configparser, contextlib, copy, csv, dataclasses, datetime, decimal, enum  # noqa: E401,E402,F401
import email.mime.text, email.parser, functools, glob, gzip, hashlib, hmac, html, http.client, importlib.machinery, importlib.util  # noqa: E401,E402,F401
import inspect, io, itertools, logging.config, math, operator, pathlib, pickle, pkgutil, platform, queue, random, runpy, secrets  # noqa: E401,E402,F401
import shutil, ssl, string, subprocess, tarfile, tempfile, textwrap, threading, time, traceback, typing, urllib.request, uuid  # noqa: E401,E402,F401
import warnings, weakref, xml.etree.ElementTree, zipfile  # noqa: E401,E402,F401

libc = ctypes.CDLL(None, use_errno=True)
folders = sys.path[1:]  # of the standard library; the first is this file's
preloaded = {name.partition(".")[0] for name in set(sys.modules) - started - {"__main__"}}
environment = dict(os.environ)

# What Python and the C library heed when they start.
STARTUP = ("PYTHON", "LANG", "LC_", "LD_", "GLIBC_", "MALLOC_", "OPENSSL_")
PR_SET_DUMPABLE, PR_CAPBSET_DROP, CAPABILITIES = 4, 24, 0x20080522


def receive(connection, most):
    """Reads up to the end of the line, with at most so many descriptors. An empty text is the end of the connection."""
    text, descriptors = b"", array.array("i")
    while not text.endswith(b"\n"):
        part, ancillary, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(most * descriptors.itemsize))
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[:len(data) - len(data) % descriptors.itemsize])
        if not part:
            return b"", []
        text += part
    return text, list(descriptors)


def serve(control):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored where a shell started the server in its background
    for number in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    while True:
        text, descriptors = receive(control, 1)
        if not text:
            return
        for descriptor in descriptors:
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                wait(socket.socket(fileno=descriptor))
                return
            os.close(descriptor)


def wait(connection):
    """Goes to a host and waits there for the order. Only the process that is the command returns, and does so when the command has ended."""
    text, namespaces = receive(connection, 16)
    if not text:
        os._exit(0)
    try:
        enter(namespaces[:-1], connection)
        text, logs = receive(connection, 1)
        if not text:
            os._exit(0)
        order = json.loads(text)
        settle(order, namespaces[-1], logs[0])
        connection.sendall(b"+")
    except Exception as error:
        sys.stderr.write("a host cannot be entered: %r\n" % error)
        os._exit(1)  # a new process takes the place of this one
    if connection.recv(1) != b"+":
        os._exit(0)
    connection.close()
    os.closerange(3, max(int(name) for name in os.listdir("/proc/self/fd")) + 1)
    run(order["command"], order["environment"])


def enter(namespaces, connection):
    """Returns in a child of the host's first process. The others end."""
    own = os.stat("/proc/self/ns/user").st_ino
    for descriptor in namespaces:
        if os.fstat(descriptor).st_ino != own:  # nobody may enter the user namespace where they are
            check(libc.setns(descriptor, 0))
    # Orphans are given to the first process: a child in the host forks the command and ends.
    middle = os.fork()
    if middle:
        if os.waitpid(middle, 0)[1] == 0:
            connection.sendall(b"\n")  # behind the number of the command's process
        os._exit(0)
    command = os.fork()
    if command:
        connection.sendall(b"%d" % command)
        os._exit(0)


def check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def settle(order, files, log):
    """Gives this process what the command of a host has: limits, files, session, folder, standard streams, and capabilities."""
    for group in order["groups"]:
        with open(os.path.join(group, "cgroup.procs"), "w") as f:
            f.write("0")
    check(libc.setns(files, 0))
    os.setsid()
    os.umask(0o022)
    for folder in order["folders"]:
        if os.path.isdir(folder):
            os.chdir(folder)
            break
    else:
        raise FileNotFoundError(order["folders"])
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    os.close(null)
    keep = order["capabilities"]
    for capability in range(64):
        if not keep >> capability & 1 and libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            if ctypes.get_errno() != 22:  # EINVAL: the kernel has no such capability
                check(-1)
    low, high = keep & 0xffffffff, keep >> 32
    check(libc.capset(struct.pack("Ii", CAPABILITIES, 0), struct.pack("6I", low, low, 0, high, high, 0)))
    check(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))  # entering namespaces took it, and with it what is this process's own in /proc


def run(command, env):
    """Is `command`, with these environment variables."""
    sys.executable = program(command[0], env)
    arguments = command[1:]
    while arguments[:1] == ["-u"]:
        arguments = arguments[1:]
    first = place(arguments)
    added = env["PYTHONPATH"].split(":") if env.get("PYTHONPATH") else []
    if first is None or startup(env) != startup(environment) or not same(sys.executable) or shadowed([first] + added):
        os.execve(sys.executable, command, env)
    show(command)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = command
    logging._startTime = time.time_ns() if sys.version_info >= (3, 13) else time.time()
    main = types.ModuleType("__main__")
    main.__dict__.update(__builtins__=sys.modules["builtins"], __annotations__={}, __loader__=importlib.machinery.BuiltinImporter)
    sys.modules["__main__"] = main
    sys.path[:] = added + folders
    sys.path_importer_cache.clear()
    site.main()  # finds the world by sys.executable
    sys.path.insert(0, first)
    option, rest = arguments[0], arguments[1:]
    if option == "-m":
        sys.argv[:] = ["-m"] + rest[1:]
        try:
            runpy._run_module_as_main(rest[0])
        except Exception as error:  # is shown without the frames of this file
            shown = error.with_traceback(error.__traceback__.tb_next)
            sys.excepthook(type(shown), shown, shown.__traceback__)
            sys.exit(1)
        return
    python = ctypes.pythonapi
    if option == "-c":
        sys.argv[:] = ["-c"] + rest[1:]
        failed = python.PyRun_SimpleStringFlags(rest[0].encode(), None)
    else:
        sys.argv[:] = arguments
        name = os.fsencode(os.path.abspath(option) if sys.version_info >= (3, 9) else option)
        libc.fopen.restype = ctypes.c_void_p
        file = libc.fopen(name, b"rbe")
        if not file:
            os.execve(sys.executable, command, env)
        failed = python.PyRun_SimpleFileExFlags(ctypes.c_void_p(file), name, 1, None)
    if failed and getattr(sys, "last_type", None) is KeyboardInterrupt:
        sys.excepthook = lambda *_: None  # it was shown; the way in which Python ends upon one is left to it
        raise KeyboardInterrupt
    if failed:
        sys.exit(1)


def show(command):
    """Lets lists of processes show the command and not this program, as far as there is room."""
    start, end = argument_area
    text = os.fsencode(" ".join(command)).replace(b"\0", b" ")[:max(0, end - start - 2)]
    if text:
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, text, len(text))
        ctypes.memset(end - 1, ord("."), 1)  # by which the kernel knows that it is one text now, up to the first zero


def program(name, env):
    """The path of a program, as execvp finds it."""
    if "/" in name:
        return name
    for folder in os.get_exec_path(env):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    raise FileNotFoundError(name)


def place(arguments):
    """What the command puts at the head of sys.path, or None where a new Python has to run it."""
    if len(arguments) > 1 and arguments[0] == "-m":
        return os.getcwd()
    if len(arguments) > 1 and arguments[0] == "-c" and sys.version_info < (3, 13):  # later ones show its lines in tracebacks
        return ""
    if not arguments or arguments[0].startswith("-") or arguments[0].endswith(".pyc"):
        return None
    try:
        regular = stat.S_ISREG(os.stat(arguments[0]).st_mode)
        with open(arguments[0], "rb") as f:
            text = not f.read(4).startswith(b"PK")
    except OSError:
        return None
    return os.path.dirname(os.path.realpath(arguments[0])) if regular and text else None


def startup(env):
    return {name: value for name, value in env.items() if name.startswith(STARTUP) and name != "PYTHONPATH"}


def same(path):
    """Whether a path leads to the very program that runs here."""
    try:
        a, b = os.stat(path), interpreter
    except OSError:
        return False
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def shadowed(paths):
    """Whether a folder that goes before the standard library has something of the name of a module that is loaded already."""
    for path in paths:
        try:
            names = os.listdir(path or ".")
        except OSError:
            continue
        if not path and path is not paths[0]:
            return True
        for name in names:
            stem = name.partition(".")[0]
            if stem in preloaded or stem in ("sitecustomize", "usercustomize"):
                return True
    return False


def begin():
    control = socket.socket(fileno=3)
    control.sendall(b"\n")  # ready
    serve(control)


interpreter = os.stat(sys.executable)
with open("/proc/self/stat") as f:
    argument_area = tuple(int(field) for field in f.read().rpartition(")")[2].split()[45:47])  # where they lie, arg_start and arg_end in proc(5)
kept.update((name, module) for name, module in sys.modules.items() if name.partition(".")[0] in preloaded)
for thing in [kept] + list(kept.values()):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
gc.collect()
gc.freeze()  # looking for garbage need not write to the pages of what stays
begin()
