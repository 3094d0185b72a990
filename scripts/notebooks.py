"""Runs the notebooks of the present folder in order, each in an IPython of its own, and stops at the first cell that fails.

    python notebooks.py [NAME …]

NAME is the beginning of a notebook's file name; all of them by default. Cells run as they stand, lines that begin with ! or % too. What %store
keeps goes from one notebook to the next. At the end it says where the time went: by cell, and by what the jobs were doing meanwhile. The exit
status is 0 when every cell passed.
"""
import collections
import datetime
import glob
import json
import os
import subprocess
import sys
import time


def run_one(path):
    """Runs the code cells of one notebook in this process; ends it with status 1 at the first that fails."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "storemagic")
    sys.path.insert(0, os.getcwd())
    cells = [c for c in json.load(open(path))["cells"] if c["cell_type"] == "code"]
    for number, cell in enumerate(cells, 1):
        source = "".join(cell["source"])
        if not source.strip():
            continue
        began = time.time()
        print("── %s, cell %d of %d: %s" % (path, number, len(cells), source.strip().splitlines()[0][:100]), flush=True)
        passed = shell.run_cell(source, store_history=True).success and shell.user_ns.get("_exit_code", 0) == 0
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")  # as Jupyter does: the next cell draws anew
        print("── %s, cell %d %s, %.1f s" % (path, number, "passed" if passed else "FAILED", time.time() - began), flush=True)
        if not passed:
            os._exit(1)
    os._exit(0)


def seconds(transition):
    """The length of a secondary status."""
    return (transition.get("EndTime", transition["StartTime"]) - transition["StartTime"]).total_seconds()


def jobs_since(began):
    """Yields kind, name, status and the seconds of each phase of the jobs that were made since a moment."""
    import boto3

    client = boto3.client("sagemaker")
    for kind, list_name, key, describe, field in (
        ("processing", "list_processing_jobs", "ProcessingJobSummaries", client.describe_processing_job, "ProcessingJobName"),
        ("training", "list_training_jobs", "TrainingJobSummaries", client.describe_training_job, "TrainingJobName"),
    ):
        for page in client.get_paginator(list_name).paginate(CreationTimeAfter=began):
            for summary in page[key]:
                job = describe(**{field: summary[field]})
                phases = collections.OrderedDict()
                if kind == "training":
                    for transition in job.get("SecondaryStatusTransitions", []):
                        phases[transition["Status"]] = phases.get(transition["Status"], 0) + seconds(transition)
                elif "ProcessingStartTime" in job:
                    phases["Starting"] = (job["ProcessingStartTime"] - job["CreationTime"]).total_seconds()
                    if "ProcessingEndTime" in job:  # a notebook need not wait for what it starts
                        phases["Training"] = (job["ProcessingEndTime"] - job["ProcessingStartTime"]).total_seconds()
                yield kind, summary[field], job.get("ProcessingJobStatus", job.get("TrainingJobStatus")), phases


def report(began, took):
    """Prints where the time went."""
    rows = list(jobs_since(began))
    columns = ["Starting", "Pending", "Downloading", "Training", "Uploading"]
    print("\n%-64s %-10s %s" % ("job", "status", " ".join("%11s" % ("script" if c == "Training" else c.lower()) for c in columns)))
    total = collections.Counter()
    for kind, name, status, phases in rows:
        print("%-64s %-10s %s" % (name[:64], status, " ".join("%9.1f s" % phases.get(c, 0) for c in columns)))
        total.update(phases)
    print("%-64s %-10s %s" % ("all %d jobs" % len(rows), "", " ".join("%9.1f s" % total.get(c, 0) for c in columns)))
    print()
    for name, value in took:
        print("%-64s %21.1f s" % (name, value))


def main(names):
    began = datetime.datetime.now(datetime.timezone.utc)
    os.environ.setdefault("IPYTHONDIR", os.path.join(os.getcwd(), ".ipython"))
    took, failed = [], None
    for path in sorted(glob.glob("*.ipynb")):
        if names and not any(path.startswith(name) for name in names):
            continue
        start = time.time()
        status = subprocess.call([sys.executable, os.path.abspath(__file__), "--one", path])
        took.append((path, time.time() - start))
        if status != 0:
            failed = path
            break
    if not took:
        print("no notebook here begins with %s" % ", ".join(names))
        return 1
    report(began, took)
    print("%d passed, %d failed" % (len(took) - bool(failed), bool(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        run_one(sys.argv[2])
    sys.exit(main(sys.argv[1:]))
