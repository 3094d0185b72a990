"""Trains with Python's XGBoost on a job's CSV files and prints the predictions of the validation rows, one a line.

usage: peer.py TRAIN.csv VALIDATION.csv PARAMS.json MODEL
"""
import json
import sys

import pandas as pd
import xgboost as xgb

train, validation = (pd.read_csv(path, header=None).to_numpy() for path in sys.argv[1:3])
params = json.loads(sys.argv[3])
rounds = int(params.pop("num_round"))
model = xgb.train(params, xgb.DMatrix(train[:, 1:], label=train[:, 0]), rounds)
model.save_model(sys.argv[4])
for value in model.predict(xgb.DMatrix(validation[:, 1:])).tolist():
    print(value)
