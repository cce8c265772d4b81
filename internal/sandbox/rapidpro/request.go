package rapidpro

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// endpoint is one address of the API.
type endpoint struct {
	scope string
	get   func(*request) *response
	post  func(*request) *response
	del   func(*request) *response
}

const (
	scopeContacts = "v2.contacts"
	scopeOther    = "v2"
)

var endpoints = map[string]endpoint{
	"contacts":        {scopeContacts, listContacts, postContact, deleteContact},
	"contacts_lean":   {scopeContacts, listContactsLean, nil, nil},
	"contact_actions": {scopeOther, nil, postContactAction, nil},
	"fields":          {scopeOther, listFields, postField, nil},
	"groups":          {scopeOther, listGroups, postGroup, deleteGroup},
	"workspace":       {scopeOther, getWorkspace, nil, nil},
	"org":             {scopeOther, getWorkspace, nil, nil},
	"campaigns":       {scopeOther, listCampaigns, nil, nil},
	"campaign_events": {scopeOther, listCampaignEvents, nil, nil},
	"globals":         {scopeOther, listGlobals, postGlobal, nil},
	"labels":          {scopeOther, listLabels, postLabel, deleteLabel},
	"archives":        {scopeOther, listArchives, nil, nil},
	"channels":        {scopeOther, listNothing, nil, nil},
	"flows":           {scopeOther, listNothing, nil, nil},
	"users":           {scopeOther, listUsers, nil, nil},
	"resthooks":       {scopeOther, listResthooks, nil, nil},
	"resthook_events": {scopeOther, listNothing, nil, nil},

	"resthook_subscribers": {scopeOther, listSubscribers, postSubscriber, deleteSubscriber},
}

func (f *flavour) endpoint(name string) (endpoint, bool) {
	if name == "contacts_lean" && !f.weni {
		return endpoint{}, false
	}
	e, ok := endpoints[name]
	return e, ok
}

// allowed lists the methods of an endpoint as the Allow header does.
func (e endpoint) allowed() string {
	var methods []string
	for _, m := range []struct {
		name string
		has  bool
	}{{"GET", e.get != nil}, {"POST", e.post != nil}, {"DELETE", e.del != nil}, {"HEAD", e.get != nil}, {"OPTIONS", true}} {
		if m.has {
			methods = append(methods, m.name)
		}
	}
	return strings.Join(methods, ", ")
}

var addressPattern = regexp.MustCompile(`^/api/v2/([a-z_]+)(?:\.(json|api)/?)?$`)

// classify names scope and endpoint for the journal.
func classify(r *http.Request) (scope, name string) {
	if m := addressPattern.FindStringSubmatch(r.URL.Path); m != nil {
		if e, ok := endpoints[m[1]]; ok {
			name = m[1]
			if m[2] != "" {
				name += "." + m[2]
			}
			return e.scope, name
		}
	}
	return "none", r.URL.Path
}

// request is a call of the API on its way through an endpoint.
type request struct {
	*Server
	http   *http.Request
	params params
	format string // the suffix of the address, without the dot
}

// response is an answer. JSON when json is set, else text of the given type, else nothing.
type response struct {
	status      int
	json        []byte
	text        string
	contentType string
	retryAfter  int // seconds, 0 for no header
}

func jsonResponse(status int, body []byte) *response { return &response{status: status, json: body} }

// detail is the shape of errors that are not about a field.
func detail(status int, text string) *response {
	o := &object{}
	o.str("detail", text)
	return jsonResponse(status, o.end())
}

// fieldError is the shape of errors of one field, or of "non_field_errors".
func fieldError(field string, texts ...string) *response {
	o := &object{}
	o.raw(field, messages(texts...))
	return jsonResponse(http.StatusBadRequest, o.end())
}

func noContent() *response { return &response{status: http.StatusNoContent} }

func notFound() *response { return detail(http.StatusNotFound, "Not found.") }

