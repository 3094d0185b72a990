"""The errors that the framework raises."""
from sagemaker_inference.errors import UnsupportedFormatError  # noqa: F401


class ClientError(Exception):
    """A mistake of the user's."""
