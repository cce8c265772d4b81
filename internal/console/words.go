package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"syncer/internal/contact"
	"syncer/internal/state"
)

// Words speaks to a reader in Portuguese or English. Both stand side by side where something is said, so that
// neither can be forgotten. The zero Words speaks English and tells the time of the machine.
type Words struct {
	pt   bool
	zone *time.Location
}

// In tells the time of a zone.
func (w Words) In(zone *time.Location) Words { return Words{w.pt, zone} }

// At tells the time of a zone by its name. A name that this machine does not know leaves its own.
func (w Words) At(name string) Words {
	if zone, err := time.LoadLocation(name); err == nil && name != "" {
		return w.In(zone)
	}
	return w
}

// WordsFor reads a language as in LANG or in an HTML page: "pt_BR.UTF-8", "pt-BR", "en".
func WordsFor(tag string) Words {
	tag, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(tag)), ".")
	return Words{pt: tag == "pt" || strings.HasPrefix(tag, "pt_") || strings.HasPrefix(tag, "pt-")}
}

// accepted chooses by an Accept-Language header: the first language in it that we speak.
func accepted(header, otherwise string) Words {
	for tag := range strings.SplitSeq(header, ",") {
		tag, _, _ = strings.Cut(tag, ";")
		tag = strings.ToLower(strings.TrimSpace(tag))
		if w := WordsFor(tag); w.pt || tag == "en" || strings.HasPrefix(tag, "en-") {
			return w
		}
	}
	return WordsFor(otherwise)
}

// Tag is the language as a page declares it.
func (w Words) Tag() string { return w.Say("en", "pt-BR") }

// Say chooses and fills a sentence; args follow fmt's verbs.
func (w Words) Say(en, pt string, args ...any) string {
	if w.pt {
		en = pt
	}
	if len(args) == 0 {
		return en
	}
	return fmt.Sprintf(en, args...)
}

// Number groups digits by thousands.
func (w Words) Number(n int) string {
	s, sign := strconv.Itoa(n), ""
	if n < 0 {
		s, sign = s[1:], "-"
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + w.Say(",", ".") + s[i:]
	}
	return sign + s
}

// Count is a number with its noun.
func (w Words) Count(n int, one, many, um, muitos string) string {
	if n == 1 {
		return w.Number(n) + " " + w.Say(one, um)
	}
	return w.Number(n) + " " + w.Say(many, muitos)
}

// Bytes is a size as people say it.
func (w Words) Bytes(n int64) string {
	size, unit := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if size < 1000 {
			break
		}
		size, unit = size/1000, next
	}
	text := strconv.FormatFloat(size, 'f', 1, 64)
	if unit == "B" || size >= 100 {
		text = strconv.FormatFloat(size, 'f', 0, 64)
	}
	return strings.Replace(text, ".", w.Say(".", ","), 1) + " " + unit
}

// Span is a duration in its two largest units.
func (w Words) Span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(int(d.Seconds()), 0))
	case d < 10*time.Minute && d%time.Minute != 0:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	switch d = d.Round(time.Minute); {
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour && d%time.Hour != 0:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return w.Count(int((d+12*time.Hour)/(24*time.Hour)), "day", "days", "dia", "dias")
}

// Ago says how far a moment is from now, in either direction; a dash for the zero time.
func (w Words) Ago(at, now time.Time) string {
	switch d := now.Sub(at); {
	case at.IsZero():
		return "–"
	case d < -time.Second:
		return w.Say("in ", "em ") + w.Span(coarse(-d))
	case d < time.Second:
		return w.Say("now", "agora")
	default:
		return w.Say("%s ago", "há %s", w.Span(coarse(d)))
	}
}

// coarse keeps a duration to what matters at its size.
func coarse(d time.Duration) time.Duration {
	switch {
	case d > time.Hour:
		return d.Round(time.Minute)
	case d > time.Minute:
		return d.Truncate(time.Minute)
	}
	return d
}

// local is a moment in the zone whose time is told.
func (w Words) local(t time.Time) time.Time {
	if w.zone == nil {
		return t.Local()
	}
	return t.In(w.zone)
}

