// Package demo runs a whole syncer against simulators of everything it talks to, in one process and without an
// account anywhere: people who do not exist, with all the accidents of real traffic. At the end it reads every
// target back and compares it with what the sources say, by rules of its own.
package demo

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"syncer/internal/app"
	"syncer/internal/config"
	"syncer/internal/console"
	"syncer/internal/engine"
	"syncer/internal/sandbox"
	"syncer/internal/sandbox/omnichannel"
	"syncer/internal/sandbox/omniflow"
	"syncer/internal/sandbox/pipedrive"
	"syncer/internal/sandbox/rapidpro"
)

//go:embed mappings.yaml
var mappings []byte

// Options say how the demo is run.
type Options struct {
	// Once plays one act, verifies and ends. Otherwise traffic goes on until ctx ends.
	Once bool
	// People is how many the CRM has; 150 by default.
	People int
	// Admin is where the console listens; a free port of the loopback interface by default.
	Admin  string
	Out    io.Writer
	Logger *slog.Logger
	// Language is as in LANG.
	Language string
}

// speed is how much faster than the real one the CRM's sender waits between its attempts.
const speed = 30

// Run plays the demo.
func Run(ctx context.Context, o Options) (err error) {
	if o.People == 0 {
		o.People = 150
	}
	if o.Admin == "" {
		o.Admin = "127.0.0.1:0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := os.MkdirTemp("", "syncer-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &stage{o: o, words: console.WordsFor(o.Language), rand: rand.New(rand.NewPCG(7, 11)), began: time.Now(), loja: map[string]purchase{}}
	if err := s.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	a, err := app.New(ctx, app.Options{Config: config.Config{Mappings: "mappings.yaml", State: "bolt:" + filepath.Join(dir, "syncer.db"),
		Listen: "127.0.0.1:0", AdminListen: o.Admin, ShutdownTimeout: 20 * time.Second},
		Lookup: s.lookup, ReadFile: func(string) ([]byte, error) { return mappings, nil }, Logger: o.Logger, Language: o.Language})
	if err != nil {
		return err
	}
	s.app = a
	s.hook = "http://" + a.Addr() + "/hooks/"
	s.crm.Subscribe(s.hook+"crm", hookUser, hookPassword, "2.0")

	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- a.Run(run) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	s.say("console at http://%s/", "console em http://%s/", a.AdminAddr())
	return s.play(ctx)
}

const (
	hookUser     = "pipedrive"
	hookPassword = "uma-senha-longa-e-inventada"
	lojaSecret   = "segredo-da-loja-de-mentira"
)

// stage is everything around syncer.
type stage struct {
	o     Options
	words console.Words
	rand  *rand.Rand
	began time.Time

	crm     *pipedrive.Server
	weni    *rapidpro.Server
	omni    *omnichannel.Server
	flow    *omniflow.Server
	env     map[string]string
	hook    string
	app     *app.App
	closers []func() error

	loja    map[string]purchase
	bought  int // webhooks of the shop
	forged  int
	byHand  string // uuid of the contact an agent edited
	twin    string // uuid of the contact that was there without the ninth digit
	repairs int
	writes  int // by a reconciliation right after everything was right
	checked map[string]int
}

// purchase is a customer of the shop.
type purchase struct {
	ID      string `json:"id"`
	Nome    string `json:"nome"`
	Celular string `json:"celular"`
	Pedidos int    `json:"pedidos"`
	At      int64  `json:"alterado"`
}

func (s *stage) open(ctx context.Context) error {
	s.crm = pipedrive.New(pipedrive.Options{Speed: speed, Seed: 3})
	s.weni = rapidpro.New(rapidpro.Options{PerHour: rapidpro.Weni.DefaultPerHour(), Rand: rand.New(rand.NewPCG(1, 2))})
	s.omni = omnichannel.New(omnichannel.Options{})
	s.flow = omniflow.New(omniflow.Options{})
	s.closers = append(s.closers, func() error { s.crm.Close(); return nil })
	s.env = map[string]string{"CRM_HOOK_USER": hookUser, "CRM_HOOK_PASSWORD": hookPassword, "LOJA_SECRET": lojaSecret,
		"PIPEDRIVE_TOKEN": s.crm.Token(), "WENI_TOKEN": s.weni.Token(), "OMNI_TOKEN": s.omni.Token(), "OMNI_CLIENT": s.omni.Client(),
		"OMNI_CHANNEL": "689a05215b711247e8f54022", "OMNIFLOW_API_KEY": s.flow.Token()}
	for name, h := range map[string]http.Handler{"PIPEDRIVE_URL": s.crm, "WENI_URL": s.weni, "OMNI_URL": s.omni, "OMNIFLOW_URL": s.flow} {
		url, err := s.serve(ctx, h)
		if err != nil {
			return errors.Join(err, s.close())
		}
		s.env[name] = url
	}
	return nil
}

func (s *stage) serve(ctx context.Context, h http.Handler) (string, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // ends with ErrServerClosed
	}()
	s.closers = append(s.closers, func() error {
		err := srv.Close()
		<-done
		return err
	})
	return "http://" + ln.Addr().String(), nil
}

