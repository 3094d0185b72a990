"""What a host of a training job is told, under the names of this library."""
from sagemaker_training.environment import Environment as TrainingEnv  # noqa: F401
