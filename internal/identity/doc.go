// Package identity says who calls: the key pair of a data folder, the keys of jobs, and the principal that a request acts as.
//
// Whoever can create a processing job can run code, so there is no well-known key: each data folder has a random pair of its own, in a file
// that its owner alone can read. A job gets keys that act in its role, name it, and end with it; a session gets keys that end by their time.
// Secrets lie in the data folder as they are, since SigV4 needs them whole to check a signature; the folder is as private as the pair.
package identity
