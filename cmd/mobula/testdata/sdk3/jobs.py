"""ScriptProcessor, ModelTrainer and HyperparameterTuner."""
import boto3
from common import bucket, image, role, session, source, upload
from sagemaker.core.parameter import ContinuousParameter
from sagemaker.core.processing import ProcessingOutput, ScriptProcessor
from sagemaker.core.shapes import ProcessingS3Output
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.tuner import HyperparameterTuner

code = source(process_py="open('/opt/ml/processing/out/x.txt', 'w').write('processed')")
processor = ScriptProcessor(role=role, image_uri=image, command=["python3"], instance_type="ml.m5.large", instance_count=1, sagemaker_session=session)
processor.run(code=code + "/process.py", wait=True, logs=False, outputs=[ProcessingOutput(
    output_name="out", s3_output=ProcessingS3Output(s3_uri="s3://%s/processed" % bucket, local_path="/opt/ml/processing/out", s3_upload_mode="EndOfJob"))])
assert boto3.client("s3").get_object(Bucket=bucket, Key="processed/x.txt")["Body"].read() == b"processed"

code = source(train_py="""
import argparse, os
a = argparse.ArgumentParser()
a.add_argument("--rate", type=float)
x = a.parse_args().rate
assert open(os.environ["SM_CHANNEL_TRAIN"] + "/data.csv").read() == "1,2"
open(os.environ["SM_MODEL_DIR"] + "/model", "w").write(str(x))
print("loss=%f;" % (x - 0.5) ** 2)
""")
data = InputData(channel_name="train", data_source=upload("train/data.csv", "1,2"))
trainer = ModelTrainer(sagemaker_session=session, role=role, training_image=image, base_job_name="sdk3", source_code=SourceCode(source_dir=code, entry_script="train.py"),
                       compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1), hyperparameters={"rate": 0.25})
trainer.train(input_data_config=[data], wait=True, logs=False)
job = trainer._latest_training_job
assert job.training_job_status == "Completed", job.failure_reason
assert job.model_artifacts.s3_model_artifacts.startswith("s3://" + bucket)

tuner = HyperparameterTuner(trainer, "loss", {"rate": ContinuousParameter(0, 1)}, metric_definitions=[{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
                            objective_type="Minimize", max_jobs=3, max_parallel_jobs=3)
tuner.tune(inputs=[data], wait=True)
best = tuner.best_training_job()
print("best", best)
print("ok")
