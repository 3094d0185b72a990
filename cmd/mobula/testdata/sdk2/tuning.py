"""A HyperparameterTuner, its best estimator, and its analytics."""
from common import image, role, session, source, upload
from sagemaker.analytics import HyperparameterTuningJobAnalytics
from sagemaker.estimator import Estimator
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter

code = source(train_py="""
import argparse, os
a = argparse.ArgumentParser()
a.add_argument("--rate", type=float)
a.add_argument("--depth", type=int)
o = a.parse_args()
open(os.environ["SM_MODEL_DIR"] + "/model", "w").write(str(o.rate))
print("loss=%f;" % ((o.rate - 0.5) ** 2 + o.depth))
""")
estimator = Estimator(image_uri=image, role=role, instance_type="ml.m5.large", instance_count=1, sagemaker_session=session, base_job_name="sdk2",
                      entry_point="train.py", source_dir=code)
tuner = HyperparameterTuner(estimator, "loss", {"rate": ContinuousParameter(0, 1), "depth": IntegerParameter(1, 3)}, objective_type="Minimize",
                            metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+);"}], max_jobs=4, max_parallel_jobs=2)
tuner.fit({"train": upload("train/data.csv", "1,2")}, wait=True)

frame = HyperparameterTuningJobAnalytics(tuner.latest_tuning_job.name, sagemaker_session=session).dataframe()
assert len(frame) == 4 and set(frame["TrainingJobStatus"]) == {"Completed"}, frame
best = tuner.best_estimator()
row = frame.sort_values("FinalObjectiveValue").iloc[0]
assert best.latest_training_job.name == tuner.best_training_job() == row["TrainingJobName"], (tuner.best_training_job(), frame)
assert float(best.hyperparameters()["rate"]) == row["rate"] and best.model_data.endswith("model.tar.gz"), best.hyperparameters()
print("ok")
