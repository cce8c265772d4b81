// Package intake is the door through which webhooks come: it reads a bounded body, proves who sent it over
// the raw bytes, has the source decode it and hands the events on, and answers as that sender expects.
// Nothing reaches the store before it is verified, and no answer of success leaves before the store has
// everything. The package knows neither the store nor the metrics: both come in as interfaces.
package intake
