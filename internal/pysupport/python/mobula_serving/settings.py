"""What the environment of a host says to the server."""
import os

ML = os.environ.get("MOBULA_ML_DIR", "/opt/ml")
MODEL = os.path.join(ML, "model")
FAILURE = os.path.join(ML, "output", "failure")

# More workers than this are a user's choice, never the default: each of them holds the model.
MOST_WORKERS = 4


def number(name, default, least=1):
    """Reads a whole number, or says what is wrong with it."""
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ValueError("%s is %r; a whole number from %d up is needed" % (name, text, least))
    return value


def processors():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def workers():
    return number("SAGEMAKER_MODEL_SERVER_WORKERS", min(processors(), MOST_WORKERS))


def timeout_s():
    """How long one request may take before its worker is replaced."""
    return number("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", number("SAGEMAKER_MODEL_SERVER_TIMEOUT", 60))


def default_accept(otherwise):
    return os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or otherwise


def fail(text):
    """Leaves the reason of a failed start where the host's owner looks for it."""
    os.makedirs(os.path.dirname(FAILURE), exist_ok=True)
    with open(FAILURE, "w", encoding="utf-8", errors="replace") as f:
        f.write(text)
