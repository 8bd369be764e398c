package api

import (
	"net/http"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/catalog"
	"github.com/firnlog/firn/layout/commitlog"
	"github.com/firnlog/firn/layout/fault"
)

// instanceJSON is an instance as clients see it.
type instanceJSON struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	Description   string `json:"description,omitempty"`
	CreatedAt     string `json:"createdAt"` // RFC 3339
	UpdatedAt     string `json:"updatedAt"` // RFC 3339; when its settings changed
	Shards        int    `json:"shards"`
	RetentionDays int    `json:"retentionDays"` // 0 for ever
	// MaxEventAgeSeconds is left out for any age.
	MaxEventAgeSeconds int `json:"maxEventAgeSeconds,omitempty"`
}

func showInstance(i catalog.Instance) instanceJSON {
	return instanceJSON{i.ID, i.Name, i.Description, i.CreatedAt.String(), i.UpdatedAt.String(), i.Shards, i.RetentionDays, i.MaxEventAgeSeconds}
}

func instanceData(i catalog.Instance) []byte {
	return encode(map[string]instanceJSON{"instance": showInstance(i)})
}

// createInstance answers 201, or 409 with the instance that is there already.
func (a API) createInstance(w http.ResponseWriter, r *http.Request) (answer, error) {
	if _, err := parseParams(r, nil); err != nil {
		return answer{}, err
	}
	var spec catalog.Instance
	retention := wholeField(0, func(n int) { spec.RetentionDays = n })
	age := wholeField(0, func(n int) { spec.MaxEventAgeSeconds = n })
	err := a.readSmall(w, r, map[string]*field{
		"name":          textField(func(s string) { spec.Name = s }),
		"id":            textField(func(s string) { spec.ID = s }),
		"description":   textField(func(s string) { spec.Description = s }),
		"shards":        wholeField(1, func(n int) { spec.Shards = n }),
		"retentionDays": retention, "retention_days": retention,
		"maxEventAgeSeconds": age, "max_event_age_seconds": age,
	})
	if err != nil {
		return answer{}, err
	}
	if spec.Name == "" && spec.ID == "" {
		return answer{}, fault.New(fault.Invalid, "an instance needs a name or an id")
	}
	made, err := a.CreateInstance(r.Context(), spec)
	switch {
	case err == nil:
		w.Header().Set("Location", "/v1/instances/"+made.ID)
		return answer{status: http.StatusCreated, data: instanceData(made)}, nil
	case fault.Is(err, fault.Exists) && made.ID != "":
		return answer{data: instanceData(made)}, err
	}
	return answer{}, err
}

func (a API) listInstances(_ http.ResponseWriter, r *http.Request) (answer, error) {
	if _, err := parseParams(r, nil); err != nil {
		return answer{}, err
	}
	all, err := a.Instances(r.Context())
	if err != nil {
		return answer{}, err
	}
	list := make([]instanceJSON, 0, len(all))
	for _, i := range all {
		list = append(list, showInstance(i))
	}
	return answer{data: encode(map[string]any{"instances": list})}, nil
}

func (a API) getInstance(_ http.ResponseWriter, r *http.Request) (answer, error) {
	ref, err := pathInstance(r)
	if err != nil {
		return answer{}, err
	}
	i, err := a.Instance(r.Context(), ref, front.CanQuery, front.CanAdmin)
	if err != nil {
		return answer{}, err
	}
	return answer{data: instanceData(i)}, nil
}

func (a API) updateInstance(w http.ResponseWriter, r *http.Request) (answer, error) {
	ref, err := pathInstance(r)
	if err != nil {
		return answer{}, err
	}
	var u commitlog.Update
	retention := wholeField(0, func(n int) { u.RetentionDays = &n })
	age := wholeField(0, func(n int) { u.MaxEventAgeSeconds = &n })
	err = a.readSmall(w, r, map[string]*field{
		"name":          textField(func(s string) { u.Name = &s }),
		"description":   textField(func(s string) { u.Description = &s }),
		"retentionDays": retention, "retention_days": retention,
		"maxEventAgeSeconds": age, "max_event_age_seconds": age,
	})
	if err != nil {
		return answer{}, err
	}
	if u == (commitlog.Update{}) {
		return answer{}, fault.New(fault.Invalid, "nothing is to be changed: give name, description, retentionDays or maxEventAgeSeconds")
	}
	i, err := a.UpdateInstance(r.Context(), ref, u)
	if err != nil {
		return answer{}, err
	}
	return answer{data: instanceData(i)}, nil
}

func (a API) deleteInstance(_ http.ResponseWriter, r *http.Request) (answer, error) {
	ref, err := pathInstance(r)
	if err != nil {
		return answer{}, err
	}
	i, err := a.DeleteInstance(r.Context(), ref)
	if err != nil {
		return answer{}, err
	}
	return answer{data: instanceData(i)}, nil
}

// pathInstance returns the instance that the path names, for routes without
// parameters.
func pathInstance(r *http.Request) (string, error) {
	if _, err := parseParams(r, nil); err != nil {
		return "", err
	}
	return instanceRef(r)
}

// readSmall reads a body that is a small JSON object.
func (a API) readSmall(w http.ResponseWriter, r *http.Request, fields map[string]*field) error {
	body, end, err := a.smallBody(w, r)
	if err != nil {
		return err
	}
	defer end()
	return readObject(body, fields)
}

// smallBody reads a JSON body of at most [front.MaxSmallBody]. The caller MUST call end
// when it is done with it.
func (a API) smallBody(w http.ResponseWriter, r *http.Request) (body []byte, end func(), err error) {
	if _, err := front.MediaType(r, front.TypeJSON); err != nil {
		return nil, nil, err
	}
	l := a.Borrow()
	if body, err = front.ReadBody(w, r, l, front.MaxSmallBody, front.MaxSmallBody); err != nil {
		l.End()
		return nil, nil, err
	}
	return body, l.End, nil
}
