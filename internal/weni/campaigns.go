package weni

import (
	"context"
	"slices"

	"syncer/internal/contact"
)

// Campaigns reads the campaigns that are not archived, in the order of the API, newest first. RapidPro schedules
// their events when a contact enters the group or when one of the dates changes, and the API has no switch to
// suppress that.
func (t *Target) Campaigns(ctx context.Context) ([]contact.Campaign, error) {
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
	var list []contact.Campaign
	for _, r := range rows {
		if r.Archived {
			continue
		}
		c := contact.Campaign{ID: r.UUID, Name: r.Name, Label: r.Group.UUID}
		for _, e := range events {
			if e.Campaign.UUID == r.UUID && !slices.Contains(c.Dates, e.Relative.Key) {
				c.Dates = append(c.Dates, e.Relative.Key)
			}
		}
		list = append(list, c)
	}
	return list, nil
}
