package codebolt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
)

// instanceJSON is an instance as Codebolt's clients know it.
type instanceJSON struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	CreatedAt   string `json:"createdAt"` // RFC 3339
	UpdatedAt   string `json:"updatedAt"` // RFC 3339; when its settings changed
}

func showInstance(i catalog.Instance) instanceJSON {
	return instanceJSON{i.ID, i.Name, i.Description, i.CreatedAt.String(), i.UpdatedAt.String()}
}

func instanceData(i catalog.Instance) []byte {
	return encode(map[string]instanceJSON{"instance": showInstance(i)})
}

// spec says what to make of a name that a client gives to an instance that is
// not there. The id is the name itself where that can be one, else its slug.
// Where another instance has that slug already, and for names without any
// letter of a slug, a hash tells them apart: two names are never one instance.
func (d *Server) spec(ctx context.Context, name string) catalog.Instance {
	if catalog.CheckID(name) == nil {
		return catalog.Instance{ID: name, Name: name}
	}
	id := commitlog.Slug(name)
	taken := id == ""
	if !taken {
		other, err := d.Instance(ctx, id, front.CanAppend, front.CanQuery, front.CanAdmin)
		taken = err == nil && other.Name != name
	}
	if taken {
		hash := sha256.Sum256([]byte(name))
		id = strings.Trim(id[:min(len(id), 50)], "-") + "-" + hex.EncodeToString(hash[:6])
	}
	return catalog.Instance{ID: strings.TrimPrefix(id, "-"), Name: name}
}
