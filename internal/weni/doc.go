// Package weni writes contacts to Weni Flows and to any other RapidPro, by their API v2.
//
// Its Target makes the calls that a change asks for and nothing more: it never waits, never repeats a call,
// and asks the meter before each one. What the API does silently is undone or refused here: an update that
// takes an address from another contact, a list of addresses that drops what it cannot store, a definition
// that its engine does not know yet.
//
// It does not decide what is written. Values arrive in the form that RapidPro parses (see the mapping) and are
// handed back as it stores them.
package weni
