package main

import (
	"fmt"
	"time"

	"syncer/bench/calls/lab"
	"syncer/internal/contact"
	"syncer/internal/state"
)

// chatty sends ten contacts two hundred updates each within two seconds, to a Weni that takes 40 ms for an answer.
func chatty(dir string) (lines []line, err error) {
	for _, mixed := range []bool{false, true} {
		l, err := chattyOnce(dir, mixed)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func chattyOnce(dir string, mixed bool) (line, error) {
	const people, updates = 10, 200
	l, err := lab.New(lab.Options{Dir: dir, Latency: 40 * time.Millisecond})
	if err != nil {
		return line{}, err
	}
	defer l.Forget()
	if err := l.Mirror().Refresh(ctx, state.LaneLive); err != nil {
		return line{}, err
	}
	l.Calls()
	book := l.Books["crm"]
	began := time.Now()
	for u := range updates {
		var events []contact.Event
		for id := 1; id <= people; id++ {
			switch {
			case mixed && u%20 == 13:
				events = append(events, book.Remove(id))
			case mixed && u%20 == 7:
				events = append(events, say(contact.OptOut, id))
			case mixed && u%20 == 11:
				events = append(events, say(contact.OptIn, id))
			default:
				r := person(id)
				r["cidade"] = fmt.Sprintf("Cidade %d", u)
				events = append(events, book.Put(id, r))
			}
		}
		time.Sleep(time.Until(began.Add(time.Duration(u) * 2 * time.Second / updates)))
		for _, e := range events { // each is a webhook of its own
			if _, err := l.Send(state.LaneLive, e); err != nil {
				return line{}, err
			}
		}
	}
	took := time.Since(began)
	if err := l.Settle(time.Minute); err != nil {
		return line{}, err
	}
	c, stale := l.Calls(), 0
	for id := 1; id <= people; id++ {
		got, ok := l.Weni.Contact(urn(id))
		if want := fmt.Sprintf("Cidade %d", updates-1); !ok || got.Fields["cidade"] != want || len(got.Groups) != 1 || got.Groups[0] != "Clientes" {
			stale++
		}
	}
	what := "10 contacts, 200 updates each in 2 s"
	if mixed {
		what += ", deletes and opt-outs inside"
	}
	all := c.Contacts() + c.Labels
	return line{what, fmt.Sprintf("%d stale, %d calls (%.1f each, %d label), sent in %.1f s", stale, all, float64(all)/people, c.Labels, took.Seconds()), "0; 3 each",
		stale == 0 && all <= 3*people && took < 3*time.Second, thousands(people * updates), thousands(2 * people * updates)}, nil
}

// say is the word of a person, as a WhatsApp app tells it.
func say(kind contact.EventKind, id int) contact.Event {
	return contact.Event{Kind: kind, Key: contact.Key{Source: "whatsapp", ID: fmt.Sprint(id)}, Version: contact.Version{Event: time.Now().UnixMicro()},
		Identities: []contact.Identity{contact.PhoneIdentity(fmt.Sprintf("55849%08d", 80000000+id))}}
}
