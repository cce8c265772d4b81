package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

// payload is about what a CRM sends of a person.
var payload = append(append([]byte(`{"id":4821,"name":"Ana","notes":"`), bytes.Repeat([]byte("x"), 2000)...), `"}`...)

// parallel runs op from so many goroutines at once, each call with a number of its own.
func parallel(b *testing.B, s *bolt.Store, callers int, op func(n uint64) error) {
	b.ReportAllocs()
	pages := s.PagesWritten()
	var next atomic.Uint64
	b.ResetTimer()
	errs := make(chan error, callers)
	for range callers {
		go func() {
			for {
				n := next.Add(1)
				if n > uint64(b.N) {
					errs <- nil
					return
				}
				if err := op(n); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	for range callers {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric(float64(s.PagesWritten()-pages)/float64(b.N), "pages/op")
}

// BenchmarkAccept is the durable acceptance of one event of one of 10,000 records, all that the intake does to
// the store.
func BenchmarkAccept(b *testing.B) {
	for _, callers := range []int{1, 32, 128} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s := openNew(b, bolt.Options{})
			now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
			parallel(b, s, callers, func(n uint64) error {
				e := contact.Event{ID: fmt.Sprint("event-", n), Kind: contact.Upsert, Shape: contact.Full, Payload: payload,
					Key: contact.Key{Source: "crm", ID: fmt.Sprint(n * 7919 % 10_000)}, Version: contact.Version{Source: int64(n), Event: int64(n)}}
				_, err := state.Accept(context.Background(), s, now.Add(time.Duration(n)*time.Millisecond), state.Travel{Lane: state.LaneLive}, e)
				return err
			})
		})
	}
}

// BenchmarkSequentialPut is what the acceptance is measured against: the same bytes under the next number.
func BenchmarkSequentialPut(b *testing.B) {
	for _, callers := range []int{1, 32, 128} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			s := openNew(b, bolt.Options{})
			parallel(b, s, callers, func(n uint64) error {
				return s.Update(context.Background(), func(tx state.Tx) error {
					tx.Put(table, binary.BigEndian.AppendUint64(nil, n), payload)
					return nil
				})
			})
		})
	}
}
