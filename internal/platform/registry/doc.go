// Package registry serves model package groups and model packages.
//
// Versions of a group count up from 1 and are never given twice, also when packages are deleted. A package is registered only when the model
// data it names exists. Every change of the approval appends an event, from which lineage and whoever deploys know.
//
// To add an operation, write its method in a file of its own. The rows are the Describe outputs themselves.
package registry
