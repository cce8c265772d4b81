package app

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"syncer/internal/console"
	"syncer/internal/intake"
	"syncer/internal/source/pipedrive"
)

// Hooks lists the webhooks that senders know.
func (a *App) Hooks(ctx context.Context, name string) (out []console.Hook, err error) {
	g := a.gen.Load()
	if _, ok := g.sources[name]; !ok && name != "" {
		return nil, a.noSuch("source", "fonte", name, sourceNames(g))
	}
	for _, n := range slices.Sorted(maps.Keys(g.sources)) {
		if name != "" && n != name {
			continue
		}
		src, ok := g.sources[n].(*pipedrive.Source)
		if !ok {
			if name != "" {
				return nil, a.wrong("%s has no API for webhooks; make them in its own settings", "%s não tem API de webhooks; crie-os nas configurações dela", n)
			}
			continue
		}
		hooks, err := src.Hooks(ctx)
		if err != nil {
			return nil, err
		}
		for _, h := range hooks {
			out = append(out, a.hook(n, h))
		}
	}
	return out, nil
}

// InstallHook makes sure that a source delivers here.
func (a *App) InstallHook(ctx context.Context, name string) (console.InstalledHook, error) {
	g := a.gen.Load()
	if _, ok := g.sources[name]; !ok {
		return console.InstalledHook{}, a.noSuch("source", "fonte", name, sourceNames(g))
	}
	src, ok := g.sources[name].(*pipedrive.Source)
	if !ok {
		return console.InstalledHook{}, a.wrong("%q is no source whose webhooks can be made through its API", "%q não é uma fonte cujos webhooks possam ser criados por sua API", name)
	}
	if a.opts.Config.PublicURL == "" {
		return console.InstalledHook{}, a.wrong("SYNCER_PUBLIC_URL is not set: nobody can be told where webhooks are received", "SYNCER_PUBLIC_URL não está definida: não há como dizer onde webhooks são recebidos")
	}
	h, made, err := src.InstallHook(ctx, a.hookURL(name))
	return console.InstalledHook{Hook: a.hook(name, h), New: made}, err
}

// hook shows a webhook without what is secret in its address. Of somebody else's only the host is shown: for many
// receivers the whole address is the secret.
func (a *App) hook(source string, h pipedrive.Hook) console.Hook {
	shown := "…"
	if u, err := url.Parse(h.URL); err == nil && u.Host != "" {
		shown = u.Scheme + "://" + u.Host + "/…"
		if strings.HasPrefix(u.Path, intake.Prefix) {
			shown = u.Scheme + "://" + u.Host + intake.Prefix + "…"
		}
	}
	return console.Hook{Source: source, ID: h.ID, URL: shown, Ours: h.URL == a.hookURL(source), Active: h.Active, LastStatus: h.LastStatus, LastTime: h.LastTime}
}

func (a *App) hookURL(source string) string {
	return strings.TrimRight(a.opts.Config.PublicURL, "/") + intake.Prefix + source
}
