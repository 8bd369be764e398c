package clustercockpit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

// instanceName returns the name of the instance for a cluster's messages of a
// kind, which is event or log.
func instanceName(cluster string, k kind) string {
	if k == logKind {
		return cluster + "_logs"
	}
	return cluster + "_events"
}

// instanceID returns the id that the instance of a name is made with: the name
// where it can be one, else a readable part and a hash. Ids of the two sorts are
// never equal, since only the first end in _events or _logs.
func instanceID(name string) string {
	if catalog.CheckID(name) == nil && name[0] != '_' {
		return name
	}
	const readable = 38 // leaves room for a hyphen and the hash in an id of 63
	slug := commitlog.Slug(name)
	slug = strings.Trim(slug[:min(len(slug), readable)], "-")
	hash := sha256.Sum256([]byte(name))
	return slug + "-" + hex.EncodeToString(hash[:12])
}

// instance returns a cluster's instance of a kind, under whatever id it was
// made, if the caller has the right. NotFound when there is none.
func (c *EventStore) instance(ctx context.Context, cluster string, k kind, right front.Right) (catalog.Instance, error) {
	name := instanceName(cluster, k)
	id := instanceID(name)
	if id != name {
		if inst, err := c.Instance(ctx, name, right); err == nil {
			return inst, nil
		}
	}
	return c.Instance(ctx, id, right)
}

// newInstance returns what to make a cluster's instance from. Errors are
// Invalid: no instance can have that name.
func (c *EventStore) newInstance(cluster string, k kind) (catalog.Instance, error) {
	name := instanceName(cluster, k)
	spec := catalog.Instance{ID: instanceID(name), Name: name, Shards: 1}
	if k == eventKind {
		spec.RetentionDays = c.config.RetentionDays
	}
	return spec, fault.Wrap(spec.Check(), "the cluster %q", shorten(cluster))
}
