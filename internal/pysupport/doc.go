// Package pysupport holds what Mobula brings along in Python: the model server of script-mode images (mobula_serving), and the modules that
// only AWS's images have and that scripts import (sagemaker_xgboost_container, sagemaker_inference, sagemaker_containers, sagemaker_training).
//
// What always holds: it runs on Python 3.7 and later; nothing of it is copied from AWS, its behaviour is the documented one; the server imports
// the standard library only, so it starts in any runtime. A folder that Install made never changes: other contents have another name.
//
// To add a module that a script imports, put it below python. To serve another image family, start at python/mobula_serving/families.py.
package pysupport
