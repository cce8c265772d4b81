package weni

import (
	"context"
	"slices"
)

// Campaign is what can message people because of a write: RapidPro schedules its events when a contact enters the
// group or when one of the dates changes, and the API has no switch to suppress that.
type Campaign struct {
	ID    string
	Name  string
	Group string // id of the group whose members it messages
	// Dates are the keys of the date fields that its events count from.
	Dates []string
}

// Campaigns reads the campaigns that are not archived, in the order of the API, newest first.
func (t *Target) Campaigns(ctx context.Context) ([]Campaign, error) {
	rows, err := all[struct {
		reference
		Archived bool      `json:"archived"`
		Group    reference `json:"group"`
	}](ctx, t, "weni: read campaigns", campaignsPath)
	if err != nil {
		return nil, err
	}
	events, err := all[struct {
		Campaign reference `json:"campaign"`
		Relative struct {
			Key string `json:"key"`
		} `json:"relative_to"`
	}](ctx, t, "weni: read campaign events", campaignEventsPath)
	if err != nil {
		return nil, err
	}
	var list []Campaign
	for _, r := range rows {
		if r.Archived {
			continue
		}
		c := Campaign{ID: r.UUID, Name: r.Name, Group: r.Group.UUID}
		for _, e := range events {
			if e.Campaign.UUID == r.UUID && !slices.Contains(c.Dates, e.Relative.Key) {
				c.Dates = append(c.Dates, e.Relative.Key)
			}
		}
		list = append(list, c)
	}
	return list, nil
}
