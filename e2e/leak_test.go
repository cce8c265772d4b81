package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"syncer/e2e/lab"
	"syncer/internal/console"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/pipedrive"
)

// human is somebody who must not be read about. All of them are invented, with words that syncer itself never says.
type human struct{ first, last, phone, email, cpf string }

func (h human) name() string { return h.first + " " + h.last }

// said is everything that syncer said in one test, and where.
type said struct {
	*world
	lab.Finder
	found  int
	places map[string]int // bytes by place
}

// hear searches one thing that was said.
func (s *said) hear(where, text string) {
	s.Helper()
	s.places[where] += len(text)
	leaks := s.Find(text)
	for _, l := range leaks[:min(len(leaks), 8)] {
		s.Errorf("%s: %.600s", where, l)
	}
	s.found += len(leaks)
}

// know makes the finder know somebody.
func (s *said) know(h human) human {
	s.Name(h.name(), h.first, h.last)
	s.Number(h.phone)
	s.Email(h.email)
	s.Document(h.cpf)
	return h
}

// cast are the people of the busy life. Their documents have right check digits.
var cast = []human{
	{"Zulmira", "Quixadá", "84990007731", "zulmira.quixada@exemplo.com.br", "529.982.247-25"},
	{"Epaminondas", "Jaguaribe", "84990008642", "epaminondas@exemplo.com.br", "111.444.777-35"},
	{"Deolinda", "Taperoá", "84990009753", "deolinda.t@exemplo.com.br", "390.533.447-05"},
	{"Valfredo", "Mossamedes", "84990006864", "valfredo@exemplo.com.br", "153.509.460-56"},
	{"Ermelinda", "Cajazeiras", "84990005975", "ermelinda@exemplo.com.br", "935.411.347-80"},
	{"Aristeu", "Borborema", "84990004086", "aristeu@exemplo.com.br", "746.824.890-70"},
	{"Hermenegilda", "Potengi", "84990003197", "hermenegilda@exemplo.com.br", "248.438.034-80"},
	{"Genésio", "Seridó", "84990002208", "genesio@exemplo.com.br", "987.654.321-00"},
}

// form is somebody as the CRM's form has them.
func (h human) form() map[string]any {
	person := someone(h.name(), h.phone)
	person["emails"] = []pipedrive.Row{{Label: "work", Primary: true, Value: h.email}}
	return person
}

// customer is somebody as the shop has them.
func (h human) customer() map[string]any {
	return map[string]any{"nome": h.name(), "celular": h.phone, "email": h.email, "cpf": h.cpf, "aceita_mensagens": "S"}
}

const (
	adminToken  = "ficha-da-porta-de-tras-5d20ac"
	pathSecret  = "caminho-secreto-do-parceiro-88e1"
	bearerToken = "portador-inventado-do-balcao-41c7"
	literal     = "segredo-escrito-no-proprio-arquivo-9b"
)

// moreSources adds a source whose secret is in its address, one with a bearer token, and fields that fail to be read.
func moreSources(text string) string {
	text = replace("targets:\n  weni:", `  parceiro:
    kind: generic
    webhook: {auth: path_token, secret: "${PARCEIRO_SECRET}"}
    record: {at: data, id: id, version: updated_at, version_as: rfc3339}
  balcao:
    kind: generic
    webhook: {auth: bearer, secret: "${BALCAO_TOKEN}"}
    event: {time: quando, time_as: rfc3339}
    record: {id: id}

targets:
  weni:`)(text)
	text = replace("        pedidos: {value", `        documento: =cpf(record.cpf)
        nascimento: {value: =date_br(record.nascimento), type: datetime}
        pontos: {value: =number_br(record.pontos), type: numeric}
        pedidos: {value`)(text)
	for _, source := range []string{"parceiro", "balcao"} {
		text += `
  - name: ` + source + `
    from: ` + source + `
    to: weni
    contact:
      name: =title(record.nome)
      phones: =record.celular
      opt_out: yes(record.sair)
      labels:
        - {pick: =record.grupo, from: {loja: Loja}}
`
	}
	return text
}

