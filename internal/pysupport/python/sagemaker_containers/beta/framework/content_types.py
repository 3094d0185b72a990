"""The media types that the images know by name."""
from sagemaker_inference.content_types import *  # noqa: F401,F403
