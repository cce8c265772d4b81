package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"syncer/bench/shop"
	"syncer/bench/steady"
	"syncer/internal/engine"
	"syncer/internal/mapping"
	"syncer/internal/reconcile"
	"syncer/internal/source"
	"syncer/internal/source/generic"
	"syncer/internal/state"
	"syncer/internal/state/bolt"
)

func pagesFile(dir string) string { return filepath.Join(dir, "pages") }

// pageRows is how many records a page of the list has.
const pageRows = 100

// fill makes the store, and the pages that show the same records: each with its length before it.
func fill(ctx context.Context, db, pages string, n int) error {
	store, err := bolt.Open(db, bolt.Options{})
	if err != nil {
		return err
	}
	// What is stored was read an hour ago, so that this reading counts as a later one.
	if err := errors.Join(steady.Fill(ctx, store, steady.Options{People: n, Now: time.Now().Add(-time.Hour)}), store.Close()); err != nil {
		return err
	}
	f, err := os.Create(pages)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 1<<20)
	offset := int64(0)
	for from := 1; from <= n; from += pageRows {
		body := []byte(`{"data": [`)
		for i := from; i < min(from+pageRows, n+1); i++ {
			if i > from {
				body = append(body, ", "...)
			}
			body = shop.Customer(body, i, 0)
		}
		next := "null"
		if offset += 8; from+pageRows <= n {
			const tail = len(`], "next_cursor": "0000000000000"}`)
			next = fmt.Sprintf(`"%013d"`, offset+int64(len(body)+tail))
		}
		body = fmt.Appendf(body, `], "next_cursor": %s}`, next)
		offset += int64(len(body))
		if _, err := out.Write(append(binary.BigEndian.AppendUint64(nil, uint64(len(body))), body...)); err != nil {
			return err
		}
	}
	return errors.Join(out.Flush(), f.Close())
}

// list is the shop's list API: a cursor is where a page begins in the file.
type list struct{ f *os.File }

// page reads the page at an offset.
func (l list) page(offset int64) ([]byte, error) {
	var size [8]byte
	if _, err := l.f.ReadAt(size[:], offset); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint64(size[:]))
	_, err := l.f.ReadAt(body, offset+8)
	return body, err
}

// RoundTrip answers a request for a page.
func (l list) RoundTrip(r *http.Request) (*http.Response, error) {
	offset, _ := strconv.ParseInt(r.URL.Query().Get("cursor"), 10, 64) // the first page has no cursor
	body, err := l.page(offset)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

func openList(path string) (list, *generic.Source, *mapping.Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return list{}, nil, nil, err
	}
	plan, err := shop.Plan("https://loja.invalid", "https://weni.invalid", "t")
	if err != nil {
		return list{}, nil, nil, err
	}
	spec, _ := plan.Source("loja")
	src, err := generic.New(spec, generic.Deps{Transport: list{f}})
	return list{f}, src, plan, err
}

// walk is the real thing.
func walk(ctx context.Context, db, pages string) (o outcome, err error) {
	l, src, plan, err := openList(pages)
	if err != nil {
		return o, err
	}
	defer l.f.Close()
	store, err := bolt.Open(db, bolt.Options{})
	if err != nil {
		return o, err
	}
	sources := map[string]source.Source{"loja": src}
	e := engine.New(engine.Options{Store: store, Plan: plan, Sources: sources})
	runner := &reconcile.Runner{Store: store, Engine: e, Sources: sources, Observer: nobody{}, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Prepare: func(context.Context, string) error { return nil }}
	began := time.Now()
	run, err := runner.Run(ctx, reconcile.Ask{Source: "loja", Kind: reconcile.Full, Progress: func(state.Run) {}})
	o = outcome{Records: run.Unchanged, Seconds: time.Since(began).Seconds(), Bytes: store.Stats().Bytes}
	return o, errors.Join(err, store.Close())
}

// listed is what the source makes of the pages, and nothing behind it.
func listed(ctx context.Context, pages string) (n int, err error) {
	l, src, _, err := openList(pages)
	if err != nil {
		return 0, err
	}
	defer l.f.Close()
	for cursor := ""; ; {
		page, err := src.List(ctx, source.Window{}, cursor)
		if n += len(page.Events); err != nil || page.Next == "" {
			return n, err
		}
		cursor = page.Next
	}
}

// decode reads every page into what make gives.
func decode(pages string, make func() (page any, rows func() int)) (n int, err error) {
	l, _, _, err := openList(pages)
	if err != nil {
		return 0, err
	}
	defer l.f.Close()
	for offset := int64(0); ; {
		body, err := l.page(offset)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		page, rows := make()
		if err := json.Unmarshal(body, page); err != nil {
			return n, err
		}
		n, offset = n+rows(), offset+8+int64(len(body))
	}
}

// nobody is told how runs go.
type nobody struct{}

// RunEnded is told to nobody.
func (nobody) RunEnded(state.Run) {}
