"""e2e.py STORE CSV OUT: the workflow with Ray on this machine: records by PutRecord, Ray Data, XGBoost on Ray Train, Ray Tune, evaluation,
registration as files, Ray Serve, one answer. STORE is a feature store that keeps nothing, so the records are written to Parquet as well."""
import time

began = time.perf_counter()
import glob
import json
import os
import shutil
import sys
import tarfile
import urllib.request

os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="us-east-1")
import numpy as np
import pandas as pd
import ray
import ray.data
import ray.train
import xgboost as xgb
from ray import serve, tune
from ray.data.preprocessors import StandardScaler
from ray.train import RunConfig, ScalingConfig
from ray.train.xgboost import XGBoostTrainer

store, source, out = sys.argv[1:4]
shutil.rmtree(out, ignore_errors=True)
os.makedirs(f"{out}/records")
ray.init(address="local", num_cpus=4, include_dashboard=False, logging_level="ERROR")
prices = pd.read_csv(source)
features = [c for c in prices.columns if c != "PRICE"]
prices.insert(0, "event_time", time.time())
prices.insert(0, "record_id", range(len(prices)))


@ray.remote(num_cpus=0.5)
class Writer:
    def put(self, part, number):
        import boto3

        client = boto3.client("sagemaker-featurestore-runtime", endpoint_url=store)
        for row in part.to_dict("records"):
            client.put_record(FeatureGroupName="peer", Record=[{"FeatureName": k, "ValueAsString": str(v)} for k, v in row.items()])
        part.to_parquet(f"{out}/records/{number}.parquet")


writers = [Writer.remote() for _ in range(2)]
ray.get([w.put.remote(prices.iloc[i::2], i) for i, w in enumerate(writers)])
for w in writers:
    ray.kill(w)

records = ray.data.read_parquet(f"{out}/records").drop_columns(["record_id", "event_time"])
parts = records.random_shuffle(seed=42).split_proportionately([0.6, 0.2])
scaler = StandardScaler(features)
for part, name in zip((scaler.fit_transform(parts[0]), scaler.transform(parts[1]), scaler.transform(parts[2])), ("train", "validation", "test")):
    part.write_csv(f"{out}/{name}")


def shard(name):
    frame = ray.train.get_dataset_shard(name).materialize().to_pandas()
    return xgb.DMatrix(frame[features].to_numpy(np.float32), frame.PRICE.to_numpy(np.float32), nthread=1)


def worker(config):
    xgb.train({"tree_method": "hist", "seed": 47, "nthread": 1}, shard("train"), 100, evals=[(shard("validation"), "validation")], verbose_eval=False)


XGBoostTrainer(worker, train_loop_config={}, scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1}),
               datasets={n: ray.data.read_csv(f"{out}/{n}") for n in ("train", "validation")}, run_config=RunConfig(storage_path=f"{out}/ray")).fit()


def table(name):
    frame = pd.concat(map(pd.read_csv, glob.glob(f"{out}/{name}/*.csv")))
    return frame[features].to_numpy(np.float32), frame.PRICE.to_numpy(np.float32)


def trial(config, data):
    (x, y), (xv, yv) = data
    booster = xgb.train({**config, "tree_method": "hist", "seed": 47, "nthread": 1}, xgb.DMatrix(x, y, nthread=1), 100)
    path = f"{out}/{os.getpid()}-{time.time_ns()}.json"
    booster.save_model(path)
    return {"rmse": float(np.sqrt(np.mean((booster.predict(xgb.DMatrix(xv)) - yv) ** 2))), "path": path}


space = {"max_depth": tune.randint(1, 9), "eta": tune.uniform(0.2, 1), "min_child_weight": tune.uniform(0, 120), "subsample": tune.uniform(0.2, 1)}
best = tune.Tuner(tune.with_resources(tune.with_parameters(trial, data=(table("train"), table("validation"))), {"cpu": 1}), param_space=space,
                  tune_config=tune.TuneConfig(num_samples=4, metric="rmse", mode="min", max_concurrent_trials=2),
                  run_config=tune.RunConfig(storage_path=f"{out}/ray", verbose=0)).fit().get_best_result()
booster = xgb.Booster(model_file=best.metrics["path"])
x, y = table("test")
rmse = float(np.sqrt(np.mean((booster.predict(xgb.DMatrix(x)) - y) ** 2)))
os.makedirs(f"{out}/registry")
with tarfile.open(f"{out}/registry/model.tar.gz", "w:gz") as t:
    t.add(best.metrics["path"], "model.json")
json.dump({"version": 1, "status": "Approved", "rmse": rmse}, open(f"{out}/registry/package.json", "w"))


@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 1})
class Model:
    def __init__(self, path):
        self.booster = xgb.Booster(model_file=path)

    async def __call__(self, request):
        return str(self.booster.inplace_predict(np.array([[float(v) for v in (await request.body()).split(b",")]], np.float32))[0])


serve.start(http_options={"host": "127.0.0.1", "port": 18110})
serve.run(Model.bind(best.metrics["path"]))
urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:18110/", data=",".join(map(str, x[0])).encode())).read()
print("MARK first_answer", time.perf_counter() - began)
print("MARK rmse", rmse)
serve.shutdown()
ray.shutdown()
