"""A pipeline of processing, training, tuning, model and condition steps."""
import boto3
from common import bucket, image, role, source, upload
from sagemaker.core.parameter import ContinuousParameter
from sagemaker.core.processing import ProcessingOutput, ScriptProcessor
from sagemaker.core.shapes import ProcessingS3Output
from sagemaker.core.workflow.conditions import ConditionLessThanOrEqualTo
from sagemaker.core.workflow.functions import JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import ProcessingStep, TrainingStep, TuningStep
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.tuner import HyperparameterTuner

session = PipelineSession()
limit = ParameterFloat(name="Limit", default_value=1.0)
code = source(process_py="open('/opt/ml/processing/out/report.json', 'w').write('{\"error\": 0.25}')", train_py="""
import argparse, os
a = argparse.ArgumentParser()
a.add_argument("--rate", type=float)
print("loss=%f;" % a.parse_args().rate)
open(os.environ["SM_MODEL_DIR"] + "/model", "w").write("model")
""")
processor = ScriptProcessor(role=role, image_uri=image, command=["python3"], instance_type="ml.m5.large", instance_count=1, sagemaker_session=session)
report = PropertyFile(name="Report", output_name="out", path="report.json")
process = ProcessingStep(name="Process", property_files=[report], step_args=processor.run(code=code + "/process.py", outputs=[ProcessingOutput(
    output_name="out", s3_output=ProcessingS3Output(s3_uri="s3://%s/reports" % bucket, local_path="/opt/ml/processing/out", s3_upload_mode="EndOfJob"))]))
trainer = ModelTrainer(sagemaker_session=session, role=role, training_image=image, base_job_name="sdk3", source_code=SourceCode(source_dir=code, entry_script="train.py"),
                       compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1), hyperparameters={"rate": 0.25})
data = InputData(channel_name="train", data_source=upload("train/data.csv", "1,2"))
train = TrainingStep(name="Train", step_args=trainer.train(input_data_config=[data]), depends_on=[process])
tuner = HyperparameterTuner(trainer, "loss", {"rate": ContinuousParameter(0, 1)}, metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
                            objective_type="Minimize", max_jobs=2, max_parallel_jobs=2)
tune = TuningStep(name="Tune", step_args=tuner.tune(inputs=[data]))
builder = ModelBuilder(image_uri=image, s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts, role_arn=role, sagemaker_session=session, instance_type="ml.m5.large",
                       env_vars={"SAGEMAKER_PROGRAM": "inference.py"})
model = ModelStep(name="Model", step_args=builder.build())
check = ConditionStep(name="Check", conditions=[ConditionLessThanOrEqualTo(left=JsonGet(step_name="Process", property_file=report, json_path="error"), right=limit)],
                      if_steps=[tune, model], else_steps=[FailStep(name="TooFarOff", error_message="too far off")])
pipeline = Pipeline(name="sdk3", parameters=[limit], steps=[process, train, check], sagemaker_session=session)
pipeline.upsert(role_arn=role)
execution = pipeline.start()
execution.wait(delay=1, max_attempts=120)
steps = {s["StepName"]: s["StepStatus"] for s in execution.list_steps()}
assert set(steps.values()) == {"Succeeded"} and {"Process", "Train", "Check", "Tune", "Model"} <= set(steps), steps
execution = pipeline.start(parameters={"Limit": 0.1})
try:
    execution.wait(delay=1, max_attempts=120)
    raise AssertionError("the second execution did not fail")
except Exception as e:
    assert "Failed" in str(e), e
print("ok")
