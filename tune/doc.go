// Package tune searches for good hyper-parameters.
//
// A Space says what may be tried; a Strategy chooses each trial from the space and from what is known of other trials; a Stopper ends trials
// that do not promise much. Run tries an objective, some trials at a time, and keeps the best; a Study is for a program that runs the trials
// itself. Strategies and stoppers are functions of the seed, the trials that are known and the number of the next one: a search that was
// interrupted goes on as if it had not been, and one that chooses at random gives the same trials whatever their timing.
//
// To add a strategy, implement Strategy in a file of its own.
package tune