func (s *stage) close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (s *stage) lookup(name string) (string, bool) {
	v, ok := s.env[name]
	return v, ok
}

// say tells what happens in the language of whoever looks on.
func (s *stage) say(en, pt string, args ...any) {
	fmt.Fprintf(s.o.Out, "%6.1fs  %s\n", time.Since(s.began).Seconds(), s.words.Say(en, pt, args...))
}

// play is the demo itself.
func (s *stage) play(ctx context.Context) error {
	for _, act := range []func(context.Context) error{s.prologue, s.firstSync, s.traffic, s.repair, s.verify, s.nothingLeft} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	s.summary()
	if s.o.Once {
		return nil
	}
	s.say("everything goes on; stop with Ctrl-C. Look at the console, http://%[1]s/, or ask about somebody from another window:\n         SYNCER_ADMIN_LISTEN=%[1]s syncer explain %[2]s --show",
		"tudo continua; pare com Ctrl-C. Olhe o console, http://%[1]s/, ou pergunte por alguém em outra janela:\n         SYNCER_ADMIN_LISTEN=%[1]s syncer explain %[2]s --show", s.app.AdminAddr(), s.somebody())
	for ctx.Err() == nil {
		s.edit()
		pause(ctx, time.Duration(500+s.rand.IntN(2000))*time.Millisecond)
	}
	return nil
}

// somebody is the key of a person of the CRM who is at every target.
func (s *stage) somebody() string {
	for _, p := range s.crm.Persons() {
		if number(p) != "" {
			return fmt.Sprintf("crm/%d", p.ID)
		}
	}
	return "" // the CRM would be without a single mobile number
}

// prologue fills the CRM, and Weni with what was there before syncer came.
func (s *stage) prologue(context.Context) error {
	s.crm.Seed(s.o.People)
	first := pipedrive.Invent(1)
	uuid, err := s.weni.AddContact(rapidpro.NewContact{Name: "quem escreveu ontem", URNs: []string{"whatsapp:" + without9(number(first))}})
	if err != nil {
		return err
	}
	s.twin = uuid
	if _, err := s.weni.AddGroup("Da equipe", ""); err != nil {
		return err
	}
	for i := range 30 {
		if _, err := s.weni.AddContact(rapidpro.NewContact{Name: fmt.Sprintf("Conhecido %d", i), URNs: []string{fmt.Sprintf("whatsapp:5511988%06d", i)}, Groups: []string{"Da equipe"}}); err != nil {
			return err
		}
	}
	s.say("%d people in the CRM, 31 contacts in Weni that nobody told syncer about", "%d pessoas no CRM, 31 contatos na Weni de que ninguém falou ao syncer", s.o.People)
	return nil
}

