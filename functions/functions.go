// Package functions lists the front doors that Firn serves: one list for the
// local server and for the functions of the cloud.
package functions

import (
	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/api"
	"github.com/firnlog/firn/functions/clustercockpit"
	"github.com/firnlog/firn/functions/codebolt"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/functions/openapi"
	"github.com/firnlog/firn/functions/shares"
	"github.com/firnlog/firn/functions/stackstate"
	"github.com/firnlog/firn/functions/vamp"
)

// Doors are all doors over one service.
type Doors struct {
	Codebolt *codebolt.Server           // whose sockets are ended when the server stops
	Cluster  *clustercockpit.EventStore // whose receivers run beside the server
	list     []front.Door
}

// Config is what can be chosen.
type Config struct {
	Keys       *access.Ring
	StackState stackstate.Config
	Cluster    clustercockpit.Config
	// Vamp is the instance for requests without a namespace; "" means
	// [vamp.DefaultInstance].
	Vamp string
}

// New returns the doors over s.
func New(s *front.Service, cfg Config) *Doors {
	d := &Doors{Codebolt: codebolt.New(s), Cluster: clustercockpit.New(s, cfg.Cluster)}
	native := api.Door(s)
	d.list = []front.Door{
		native, shares.Door(s, native.Fail), api.KeyDoor(s, cfg.Keys), openapi.Door(native.Fail), d.Codebolt.Door(), vamp.Door(s, cfg.Vamp), stackstate.Door(s, cfg.StackState), d.Cluster.Door(),
	}
	return d
}

// List returns the doors, the native API first.
func (d *Doors) List() []front.Door { return d.list }
