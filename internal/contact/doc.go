// Package contact is the domain: what a record, a person, a phone number and a change are, and how they
// are compared and folded. It imports only the standard library, talks to nobody and reads no clock, so
// that every rule about whose contact is touched can be tested as a function.
package contact
