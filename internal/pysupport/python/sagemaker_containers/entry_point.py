"""What scripts call of the library before they train on several hosts."""
import json
import os


def _wait_hostname_resolution():
    from sagemaker_xgboost_container import distributed
    distributed.wait_hostname_resolution(json.loads(os.environ.get("SM_HOSTS", "[]")))
