// Command bench measures Mobula beside its peers. Each benchmark is a file; bench/run builds it and what it needs. Figures are wall times of a
// machine that does nothing else, medians of several runs; where a peer is measured it is in the same run, in turn with ours.
package main