// firstSync waits for the plan of the first run, looks at it, and applies it.
func (s *stage) firstSync(ctx context.Context) error {
	run, err := s.await(ctx, "crm-full", func(state string) bool { return state == engine.RunHeld })
	if err != nil {
		return err
	}
	s.say("the first run waits as a plan: nothing has been written", "a primeira execução aguarda como plano: nada foi escrito")
	for _, t := range []string{"weni", "atendimento", "omniflow"} {
		p := run.Plan[t]
		s.say("  %-12s %d people: %d created, %d changed; about %d calls", "  %-12s %d pessoas: %d criadas, %d mudadas; cerca de %d chamadas", t, p.People, p.Creates, p.Changes, p.Calls+p.Other)
	}
	n, err := s.app.Apply(ctx, run.ID, console.ApplyAsk{})
	if err != nil {
		return err
	}
	s.say("applied: %d deliveries released", "aplicado: %d entregas liberadas", n.People)
	return s.settle(ctx)
}

// traffic edits people in the CRM and the shop while the sender misbehaves, Weni goes down, and an agent works.
func (s *stage) traffic(ctx context.Context) error {
	if err := s.crm.Misbehave(pipedrive.Mischief{Duplicate: 0.08, Late: 0.05, Reorder: 0.08, Lose: 0.05, LateBy: 90 * time.Second}); err != nil {
		return err
	}
	s.say("traffic begins: edits, duplicates, late and out-of-order deliveries, some that never come", "começa o tráfego: edições, repetições, entregas atrasadas e fora de ordem, algumas que nunca chegam")
	s.agent()
	for i := range 240 {
		s.edit()
		if i%6 == 0 {
			if err := s.buy(ctx, i); err != nil {
				return err
			}
		}
		if i == 80 {
			if _, err := s.weni.Control.AddFault(sandbox.Fault{Path: "/api/", Action: sandbox.FaultStatus, Status: 500, ForSeconds: 8}); err != nil {
				return err
			}
			s.say("Weni answers 500 with an HTML page, for 8 seconds", "a Weni responde 500 com uma página HTML, por 8 segundos")
		}
		if i%60 == 59 {
			st, err := s.app.Status(ctx)
			if err != nil {
				return err
			}
			for _, t := range st.Targets {
				if t.Name == "weni" {
					s.say("  weni: %s", "  weni: %s", t.Doing)
				}
			}
		}
		pause(ctx, 40*time.Millisecond)
	}
	s.forge(ctx)
	s.upheaval(ctx)
	if err := s.crm.Misbehave(pipedrive.Mischief{}); err != nil {
		return err
	}
	if err := s.crm.Settle(ctx); err != nil {
		return err
	}
	s.say("the CRM has sent what it sends; waiting until it is delivered", "o CRM enviou o que envia; esperando até que seja entregue")
	return s.settle(ctx)
}

// edit changes one person in the CRM, as a salesperson does.
func (s *stage) edit() {
	people := s.crm.Persons()
	p := people[s.rand.IntN(len(people))]
	_, _ = s.crm.Update(p.ID, func(p *pipedrive.Person) { // everybody in the list exists
		switch s.rand.IntN(5) {
		case 0:
			p.Custom[pipedrive.City] = []string{"Natal", "Recife", "João Pessoa", "Fortaleza"}[s.rand.IntN(4)]
		case 1:
			p.LabelIDs = toggle(p.LabelIDs, pipedrive.VIP)
		case 2:
			p.Custom[pipedrive.Segment] = 41 + s.rand.IntN(2)
		case 3:
			p.Name = strings.TrimSuffix(p.Name, " Jr.")
			if s.rand.IntN(2) == 0 {
				p.Name += " Jr."
			}
		case 4:
			p.OrgID = 300 + s.rand.IntN(50) // nothing that the mapping uses
		}
	})
}

func toggle(ids []int, id int) []int {
	var out []int
	for _, x := range ids {
		if x != id {
			out = append(out, x)
		}
	}
	if len(out) == len(ids) {
		out = append(out, id)
	}
	return out
}

