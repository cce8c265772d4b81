package reconcile_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"syncer/internal/contact"
	"syncer/internal/engine"
	"syncer/internal/reconcile"
	"syncer/internal/source"
)

// crooked is a book whose server leads astray: it says something else about the next page, or takes no cursor.
type crooked struct {
	*book
	next func(page int) string
	ask  string // the only cursor that is taken, when next is nil
}

func (c *crooked) List(ctx context.Context, w source.Window, cursor string) (source.Page, error) {
	if c.next != nil {
		page, err := c.book.List(ctx, w, "") // whatever it is asked for, it gives the first page
		page.Next = c.next(c.pages)
		return page, err
	}
	if cursor != c.ask {
		c.pages++
		return source.Page{}, &contact.Error{Kind: contact.Invalid, Message: "cursor is invalid"}
	}
	return c.book.List(ctx, w, cursor)
}

// TestAstray: a CRM gave its first page again and again, under a cursor that was new every time; the walk went on for
// 200,000 pages. And when the CRM had been put right it refused the last of those cursors, with which every later run
// began: for a day the source was read no more.
func TestAstray(t *testing.T) {
	for name, next := range map[string]func(page int) string{
		"the same cursor":     func(int) string { return "c" },
		"cursors in a circle": func(page int) string { return fmt.Sprint("c", page%3) },
		"always a new cursor": func(page int) string { return fmt.Sprint("c", page) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 2*pageSize)
			c := &crooked{book: r.book, next: next}
			r.runner.Sources = map[string]source.Source{"crm": c}
			run, err := r.runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: reconcile.Full, Yes: true})
			if err == nil || !strings.Contains(run.Err, "pages do not end") {
				t.Fatalf("a list without end: %+v, %v", run, err)
			}
			if r.book.pages > 5 {
				t.Errorf("%d pages were read to find that out", r.book.pages)
			}
			c.next = nil // it was put right, and takes no cursor that it did not give
			r.runner.Sources = map[string]source.Source{"crm": r.book}
			if run, err = r.runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: reconcile.Full, Yes: true}); err != nil || run.State != engine.RunReleased {
				t.Fatalf("the next run: %+v, %v", run, err)
			}
			r.settle()
			if n := len(r.weni.Contacts()); n != 2*pageSize {
				t.Errorf("%d contacts, not %d", n, 2*pageSize)
			}
		})
	}
}

// TestCursorsGetOld: a run was interrupted between two pages, and a day later the CRM took its cursor no more. The walk
// begins again, once: what is refused at the beginning is refused for another reason.
func TestCursorsGetOld(t *testing.T) {
	r := newRig(t, 2*pageSize)
	r.book.failAt = 2
	if _, err := r.runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: reconcile.Full, Yes: true}); err == nil {
		t.Fatal("the walk was not interrupted")
	}
	c := &crooked{book: r.book, ask: "none"}
	r.runner.Sources = map[string]source.Source{"crm": c}
	r.book.pages = 0
	if _, err := r.runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: reconcile.Full, Yes: true}); err == nil || r.book.pages != 2 {
		t.Fatalf("nothing is taken: %v after %d pages", err, r.book.pages)
	}
	r.runner.Sources = map[string]source.Source{"crm": r.book}
	run, err := r.runner.Run(context.Background(), reconcile.Ask{Source: "crm", Kind: reconcile.Full, Yes: true})
	if err != nil || run.State != engine.RunReleased {
		t.Fatalf("from the beginning: %+v, %v", run, err)
	}
	r.settle()
	if n := len(r.weni.Contacts()); n != 2*pageSize {
		t.Errorf("%d contacts, not %d", n, 2*pageSize)
	}
}
