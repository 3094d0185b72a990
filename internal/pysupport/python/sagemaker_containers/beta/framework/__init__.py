"""The modules that scripts import: from sagemaker_containers.beta.framework import encoders, worker, …"""