// buy sends a signed webhook of the shop about one of the CRM's people, or a stranger.
func (s *stage) buy(ctx context.Context, i int) error {
	p := pipedrive.Invent(1 + i%60)
	if number(p) == "" {
		return nil
	}
	id := fmt.Sprint("c", i%60)
	b := purchase{ID: id, Nome: strings.ToLower(p.Name), Celular: "+" + number(p), Pedidos: s.loja[id].Pedidos + 1, At: time.Now().UnixMilli()}
	s.loja[id] = b
	body, err := json.Marshal(map[string]any{"evento": fmt.Sprintf("ev-%d", i), "tipo": "cliente.comprou", "cliente": b})
	if err != nil {
		return err
	}
	for range 1 + s.rand.IntN(2) { // now and then twice
		if err := s.post(ctx, body, lojaSecret); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) post(ctx context.Context, body []byte, secret string) error {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.hook+"loja", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Signature", "sha256="+hex.EncodeToString(m.Sum(nil)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	s.bought++
	if resp.StatusCode == http.StatusUnauthorized {
		s.forged++
	} else if resp.StatusCode >= 300 {
		return errors.Join(fmt.Errorf("the shop's webhook was answered with %d", resp.StatusCode), resp.Body.Close())
	}
	return resp.Body.Close()
}

// forge sends a webhook that somebody else signed.
func (s *stage) forge(ctx context.Context) {
	if err := s.post(ctx, []byte(`{"evento":"x","cliente":{"id":"c1"}}`), "outro segredo"); err != nil {
		s.say("the forged webhook: %v", "o webhook forjado: %v", err)
	}
}

// agent edits a contact in Weni by hand: a group of the team, and a group that syncer manages.
func (s *stage) agent() {
	for _, c := range s.weni.Contacts() {
		if len(c.Groups) > 0 && c.Groups[0] == "Clientes" {
			s.byHand = c.UUID
			_ = s.weni.Edit(c.UUID, rapidpro.Edit{AddGroups: []string{"Da equipe"}, RemoveGroups: []string{"Clientes"}})
			s.say("an agent puts a contact into the team's group and takes it out of Clientes", "um atendente põe um contato no grupo da equipe e o tira de Clientes")
			return
		}
	}
}

// upheaval deletes, merges and restores people in the CRM.
func (s *stage) upheaval(ctx context.Context) {
	people := s.crm.Persons()
	n := len(people)
	if n < 40 {
		return
	}
	_ = s.crm.Delete(people[n-1].ID)
	_ = s.crm.Delete(people[n-2].ID)
	pause(ctx, 1500*time.Millisecond) // the CRM's update times have whole seconds
	_ = s.crm.Restore(people[n-2].ID)
	_ = s.crm.Merge(people[n-3].ID, people[n-11].ID)
	s.say("in the CRM one person is deleted, one deleted and restored, two are merged", "no CRM uma pessoa é apagada, uma apagada e restaurada, duas são unidas")
}

// repair reconciles: what webhooks lost is found.
func (s *stage) repair(ctx context.Context) error {
	before := s.wrong()
	run, err := s.reconcile(ctx)
	if err != nil {
		return err
	}
	s.repairs = len(before)
	s.say("reconciliation: %d records read, %d had changed without a word, %d people put right", "reconciliação: %d registros lidos, %d tinham mudado sem aviso, %d pessoas corrigidas", run.Records, run.Unannounced, run.Held+s.released(run))
	return s.settle(ctx)
}

func (s *stage) verify(ctx context.Context) error {
	wrong := s.wrong()
	if len(wrong) > 0 {
		for i, w := range wrong {
			if i == 20 {
				s.say("  … and %d more", "  … e mais %d", len(wrong)-20)
				break
			}
			s.say("  %s", "  %s", w)
		}
		return errors.New(s.words.Say("%d things are not as desired", "%d coisas não estão como desejado", len(wrong)))
	}
	s.say("verified by reading every target back: %d in Weni, %d in omnichannel, %d in OmniFlow", "verificado relendo cada destino: %d na Weni, %d no omnichannel, %d no OmniFlow", s.checked["weni"], s.checked["atendimento"], s.checked["omniflow"])
	return ctx.Err()
}

// nothingLeft reconciles once more: now there must be nothing to write.
func (s *stage) nothingLeft(ctx context.Context) error {
	before := s.written()
	if _, err := s.reconcile(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	if s.writes = s.written() - before; s.writes > 0 {
		return errors.New(s.words.Say("a reconciliation right after wrote %d times", "uma reconciliação logo depois escreveu %d vezes", s.writes))
	}
	s.say("a reconciliation right after writes nothing", "uma reconciliação logo depois não escreve nada")
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
