// Package store keeps the state of the platform: rows, events, idempotency tokens and tags, in SQL.
//
// Resources of every kind lie in one table, keyed by account, region, kind and name, as JSON with a few indexed columns; a Collection gives
// one kind its Go type. Every change happens in Update, which returns when it is on disk. Concurrent updates run one after the other and
// share one commit, so that many writers pay for one fsync. One process has a store open, which a lock on the file beside it sees to. An
// event appended in an update exists exactly when the update does.
//
// The SQL is what SQLite and PostgreSQL share; storetest is the suite that a driver has to pass. To change the schema, add a numbered file
// to migrations: a folder is migrated forward when it is opened, and refused when it is newer than the program.
package store
