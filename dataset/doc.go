// Package dataset prepares tables of data for training: a lazy dataset over CSV and Parquet files, computed by DuckDB inside this process.
//
// What always holds: nothing is read before an action (Count, Take, Rows, Floats, Write…, Fit) asks for it, and the answer of an action
// depends on the rows and the parameters alone: not on the number of threads, on the files the rows lie in or their order, nor on the
// version of DuckDB. Shuffle and split rank a documented hash (hash.go) and cut at exact row counts; fitted statistics are exact sums (sum.go). Only rows that were not shuffled stand in the
// order of the paths of their files.
// Files appear whole or not at all. A query may spill to a folder of its own, ends with its context, and the folder goes with the session.
//
// A Dataset is immutable and may be used from several goroutines; a wrong step is remembered and returned by the next action.
//
// To add a step, write a method in transform.go that appends SQL; to add a source, implement source; to add a preprocessor, start at scaler.go.
package dataset
