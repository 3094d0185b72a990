// Package records reads and writes records that lie one behind the other in a binary file: MXNet's RecordIO and TensorFlow's TFRecord.
//
// A record that is read was whole; a file that ends within one, or a frame that is none, is an error that says where it begins.
//
// To add a format, give it a Read beside those of recordio.go and tfrecord.go, and a row in the tests.
package records
