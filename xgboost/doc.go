// Package xgboost trains and applies gradient-boosted trees with the real XGBoost library, so that a model made here is the model that
// Python makes of the same data and parameters, byte for byte.
//
// [NewDMatrix] and [NewQuantileDMatrix] take data, [Train] returns a [Model], [Model.Save] writes the library's own JSON or UBJSON.
// [Trees] reads such a file and predicts row by row in Go alone, bit for bit as the library does, in microseconds.
//
// What always holds: the library is loaded at run time ([LibraryPath]) and never linked; its errors carry its own words; a damaged model
// file is an error and never a crash; what the library returns is copied before the operating-system thread can change.
//
// Any number of trainings may share one quantile matrix; a plain matrix serves one training at a time. Run no more trainings at a time
// than the machine has cores, each with Params.Threads set.
//
// To add a function of the library, start at shim.h. To add an objective to the Go predictor, start at transform.go.
package xgboost
