// Package pyenv builds and keeps Python worlds: an interpreter with packages, as an index offered them on a date.
//
// A Runtime says what a world shall be; Build makes it with uv and Install makes another one of it by adding packages. A world is an immutable
// folder named by the digest of all that went into it, shares its files with others by hard links, appears whole or not at all, and is made
// once, however many processes ask for it. A host of a job sees a symbolic link to its world; a `pip install` in the job asks the server for the
// world that has the packages too, and turns the link, so that what was installed once takes no time again and hosts need no network for it.
//
// runtimes.toml says which image gets which world; a user's own runtimes.toml goes first. shim/pip stands where pip would be in a world.
// To add an image, add a row; to add an option of pip, start at arguments.go.
package pyenv
