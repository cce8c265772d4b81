package app

import (
	"strings"

	"syncer/internal/console"
	"syncer/internal/contact"
	"syncer/internal/mapping"
)

// words speak the daemon's language and tell the time of the mapping file's zone.
func (a *App) words() console.Words {
	w := console.WordsFor(a.opts.Language)
	if g := a.gen.Load(); g != nil {
		w = w.In(g.plan.Location)
	}
	return w
}

// say composes a sentence in the daemon's language.
func (a *App) say(en, pt string, args ...any) string { return a.words().Say(en, pt, args...) }

// wrong is an error of whoever asked, not of syncer.
func (a *App) wrong(en, pt string, args ...any) error {
	return &contact.Error{Kind: contact.Invalid, Message: a.say(en, pt, args...)}
}

// misused is a question that cannot be meant as it was asked.
func (a *App) misused(en, pt string, args ...any) error {
	return console.Errorf(console.BadRequest, "%s", a.say(en, pt, args...))
}

// noSuch refuses a name that does not exist, with the one that was probably meant.
func (a *App) noSuch(what, oQue, name string, names []string) error {
	meant := ""
	if near, ok := mapping.Near(name, names); ok {
		meant = a.say(", did you mean %q?", ", você quis dizer %q?", near)
	}
	return a.misused("there is no %s %q%s; there are: %s", "não há %s %q%s; há: %s", a.say(what, oQue), name, meant, strings.Join(names, ", "))
}

// key reads the key of a record.
func (a *App) key(text string) (contact.Key, error) {
	k, err := contact.ParseKey(text)
	if err != nil {
		return k, a.misused("%q is not a record key; write it as source/id, for example crm/4821", "%q não é chave de registro; escreva fonte/id, por exemplo crm/4821", text)
	}
	return k, nil
}
