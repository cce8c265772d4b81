package engine

import (
	"context"
	"time"

	"syncer/internal/contact"
)

// Target is one place where contacts are written. Implementations hold no state of their own beyond caches,
// never sleep for a throttle, and return a *contact.Error for every failure.
type Target interface {
	// Rules say what the target can do and how a diff for it is made; Catalog in it is the last one read.
	Rules() *contact.Rules
	// Place names what the credentials open: a workspace, a tenant, an account. It is the credential check.
	Place(ctx context.Context) (id, name string, err error)
	// Learn reads the labels and fields that the target has defined and puts them into Rules.
	Learn(ctx context.Context) error
	// Define creates the labels and fields that are missing and returns when they can be used.
	Define(ctx context.Context, labels []string, fields map[string]contact.FieldType) (usable time.Time, err error)
	// List reads one page of contacts. Only targets that can List are asked.
	List(ctx context.Context, q contact.Query, cursor string) (contact.Listing, error)
	// Find looks up every candidate address and returns the contacts that have one, without repetition.
	Find(ctx context.Context, candidates []contact.URN) ([]contact.Observed, error)
	// Get reads one contact; an error of kind Gone says that it does not exist any more.
	Get(ctx context.Context, id string) (contact.Observed, error)
	// Create makes the contact. labels are ids of labels to give at once. Conflict says that an address is
	// taken; an Uncertain error that the contact may exist.
	Create(ctx context.Context, c *contact.Change, labels []string) (contact.Observed, error)
	// Update writes name, language, fields and addresses of a change, and its labels where the target has no
	// bulk labels. It returns the contact as it is afterwards.
	Update(ctx context.Context, seen *contact.Observed, c *contact.Change) (contact.Observed, error)
	// Label gives or takes one label for up to BulkLabels contacts. An Invalid error names in Names the
	// contacts that must be left out; one that names nobody concerns the whole call.
	Label(ctx context.Context, label string, give bool, ids []string) error
	// Block and Delete act on one contact.
	Block(ctx context.Context, id string) error
	Delete(ctx context.Context, id string) error
}

// Campaigner is implemented by targets at which a label or a date can start messages to people.
type Campaigner interface {
	Campaigns(ctx context.Context) ([]contact.Campaign, error)
}
