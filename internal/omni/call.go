package omni

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"syncer/internal/contact"
	"syncer/internal/omni/table"
	"syncer/internal/outbound"
)

// api is the client both kinds share: it turns operations of the table into calls.
type api struct {
	kind, base string
	client     *resty.Client
	table      table.Table
	at         pointers
	arrays     table.ArrayQuery
	constants  map[string]string // values that path templates may use, from the configuration
	places     []place           // where in every request the client identifier goes
	header     string            // that carries the credential
	value      string            // what it carries; with OAuth, the token takes its place
	secrets    []string          // texts that no error may show
	tokens     *tokens           // nil without OAuth
	meter      outbound.Meter
	now        func() time.Time
	maxWait    time.Duration
}

// params are the parameters of a call by name; those that the path names go there, the others into the body
// or the query.
type params map[string]any

// place is where in a request the client identifier goes: query, body or header, and under which name.
type place struct{ part, name string }

// places reads the client_identifier setting, pointers such as /query/clientIdentifier.
func places(settings []string) ([]place, error) {
	var ps []place
	for _, s := range settings {
		part, name, ok := strings.Cut(strings.TrimPrefix(s, "/"), "/")
		if !ok || name == "" || !slices.Contains([]string{"query", "body", "header"}, part) {
			return nil, fmt.Errorf("decode: %s: %q must be /query/NAME, /body/NAME or /header/NAME", atClient, s)
		}
		ps = append(ps, place{part, name})
	}
	return ps, nil
}

// scope is the budget that an operation is paid from.
func scope(op string) string {
	if strings.HasPrefix(op, "contact.") {
		return contact.ScopeContacts
	}
	return contact.ScopeOther
}

// call runs one operation and returns the decoded answer, nil when there was none. With OAuth, a token that
// is refused is fetched anew once. Failures are of type *contact.Error.
//
// hidden are texts besides the parameters that no error may show.
func (a *api) call(ctx context.Context, op string, p params, hidden ...string) (any, error) {
	for first := true; ; first = false {
		value := a.value
		if a.tokens != nil {
			var err error
			if value, err = a.tokens.get(ctx, a); err != nil {
				return nil, err
			}
		}
		answer, err := a.send(ctx, op, p, value, hidden)
		var failed *contact.Error
		if first && a.tokens != nil && errors.As(err, &failed) && failed.Status == http.StatusUnauthorized {
			if err := a.tokens.drop(ctx, a, value); err != nil {
				return nil, err
			}
			continue
		}
		return answer, err
	}
}

func (a *api) send(ctx context.Context, op string, p params, credential string, hidden []string) (any, error) {
	o := a.table[op]
	if o.Disabled {
		return nil, a.cannot(op, op+" is disabled for this target")
	}
	req := a.client.R().SetContext(ctx)
	path, err := a.prepare(req, o, p)
	if err != nil {
		return nil, &contact.Error{Kind: contact.Internal, Op: a.kind + ": " + op, Message: err.Error()}
	}
	if credential != "" {
		req.SetHeader(a.header, credential)
	}
	if err := outbound.Spend(ctx, a.meter, scope(op), a.kind+": "+op); err != nil {
		return nil, err
	}
	resp, err := req.Execute(o.Method, path)
	return a.read(o, resp, err, slices.Concat(private(p), a.secrets, strings.Fields(credential), words(hidden)))
}

// prepare distributes the parameters over path, query and body.
func (a *api) prepare(req *resty.Request, o *table.Operation, p params) (path string, err error) {
	values, rest := maps.Clone(a.constants), params{}
	if values == nil {
		values = map[string]string{}
	}
	inPath := table.Names(o.Path)
	for name, v := range p {
		if text, ok := v.(string); ok && slices.Contains(inPath, name) {
			values[name] = text
			continue
		}
		rest[name] = v
	}
	if path, err = o.Expand(values); err != nil {
		return "", err
	}
	query := params{}
	if o.Bodiless() {
		query, rest = rest, nil
	}
	for _, at := range a.places {
		client := a.constants[clientIdentifier]
		switch {
		case at.part == "query":
			query[at.name] = client
		case at.part == "header":
			req.SetHeader(at.name, client)
		case rest != nil:
			rest[at.name] = client
		}
	}
	req.SetQueryParamsFromValues(a.arrays.Encode(query))
	switch {
	case o.Name == table.OAuthToken:
		form := map[string]string{}
		for name, v := range rest {
			form[name], _ = v.(string)
		}
		req.SetFormData(form)
	case len(rest) > 0:
		req.SetHeader("Content-Type", "application/json").SetBody(map[string]any(rest))
	}
	return path, nil
}

// read judges an answer and decodes it.
func (a *api) read(o *table.Operation, resp *resty.Response, err error, hidden []string) (any, error) {
	if e := a.failure(o, resp, err, hidden); e != nil {
		if e.Kind == contact.Throttled {
			a.meter.Refused(scope(o.Name), e.Until)
		}
		return nil, e
	}
	root, err := parse(resp.Body())
	switch {
	case outbound.IsPage(resp) || err != nil:
		return nil, a.unreadable(o, resp, "its answer is not JSON")
	case root == nil && len(resp.Body()) == 0 && o.Method == http.MethodGet && resp.StatusCode() != http.StatusNoContent:
		return nil, a.unreadable(o, resp, "its answer is empty")
	}
	return root, nil
}

// unreadable is the failure of a call that succeeded as far as its status says. It may have been carried out.
func (a *api) unreadable(o *table.Operation, resp *resty.Response, why string) error {
	return &contact.Error{Kind: contact.Unavailable, Op: a.kind + ": " + o.Name, Message: why, Status: resp.StatusCode(),
		RequestID: requestID(resp), Uncertain: o.Method != http.MethodGet}
}

// misread is the failure of an answer that is JSON but holds nothing where the pointers look.
func (a *api) misread(op, part string) error {
	return &contact.Error{Kind: contact.Unavailable, Op: a.kind + ": " + op, Uncertain: a.table[op].Method != http.MethodGet,
		Message: fmt.Sprintf("its answer has no %s where decode.%s points (%s)", part, part, strings.Join(quoted(a.at[part]), ", "))}
}

func quoted(pointers []string) []string {
	out := make([]string, len(pointers))
	for i, p := range pointers {
		out[i] = fmt.Sprintf("%q", p)
	}
	return out
}
