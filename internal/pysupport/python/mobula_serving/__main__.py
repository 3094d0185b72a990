"""Runs the server: python -m mobula_serving FAMILY, where FAMILY is xgboost, scikit-learn, pytorch or python."""
import sys

from mobula_serving import master

sys.exit(master.main(sys.argv[1:]))
