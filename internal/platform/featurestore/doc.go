// Package featurestore serves feature groups and their records.
//
// A record is acknowledged when it is on disk, in one file of its own that many writers share one fsync of: the latest of each identifier in
// the online store, and every one in a log. Event time decides: an older record never replaces a newer one. The log becomes Parquet in the
// group's offline store, in SageMaker's layout; a read of that prefix flushes first, so that what is acknowledged is visible at once. A flush
// notes how far it will go before it writes, and names its files after what they hold, so that one that is interrupted writes the same
// files again.
//
// To add an operation, write its method in a file of its own. To change what a record must satisfy, start at record.go.
package featurestore
