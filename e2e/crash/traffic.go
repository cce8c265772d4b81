package main

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// senders is how many events are under way at once.
const senders = 6

// flood sends events until stop is called; nobody is there to take them once syncer is dead, and the rest is said
// again later, or never.
func (w *world) flood(seed uint64) (stop func() error) {
	end := make(chan struct{})
	var wg sync.WaitGroup
	errs := make(chan error, senders)
	for i := range senders {
		wg.Go(func() {
			dice := rand.New(rand.NewPCG(seed, uint64(i)))
			for {
				select {
				case <-end:
					return
				default:
				}
				events, err := w.say(dice)
				if err != nil {
					errs <- err
					return
				}
				for _, e := range events {
					if !w.send(e) {
						time.Sleep(5 * time.Millisecond) // it is dead, or not there yet
					}
				}
			}
		})
	}
	return func() error {
		close(end)
		wg.Wait()
		w.http.CloseIdleConnections()
		select {
		case err := <-errs:
			return err
		default:
			return nil
		}
	}
}

// say chooses what happens next: mostly something new, alone or in a burst out of order; an end; or again what was said
// before, whether it was answered or not.
func (w *world) say(dice *rand.Rand) ([]*event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.shop[dice.IntN(len(w.shop))]
	shop := func(gone bool) *event {
		e := r.next(gone)
		e.body = r.hook(e)
		return e
	}
	switch chance := dice.IntN(100); {
	case chance < 20 && len(w.later) > 0:
		e := w.later[0]
		w.later = w.later[1:]
		return []*event{e}, nil
	case chance < 30 && len(r.said) > 0:
		return []*event{r.said[dice.IntN(len(r.said))]}, nil
	case chance < 45:
		p := w.people[dice.IntN(len(w.people))]
		e, err := w.edit(p, dice.IntN(6) == 0)
		return []*event{e}, err
	case chance < 60:
		var burst []*event
		for range 2 + dice.IntN(6) {
			burst = append(burst, shop(dice.IntN(8) == 0))
		}
		dice.Shuffle(len(burst), func(i, j int) { burst[i], burst[j] = burst[j], burst[i] })
		return burst, nil
	default:
		return []*event{shop(dice.IntN(8) == 0)}, nil
	}
}

// send delivers one event and notes the answer. Of those that got none some are forgotten by their sender.
func (w *world) send(e *event) bool {
	w.mu.Lock()
	e.sent = true
	w.mu.Unlock()
	status, err := w.post(e)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && status/100 == 2 {
		if !e.acked {
			e.acked, e.within = true, w.round
			w.acks++
		}
		return true
	}
	if !e.acked && e.n%4 != 0 {
		w.later = append(w.later, e)
	}
	return err == nil && status != http.StatusServiceUnavailable
}
