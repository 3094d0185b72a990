// Package builtin is the built-in XGBoost image in algorithm mode (without a script): its trainer and its server, run as processes of
// Mobula's own binary by `mobula-builtin xgboost-train` and `mobula-builtin xgboost-serve`.
//
// What always holds: both see only the /opt/ml contract (MOBULA_ML_DIR names another folder for it). A mistake of the user's ends the
// process with status 1 and its text in output/failure and on standard error. The model appears whole or not at all, and the server
// answers only after it has checked it. Names, ranges, log lines and answers are those of SageMaker's image.
//
// To add a hyper-parameter, start at hyperparameters.go and xgboost/rules.go; to add a content type, at channels.go for training and
// at decode.go for requests.
package builtin