// crash is what the API says when something happened that it did not expect: no JSON.
func crash() *response {
	return &response{
		status: http.StatusInternalServerError, contentType: "text/html; charset=utf-8",
		text: "Server Error. Site administrators have been notified.",
	}
}

const notFoundPage = `
<!doctype html>
<html lang="en">
<head>
  <title>Not Found</title>
</head>
<body>
  <h1>Not Found</h1><p>The requested resource was not found on this server.</p>
</body>
</html>
`

// errorPage words the statuses that the fault plan injects.
func errorPage(status, retryAfter int) (contentType, body string) {
	switch status {
	case http.StatusInternalServerError:
		r := crash()
		return r.contentType, r.text
	case http.StatusTooManyRequests:
		return "application/json", string(throttled(retryAfter).json)
	case http.StatusUnauthorized:
		return "application/json", string(detail(status, "Invalid token").json)
	case http.StatusNotFound:
		return "application/json", string(notFound().json)
	case http.StatusConflict:
		return "application/json", string(detail(status, "Cannot create object because workspace has reached limit.").json)
	}
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return "text/html", "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
}

func throttled(seconds int) *response {
	text := "Request was throttled."
	if seconds > 1 {
		text += fmt.Sprintf(" Expected available in %d seconds.", seconds)
	} else if seconds == 1 {
		text += " Expected available in 1 second."
	}
	r := detail(http.StatusTooManyRequests, text)
	r.retryAfter = max(seconds, 0)
	return r
}

// serveAPI checks a request in the order of the real service: address, representation, who it is,
// whether they may, how often they did, and only then the method and everything else.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	m := addressPattern.FindStringSubmatch(r.URL.Path)
	var e endpoint
	if m != nil {
		var ok bool
		if e, ok = s.flavour.endpoint(m[1]); !ok {
			m = nil
		}
	}
	if m == nil {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, notFoundPage)
		return
	}
	rq := &request{Server: s, http: r, params: parseParams(r.URL.RawQuery), format: m[2]}
	answer, page := rq.negotiate()
	if answer == nil {
		answer = rq.admit(e)
	}
	if answer == nil {
		answer = rq.run(e)
	}
	header := w.Header()
	header.Set("Allow", e.allowed())
	header.Set("Vary", "Accept")
	if answer.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(answer.retryAfter))
	}
	body := answer.json
	switch {
	case answer.json != nil && page:
		header.Set("Content-Type", "text/html; charset=utf-8")
		body = []byte("<!doctype html>\n<html><head><title>API v2</title></head><body><pre>" + html.EscapeString(string(answer.json)) + "</pre></body></html>\n")
	case answer.json != nil:
		header.Set("Content-Type", "application/json")
	case answer.text != "":
		header.Set("Content-Type", answer.contentType)
		body = []byte(answer.text)
	}
	if len(body) > 0 {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(answer.status)
	if len(body) > 0 {
		_, _ = w.Write(body)
	}
}

// negotiate chooses between JSON and a page for people. With the suffix .json there is only JSON, and
// a client that does not accept it gets 406; without a suffix the parameter format may choose, else the
// page wins unless the client asks for JSON more precisely than for anything else.
func (rq *request) negotiate() (refusal *response, page bool) {
	format := cmp.Or(rq.format, rq.params.get("format"))
	if !slices.Contains([]string{"", "json", "api"}, format) {
		return notFound(), true
	}
	accept := strings.Join(rq.http.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		accept = "*/*"
	}
	best, page := 0, false
	for part := range strings.SplitSeq(accept, ",") {
		media, options, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), ";")
		media = strings.TrimSpace(media)
		rank := 1
		switch kind, sub, _ := strings.Cut(media, "/"); {
		case kind == "*":
		case sub == "*":
			rank = 2
		case options == "" || onlyWeight.MatchString(options):
			rank = 3
		default:
			rank = 4
		}
		if rank > best && format != "json" && mediaMatches("text/html", media) {
			best, page = rank, true
		}
		if rank > best && format != "api" && mediaMatches("application/json", media) {
			best, page = rank, false
		}
	}
	if best == 0 {
		return detail(http.StatusNotAcceptable, "Could not satisfy the request Accept header."), true
	}
	return nil, page
}

