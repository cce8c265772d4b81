package app

import (
	"context"
	"maps"
	"slices"
	"strings"

	"syncer/internal/console"
	"syncer/internal/intake"
	"syncer/internal/source/pipedrive"
)

// Hooks lists the webhooks that senders know.
func (a *App) Hooks(ctx context.Context, name string) (out []console.Hook, err error) {
	g := a.gen.Load()
	for _, n := range slices.Sorted(maps.Keys(g.sources)) {
		if name != "" && n != name {
			continue
		}
		src, ok := g.sources[n].(*pipedrive.Source)
		if !ok {
			if name != "" {
				return nil, wrong("%s has no API for webhooks; make them in its own settings", n)
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
	src, ok := g.sources[name].(*pipedrive.Source)
	if !ok {
		return console.InstalledHook{}, wrong("%q is no source whose webhooks can be made through its API", name)
	}
	if a.opts.Config.PublicURL == "" {
		return console.InstalledHook{}, wrong("SYNCER_PUBLIC_URL is not set: nobody can be told where webhooks are received")
	}
	h, made, err := src.InstallHook(ctx, a.hookURL(name))
	return console.InstalledHook{Hook: a.hook(name, h), New: made}, err
}

// hook shows a webhook without what is secret in its address.
func (a *App) hook(source string, h pipedrive.Hook) console.Hook {
	shown := h.URL
	if at := strings.Index(shown, intake.Prefix); at >= 0 {
		shown = shown[:at] + intake.Prefix + "…"
	}
	return console.Hook{Source: source, ID: h.ID, URL: shown, Ours: h.URL == a.hookURL(source), Active: h.Active, LastStatus: h.LastStatus, LastTime: h.LastTime}
}

func (a *App) hookURL(source string) string {
	return strings.TrimRight(a.opts.Config.PublicURL, "/") + intake.Prefix + source
}
