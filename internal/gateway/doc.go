// Package gateway is the proxy by which clients reach the server although AWS's addresses are built into them: a CONNECT to a host of AWS's ends
// here, its TLS with a certificate of a private authority, and its requests go to the server's own handler; everything else goes on to where it
// wants, byte by byte.
//
// Always: what is sent to a host of AWS's never leaves the machine. The authority's key is made once for a data folder, is readable by its owner
// only and never shown to a job, and the authority may speak for AWS's names only. No tunnel leads to link-local addresses, where clouds hand out
// credentials, and none leads from a job to the machine's own loopback. A client on another machine needs a key pair of the server's before
// anything is dialled for it. Every connection has an owner that Stop waits for.
//
// To change which names are the server's, see Config.Ours; to change how the outside is reached, dial.go.
package gateway
