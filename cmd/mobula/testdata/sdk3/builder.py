"""ModelBuilder's deploy of a model with code of its own."""
import io
import json
import tarfile
import time

import boto3
from common import bucket, image, role, session, source
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train.configs import SourceCode

archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    info = tarfile.TarInfo("factor")
    info.size = 1
    tar.addfile(info, io.BytesIO(b"3"))
boto3.client("s3").put_object(Bucket=bucket, Key="model/model.tar.gz", Body=archive.getvalue())
code = source(inference_py="""
import json, os
def model_fn(folder):
    return float(open(os.path.join(folder, "factor")).read())
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(data, model):
    return [model * x for x in data]
def output_fn(prediction, accept):
    return json.dumps(prediction)
""")
builder = ModelBuilder(image_uri=image, s3_model_data_url="s3://%s/model/model.tar.gz" % bucket, role_arn=role, sagemaker_session=session, instance_type="ml.m5.large",
                       source_code=SourceCode(source_dir=code, entry_script="inference.py"))
builder.build(model_name="sdk3")
endpoint = builder.deploy(endpoint_name="sdk3")
answer = endpoint.invoke(body=json.dumps([1, 2]), content_type="application/json", accept="application/json")
assert json.loads(answer.body.read() if hasattr(answer.body, "read") else answer.body) == [3.0, 6.0], answer
endpoint.delete()
while boto3.client("sagemaker").list_endpoints()["Endpoints"]:
    time.sleep(0.2)
print("ok")
