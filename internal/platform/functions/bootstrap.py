"""Calls a function's handler once, as the Python runtime of AWS Lambda does. Arguments: the folder with event.json, for result.json."""
import importlib
import json
import math
import os
import resource
import sys
import time
import traceback

folder, task = sys.argv[1], sys.argv[2]
sys.path.insert(0, task)
os.chdir(task)
began = time.time()
deadline = began + float(os.environ["MOBULA_FUNCTION_TIMEOUT"])


class Context:
    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
    invoked_function_arn = os.environ["MOBULA_FUNCTION_ARN"]
    memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    aws_request_id = os.environ["MOBULA_REQUEST_ID"]
    log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
    log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
    identity = None
    client_context = None

    def get_remaining_time_in_millis(self):
        return max(int((deadline - time.time()) * 1000), 0)

    def log(self, message):
        print(message)


def finish(**result):
    sys.stdout.flush()
    took = (time.time() - began) * 1000
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1 << 10)
    print("END RequestId: %s" % Context.aws_request_id)
    print("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %s MB\tMax Memory Used: %d MB" % (
        Context.aws_request_id, took, math.ceil(took), Context.memory_limit_in_mb, memory))
    part = os.path.join(folder, "result.json.part")
    with open(part, "w", encoding="utf-8") as f:
        json.dump(result, f)
    os.replace(part, os.path.join(folder, "result.json"))
    sys.stdout.flush()
    sys.exit(0)


def fail(kind, message, trace=()):
    finish(failure={"errorMessage": message, "errorType": kind, "requestId": Context.aws_request_id, "stackTrace": list(trace)})


print("START RequestId: %s Version: %s" % (Context.aws_request_id, Context.function_version), flush=True)
module_name, _, name = os.environ["_HANDLER"].rpartition(".")
try:
    module = importlib.import_module(module_name.replace("/", "."))
except ImportError as e:
    fail("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, e))
except SyntaxError as e:
    fail("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, e))
except Exception as e:
    traceback.print_exc()
    fail(type(e).__name__, str(e), traceback.format_tb(e.__traceback__)[1:])
try:
    handler = getattr(module, name)
except AttributeError:
    fail("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (name, module_name))
with open(os.path.join(folder, "event.json"), encoding="utf-8") as f:
    event = json.load(f)
try:
    returned = handler(event, Context())
except Exception as e:
    traceback.print_exc()
    fail(type(e).__name__, str(e), traceback.format_tb(e.__traceback__)[1:])
try:
    payload = json.dumps(returned)
except (TypeError, ValueError) as e:
    fail("Runtime.MarshalError", "Unable to marshal response: %s" % e)
finish(payload=payload)