// Stamp is a moment with its day and its zone.
func (w Words) Stamp(at time.Time) string {
	if at.IsZero() {
		return "–"
	}
	return w.local(at).Format(w.Say("2006-01-02 15:04:05 MST", "02/01/2006 15:04:05 MST"))
}

// Day is a moment of the days around now.
func (w Words) Day(at time.Time) string {
	at = w.local(at)
	if !w.pt {
		return at.Format("Mon 02 Jan 15:04")
	}
	return [...]string{"dom", "seg", "ter", "qua", "qui", "sex", "sáb"}[at.Weekday()] + at.Format(" 02/01 15:04")
}

// Clock is a moment in the zone, without what goes without saying.
func (w Words) Clock(at, now time.Time) string {
	at, now = w.local(at), w.local(now)
	switch {
	case at.IsZero():
		return "–"
	case at.YearDay() == now.YearDay() && at.Year() == now.Year():
		return at.Format("15:04:05")
	}
	return at.Format(w.Say("2006-01-02 15:04", "02/01/2006 15:04"))
}

// Receipts, states and kinds are closed sets; what is not in them is said as it stands.

// RunState is the state of a run.
func (w Words) RunState(r state.Run) string {
	return w.pick(stateOf(r), map[string][2]string{
		"walking": {"reading", "lendo"}, "planning": {"comparing", "comparando"}, "held": {"waits for you", "aguarda você"},
		"released": {"released", "liberada"}, "done": {"nothing to do", "nada a fazer"}, "failed": {"failed", "falhou"},
		"replaced": {"replaced", "substituída"}, "interrupted": {"interrupted", "interrompida"},
	})
}

// stateOf tells a run that is under way from one that broke off and waits to be taken up again.
func stateOf(r state.Run) string {
	if r.Err != "" && (r.State == "walking" || r.State == "planning") {
		return "interrupted"
	}
	return r.State
}

// UnderWay reports whether a run is still at work.
func UnderWay(r state.Run) bool {
	s := stateOf(r)
	return s == "walking" || s == "planning"
}

// RunKind is the kind of a run.
func (w Words) RunKind(s string) string {
	return w.pick(s, map[string][2]string{
		"changes": {"changes", "mudanças"}, "full": {"full", "completa"}, "mapping": {"new mapping", "novo mapeamento"},
		"replay": {"replay", "repetição"}, "guard": {"guard", "proteção"}, "undo": {"undo", "desfazer"},
	})
}

// Lane is a lane of the queue.
func (w Words) Lane(s string) string {
	return w.pick(s, map[string][2]string{"consent": {"consent", "consentimento"}, "live": {"live", "ao vivo"}, "bulk": {"bulk", "em massa"}})
}

// What is what a plan does to a contact.
func (w Words) What(s string) string {
	return w.pick(s, map[string][2]string{
		"create": {"create", "criar"}, "update": {"change", "mudar"}, "label": {"label", "etiquetar"}, "update and label": {"change and label", "mudar e etiquetar"},
		"block": {"block", "bloquear"}, "delete": {"delete", "apagar"}, "nothing": {"nothing", "nada"},
	})
}

// Kind is why something is not as desired, as a person would say it.
func (w Words) Kind(k contact.ErrorKind) string {
	return w.pick(string(k), map[string][2]string{
		"throttled": {"the target asks to wait", "o destino pede para esperar"}, "unavailable": {"unavailable", "indisponível"},
		"auth": {"credentials refused", "credenciais recusadas"}, "suspended": {"workspace suspended", "espaço suspenso"},
		"invalid": {"content refused", "conteúdo recusado"}, "rejected": {"fails every time", "falha sempre"},
		"conflict": {"belongs to somebody else", "pertence a outro"}, "gone": {"deleted by hand", "apagado à mão"},
		"no_address": {"no usable number", "sem número utilizável"}, "unready": {"a definition is missing", "falta uma definição"},
		"internal": {"fault of syncer", "falha do syncer"},
	})
}

