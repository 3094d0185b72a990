// Package s3client is a small S3 client for the libraries and the command line: objects in and out of any S3 endpoint, signed with Signature V4.
//
// What always holds: a request that failed on the way or with a 5xx is tried again with growing pauses, and only if its body can be sent again;
// a file is downloaded whole or not at all; an error of the server is an *Error with its code. It imports nothing of this project.
//
// To add an operation, write a method on Client in its own file that builds a request and calls do.
package s3client
