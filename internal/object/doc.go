// Package object is S3 on plain files: bucket/key is a file that any tool can read.
//
// What always holds: an object that was acknowledged is whole and on disk (data and folder fsynced) after a kill at any moment; a write that fails
// leaves the former object as it was and no litter; of several writers with If-None-Match exactly one wins; listings are sorted by the bytes of
// the key and a page costs memory for a page, whatever the bucket holds.
//
// Store is what the rooms above use, Files the driver over a folder, Handler the REST API over a Store, objecttest the suite every driver passes.
// To add a driver, implement Store (and Uploads for multipart) and run objecttest over it. To add an S3 operation, start at handler.go.
package object
