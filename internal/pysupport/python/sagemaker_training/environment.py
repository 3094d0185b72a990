"""What a host of a training job is told, read from its environment and the files of /opt/ml/input/config."""
import json
import os


def _file(folder, name):
    try:
        with open(os.path.join(folder, name)) as f:
            return json.load(f)
    except (IOError, OSError):
        return {}


def _value(text):
    """Hyper-parameters are JSON where they can be, else text."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


class Environment(object):
    """The members of the toolkit's Environment that describe the job, its hosts and its folders."""

    def __init__(self):
        base = os.environ.get("MOBULA_ML_DIR", "/opt/ml")
        self.input_dir = os.path.join(base, "input")
        self.input_config_dir = os.path.join(self.input_dir, "config")
        self.input_data_dir = os.path.join(self.input_dir, "data")
        self.model_dir = os.environ.get("SM_MODEL_DIR", os.path.join(base, "model"))
        self.output_dir = os.path.join(base, "output")
        self.output_data_dir = os.environ.get("SM_OUTPUT_DATA_DIR", os.path.join(self.output_dir, "data"))
        self.code_dir = os.path.join(base, "code")
        resources = _file(self.input_config_dir, "resourceconfig.json")
        self.resource_config = resources
        self.hosts = resources.get("hosts") or json.loads(os.environ.get("SM_HOSTS", '["algo-1"]'))
        self.current_host = resources.get("current_host") or os.environ.get("SM_CURRENT_HOST", "algo-1")
        self.master_hostname = sorted(self.hosts)[0]
        self.is_master = self.current_host == self.master_hostname
        self.network_interface_name = resources.get("network_interface_name", "eth0")
        self.input_data_config = _file(self.input_config_dir, "inputdataconfig.json")
        self.channel_input_dirs = {name: os.path.join(self.input_data_dir, name) for name in self.input_data_config}
        hyperparameters = {name: _value(text) for name, text in _file(self.input_config_dir, "hyperparameters.json").items()}
        self.additional_framework_parameters = {k: v for k, v in hyperparameters.items() if k.startswith("sagemaker_")}
        self.hyperparameters = {k: v for k, v in hyperparameters.items() if not k.startswith("sagemaker_")}
        self.num_cpus = int(os.environ.get("SM_NUM_CPUS", os.cpu_count() or 1))
        self.num_gpus = int(os.environ.get("SM_NUM_GPUS", 0))
        self.job_name = os.environ.get("TRAINING_JOB_NAME", hyperparameters.get("sagemaker_job_name", ""))
        self.user_entry_point = hyperparameters.get("sagemaker_program")
        self.module_dir = hyperparameters.get("sagemaker_submit_directory", "")
        self.log_level = int(hyperparameters.get("sagemaker_container_log_level", 20))
