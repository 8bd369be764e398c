package main

import (
	"context"
	"strings"
	"time"

	"github.com/firnlog/firn/functions/client"
)

type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Make a key and show it, once."`
	List   keysListCmd   `cmd:"" help:"All keys, without their secrets."`
	Rotate keysRotateCmd `cmd:"" help:"Give a key a new secret."`
	Revoke keysRevokeCmd `cmd:"" help:"End a key, for ever."`
}

type keysCreateCmd struct {
	Name    string   `arg:"" help:"What the key is for."`
	Grant   []string `sep:"none" required:"" placeholder:"GRANT" help:"Instances by pattern, a colon, and the rights append, query, admin; may be repeated."`
	Expires string   `placeholder:"WHEN" help:"When it ends: a duration such as 90d, or a time such as 2030-01-01T00:00:00Z. By default never."`
}

// Help implements [kong.HelpProvider].
func (keysCreateCmd) Help() string {
	return `A first key is made straight on the bucket, and asked for by every server on it
from then on. One that can make further keys has admin on _firn:

    firn keys create admin --grant '*:append,query,admin' --grant '_firn:query,admin' --bucket file://./firn-data
    export FIRN_KEY=firn_…
    firn keys create shop --grant 'orders-*:append' --expires 90d --server http://127.0.0.1:7480

Patterns have * for any text, ? for one character and [a-z] for one of some. A
pattern matches Firn's own instance _firn only if it begins with an underscore.`
}

// Run makes a key.
func (c *keysCreateCmd) Run(ctx context.Context, a *app) error {
	cl, err := a.client(ctx, true)
	if err != nil {
		return err
	}
	k, err := cl.CreateKey(ctx, client.KeySpec{Name: c.Name, Grants: c.Grant, Expires: c.Expires})
	if err != nil {
		return err
	}
	return a.printSecret(k)
}

// printSecret shows a key that was just made.
func (a *app) printSecret(k client.Key) error {
	if a.json() {
		return a.printJSON(k)
	}
	a.note("key %s (%s) %s. It is shown this once: keep it safe.", k.ID, shown(k.Name), strings.Join(k.Grants, " "))
	return a.printf("%s\n", k.Secret)
}

type keysListCmd struct{}

// Run lists the keys.
func (keysListCmd) Run(ctx context.Context, a *app) error {
	c, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	list, err := c.Keys(ctx)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(append([]client.Key{}, list...))
	}
	t := newTable(a.stdout, "id", "name", "state", "created", "expires", "used", "grants")
	for _, k := range list {
		if err := t.add(k.ID, k.Name, keyState(k), timeText(k.Created), whenSet(k.Expires), whenSet(k.Used), strings.Join(k.Grants, " ")); err != nil {
			return err
		}
	}
	return t.flush()
}

func keyState(k client.Key) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !k.Expires.After(time.Now()):
		return "expired"
	}
	return "in force"
}

// whenSet returns the text of a time that may be none.
func whenSet(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return timeText(t)
}

type keysRotateCmd struct {
	ID      string `arg:"" help:"Id of the key: the part between the underscores."`
	Overlap string `placeholder:"DURATION" help:"How long the former secret stays good (24h)."`
}

// Run gives a key a new secret.
func (c *keysRotateCmd) Run(ctx context.Context, a *app) error {
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	k, err := cl.RotateKey(ctx, c.ID, c.Overlap)
	if err != nil {
		return err
	}
	return a.printSecret(k)
}

type keysRevokeCmd struct {
	ID string `arg:"" help:"Id of the key: the part between the underscores."`
}

// Run ends a key.
func (c *keysRevokeCmd) Run(ctx context.Context, a *app) error {
	cl, err := a.client(ctx, false)
	if err != nil {
		return err
	}
	k, err := cl.RevokeKey(ctx, c.ID)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(k)
	}
	return a.printf("key %s (%s) is revoked\n", k.ID, shown(k.Name))
}
