// Package mapping is the language in which people say how a record becomes a contact: YAML with expressions,
// compiled once into a Plan that turns records into contacts in microseconds.
//
// The package is pure. It has no clock, no network and no files of its own: what it needs from outside comes
// in through Options. Absent is never blank and never false here. An expression over something that a
// record does not carry gives absent, absence makes no statement about the contact, and only what a record
// says can change or clear what a target holds.
//
// It is not the place for whose contact is touched, when, or how often: it produces desired state and says
// what it could not read, in the words of the person who wrote the file.
package mapping

//go:generate go test -run ^TestSchema$ -update
