// Package account serves what is about the account and not about one kind of resource: STS, IAM, and tags.
//
// There is one account, and whoever holds a key of the server acts in it with the role that the key has. A role exists as soon as it is
// named; one that was made or given policies has a row besides. Policies are kept as they were given and have no effect.
// To add to what IAM serves, start at role.go.
package account
