// Package server makes one server of all the rooms. Nothing else knows more than one platform room: where a lower room must be told something
// by an upper one, or two rooms must meet, it is wired here.
//
// The data folder belongs to one server at a time. Everything that was acknowledged lies in it, so a server that starts on the folder of
// one that was killed goes on where that one was.
//
// To add a room, make it in rooms.go and add it to the services.
package server