// onlyWeight is what may follow a media type without making it more precise.
var onlyWeight = regexp.MustCompile(`^\s*q=[^;]*$`)

// mediaMatches compares a media type with one that may have stars in it.
func mediaMatches(media, pattern string) bool {
	kind, sub, _ := strings.Cut(media, "/")
	wantKind, wantSub, _ := strings.Cut(pattern, "/")
	return (wantKind == "*" || wantKind == kind) && (wantSub == "*" || wantSub == sub)
}

// admit is authentication, permission and throttle.
func (rq *request) admit(e endpoint) *response {
	if problem := rq.authenticate(); problem != "" {
		return detail(http.StatusForbidden, problem)
	}
	rq.mu.Lock()
	defer rq.mu.Unlock()
	if !rq.set.mayUseAPI() {
		return detail(http.StatusForbidden, "You do not have permission to perform this action.")
	}
	return rq.throttle(e.scope)
}

func (rq *request) authenticate() string {
	parts := strings.Fields(rq.http.Header.Get("Authorization"))
	if len(parts) == 0 {
		return "Authentication credentials were not provided."
	}
	switch strings.ToLower(parts[0]) {
	case "token":
		switch {
		case len(parts) == 1:
			return "Invalid token header. No credentials provided."
		case len(parts) > 2:
			return "Invalid token header. Token string should not contain spaces."
		case !utf8.ValidString(parts[1]):
			return "Invalid token header. Token string should not contain invalid characters."
		case parts[1] != rq.options.Token:
			return "Invalid token"
		}
		return ""
	case "basic":
		switch len(parts) {
		case 1:
			return "Invalid basic header. No credentials provided."
		case 2:
		default:
			return "Invalid basic header. Credentials string should not contain spaces."
		}
		pair, ok := looseBase64(parts[1])
		if !ok {
			return "Invalid basic header. Credentials not correctly base64 encoded."
		}
		user, password, _ := strings.Cut(string(pair), ":")
		if user != rq.options.User || password != rq.options.Token {
			return "Invalid token or email"
		}
		return ""
	}
	return "Authentication credentials were not provided."
}

// throttle is a sliding window: the requests of the last hour are remembered, those that were refused
// are not. It says when the oldest one leaves the window, or nothing when the limit was lowered below
// what has been used already.
func (s *Server) throttle(scope string) *response {
	limit := s.set.Requests
	if limit <= 0 {
		return nil
	}
	now := s.Control.Now()
	window := time.Duration(s.set.WindowSeconds) * time.Second
	used := s.history[scope]
	for len(used) > 0 && now.Sub(used[0]) >= window {
		used = used[1:]
	}
	s.history[scope] = used
	if len(used) < limit {
		s.history[scope] = append(used, now)
		return nil
	}
	if len(used) > limit {
		return throttled(0)
	}
	return throttled(int(math.Ceil((window - now.Sub(used[0])).Seconds())))
}

func (rq *request) run(e endpoint) *response {
	var handler func(*request) *response
	switch rq.http.Method {
	case http.MethodGet, http.MethodHead:
		handler = e.get
	case http.MethodPost:
		handler = e.post
	case http.MethodDelete:
		handler = e.del
	}
	if handler == nil {
		return detail(http.StatusMethodNotAllowed, `Method "`+rq.http.Method+`" not allowed.`)
	}
	return handler(rq)
}

// params are the query's parameters; of a repeated one the last counts.
type params url.Values

func parseParams(query string) params {
	p := params{}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, value = unquote(name), unquote(value)
		p[name] = append(p[name], value)
	}
	return p
}

