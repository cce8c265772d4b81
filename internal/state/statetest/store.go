package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"syncer/internal/state"
)

// The suite writes raw rows into tables whose values no rule reads on the way.
var (
	table = state.Marks.Name
	other = state.Runs.Name
)

var storeRules = []rule{
	{"what was written is there after a restart", func(b *bench) {
		b.update(func(tx state.Tx) {
			tx.Put(table, []byte("kept"), []byte("1"))
			tx.Put(table, []byte("changed"), []byte("1"))
			tx.Put(table, []byte("removed"), []byte("1"))
			tx.Put(other, []byte("cleared"), []byte("1"))
		})
		b.reopen()
		b.update(func(tx state.Tx) {
			tx.Put(table, []byte("changed"), []byte("2"))
			tx.Delete(table, []byte("removed"))
			tx.Delete(table, []byte("never there"))
			tx.Clear(other)
		})
		b.reopen()
		if got := b.rows(table, nil, nil); got != "changed=2 kept=1" {
			b.Errorf("got %s", got)
		}
		if got := b.rows(other, nil, nil); got != "" {
			b.Errorf("a table that was emptied holds %s", got)
		}
	}},
	{"a change sees what it did itself", func(b *bench) {
		b.update(func(tx state.Tx) { tx.Put(table, []byte("a"), []byte("1")); tx.Put(table, []byte("b"), []byte("1")) })
		b.update(func(tx state.Tx) {
			tx.Put(table, []byte("a"), []byte("2"))
			tx.Delete(table, []byte("b"))
			tx.Put(table, []byte("c"), []byte("1"))
			if got := rows(tx, table, nil, nil); got != "a=2 c=1" || string(tx.Get(table, []byte("a"))) != "2" || tx.Get(table, []byte("b")) != nil {
				b.Errorf("got %s", got)
			}
			tx.Clear(table)
			if got := rows(tx, table, nil, nil); got != "" || tx.Get(table, []byte("a")) != nil {
				b.Errorf("after clearing: %s", got)
			}
			tx.Put(table, []byte("d"), []byte("1"))
		})
		if got := b.rows(table, nil, nil); got != "d=1" {
			b.Errorf("got %s", got)
		}
	}},
	{"no value is nil and an empty value is not", func(b *bench) {
		check := func(tx state.Tx) {
			if v := tx.Get(table, []byte("empty")); v == nil || len(v) != 0 {
				b.Errorf("an empty value reads back as %v", v)
			}
			if v := tx.Get(table, []byte("nil")); v == nil || len(v) != 0 {
				b.Errorf("a nil value reads back as %v", v)
			}
			if v := tx.Get(table, []byte("none")); v != nil {
				b.Errorf("no value reads back as %v", v)
			}
			for k, v := range tx.Scan(table, nil, nil) {
				if v == nil {
					b.Errorf("scanning gives nil for %s", k)
				}
			}
		}
		b.update(func(tx state.Tx) {
			tx.Put(table, []byte("empty"), []byte{})
			tx.Put(table, []byte("nil"), nil)
			check(tx)
		})
		b.view(check)
		if err := b.store.Compact(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.reopen()
		b.view(check)
	}},
	{"an error undoes the whole change", func(b *bench) {
		b.update(func(tx state.Tx) {
			tx.Put(table, []byte("a"), []byte("1"))
			tx.Put(other, []byte("a"), []byte("1"))
		})
		boom := errors.New("boom")
		for name, end := range map[string]func() error{
			"returned":  func() error { return boom },
			"abandoned": func() error { state.Fail(boom); return nil },
		} {
			err := b.store.Update(context.Background(), func(tx state.Tx) error {
				tx.Put(table, []byte("a"), []byte("2"))
				tx.Put(table, []byte("b"), []byte("2"))
				tx.Clear(other)
				tx.Put(other, []byte("c"), []byte("2"))
				return end()
			})
			if !errors.Is(err, boom) {
				b.Errorf("%s: %v", name, err)
			}
			if got := b.rows(table, nil, nil) + b.rows(other, nil, nil); got != "a=1a=1" {
				b.Errorf("%s: %s", name, got)
			}
		}
	}},
	{"an error undoes only its own change in a group", func(b *bench) {
		const n = 200
		boom := errors.New("boom")
		b.together(n, func(i int) error {
			err := b.store.Update(context.Background(), func(tx state.Tx) error {
				tx.Put(table, []byte("total"), fmt.Appendf(nil, "%d", count(tx, "total")+1))
				tx.Put(other, fmt.Appendf(nil, "%03d", i), nil)
				if i%4 == 0 {
					return boom
				}
				return nil
			})
			if (i%4 == 0) != errors.Is(err, boom) {
				return fmt.Errorf("change %d: %w", i, err)
			}
			return nil
		})
		b.reopen()
		b.view(func(tx state.Tx) {
			if got := count(tx, "total"); got != n*3/4 {
				b.Errorf("%d changes stayed, want %d", got, n*3/4)
			}
			for i := range n {
				if there := tx.Get(other, fmt.Appendf(nil, "%03d", i)) != nil; there != (i%4 != 0) {
					b.Errorf("change %d: there %v", i, there)
				}
			}
		})
	}},
	{"a panic reaches its caller and nobody else", func(b *bench) {
		var survived int
		var mu sync.Mutex
		b.together(40, func(i int) (err error) {
			if i%5 == 0 {
				defer func() {
					if r := recover(); r == nil {
						err = fmt.Errorf("change %d did not panic", i)
					} else if !strings.Contains(fmt.Sprint(r), "a fault") {
						err = fmt.Errorf("change %d: %v", i, r)
					}
				}()
			}
			if err := b.store.Update(context.Background(), func(tx state.Tx) error {
				tx.Put(table, fmt.Appendf(nil, "%02d", i), nil)
				if i%5 == 0 {
					panic("a fault")
				}
				return nil
			}); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			survived++
			return nil
		})
		b.view(func(tx state.Tx) {
			if got := state.Count(tx, table); got != 32 || survived != 32 {
				b.Errorf("%d rows, %d survivors", got, survived)
			}
		})
	}},
	{"concurrent changes run one after the other and see each other", func(b *bench) {
		const n = 300
		b.together(n, func(i int) error {
			return b.store.Update(context.Background(), func(tx state.Tx) error {
				at := count(tx, "last") + 1
				tx.Put(table, []byte("last"), fmt.Appendf(nil, "%d", at))
				tx.Put(other, fmt.Appendf(nil, "%03d", at), nil)
				return nil
			})
		})
		b.reopen()
		b.view(func(tx state.Tx) {
			if last, rows := count(tx, "last"), state.Count(tx, other); last != n || rows != n {
				b.Errorf("the last is %d of %d rows, want %d", last, rows, n)
			}
		})
	}},
	{"who reads sees one moment", func(b *bench) {
		b.update(func(tx state.Tx) { tx.Put(table, []byte("a"), []byte("1")); tx.Put(table, []byte("b"), []byte("1")) })
		b.view(func(tx state.Tx) {
			before := string(tx.Get(table, []byte("a")))
			done := make(chan error, 1)
			go func() {
				done <- b.store.Update(context.Background(), func(tx state.Tx) error {
					tx.Put(table, []byte("a"), []byte("2"))
					tx.Put(table, []byte("b"), []byte("2"))
					return nil
				})
			}()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			if after := string(tx.Get(table, []byte("b"))); before != "1" || after != "1" {
				b.Errorf("saw a=%s and then b=%s", before, after)
			}
		})
		if got := b.rows(table, nil, nil); got != "a=2 b=2" {
			b.Errorf("got %s", got)
		}
	}},
	{"who reads cannot write", func(b *bench) {
		for name, write := range map[string]func(state.Tx){
			"put":    func(tx state.Tx) { tx.Put(table, []byte("a"), nil) },
			"next":   func(tx state.Tx) { tx.Next(table) },
			"clear":  func(tx state.Tx) { tx.Clear(table) },
			"delete": func(tx state.Tx) { tx.Delete(table, []byte("there")) },
		} {
			b.update(func(tx state.Tx) { tx.Put(table, []byte("there"), nil) })
			if err := b.store.View(func(tx state.Tx) error { write(tx); return nil }); err == nil {
				b.Errorf("%s: no error", name)
			}
		}
	}},
	{"rows come in order, by prefix and from a key on", func(b *bench) {
		b.update(func(tx state.Tx) {
			for _, k := range []string{"b\x00z", "a", "b", "b\x00a", "c", "b\xff", "b\x00", "a\xff\xff"} {
				tx.Put(table, []byte(k), []byte("1"))
			}
		})
		for _, tt := range []struct {
			prefix, from string
			want         []string
		}{
			{"", "", []string{"a", "a\xff\xff", "b", "b\x00", "b\x00a", "b\x00z", "b\xff", "c"}},
			{"b", "", []string{"b", "b\x00", "b\x00a", "b\x00z", "b\xff"}},
			{"b\x00", "", []string{"b\x00", "b\x00a", "b\x00z"}},
			{"b\x00", "b\x00a", []string{"b\x00a", "b\x00z"}},
			{"b\x00", "b\x00a\x00", []string{"b\x00z"}},
			{"b\x00", "a", []string{"b\x00", "b\x00a", "b\x00z"}}, // before the prefix: from its beginning
			{"b\x00", "b\x00zz", nil},
			{"b\x00", "c", nil},
			{"", "b\xff", []string{"b\xff", "c"}},
			{"a\xff", "", []string{"a\xff\xff"}},
			{"x", "", nil},
		} {
			var got []string
			b.view(func(tx state.Tx) {
				for k := range tx.Scan(table, []byte(tt.prefix), []byte(tt.from)) {
					got = append(got, string(k))
				}
			})
			if !slices.Equal(got, tt.want) {
				b.Errorf("prefix %q from %q: %q, want %q", tt.prefix, tt.from, got, tt.want)
			}
		}
		b.view(func(tx state.Tx) {
			n := 0
			for range tx.Scan(table, nil, nil) {
				if n++; n == 2 {
					break
				}
			}
			if n != 2 {
				b.Errorf("a scan that was left gave %d rows", n)
			}
		})
	}},
	{"typed tables begin after a key", func(b *bench) {
		b.update(func(tx state.Tx) {
			for _, id := range []string{"a", "b", "c"} {
				state.Marks.Put(tx, id, state.Mark{Text: id})
			}
		})
		after := "a"
		var got []string
		b.view(func(tx state.Tx) {
			for k, v := range state.Marks.All(tx, nil, &after) {
				got = append(got, k+v.Text)
			}
		})
		if !slices.Equal(got, []string{"bb", "cc"}) {
			b.Errorf("got %v", got)
		}
	}},
	{"a row that cannot be read is said to be one", func(b *bench) {
		b.update(func(tx state.Tx) {
			tx.Put(state.Runs.Name, []byte("r"), []byte("{"))
			tx.Put(state.Quarantine.Name, []byte("short"), []byte("{}"))
		})
		for name, look := range map[string]func(state.Tx){
			"get":  func(tx state.Tx) { state.Runs.Get(tx, "r") },
			"scan": func(tx state.Tx) { readAll(state.Runs, tx) },
			"key":  func(tx state.Tx) { readAll(state.Quarantine, tx) },
		} {
			if err := b.store.View(func(tx state.Tx) error { look(tx); return nil }); !errors.Is(err, state.ErrCorrupt) {
				b.Errorf("%s: view says %v", name, err)
			}
			if err := b.store.Update(context.Background(), func(tx state.Tx) error { look(tx); return nil }); !errors.Is(err, state.ErrCorrupt) {
				b.Errorf("%s: update says %v", name, err)
			}
		}
	}},
	{"numbers are never given twice", func(b *bench) {
		given := map[uint64]bool{}
		next := func() {
			b.Helper()
			var n, m uint64
			b.update(func(tx state.Tx) { n, m = tx.Next(table), tx.Next(table) })
			if n == 0 || m != n+1 || given[n] || given[m] {
				b.Fatalf("gave %d and %d after %v", n, m, given)
			}
			given[n], given[m] = true, true
		}
		next()
		next()
		b.reopen()
		next()
		b.update(func(tx state.Tx) { tx.Put(table, []byte("a"), nil); tx.Clear(table) })
		next()
		if err := b.store.Compact(context.Background()); err != nil {
			b.Fatal(err)
		}
		next()
		b.reopen()
		next()
		b.update(func(tx state.Tx) {
			if n := tx.Next(other); n != 1 {
				b.Errorf("another table begins with %d", n)
			}
		})
	}},
	{"compacting keeps every row while others write", func(b *bench) {
		large := bytes.Repeat([]byte("x"), 4<<10)
		b.update(func(tx state.Tx) {
			for i := range 400 {
				tx.Put(table, fmt.Appendf(nil, "old %03d", i), large)
				tx.Put(other, fmt.Appendf(nil, "gone %03d", i), large)
			}
		})
		b.update(func(tx state.Tx) { tx.Clear(other) })
		stop, written := make(chan struct{}), make(chan int, 1)
		go func() {
			n := 0
			for ; ; n++ {
				select {
				case <-stop:
					written <- n
					return
				default:
				}
				err := b.store.Update(context.Background(), func(tx state.Tx) error {
					tx.Put(table, fmt.Appendf(nil, "new %06d", n), []byte("1"))
					tx.Put(table, fmt.Appendf(nil, "old %03d", n%400), fmt.Appendf(nil, "%d", n))
					tx.Delete(table, fmt.Appendf(nil, "new %06d", n-3))
					tx.Put(other, []byte("last"), fmt.Appendf(nil, "%d", n))
					if n%7 == 0 {
						tx.Clear(other)
					}
					if got := tx.Next(other); got != uint64(n+1) {
						b.Errorf("number %d is given as %d", n+1, got)
					}
					return nil
				})
				if err != nil {
					b.Errorf("change %d: %v", n, err)
				}
			}
		}()
		for range 3 {
			if err := b.store.Compact(context.Background()); err != nil {
				b.Error(err)
			}
		}
		close(stop)
		n := <-written
		check := func() {
			b.Helper()
			b.view(func(tx state.Tx) {
				for i := range 400 {
					v := tx.Get(table, fmt.Appendf(nil, "old %03d", i))
					want := large
					if last := (n - 1) - ((n-1)%400-i+400)%400; last >= 0 {
						want = fmt.Appendf(nil, "%d", last)
					}
					if !bytes.Equal(v, want) {
						b.Errorf("row %d of %d changes: %.20q, want %.20q", i, n, v, want)
					}
				}
				fresh := 0
				for range tx.Scan(table, []byte("new "), nil) {
					fresh++
				}
				if fresh != min(n, 3) {
					b.Errorf("%d new rows of %d changes", fresh, n)
				}
				if v := tx.Get(other, []byte("last")); (v == nil) != ((n-1)%7 == 0) || v != nil && string(v) != fmt.Sprint(n-1) {
					b.Errorf("the last is %q of %d changes", v, n)
				}
			})
		}
		if n == 0 {
			b.Fatal("nobody could write")
		}
		check()
		b.reopen()
		check()
	}},
	{"a closed store says that it is closing", func(b *bench) {
		if err := b.store.Close(); err != nil {
			b.Fatal(err)
		}
		ctx := context.Background()
		for name, err := range map[string]error{
			"update":  b.store.Update(ctx, func(state.Tx) error { return nil }),
			"view":    b.store.View(func(state.Tx) error { return nil }),
			"backup":  b.store.Backup(ctx, &bytes.Buffer{}),
			"compact": b.store.Compact(ctx),
		} {
			if !unavailable(err) {
				b.Errorf("%s: %v", name, err)
			}
		}
		b.store.Stats()
		if err := b.store.Close(); err != nil {
			b.Errorf("closing twice: %v", err)
		}
	}},
	{"closing waits for what was taken", func(b *bench) {
		var mu sync.Mutex
		taken := map[int]bool{}
		var wg sync.WaitGroup
		store := b.store
		for i := range 100 {
			wg.Go(func() {
				err := store.Update(context.Background(), func(tx state.Tx) error { tx.Put(table, fmt.Appendf(nil, "%d", i), nil); return nil })
				switch {
				case err == nil:
					mu.Lock()
					taken[i] = true
					mu.Unlock()
				case !unavailable(err):
					b.Errorf("change %d: %v", i, err)
				}
			})
		}
		b.reopen()
		wg.Wait()
		b.view(func(tx state.Tx) {
			for i := range taken {
				if tx.Get(table, fmt.Appendf(nil, "%d", i)) == nil {
					b.Errorf("change %d was acknowledged and is gone", i)
				}
			}
		})
	}},
	{"sizes are told", func(b *bench) {
		first := b.store.Stats()
		if !first.Fresh || first.Bytes == 0 {
			b.Errorf("a new store: %+v", first)
		}
		large := bytes.Repeat([]byte("x"), 1<<20)
		b.update(func(tx state.Tx) { tx.Put(table, []byte("a"), large) })
		full := b.store.Stats()
		b.update(func(tx state.Tx) { tx.Delete(table, []byte("a")) })
		b.update(func(tx state.Tx) { tx.Put(table, []byte("b"), nil) })
		after := b.store.Stats()
		used := func(s state.Stats) int64 { return s.Bytes - s.Free }
		if used(full) < used(first)+1<<20 || used(after) > used(full)-1<<19 {
			b.Errorf("used %d, %d with a megabyte more, %d without it", used(first), used(full), used(after))
		}
		if after.Commits < first.Commits+3 || after.Grouped < 1 {
			b.Errorf("counted %+v after %+v", after, first)
		}
		b.reopen()
		if b.store.Stats().Fresh {
			b.Error("an old store is fresh")
		}
	}},
}

// together runs n changes at once.
func (b *bench) together(n int, fn func(i int) error) {
	b.Helper()
	errs := make(chan error, n)
	start := make(chan struct{})
	for i := range n {
		go func() {
			<-start
			errs <- fn(i)
		}()
	}
	close(start)
	for range n {
		if err := <-errs; err != nil {
			b.Error(err)
		}
	}
}

func (b *bench) rows(table string, prefix, from []byte) (s string) {
	b.Helper()
	b.view(func(tx state.Tx) { s = rows(tx, table, prefix, from) })
	return s
}

func rows(tx state.Tx, table string, prefix, from []byte) string {
	var list []string
	for k, v := range tx.Scan(table, prefix, from) {
		list = append(list, string(k)+"="+string(v))
	}
	return strings.Join(list, " ")
}

// count reads a number that a rule keeps in a row.
func count(tx state.Tx, key string) (n int) {
	_, _ = fmt.Sscan(string(tx.Get(table, []byte(key))), &n)
	return n
}

func readAll[K, V any](t state.Table[K, V], tx state.Tx) (list []V) {
	for _, v := range t.All(tx, nil, nil) {
		list = append(list, v)
	}
	return list
}
