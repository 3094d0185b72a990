"""A Model with code of its own, asked with the serializers of the SDK."""
import io
import tarfile
import time

import boto3
import numpy as np
from common import bucket, image, role, session, source
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer, JSONLinesDeserializer, NumpyDeserializer
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer, JSONLinesSerializer, JSONSerializer, NumpySerializer

archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as tar:
    info = tarfile.TarInfo("factor")
    info.size = 1
    tar.addfile(info, io.BytesIO(b"3"))
boto3.client("s3").put_object(Bucket=bucket, Key="model/model.tar.gz", Body=archive.getvalue())
code = source(inference_py="""
import io, json, os
import numpy as np
def model_fn(folder):
    return float(open(os.path.join(folder, "factor")).read())
def input_fn(body, content_type):
    if content_type == "application/x-npy":
        return np.load(io.BytesIO(body))
    if content_type == "application/json":
        return np.array(json.loads(body))
    lines = body.strip().splitlines()
    return np.array([json.loads(x) if content_type == "application/jsonlines" else [float(v) for v in x.split(",")] for x in lines])
def predict_fn(data, model):
    return data * model
def output_fn(prediction, accept):
    if accept == "application/x-npy":
        out = io.BytesIO()
        np.save(out, prediction)
        return out.getvalue(), accept
    if accept == "text/csv":
        return "\\n".join(",".join(map(str, row)) for row in prediction), accept
    if accept == "application/jsonlines":
        return "\\n".join(json.dumps(list(row)) for row in prediction), accept
    return json.dumps(prediction.tolist()), "application/json"
""")
model = Model(image_uri=image, model_data="s3://%s/model/model.tar.gz" % bucket, role=role, entry_point="inference.py", source_dir=code, predictor_cls=Predictor,
              sagemaker_session=session, name="sdk2")
predictor = model.deploy(initial_instance_count=1, instance_type="ml.m5.large", endpoint_name="sdk2", wait=False)
boto3.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName="sdk2", WaiterConfig={"Delay": 1, "MaxAttempts": 120})

rows = [[1.0, 2.0], [3.0, 4.0]]
for serializer, deserializer, want in [(JSONSerializer(), JSONDeserializer(), [[3.0, 6.0], [9.0, 12.0]]), (CSVSerializer(), CSVDeserializer(), [["3.0", "6.0"], ["9.0", "12.0"]]),
                                       (JSONLinesSerializer(), JSONLinesDeserializer(), [[3.0, 6.0], [9.0, 12.0]])]:
    predictor.serializer, predictor.deserializer = serializer, deserializer
    assert predictor.predict(rows) == want, (serializer, predictor.predict(rows))
predictor.serializer, predictor.deserializer = NumpySerializer(), NumpyDeserializer()
assert np.array_equal(predictor.predict(np.array(rows)), np.array(rows) * 3)

predictor.delete_model()
predictor.delete_endpoint()
while boto3.client("sagemaker").list_endpoints()["Endpoints"]:
    time.sleep(0.2)
print("ok")
