package main

import (
	"context"
	"strconv"

	"github.com/firnlog/firn/functions/client"
	"github.com/firnlog/firn/layout/catalog"
)

type instancesCmd struct {
	List   instancesListCmd   `cmd:"" help:"All instances."`
	Get    instancesGetCmd    `cmd:"" help:"One instance and its settings."`
	Create instancesCreateCmd `cmd:"" help:"Make an instance."`
	Update instancesUpdateCmd `cmd:"" help:"Change an instance's settings."`
	Delete instancesDeleteCmd `cmd:"" help:"Delete an instance with all its events, for ever."`
	Stats  instancesStatsCmd  `cmd:"" help:"How many events an instance has."`
}

type instancesListCmd struct{}

// Run lists the instances.
func (instancesListCmd) Run(ctx context.Context, a *app) error {
	c, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	list, err := c.Instances(ctx)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(append([]client.Instance{}, list...))
	}
	t := newTable(a.stdout, "id", "name", "shards", "retention", "created", "description")
	for _, i := range list {
		if err := t.add(i.ID, i.Name, strconv.Itoa(i.Shards), retention(i.RetentionDays), timeText(i.CreatedAt), i.Description); err != nil {
			return err
		}
	}
	return t.flush()
}

func retention(days int) string {
	switch days {
	case 0:
		return "for ever"
	case 1:
		return "1 day"
	}
	return thousands(days) + " days"
}

// printInstance prints an instance's settings.
func (a *app) printInstance(i client.Instance, err error) error {
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(i)
	}
	rows := []string{"id", i.ID, "name", i.Name, "description", orDash(i.Description), "shards", strconv.Itoa(i.Shards),
		"retention", retention(i.RetentionDays)}
	if i.MaxEventAgeSeconds > 0 {
		rows = append(rows, "oldest event", thousands(i.MaxEventAgeSeconds)+" seconds")
	}
	return pairs(a.stdout, append(rows, "created", timeText(i.CreatedAt), "updated", timeText(i.UpdatedAt))...)
}

type instancesGetCmd struct {
	Instance string `arg:"" help:"Id or name of the instance."`
}

// Run prints one instance.
func (c *instancesGetCmd) Run(ctx context.Context, a *app) error {
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	return a.printInstance(cl.Instance(ctx, c.Instance))
}

type instancesCreateCmd struct {
	ID            string `arg:"" optional:"" help:"Id: 1 to 63 of a-z, 0-9, '.', '_' and '-'. By default made from the name."`
	Name          string `help:"Name for people, by default the id."`
	Description   string `help:"What the instance is for."`
	Shards        int    `placeholder:"N" default:"1" help:"Logs to spread the streams over, 1 to 256, for ever (1). Each takes part of the writers."`
	RetentionDays int    `placeholder:"N" help:"Days by timestamp that events are kept, 0 for ever (0)."`
}

// Help implements [kong.HelpProvider].
func (instancesCreateCmd) Help() string {
	return `    firn instances create my-log --description "Logins of the shop" --retention-days 365
    firn instances create --name "Page views" --shards 4`
}

// Run makes the instance and prints it.
func (c *instancesCreateCmd) Run(ctx context.Context, a *app) error {
	if c.ID == "" && c.Name == "" {
		return usage("an instance needs an id or --name: firn instances create my-log")
	}
	if c.Shards < 1 { // which would be left to the server
		return usage("--shards is 1 to %d, not %d", catalog.MaxShards, c.Shards)
	}
	cl, err := a.client(ctx, true)
	if err != nil {
		return err
	}
	return a.printInstance(cl.CreateInstance(ctx, client.Spec{
		ID: c.ID, Name: c.Name, Description: c.Description, Shards: c.Shards, RetentionDays: c.RetentionDays}))
}

type instancesUpdateCmd struct {
	Instance      string  `arg:"" help:"Id or name of the instance."`
	Name          *string `help:"New name."`
	Description   *string `help:"New description."`
	RetentionDays *int    `placeholder:"N" help:"Days by timestamp that events are kept, 0 for ever. What was hidden stays hidden."`
}

// Run changes the settings that are given and prints the instance.
func (c *instancesUpdateCmd) Run(ctx context.Context, a *app) error {
	if c.Name == nil && c.Description == nil && c.RetentionDays == nil {
		return usage("nothing is to be changed: give --name, --description or --retention-days")
	}
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	return a.printInstance(cl.UpdateInstance(ctx, c.Instance, client.Update{Name: c.Name, Description: c.Description, RetentionDays: c.RetentionDays}))
}

type instancesDeleteCmd struct {
	Instance string `arg:"" help:"Id or name of the instance."`
	Yes      bool   `help:"Do it: there is no way back."`
}

// Run deletes the instance once it is confirmed.
func (c *instancesDeleteCmd) Run(ctx context.Context, a *app) error {
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	if !c.Yes {
		s, err := cl.Stats(ctx, c.Instance)
		if err != nil {
			return err
		}
		return usage("this deletes instance %s with its %s for ever: add --yes to do it", s.InstanceID, eventsText(s.EventCount))
	}
	i, err := cl.DeleteInstance(ctx, c.Instance)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(i)
	}
	return a.printf("deleted instance %s\n", i.ID)
}

type instancesStatsCmd struct {
	Instance string `arg:"" help:"Id or name of the instance."`
}

// Run prints how much the instance holds.
func (c *instancesStatsCmd) Run(ctx context.Context, a *app) error {
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	s, err := cl.Stats(ctx, c.Instance)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(s)
	}
	return pairs(a.stdout, "id", s.InstanceID, "name", s.Name, "events", thousands(s.EventCount), "created", timeText(s.CreatedAt), "updated", timeText(s.UpdatedAt))
}
