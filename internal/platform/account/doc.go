// Package account serves what is about the account and not about one kind of resource: STS, IAM, and tags.
//
// There is one account, and whoever holds a key of the server acts in it with the role that the key has. A role exists as soon as it is named.
package account