// unquote decodes a part of a query. Broken escapes stay as they are; of broken UTF-8 the beginning of a
// character becomes one U+FFFD, as does every byte that begins none.
func unquote(s string) string {
	s = strings.ReplaceAll(s, "+", " ")
	if strings.Contains(s, "%") {
		b := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			if s[i] == '%' && i+2 < len(s) {
				if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
					b = append(b, byte(n))
					i += 2
					continue
				}
			}
			b = append(b, s[i])
		}
		s = string(b)
	}
	if utf8.ValidString(s) {
		return s
	}
	raw, b := []byte(s), make([]byte, 0, len(s))
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRune(raw[i:])
		b = utf8.AppendRune(b, r)
		if i += n; r == utf8.RuneError && n == 1 {
			i, _ = brokenUTF8(raw, i-1)
		}
	}
	return string(b)
}

func (p params) get(name string) string {
	v, _ := p.lookup(name)
	return v
}

func (p params) lookup(name string) (string, bool) {
	values := p[name]
	if len(values) == 0 {
		return "", false
	}
	return values[len(values)-1], true
}

// truthy is the API's reading of a switch.
func truthy(s string) bool {
	return slices.Contains([]string{"true", "y", "yes", "1"}, strings.ToLower(s))
}

// payload is a request body: an object, or a form, which the serializers read differently.
type payload struct {
	dict *pyDict
	form params // nil unless it is a form
}

// body reads the request body. No body at all counts as an empty object.
func (rq *request) body() (*payload, *response) {
	raw, err := io.ReadAll(rq.http.Body)
	if err != nil {
		return nil, crash()
	}
	contentType := rq.http.Header.Get("Content-Type")
	media, options, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, _, _ = strings.Cut(contentType, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	switch {
	case len(raw) == 0 && (media == "application/x-www-form-urlencoded" || media == "multipart/form-data"):
		return &payload{dict: newDict(), form: params{}}, nil
	case len(raw) == 0:
		return &payload{dict: newDict()}, nil
	case mediaMatches("application/json", media):
		v, err := parseJSON(raw, strings.ToLower(options["charset"]))
		if errors.Is(err, errTooDeep) {
			return nil, crash()
		}
		if err != nil {
			return nil, detail(http.StatusBadRequest, "JSON parse error - "+err.Error())
		}
		d, ok := v.(*pyDict)
		if !ok {
			return nil, fieldError("non_field_errors", "Request body should be a single JSON object")
		}
		return &payload{dict: d}, nil
	case mediaMatches("application/x-www-form-urlencoded", media):
		return &payload{form: parseParams(string(raw))}, nil
	case mediaMatches("multipart/form-data", media):
		form, err := parseMultipart(rq.http, raw)
		if err != nil {
			return nil, detail(http.StatusBadRequest, "Multipart form parse error - "+err.Error())
		}
		return &payload{form: form}, nil
	}
	return nil, detail(http.StatusUnsupportedMediaType, `Unsupported media type "`+contentType+`" in request.`)
}

// parseMultipart reads a form in parts. What is between the boundaries may be anything: parts that cannot be
// read are none.
func parseMultipart(r *http.Request, raw []byte) (params, error) {
	r.Body = io.NopCloser(bytes.NewReader(raw))
	if err := r.ParseMultipartForm(16 << 20); errors.Is(err, http.ErrMissingBoundary) {
		return nil, errors.New("Invalid boundary in multipart: None") //nolint:staticcheck // the server's own text
	} else if err != nil {
		return params{}, nil
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }()
	return params(r.MultipartForm.Value), nil
}

// blocker is the refusal of every write to a workspace that is suspended or flagged; it comes after
// the body was read and before it is looked at.
func (s *Server) blocker() *response {
	var word string
	switch {
	case s.set.Flagged:
		word = "flagged"
	case s.set.Suspended:
		word = "suspended"
	default:
		return nil
	}
	return fieldError("non_field_errors", "Sorry, your workspace is currently "+word+
		". To re-enable starting flows and sending messages, please contact support.")
}

// begin does what all writes begin with: the body, and the refusal of a blocked workspace.
func (rq *request) begin() (*payload, *response) {
	p, refusal := rq.body()
	if refusal == nil {
		refusal = rq.blocker()
	}
	return p, refusal
}
