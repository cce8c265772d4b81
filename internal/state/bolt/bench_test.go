package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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
			parallel(b, s, callers, func(n uint64) error { return accept(s, now, n, 10_000) })
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

// accept accepts event n, of one of so many records.
func accept(s state.Store, now time.Time, n, records uint64) error {
	e := contact.Event{ID: fmt.Sprint("event-", n), Kind: contact.Upsert, Shape: contact.Full, Payload: payload,
		Key: contact.Key{Source: "crm", ID: fmt.Sprint(n * 7919 % records)}, Version: contact.Version{Source: int64(n), Event: int64(n)}}
	_, err := state.Accept(context.Background(), s, now.Add(time.Duration(n)*time.Millisecond), state.Travel{Lane: state.LaneLive}, e)
	return err
}

// BenchmarkAcceptMeanwhile is how long 32 callers wait while a store of 100,000 records is copied.
func BenchmarkAcceptMeanwhile(b *testing.B) {
	const records, callers = 100_000, 32
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	s := openNew(b, bolt.Options{})
	for from := uint64(0); from < records; from += 1000 {
		if err := s.Update(context.Background(), func(tx state.Tx) error {
			for n := from; n < from+1000; n++ {
				a := state.Prepare(now, []contact.Event{{Kind: contact.Upsert, Shape: contact.Full, Payload: payload, Key: contact.Key{Source: "crm", ID: fmt.Sprint(n)}}})
				state.AcceptOne(tx, &a[0], state.Travel{Lane: state.LaneBulk})
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	var events atomic.Uint64
	for _, meanwhile := range []struct {
		name string
		copy func() error
	}{
		{"nothing", func() error { time.Sleep(3 * time.Second); return nil }},
		{"backup", func() error { return s.Backup(context.Background(), io.Discard) }},
		{"backup to disk", func() error {
			f, err := os.Create(filepath.Join(b.TempDir(), "backup.db"))
			if err != nil {
				return err
			}
			return errors.Join(s.Backup(context.Background(), f), f.Sync(), f.Close())
		}},
		{"compaction", func() error { return s.Compact(context.Background()) }},
	} {
		b.Run(meanwhile.name, func(b *testing.B) {
			stop := make(chan struct{})
			took := make(chan []time.Duration, callers)
			for range callers {
				go func() {
					var mine []time.Duration
					for {
						select {
						case <-stop:
							took <- mine
							return
						default:
						}
						began := time.Now()
						if err := accept(s, now, events.Add(1), records); err != nil {
							b.Error(err)
						}
						mine = append(mine, time.Since(began))
					}
				}()
			}
			began := time.Now()
			for range b.N {
				if err := meanwhile.copy(); err != nil {
					b.Error(err)
				}
			}
			elapsed := time.Since(began)
			close(stop)
			var all []time.Duration
			for range callers {
				all = append(all, <-took...)
			}
			slices.Sort(all)
			at := func(share float64) float64 {
				return float64(all[int(share*float64(len(all)-1))].Microseconds()) / 1000
			}
			b.ReportMetric(at(0.5), "p50-ms")
			b.ReportMetric(at(0.99), "p99-ms")
			b.ReportMetric(at(0.999), "p99.9-ms")
			b.ReportMetric(at(1), "max-ms")
			b.ReportMetric(float64(len(all))/elapsed.Seconds(), "ops/s")
		})
	}
}