// TestNothingLeaks runs a busy life of the real binary, in which everything goes wrong that can, and reads all that it
// says: its logs, answers, pages, metrics, notices, commands and its last words when it is made to crash. No secret and
// nothing of anybody stands in any of it, but in masked form.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	w := build(t, moreSources)
	s := &said{world: w, places: map[string]int{}}
	w.env = w.env.With("SYNCER_ADMIN_TOKEN", adminToken, "PARCEIRO_SECRET", pathSecret, "BALCAO_TOKEN", bearerToken, "GOTRACEBACK", "all")
	w.admin.Token = adminToken
	for name, value := range w.env {
		if strings.Contains(name, "TOKEN") || strings.Contains(name, "SECRET") || strings.Contains(name, "PASSWORD") || strings.Contains(name, "API_KEY") {
			s.Secret(name, value)
		}
	}
	s.Secret("the key of notices", strings.TrimPrefix(w.told.secret, "whsec_"))
	s.Secret("a literal", literal)
	for _, h := range cast {
		s.know(h)
	}

	w.define()
	w.start()
	w.firstRuns()
	w.subscribe()
	s.life()
	s.everything("text")
	w.stop()
	s.hear("text log", w.syncer.Stderr())
	s.hear("stdout", w.syncer.Stdout())

	// The same state again, as JSON lines, and then no orderly end.
	w.env = w.env.With("SYNCER_LOG_FORMAT", "json", "LANG", "pt_BR.UTF-8")
	w.start()
	w.ok("dead", "retry", "--all")
	w.cmd("reconcile", "crm", "--full", "--yes")
	s.everything("json")
	w.must(w.syncer.Signal(syscall.SIGQUIT))
	<-w.syncer.Ended()
	dump := w.syncer.Stderr()
	if w.syncer.Code() != 2 || strings.Count(dump, "goroutine ") < 10 {
		t.Errorf("SIGQUIT: exit %d and %d goroutines", w.syncer.Code(), strings.Count(dump, "goroutine "))
	}
	s.hear("json log and crash", dump)
	s.hear("commands without a daemon", s.commands())

	total := 0
	for _, where := range slices.Sorted(maps.Keys(s.places)) {
		t.Logf("%7d bytes of %s", s.places[where], where)
		total += s.places[where]
	}
	t.Logf("%d bytes were searched, %d leaks found", total, s.found)
	if total < 200_000 || len(s.places) < 30 {
		t.Errorf("only %d bytes of %d places were searched", total, len(s.places))
	}
	s.Finder.Secret("planted", "crm-full")
	if len(s.Find(w.syncer.Stderr())) == 0 {
		t.Error("the finder finds nothing at all")
	}
}

// fail adds a fault whose answer names somebody.
func (s *said) fail(at *lab.Sandbox, f sandbox.Fault) {
	s.Helper()
	s.must(at.Fail(s.ctx, f))
}

// answer is a fault that answers requests about somebody.
func answer(h human, status int, contentType, response string) sandbox.Fault {
	return sandbox.Fault{Method: http.MethodPost, Body: h.first, Action: sandbox.FaultStatus, Status: status, ContentType: contentType, Response: response}
}

