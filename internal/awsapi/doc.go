// Package awsapi is the API: the shapes of the SageMaker services, their constraints, their operations, and a client for them.
//
// Everything in *_gen.go follows from the public API models of the botocore package and is made by `go generate`; the rest is what those
// tables need. The package imports nothing of this module. Scalars are pointers because absent and zero differ on the wire; use Val to read
// them. To serve an operation, give some type a method of its name: see the interfaces in servers_gen.go.
package awsapi

//go:generate sh -c "go run ./gen -botocore \"$(../../.cache/venv/bin/python -c 'import os,botocore;print(os.path.join(os.path.dirname(botocore.__file__),\"data\"))')\" -out ."
