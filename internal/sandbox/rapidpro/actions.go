package rapidpro

import (
	"slices"
	"strings"
)

var contactActions = []string{"add", "remove", "block", "unblock", "interrupt", "archive_messages", "delete", "archive"}

// postContactAction does one thing to up to a hundred contacts: all of it or nothing.
func postContactAction(rq *request) *response {
	action, g, contacts, refusal := rq.checkAction()
	if refusal != nil {
		return refusal
	}
	rq.delay()
	rq.mu.Lock()
	defer rq.mu.Unlock()
	var mod modifier
	switch action {
	case "add", "remove":
		mod = setGroups{action == "add", []string{g.uuid}}
	case "block":
		mod = setStatus(blocked)
	case "unblock":
		mod = setStatus(active)
	case "delete":
		for _, c := range contacts {
			rq.release(rq.primary.contacts[c.id])
		}
	}
	// Interrupting flows and archiving messages leave contacts as they are.
	if mod != nil {
		if err := rq.modify(contacts, []modifier{mod}); err != nil {
			return crash()
		}
	}
	return noContent()
}

func (rq *request) checkAction() (action string, g *group, contacts []*contact, refusal *response) {
	rq.mu.Lock()
	defer rq.mu.Unlock()
	p, refusal := rq.begin()
	if refusal != nil {
		return "", nil, nil, refusal
	}
	failed := &failures{}
	items, present, problem := p.references("contacts")
	if !present {
		problem = messages(msgRequired)
	}
	for _, item := range items {
		c, bad, crashed := rq.findContact(item)
		if crashed {
			return "", nil, nil, crash()
		}
		if bad != "" {
			problem = bad
			break
		}
		contacts = append(contacts, c)
	}
	if problem == "" && len(items) == 0 {
		problem = messages("Contacts can't be empty.")
	}
	failed.add("contacts", problem)

	action, problem = choice(p, "action", contactActions)
	failed.add("action", problem)

	ref, present, problem := p.reference("group")
	if present && problem == "" {
		var crashed bool
		if g, problem, crashed = rq.findGroup(ref); crashed {
			return "", nil, nil, crash()
		}
	}
	failed.add("group", problem)
	if refusal = failed.response(); refusal != nil {
		return "", nil, nil, refusal
	}

	withGroup := action == "add" || action == "remove"
	switch {
	case withGroup && g == nil:
		return "", nil, nil, fieldError("non_field_errors", `For action "`+action+`" you should also specify a group`)
	case !withGroup && g != nil:
		return "", nil, nil, fieldError("non_field_errors", `For action "`+action+`" you should not specify a group`)
	}
	if action == "add" {
		var inactive []string
		for _, c := range contacts {
			if c.status != active && !slices.Contains(inactive, c.uuid) {
				inactive = append(inactive, c.uuid)
			}
		}
		if inactive != nil {
			return "", nil, nil, fieldError("non_field_errors", "Non-active contacts cannot be added to groups: "+strings.Join(inactive, ", "))
		}
	}
	return action, g, contacts, nil
}