// life is what happens.
func (s *said) life() {
	s.Helper()
	a, b, c, d, e, f, g, h := cast[0], cast[1], cast[2], cast[3], cast[4], cast[5], cast[6], cast[7]
	const js, page = "application/json", "text/html; charset=utf-8"
	echo := func(h human) string {
		return fmt.Sprintf("<h1>Server Error (500)</h1><pre>name=%s urn=whatsapp:55%s %s %s Token %s</pre>", h.name(), h.phone, h.email, h.cpf, s.env["WENI_TOKEN"])
	}

	// One goes well, and changes.
	id, hook := s.create(a.form())
	s.deliver(hook)
	s.deliver(s.change(id, map[string]any{"custom_fields": map[string]any{pipedrive.City: "Caicó"}}))

	// Targets refuse people and name them in every way they know.
	s.fail(s.weni, answer(b, 400, js, fmt.Sprintf(`{"urns":["URN belongs to another contact: whatsapp:55%s"],"name":["%s is taken by %s"]}`, b.phone, b.name(), a.name())))
	s.fail(s.weni, answer(c, 400, js, fmt.Sprintf(`{"non_field_errors":["O contato %s (%s) tem documento %s e %s"],"fields":{"%s":["bad"]}}`, a.first, a.phone, a.cpf, a.email, c.first)))
	s.fail(s.weni, answer(d, 500, page, echo(d)))
	s.fail(s.inbox, answer(b, 422, js, fmt.Sprintf(`{"code":"CONTACT_%s","message":"o contato %s já tem o telefone +55 84 9 9000-8642"}`, "EXISTS", b.name())))
	s.fail(s.inbox, answer(c, 400, js, fmt.Sprintf(`{"message":["customName %s inválido","%s"],"error":"Bad Request"}`, strings.ToLower(a.name()), a.email)))
	s.fail(s.flow, answer(b, 409, js, fmt.Sprintf(`{"error":{"code":"conflict","message":"phone +55%s belongs to %s"}}`, a.phone, strings.ToLower(a.first))))
	s.fail(s.flow, answer(c, 400, js, fmt.Sprintf(`{"error":{"code":"invalid %s","message":"%s é inválido para %s"}}`, a.first, a.cpf, s.env["OMNIFLOW_API_KEY"])))
	s.fail(s.flow, answer(d, 500, page, echo(d)))
	for _, x := range []human{b, c, d} {
		_, hook := s.create(x.form())
		s.send(hook)
	}
	// The shop's customers: values that cannot be read, a number that somebody else has, a contact under another name.
	loja := func(id string, x human, more map[string]any) int {
		customer := x.customer()
		maps.Copy(customer, more)
		return s.sendOrder(s.shop.order(id, customer), s.env["LOJA_SECRET"])
	}
	loja("c-1", e, map[string]any{"nascimento": "filho de " + e.name(), "pontos": e.first, "cpf": "529.982.247-26"})
	loja("c-2", f, map[string]any{"aceita_mensagens": f.name()})
	s.must(s.weni.Control(s.ctx, http.MethodPost, "contacts", map[string]any{"name": h.name(), "urns": []string{"whatsapp:55" + g.phone}}, nil))
	loja("c-3", g, nil)
	loja("c-4", human{h.first, h.last, a.phone, h.email, h.cpf}, nil)
	loja("c-5", human{g.first, g.last, a.phone, g.email, g.cpf}, nil)
	s.quiet()

	// What cannot be read at the door, and who is not let in. Answers are heard too.
	for name, body := range map[string]string{
		"half":      fmt.Sprintf(`{"meta":{"entity":"person","id":"%s"},"data":{"name":"%s","phones":["%s"`, a.email, a.name(), a.phone),
		"no id":     fmt.Sprintf(`{"data":{"nome":"%s","email":"%s"}}`, a.name(), a.email),
		"list":      fmt.Sprintf(`{"data":["%s","%s"]}`, a.name(), a.phone),
		"odd time":  fmt.Sprintf(`{"data":{"id":"x-1","updated_at":"%s"}}`, a.name()),
		"odd time2": fmt.Sprintf(`{"id":"x-1","quando":"%s %s"}`, a.phone, a.email),
		"long id":   fmt.Sprintf(`{"data":{"id":"%s"},"meta":{"entity":"person","entity_id":"%s"}}`, strings.Repeat(a.first, 50), a.name()),
		"odd kind":  fmt.Sprintf(`{"event":"%s","data":"%s"}`, a.first, a.last),
		"text":      a.name() + " " + a.phone + " " + a.cpf,
		"odd group": fmt.Sprintf(`{"id":"p-1","data":{"id":"p-1","nome":"%s","celular":"%s","grupo":"%s","sair":"%s"}}`, b.name(), b.phone, b.name(), b.email),
		"odd phone": fmt.Sprintf(`{"id":"p-2","data":{"id":"p-2","nome":"%s","celular":"%s ramal 9 (%s)"},"nome":{"x":"%s"}}`, c.name(), c.phone, c.first, c.first),
	} {
		for path, prove := range map[string]func(*http.Request){
			"crm":                    func(r *http.Request) { r.SetBasicAuth(s.env["CRM_HOOK_USER"], s.env["CRM_HOOK_PASSWORD"]) },
			"loja":                   func(r *http.Request) { r.Header.Set("X-Signature", sign(body, s.env["LOJA_SECRET"])) },
			"balcao":                 func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+bearerToken) },
			"parceiro/" + pathSecret: nil,
			"parceiro/" + pathSecret + "x?" + url.Values{"nome": {a.name()}, "token": {bearerToken}}.Encode(): nil,
			pathSecret + "/" + a.phone: nil,
			"crm?" + a.email:           func(r *http.Request) { r.SetBasicAuth(a.name(), s.env["CRM_HOOK_PASSWORD"]+"?") },
			"loja?x":                   func(r *http.Request) { r.Header.Set("X-Signature", "sha256="+s.env["LOJA_SECRET"]) },
		} {
			r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.env["SYNCER_PUBLIC_URL"]+"/hooks/"+path, strings.NewReader(body))
			s.must(err)
			r.Header.Set("Content-Type", "application/json")
			if prove != nil {
				prove(r)
			}
			s.hear("webhook answers ("+name+")", s.ask(r))
		}
	}
	s.quiet()

	// The CRM and the shop break while they are read.
	for _, f := range []sandbox.Fault{
		{Path: "/api/v2/persons", Action: sandbox.FaultStatus, Status: 500, ContentType: page, Response: echo(a)},
		{Path: "/api/v2/persons", Action: sandbox.FaultStatus, Status: 400, ContentType: js, Response: fmt.Sprintf(`{"success":false,"error":"%s: %s","error_info":"%s"}`, a.name(), a.phone, s.env["PIPEDRIVE_TOKEN"])},
		{Path: "/api/v2/persons", Action: sandbox.FaultStatus, Status: 401, ContentType: js, Response: fmt.Sprintf(`{"error":"token %s of %s"}`, s.env["PIPEDRIVE_TOKEN"], a.email)},
		{Path: "/api/v2/persons", Action: sandbox.FaultStatus, Status: 200, ContentType: js, Response: fmt.Sprintf(`{"success":true,"data":[{"id":"%s","name":"%s"}]}`, a.name(), a.name())},
		{Path: "/api/v2/persons", Action: sandbox.FaultStatus, Status: 302, ContentType: page, Response: echo(a)},
		{Path: "/api/v2/persons", Action: sandbox.FaultTruncate},
		{Path: "/api/v2/persons", Action: sandbox.FaultReset},
	} {
		f.Times = 1 // what time heals is tried again, every two seconds
		s.fail(s.crm, f)
		r := s.cmd("reconcile", "crm", "--full")
		s.hear("reconcile", r.Stdout+r.Stderr)
	}
	for _, body := range []string{
		fmt.Sprintf(`{"data":[{"nome":"%s"}]}`, a.name()), fmt.Sprintf(`{"data":"%s"}`, a.name()), a.name(), fmt.Sprintf(`{"data":[],"next_cursor":{"%s":1}}`, a.phone),
		fmt.Sprintf(`{"data":[{"id":"y","updated_at":"%s"}]}`, a.name()), fmt.Sprintf(`{"data":[{"id":"y","nome":"%s"}],"next_cursor":"%s"}`, f.name(), a.email),
	} {
		s.shop.breaks(1, http.StatusOK, body)
		r := s.cmd("reconcile", "loja", "--full")
		s.hear("reconcile", r.Stdout+r.Stderr)
	}
	for _, status := range []int{400, 401, 404, 500} {
		s.shop.breaks(1, status, a.name()+" "+a.email+" Bearer "+s.env["LOJA_TOKEN"])
		r := s.cmd("reconcile", "loja", "--full")
		s.hear("reconcile", r.Stdout+r.Stderr)
	}
	s.shop.breaks(0, 0, "")

	// Weni does not know the token any more, and repeats it.
	s.fail(s.weni, sandbox.Fault{Path: "/api/v2", Action: sandbox.FaultStatus, Status: 403, ContentType: js,
		Response: fmt.Sprintf(`{"detail":"Invalid token. Token %s of %s"}`, s.env["WENI_TOKEN"], a.email)})
	s.send(s.change(id, map[string]any{"name": a.name() + " Filha"}))
	s.await("the pause", func() (bool, error) { return target(s.status(), "weni").Paused != nil, nil })
	s.toldOf("target.paused", "weni")
	s.pages()
	s.hear("syncer status", s.ok("status"))
	s.must(s.weni.Heal(s.ctx))
	s.fail(s.weni, answer(d, 500, page, echo(d)))
	s.fail(s.weni, answer(c, 400, js, fmt.Sprintf(`{"non_field_errors":["%s %s"]}`, a.name(), a.phone)))
	s.ok("resume", "weni")

	// A run that is held, and a mapping file that is wrong where a secret stands.
	_, _ = s.create(human{first: h.first, last: "Filho", phone: h.phone, email: h.email}.form())
	for _, args := range [][]string{{"plan", "crm", "--full", "--save", s.path("plan.json")}, {"plan", "loja", "--full"}, {"plan", "loja", "--full", "--output", "json"}} {
		r := s.cmd(args...)
		s.hear("plan", r.Stdout+r.Stderr)
	}
	good, err := os.ReadFile(s.path("mappings.yaml"))
	s.must(err)
	for _, wrong := range []string{
		strings.Replace(string(good), `token: "${WENI_TOKEN}"`, `tokne: "`+literal+`", token: "${WENI_TOKEN}"`, 1),
		strings.Replace(string(good), `secret: "${PARCEIRO_SECRET}"`, `secret: "`+literal+`", sekret: ${PARCEIRO_SECRET}`, 1),
		strings.Replace(string(good), `"${LOJA_URL}/api/customers"`, `"://`+literal+`@${LOJA_TOKEN} x"`, 1),
		strings.Replace(string(good), `auth: "Bearer ${LOJA_TOKEN}"`, `auth: "Bearer `+literal+``, 1),
		strings.Replace(string(good), `secret: "${NOTIFY_SECRET}"`, `secret: "whsec_*${NOTIFY_SECRET}`+literal+`"`, 1),
		strings.Replace(string(good), `base_url: "${WENI_URL}"`, `base_url: "http://u:`+literal+`@[${WENI_TOKEN}"`, 1),
	} {
		if wrong == string(good) {
			s.Fatal("the file is not wrong")
		}
		s.must(os.WriteFile(s.path("mappings.yaml"), []byte(wrong), 0o600))
		for _, args := range [][]string{{"reload"}, {"check", "--offline"}, {"status"}, {"check", "--offline", "--output", "json"}} {
			r := s.cmd(args...)
			s.hear("a wrong file: "+strings.Join(args, " "), r.Stdout+r.Stderr)
		}
	}
	s.must(os.WriteFile(s.path("mappings.yaml"), good, 0o600))
	s.ok("reload")
	s.quiet()
}

