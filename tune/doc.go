// Package tune searches for good hyper-parameters.
//
// A Space says what may be tried; a Strategy chooses each trial from the space and from what earlier trials came to; Run tries them, some at
// a time, and keeps the best. A strategy is a function of the seed, the trials that are known and the number of the next one, so that a
// search that was interrupted goes on as if it had not been, and one that chooses at random gives the same trials whatever their timing.
//
// To add a strategy, implement Strategy in a file of its own.
package tune
