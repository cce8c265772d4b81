package lab

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"syncer/internal/contact"
	"syncer/internal/mapping"
	"syncer/internal/source"
)

// Row is one record of a book.
type Row map[string]any

// Book is a source in memory. Ids are numbers from 1; its clock never stands still.
type Book struct {
	name string
	now  func() time.Time

	mu    sync.Mutex
	rows  []entry // by id, less one
	clock int64
	hang  time.Duration
}

type entry struct {
	payload []byte
	at      int64 // 0: there is no such record
}

const bookPage = 500

func newBook(name string, now func() time.Time) *Book {
	return &Book{name: name, now: now}
}

// Put makes or changes a record and returns the webhook that tells it.
func (b *Book) Put(id int, row Row) contact.Event {
	row["id"] = strconv.Itoa(id)
	payload, err := json.Marshal(row)
	if err != nil {
		panic(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.rows) < id {
		b.rows = append(b.rows, entry{})
	}
	b.clock = max(b.clock+1, b.now().UnixMicro())
	b.rows[id-1] = entry{payload, b.clock}
	return b.event(id)
}

// Get one record as it is.
func (b *Book) row(id int) (entry, bool) {
	if id < 1 || id > len(b.rows) || b.rows[id-1].at == 0 {
		return entry{}, false
	}
	return b.rows[id-1], true
}

// Edit changes a record and returns the webhook that tells it.
func (b *Book) Edit(id int, change func(Row)) contact.Event {
	b.mu.Lock()
	e, _ := b.row(id)
	b.mu.Unlock()
	row := Row{}
	if err := json.Unmarshal(e.payload, &row); err != nil {
		panic(err)
	}
	change(row)
	return b.Put(id, row)
}

// Remove deletes a record and returns the webhook that tells it.
func (b *Book) Remove(id int) contact.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = max(b.clock+1, b.now().UnixMicro())
	b.rows[id-1] = entry{}
	return contact.Event{Kind: contact.Delete, Key: b.key(id), Version: contact.Version{Event: b.clock}}
}

func (b *Book) key(id int) contact.Key { return contact.Key{Source: b.name, ID: strconv.Itoa(id)} }

func (b *Book) event(id int) contact.Event {
	e := b.rows[id-1]
	return contact.Event{Kind: contact.Upsert, Key: b.key(id), Shape: contact.Full, Version: contact.Version{Source: e.at}, Payload: e.payload}
}

// List pages through the records in the order of their ids.
func (b *Book) List(_ context.Context, w source.Window, cursor string) (source.Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from, _ := strconv.Atoi(cursor)
	page := source.Page{Calls: 1}
	for id := from + 1; id <= len(b.rows); id++ {
		if e, ok := b.row(id); !ok || e.at < w.Since.UnixMicro() {
			continue
		}
		if len(page.Events) == bookPage {
			page.Next = strconv.Itoa(id - 1)
			break
		}
		page.Events = append(page.Events, b.event(id))
	}
	return page, nil
}

// Hang makes every Get fail after a time, for want of an answer; 0 makes it answer again.
func (b *Book) Hang(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hang = d
}

// Get reads records by id.
func (b *Book) Get(ctx context.Context, ids []string) (f source.Found, _ error) {
	b.mu.Lock()
	hang := b.hang
	b.mu.Unlock()
	if hang > 0 {
		select {
		case <-time.After(hang):
		case <-ctx.Done():
		}
		return f, &contact.Error{Kind: contact.Unavailable, Op: b.name, Message: "no answer in time"}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range ids {
		id, _ := strconv.Atoi(s)
		if _, ok := b.row(id); ok {
			f.Events = append(f.Events, b.event(id))
		} else {
			f.Missing = append(f.Missing, s)
		}
	}
	return f, nil
}

// Decode is never asked: webhooks of a book are made by it.
func (b *Book) Decode(http.Header, []byte) ([]contact.Event, error) {
	return nil, errors.New("a book has no webhooks to decode")
}

// Record reads a payload.
func (b *Book) Record(p []byte) (map[string]any, error) { return mapping.DecodeRecord(p) }

// Prepare has nothing to load.
func (b *Book) Prepare(context.Context) error { return nil }

// Definitions are none.
func (b *Book) Definitions() string { return "" }

// Place is the book itself.
func (b *Book) Place(context.Context) (id, name string, err error) { return b.name, b.name, nil }

// Answers are the usual ones.
func (b *Book) Answers() source.Answers { return source.DefaultAnswers() }

// Can do everything.
func (b *Book) Can() source.Abilities {
	return source.Abilities{List: true, Since: true, Get: true, Batch: 100, Deletes: true}
}