// quiet waits until nothing is left to do but what is tried again later.
func (s *said) quiet() {
	s.Helper()
	s.await("it is quiet", func() (bool, error) {
		now := s.status()
		return now.Mapless == 0 && !slices.ContainsFunc(now.Targets, func(t console.TargetStatus) bool {
			again := strings.Contains(t.Doing, "tried again") && !strings.Contains(t.Doing, "delivering")
			return pending(now, t.Name) > now.Mapless && !again && t.Paused == nil
		}), nil
	})
}

func sign(body, secret string) string {
	return "sha256=" + hmacHex([]byte(body), secret)
}

// ask makes a request and returns everything of the answer.
func (s *said) ask(r *http.Request) string {
	s.Helper()
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	s.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	s.must(err)
	var b strings.Builder
	fmt.Fprintln(&b, resp.Status)
	s.must(resp.Header.Write(&b))
	b.Write(body)
	return b.String()
}

// pages are what the listeners show.
func (s *said) pages() {
	s.Helper()
	admin, public := "http://"+s.env["SYNCER_ADMIN_LISTEN"], s.env["SYNCER_PUBLIC_URL"]
	get := func(address, language string) string {
		r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, address, nil)
		s.must(err)
		r.Header.Set("Authorization", "Bearer "+adminToken)
		r.Header.Set("Accept-Language", language)
		text := s.ask(r)
		s.hear("GET "+placeOf(address), text)
		return text
	}
	for _, path := range []string{"/healthz", "/readyz", "/", "/metrics", "/hooks/crm", "/hooks/parceiro/" + pathSecret, "/hooks/" + pathSecret} {
		get(public+path, "en")
	}
	for _, language := range []string{"en", "pt-BR"} {
		for _, path := range []string{"/", "/dead", "/conflicts", "/quarantine", "/metrics", "/login", "/explain?what=crm/1", "/explain?what=loja/c-1", "/nowhere",
			"/api/v1/status", "/api/v1/dead", "/api/v1/conflicts", "/api/v1/quarantine", "/api/v1/runs", "/api/v1/nowhere"} {
			get(admin+path, language)
		}
		runs, err := s.admin.Runs(s.ctx, 0)
		s.must(err)
		for _, r := range runs[:min(len(runs), 12)] {
			get(admin+"/runs/"+r.ID, language)
			get(admin+"/api/v1/runs/"+r.ID, language)
			get(admin+"/api/v1/runs/"+r.ID+"/plan", language)
		}
	}
	// What is asked for is not repeated where it may be somebody.
	for _, what := range []string{"84 99000-1111", "+55 84 99000-7731", "whatsapp:5584990007731", "mailto:" + cast[0].email} {
		r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, admin+"/api/v1/explain", strings.NewReader(fmt.Sprintf(`{"what":%q}`, what)))
		s.must(err)
		r.Header.Set("Authorization", "Bearer "+adminToken)
		r.Header.Set("Content-Type", "application/json")
		s.hear("POST /api/v1/explain", s.ask(r))
	}
}

