"""Finds the user's module, and installs what stands in the requirements.txt beside it."""
import importlib.util
import os
import subprocess
import sys

from mobula_serving import settings

# Set once the requirements are there, so that the server that starts anew with them does not install them again.
DONE = "MOBULA_REQUIREMENTS_INSTALLED"


def folder():
    """The folder of the user's code: what was unpacked of SAGEMAKER_SUBMIT_DIRECTORY, else the model's own code folder, or None."""
    candidates = [os.path.join(settings.ML, "code"), os.path.join(settings.MODEL, "code")]
    submitted = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if submitted.startswith("file://"):
        submitted = submitted[len("file://"):]
    if submitted.startswith("/"):
        candidates.insert(0, submitted)
    for path in candidates:
        if os.path.isdir(path) and os.listdir(path):
            return path
    return None


def install():
    """Installs the requirements and starts this program anew, so that it finds them whereever they were put. It returns if there are none."""
    code = folder()
    requirements = os.path.join(code, "requirements.txt") if code else ""
    if os.environ.get(DONE) or not os.path.isfile(requirements):
        return
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-r", requirements]
    print("Installing", requirements, flush=True)
    last = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=code, universal_newlines=True) as pip:
        for line in pip.stdout:
            sys.stdout.write(line)
            last = (last + [line])[-8:]
    sys.stdout.flush()
    if pip.returncode != 0:
        raise RuntimeError("requirements.txt could not be installed, pip ended with status %d:\n%s" % (pip.returncode, "".join(last)))
    os.environ[DONE] = "1"
    os.execv(sys.executable, [sys.executable, "-m", "mobula_serving"] + sys.argv[1:])


def module(default_program=None):
    """Imports the user's module. None where no program is named and the default one is not there."""
    program = os.environ.get("SAGEMAKER_PROGRAM") or None
    code = folder()
    if program is None and not (code and default_program and os.path.isfile(os.path.join(code, default_program))):
        return None
    program = program or default_program
    if code is None:
        raise RuntimeError("SAGEMAKER_PROGRAM is %r, and there is no code: neither SAGEMAKER_SUBMIT_DIRECTORY nor model/code holds a file" % program)
    path = os.path.join(code, program if program.endswith(".py") else program + ".py")
    if not os.path.isfile(path):
        raise RuntimeError("SAGEMAKER_PROGRAM is %r, and the code holds no such file but %s" % (program, ", ".join(sorted(os.listdir(code))[:20])))
    for place in (os.path.join(code, "lib"), code, os.path.dirname(path)):
        if os.path.isdir(place) and place not in sys.path:
            sys.path.insert(0, place)
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded  # before it runs: what it pickles or imports in a circle finds it by its name
    spec.loader.exec_module(loaded)
    return loaded
