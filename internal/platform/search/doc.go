// Package search serves Search and GetSearchSuggestions over the resources of all rooms.
//
// A room gives a Lister for each kind it holds: it pages through them as records of the API, and may leave out those that cannot have the
// values that the search asks for. This room evaluates the expression on the members of the records, by the same names as the API's types
// have, and keeps no more of them in memory than a page of the answer has. A page token is the place of the last record in the order asked
// for, so that records that come or go meanwhile neither repeat nor hide others.
//
// To make another kind searchable, write its Lister in its room and join it in internal/server.
package search
