"""An Estimator whose code is in a git repository, with its logs, metrics, run and lineage."""
import contextlib
import io
import subprocess

from common import bucket, image, role, session, source, upload
from sagemaker.estimator import Estimator
from sagemaker.experiments import Run, load_run
from sagemaker.inputs import TrainingInput
from sagemaker.lineage.visualizer import LineageTableVisualizer

code = source(train_py="""
import argparse, os
import boto3, sagemaker
from sagemaker.experiments import load_run
a = argparse.ArgumentParser()
a.add_argument("--rate", type=float)
x = a.parse_args().rate
assert open(os.environ["SM_CHANNEL_TRAIN"] + "/data.csv").read() == "1,2"
with load_run(sagemaker_session=sagemaker.Session()) as run:
    run.log_parameter("inside", x)
    for step in range(3):
        run.log_metric("error", 1 / (step + 1), step=step)
open(os.environ["SM_MODEL_DIR"] + "/model", "w").write(str(x))
for i in range(3):
    print("loss=%f;" % (x / (i + 1)))
""")
for command in (["init", "-q", "-b", "main"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "t"]):
    subprocess.run(["git", "-C", code] + command, check=True)
# The SDK takes only addresses of servers; git is told that this one is the folder.
subprocess.run(["git", "config", "--global", "url.file://%s.insteadOf" % code, "https://git.example.com/code.git"], check=True)

data = TrainingInput(upload("train/data.csv", "1,2"), content_type="text/csv")
estimator = Estimator(image_uri=image, role=role, instance_type="ml.m5.large", instance_count=1, sagemaker_session=session, base_job_name="sdk2",
                      entry_point="train.py", git_config={"repo": "https://git.example.com/code.git", "branch": "main"}, hyperparameters={"rate": 0.25},
                      metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+);"}])
said = io.StringIO()
with Run(experiment_name="houses", run_name="first", sagemaker_session=session) as run:
    run.log_parameters({"outside": 1})
    with contextlib.redirect_stdout(said):
        estimator.fit({"train": data}, wait=True, logs="All")
assert "loss=0.250000;" in said.getvalue(), said.getvalue()

name = estimator.latest_training_job.name
(loss,) = session.describe_training_job(name)["FinalMetricDataList"]
assert loss["MetricName"] == "loss" and round(loss["Value"], 3) == 0.083, loss
values = estimator.training_job_analytics.dataframe()
assert list(values.metric_name) == ["loss"] and round(values.value[0], 3) == 0.153, values

with load_run(experiment_name="houses", run_name="first", sagemaker_session=session) as run:
    component = run._trial_component
    assert component.parameters["outside"] == 1 and component.parameters["inside"] == 0.25, component.parameters
    (error,) = [m for m in component.metrics if m.metric_name == "error"]
    assert error.count == 3 and error.max == 1, error

table = LineageTableVisualizer(session).show(training_job_name=name)
assert "ContributedTo" in list(table["Association Type"]) and any(str(n).endswith("model.tar.gz") for n in table["Name/Source"]), table
print("ok")
