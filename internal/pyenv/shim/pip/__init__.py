"""Stands where pip would be: asks Mobula for the packages, as the index offered them on the date of this world."""
import importlib
import os
import subprocess
import sys

__version__ = "24.0"


def main(args=None):
    """Does what pip's command line does, and returns its exit status."""
    arguments = list(sys.argv[1:] if args is None else args)
    environment = dict(os.environ)
    environment.setdefault("MOBULA_PYTHON", sys.prefix)
    status = subprocess.call([os.environ.get("MOBULA_EXECUTABLE", "mobula"), "mobula-pip"] + arguments, env=environment)
    importlib.invalidate_caches()
    return status
