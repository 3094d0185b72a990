"""The model server of script-mode images: worker processes that load a user's model and answer GET /ping and POST /invocations.

It runs on Python 3.7 and later and imports nothing outside the standard library itself; what a model needs, its own functions import.
"""