// ConflictKind is what a conflict is about.
func (w Words) ConflictKind(s string) string {
	return w.pick(s, map[string][2]string{
		"shared_phone": {"shared number", "número compartilhado"}, "taken": {"taken by another contact", "tomado por outro contato"},
		"duplicate": {"several contacts", "vários contatos"}, "other_name": {"another name", "outro nome"}, "merge": {"merged records", "registros unidos"},
		"erase": {"to be erased by hand", "a apagar à mão"},
	})
}

// How is how a person and a contact came together.
func (w Words) How(s string) string {
	return w.pick(s, map[string][2]string{"created": {"created by syncer", "criado pelo syncer"}, "adopted": {"adopted", "adotado"}, "none": {"none", "nenhum"}})
}

// Receipt is what became of an event.
func (w Words) Receipt(s string) string {
	return w.pick(s, map[string][2]string{
		"accepted": {"accepted", "aceitos"}, "duplicate": {"repeated", "repetidos"}, "stale": {"outdated", "desatualizados"},
		"unchanged": {"unchanged", "sem mudança"}, "regressed": {"set back", "revertidos"}, "forgotten": {"forgotten", "esquecidos"},
	})
}

// Entry is what a line of the journal tells.
func (w Words) Entry(s string) string {
	return w.pick(s, map[string][2]string{
		"received": {"received", "recebido"}, "mapped": {"mapped", "mapeado"}, "written": {"written", "escrito"}, "wrote": {"written", "escrito"},
		"unchanged": {"as desired", "como desejado"}, "kept": {"kept", "mantido"}, "failed": {"failed", "falhou"}, "retry": {"will try again", "tentará de novo"},
		"held": {"held back", "retido"}, "linked": {"linked", "ligado"}, "joined": {"joined", "unido"}, "released": {"released", "liberado"},
		"waiting": {"waits", "aguarda"}, "dead": {"given up", "desistiu"}, "regressed": {"set back by a reading", "revertido por uma leitura"},
		"dropped": {"dropped by hand", "descartado à mão"}, "gone": {"deleted there", "apagado lá"}, "unlinked": {"unlinked", "desligado"},
	})
}

// Kept is why a difference is left alone.
func (w Words) Kept(s string) string {
	return w.pick(s, map[string][2]string{
		contact.KeptBlank: {"", "a fonte está em branco"}, contact.KeptFilled: {"", "o destino já tem um valor"},
		contact.KeptEdit:     {"", "foi editado no destino e a fonte não mudou desde então"},
		contact.KeptSettling: {"", "o destino sempre muda de volta"}, contact.KeptStatus: {"", "o contato está bloqueado, parado ou arquivado"},
		contact.KeptOptOut: {"", "a pessoa recusou mensagens"}, contact.KeptSmart: {"", "o próprio destino calcula esta etiqueta"},
		contact.KeptAdopted: {"", "o contato não foi criado pelo syncer"}, contact.KeptMode: {"", "o mapeamento só cria contatos"},
		contact.KeptUpdate: {"", "o mapeamento só atualiza contatos"}, contact.KeptCannot: {"", "o destino não sabe fazer isto"},
		contact.KeptUndone:    {"", "foi desfeito à mão; fica assim até a fonte mudar"},
		contact.KeptNoAddress: {"", "nenhum número identifica a pessoa"},
	})
}

func (w Words) pick(s string, table map[string][2]string) string {
	if said := table[s]; w.Say(said[0], said[1]) != "" {
		return w.Say(said[0], said[1])
	}
	return s
}

// Takes is how long the calls of a plan last at least at a target with these budgets: bulk work is spread
// evenly over the hour, and where no limit is known goes at one call a second.
func Takes(sums state.PlanSums, budgets []Budget) time.Duration {
	longest := time.Duration(0)
	for scope, calls := range map[string]int{contact.ScopeContacts: sums.Calls, contact.ScopeOther: sums.Other} {
		each := time.Second
		for _, b := range budgets {
			if b.Scope == scope && b.Limit > 0 {
				each = time.Hour / time.Duration(b.Limit)
			}
		}
		longest = max(longest, time.Duration(calls)*each)
	}
	return longest
}
