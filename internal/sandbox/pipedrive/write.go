package pipedrive

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// input is the body of a write. Fields that are not in it stay as they are.
type input struct {
	Name     *string        `json:"name"`
	Phones   *[]Row         `json:"phones"`
	Emails   *[]Row         `json:"emails"`
	OwnerID  *int           `json:"owner_id"`
	OrgID    *int           `json:"org_id"`
	LabelIDs *[]int         `json:"label_ids"`
	Status   *string        `json:"marketing_status"`
	Custom   map[string]any `json:"custom_fields"`
}

var statuses = []string{"no_consent", "unsubscribed", "subscribed", "archived"}

func (c *call) input() (*input, error) {
	var in input
	if err := json.NewDecoder(c.Body).Decode(&in); err != nil {
		return nil, errors.New("the body is not the JSON of a person")
	}
	if in.Status != nil && !slices.Contains(statuses, *in.Status) {
		return nil, fmt.Errorf("marketing_status must be one of %v", statuses)
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for code, value := range in.Custom {
		f := c.s.field(code)
		if f == nil || !f.custom {
			return nil, fmt.Errorf("custom field %s does not exist", code)
		}
		in.Custom[code] = bare(f, value)
	}
	return &in, nil
}

// bare gives ids of options the type in which persons keep them.
func bare(f *Field, value any) any {
	switch v := value.(type) {
	case float64:
		if f.Kind == Enum {
			return int(v)
		}
	case []any:
		ids := []int{}
		for _, item := range v {
			if id, ok := item.(float64); ok {
				ids = append(ids, int(id))
			}
		}
		return ids
	}
	return value
}

func (in *input) apply(p *Person) {
	put(&p.Name, in.Name)
	put(&p.Phones, in.Phones)
	put(&p.Emails, in.Emails)
	put(&p.OwnerID, in.OwnerID)
	put(&p.OrgID, in.OrgID)
	put(&p.LabelIDs, in.LabelIDs)
	put(&p.MarketingStatus, in.Status)
	for code, value := range in.Custom {
		if value == nil {
			delete(p.Custom, code)
		} else {
			p.Custom[code] = value
		}
	}
}

func put[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (c *call) createPerson() reply {
	in, err := c.input()
	if err != nil {
		return fail(http.StatusBadRequest, "%s", err)
	}
	p := Person{Custom: map[string]any{}}
	in.apply(&p)
	return c.done(http.StatusCreated)(c.s.Create(p))
}

func (c *call) updatePerson() reply {
	in, err := c.input()
	if err != nil {
		return fail(http.StatusBadRequest, "%s", err)
	}
	return c.done(http.StatusOK)(c.s.Update(c.id(), in.apply))
}

func (c *call) deletePerson() reply {
	if err := c.s.Delete(c.id()); err != nil {
		return fail(http.StatusNotFound, "Person not found")
	}
	return ok(map[string]any{"id": c.id()})
}

func (c *call) mergePerson() reply {
	var body struct {
		With int `json:"merge_with_id"`
	}
	if err := json.NewDecoder(c.Body).Decode(&body); err != nil {
		return fail(http.StatusBadRequest, "merge_with_id is missing")
	}
	if err := c.s.Merge(c.id(), body.With); err != nil {
		return fail(http.StatusNotFound, "Person not found")
	}
	return ok(map[string]any{"id": body.With})
}

func (c *call) id() int {
	id, _ := strconv.Atoi(c.PathValue("id"))
	return id
}

// done answers a write.
func (c *call) done(status int) func(Person, error) reply {
	return func(p Person, err error) reply {
		switch {
		case errors.Is(err, ErrNoPerson):
			return fail(http.StatusNotFound, "Person not found")
		case err != nil:
			return fail(http.StatusBadRequest, "%s", err)
		}
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		return reply{status: status, data: c.s.row(&p, c.URL.Query())}
	}
}
