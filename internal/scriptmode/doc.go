// Package scriptmode is what the managed training images do before and after a user's script, run as a process of Mobula's own binary by
// `mobula-script train` inside a host: it unpacks the code, installs its requirements, sets the SM_* variables, runs the script with the
// hyper-parameters as arguments, and says in output/failure why it failed.
//
// It sees only the /opt/ml contract (MOBULA_ML_DIR names another folder for it). Names and forms are those of SageMaker's training toolkit:
// hyper-parameters whose names begin with sagemaker_ are for the toolkit, all others for the script.
//
// To add a variable, start at environment.go.
package scriptmode
