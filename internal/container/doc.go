// Package container takes images out of docker or podman, so that the runner can run them. The engine is the store of images and nothing else:
// what runs in an image's file system is a host like any other, with its network, supervisor and limits.
//
// An image's file system is exported once, into a folder named by the image's id, and is never changed: hosts get it with a layer of their own.
package container
