"""Runs the AWS CLI, unmodified, without the half second that each start of it takes: a process that has imported it forks for each command.

aws.py serve SOCKET   is that process; it ends with its standard input.
aws.py SOCKET ARG…    has it run a command here: with this environment, working directory and standard files, and with the command's exit code.
"""
import os
import socket
import sys


def serve(path):
    import gc
    import json
    import select
    import signal
    import traceback

    from awscli import clidriver
    from awscli.customizations.s3 import subcommands  # noqa: F401, imported late by the CLI itself

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if os.fork():
            connection.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        listener.close()
        code = 255
        try:
            message, files, _, _ = socket.recv_fds(connection, 16, 3)
            if not message:
                os._exit(0)  # somebody looked whether this process is there
            for given, own in zip(files, (0, 1, 2)):
                os.dup2(given, own)
                os.close(given)
            with connection.makefile("rb") as f:
                command = json.loads(f.read(int(message)))
            data = os.environ["AWS_DATA_PATH"]  # the CLI sets it as it is imported
            os.environ.clear()
            os.environ.update(command["env"], AWS_DATA_PATH=data)
            os.chdir(command["folder"])
            sys.argv = ["aws"] + command["args"]
            try:
                code = clidriver.main()
            except SystemExit as e:
                code = e.code or 0
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            connection.sendall(bytes([code & 255]))
            os._exit(0)


def run(path, args):
    import json

    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    command = json.dumps({"args": args, "env": dict(os.environ), "folder": os.getcwd()}).encode()
    socket.send_fds(connection, [b"%16d" % len(command)], [0, 1, 2])
    connection.sendall(command)
    code = connection.recv(1)
    os._exit(code[0] if code else 255)


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    run(sys.argv[1], sys.argv[2:])
