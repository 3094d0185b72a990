// Package queues serves the part of SQS that Callback steps of pipelines need: standard queues, their messages, long polling.
//
// What always holds: a message that was acknowledged is kept until it is deleted or its retention is over; one that was received is not given
// again until its visibility timeout has passed; a room that sends in a transaction of its own (Send) sends exactly when that commits.
//
// FIFO queues, delays and dead-letter queues are refused. To add an attribute, start at attributes in queue.go.
package queues
