"""Runs one training on several hosts by XGBoost's own tracker and collective."""
import inspect
import json
import logging
import os
import socket
import sys
import time

PORT = 9099  # at which the first host is met
CONNECT_ATTEMPTS = 60


def wait_hostname_resolution(hosts):
    """Waits until the names of all hosts resolve."""
    for host in hosts:
        for attempt in range(CONNECT_ATTEMPTS):
            try:
                socket.gethostbyname(host)
                break
            except socket.error:
                if attempt == CONNECT_ATTEMPTS - 1:
                    raise
                time.sleep(1)


def rabit_run(exec_fun, args, include_in_training, hosts, current_host, first_port=None, second_port=None, max_connect_attempts=None,
              connect_retry_timeout=3, update_rabit_args=False):
    """Calls exec_fun(**args) on every host that has data, joined for a training; with update_rabit_args it is told whether it is_master.

    The first of the sorted hosts, which all others find at first_port, starts the tracker for those that take part. A host without data returns.
    """
    wait_hostname_resolution(hosts)
    first = sorted(hosts)[0]
    tracker = None
    if current_host == first:
        tracker, joined = _gather(first, len(hosts), bool(include_in_training), first_port or PORT)
    else:
        joined = _meet(first, bool(include_in_training), first_port or PORT, max_connect_attempts or CONNECT_ATTEMPTS, connect_retry_timeout)
    try:
        if joined is None:
            logging.warning("Host %s does not have data, and does not take part in the training", current_host)
            return
        _run(exec_fun, args, joined, update_rabit_args)
    finally:
        if tracker is not None:
            _finish(tracker)


def _gather(first, number, included, port):
    """Meets the other hosts, starts the tracker, and tells those that take part where it is."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(number)
    others = []
    try:
        while len(others) < number - 1:
            connection, _ = listener.accept()
            others.append((connection, json.loads(connection.makefile("r").readline())))
        members = sum(takes_part for _, takes_part in others) + included
        tracker, joined = _start(socket.gethostbyname(first), members) if members else (None, None)
        for connection, takes_part in others:
            connection.sendall(json.dumps(joined if takes_part else None).encode() + b"\n")
    finally:
        for connection, _ in others:
            connection.close()
        listener.close()
    return tracker, joined if included else None


def _meet(first, included, port, attempts, wait_s):
    """Tells the first host whether this one takes part, and learns where the tracker is."""
    for attempt in range(attempts):
        try:
            connection = socket.create_connection((first, port))
            break
        except socket.error:
            if attempt == attempts - 1:
                raise
            time.sleep(wait_s)
    try:
        connection.sendall(json.dumps(included).encode() + b"\n")
        return json.loads(connection.makefile("r").readline())
    finally:
        connection.close()


def _start(address, members):
    """Starts the tracker as this version of XGBoost does it, and returns it with what its workers need."""
    RabitTracker = _tracker()
    if hasattr(RabitTracker, "worker_args"):
        tracker = RabitTracker(n_workers=members, host_ip=address)
        tracker.start()
        return tracker, tracker.worker_args()
    if "hostIP" in inspect.signature(RabitTracker.__init__).parameters:  # 1.5 and before
        tracker = RabitTracker(hostIP=address, nslave=members)
    else:
        tracker = RabitTracker(host_ip=address, n_workers=members)
    tracker.start(members)
    return tracker, tracker.worker_envs() if hasattr(tracker, "worker_envs") else tracker.slave_envs()


def _tracker():
    """The class of the trackers: in the first versions it lies beside the package's modules, among the files of the library."""
    try:
        from xgboost.tracker import RabitTracker
    except ImportError:
        import xgboost
        sys.path.append(os.path.join(os.path.dirname(xgboost.__file__), "dmlc-core", "tracker"))
        from dmlc_tracker.tracker import RabitTracker
    return RabitTracker


def _finish(tracker):
    if hasattr(tracker, "wait_for"):
        tracker.wait_for()
    else:
        tracker.join()


def _run(exec_fun, args, joined, update_rabit_args):
    try:
        from xgboost import collective
    except ImportError:  # before 1.7
        from xgboost import rabit
        rabit.init([("%s=%s" % item).encode() for item in joined.items()])
        try:
            _call(exec_fun, args, rabit.get_rank() == 0, update_rabit_args)
        finally:
            rabit.finalize()
        return
    with collective.CommunicatorContext(**joined):
        _call(exec_fun, args, collective.get_rank() == 0, update_rabit_args)


def _call(exec_fun, args, is_master, update_rabit_args):
    args = dict(args or {})
    if update_rabit_args:
        args["is_master"] = is_master
    exec_fun(**args)