var number = regexp.MustCompile(`-\d+`)

func placeOf(address string) string {
	u, _ := url.Parse(address)
	return number.ReplaceAllString(u.Path, "-N")
}

// commands are all that only look, in words and as JSON, and what they say when they fail.
func (s *said) commands() string {
	s.Helper()
	var all strings.Builder
	var records []string
	for i := range 16 {
		records = append(records, fmt.Sprint("crm/", i+1))
	}
	records = append(records, "loja/c-1", "loja/c-2", "loja/c-3", "loja/c-4", "loja/c-5", "parceiro/p-1", "parceiro/p-2", "balcao/p-1", "84990007731", "+55 (84) 99000-7731",
		"whatsapp:5584990007731", "tel:+5584990001234", "mailto:"+cast[1].email)
	commands := [][]string{{"status"}, {"dead", "list"}, {"conflicts", "list"}, {"quarantine", "list"}, {"check"}, {"check", "--offline"}, {"env"}, {"hooks", "list"},
		{"hooks", "install", "crm"}, {"plan"}, {"runs"}, {"runs", "crm-full-1"}, {"quarantine", "show", "1"}, {"quarantine", "retry", "--all"}, {"health"}, {"version"}, {"explain", "nobody/1"}, {"link", "crm/1", "weni", "no-uuid"}, {"unlink", "loja/c-5", "weni"},
		{"undo", "crm-full-1"}, {"apply", s.path("plan.json"), "--only", "crm/999"}, {"forget", "84990001234", "--yes"}}
	var letters []struct{ ID string }
	if r := s.cmd("dead", "list", "--output", "json"); json.Unmarshal([]byte(r.Stdout), &letters) == nil {
		for _, l := range letters {
			commands = append(commands, []string{"dead", "show", l.ID})
		}
	}
	for _, record := range records {
		commands = append(commands, []string{"explain", record})
	}
	for _, args := range commands {
		for _, output := range []string{"table", "json"} {
			r := s.cmd(append(slices.Clone(args), "--output", output)...)
			s.hear("syncer "+args[0], r.Stdout+r.Stderr)
			all.WriteString(r.Stdout)
		}
	}
	return all.String()
}

// everything is all that can be asked of a daemon that runs.
func (s *said) everything(when string) {
	s.Helper()
	s.pages()
	out := s.commands()
	if when == "text" {
		for _, word := range []string{"invalid", "Z******", "dead letters"} {
			if !strings.Contains(out, word) {
				s.Errorf("nothing speaks of %q: the life was not busy enough", word)
			}
		}
	}
	for _, file := range []string{"backup", "export"} {
		path := s.path(file + " " + when)
		s.hear("syncer "+file, s.ok(file, path))
		info, err := os.Stat(path)
		s.must(err)
		if info.Mode().Perm() != 0o600 {
			s.Errorf("the file of %s has mode %v", file, info.Mode())
		}
	}
	for _, path := range []string{"syncer.db", "plan.json"} {
		if info, err := os.Stat(s.path(path)); err == nil && info.Mode().Perm() != 0o600 {
			s.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	s.told.mu.Lock()
	defer s.told.mu.Unlock()
	for _, n := range s.told.notices {
		text, err := json.Marshal(n)
		s.must(err)
		s.hear("notices", string(text))
	}
}
