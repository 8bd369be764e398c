package clustercockpit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"path"
	"slices"
	"strings"
	"time"
)

// HTTPReceiver is a listener that takes lines, of the type http.
type HTTPReceiver struct {
	Name        string
	Address     string // host:port; no host means all interfaces
	Path        string // begins with a slash; "/" takes every path
	IdleTimeout time.Duration
	KeepAlives  bool
	Username    string // of Basic authentication; "" lets everyone in
	Password    string
	Cluster     string // of lines without the tag cluster; "" where they must have it
	tags        []tag
}

// NATSReceiver is a subscription, of the type nats.
type NATSReceiver struct {
	Name            string
	URL             string
	Subject         string // may hold wildcards; with Stream it may be empty for all of it
	User            string
	Password        string
	CredentialsFile string
	Queue           string // group of a core subscription, of which one member gets each message
	Stream          string // of JetStream; "" for a core subscription
	Consumer        string // durable consumer of the stream
	Cluster         string // of lines without the tag cluster; "" for the subject's first part
	tags            []tag
}

// receiver is a member of the section receivers, of either type.
type receiver struct {
	Type            string          `json:"type"`
	Address         string          `json:"address"`
	Port            port            `json:"port"`
	Path            string          `json:"path"`
	IdleTimeout     string          `json:"idle_timeout"`
	KeepAlives      *bool           `json:"keep_alives_enabled"`
	Username        string          `json:"username"`
	Password        string          `json:"password"`
	Subject         string          `json:"subject"`
	User            string          `json:"user"`
	NkeyFile        string          `json:"nkey_file"`
	ProcessMessages json.RawMessage `json:"process_messages"`

	// These are Firn's own.
	Cluster  string `json:"cluster"`
	Queue    string `json:"queue"`
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
}

// readReceivers reads the section receivers. Members that no receiver has are
// errors: a mistyped password would leave a receiver open.
func (c *Config) readReceivers(text []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		var r receiver
		dec := json.NewDecoder(bytes.NewReader(members[name]))
		dec.DisallowUnknownFields()
		err := dec.Decode(&r)
		if err == nil {
			err = c.addReceiver(name, &r)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", shorten(name), err)
		}
	}
	return c.checkPaths()
}

func (c *Config) addReceiver(name string, r *receiver) error {
	tags, err := r.addedTags()
	if err != nil {
		return fmt.Errorf("process_messages: %w", err)
	}
	switch r.Type {
	case "http":
		h, err := r.http(name)
		h.tags = tags
		c.HTTP = append(c.HTTP, h)
		return err
	case "nats":
		n, err := r.nats(name)
		n.tags = tags
		c.NATS = append(c.NATS, n)
		return err
	case "eecpt", "prometheus", "ipmi", "redfish":
		return fmt.Errorf("receivers of type %s make metrics, which no event store keeps: take it out", r.Type)
	}
	return fmt.Errorf("unknown receiver type %q: there are http and nats", shorten(r.Type))
}

func (r *receiver) http(name string) (HTTPReceiver, error) {
	h := HTTPReceiver{Name: name, Address: net.JoinHostPort(r.Address, cmp.Or(string(r.Port), "8080")), Path: "/" + strings.TrimPrefix(r.Path, "/"),
		KeepAlives: r.KeepAlives == nil || *r.KeepAlives, Username: r.Username, Password: r.Password, Cluster: r.Cluster}
	var err error
	if h.IdleTimeout, err = time.ParseDuration(cmp.Or(r.IdleTimeout, "120s")); err != nil {
		return h, fmt.Errorf("idle_timeout: %w", err)
	}
	switch {
	case (r.Username == "") != (r.Password == ""):
		return h, fmt.Errorf("username and password come together")
	case h.Path != "/" && strings.TrimSuffix(h.Path, "/") != path.Clean(h.Path) || strings.ContainsAny(h.Path, "{} %"):
		return h, fmt.Errorf("path %q: write a plain path such as /write", shorten(r.Path))
	case r.Subject != "" || r.User != "" || r.NkeyFile != "" || r.Stream != "" || r.Consumer != "" || r.Queue != "":
		return h, fmt.Errorf("subject, user, nkey_file, queue, stream and consumer are for the type nats")
	}
	return h, nil
}

func (r *receiver) nats(name string) (NATSReceiver, error) {
	n := NATSReceiver{Name: name, Subject: r.Subject, User: r.User, Password: r.Password, CredentialsFile: r.NkeyFile,
		Queue: r.Queue, Stream: r.Stream, Consumer: r.Consumer, Cluster: r.Cluster}
	scheme, host, ok := strings.Cut(cmp.Or(r.Address, "localhost"), "://")
	if !ok {
		scheme, host = "nats", scheme
	}
	n.URL = scheme + "://" + net.JoinHostPort(host, cmp.Or(string(r.Port), "4222"))
	switch {
	case strings.Contains(host, "@"): // the address is shown where the connection fails
		return n, fmt.Errorf("user and password are settings of their own, and do not stand in the address")
	case n.Subject == "" && n.Stream == "":
		return n, fmt.Errorf("it needs a subject, such as fritz.events.>, or a stream")
	case n.Stream == "" && n.Consumer != "":
		return n, fmt.Errorf("a consumer needs a stream")
	case n.Stream != "" && n.Queue != "":
		return n, fmt.Errorf("a queue is for a subscription without a stream: servers that name one consumer share its messages")
	case r.Path != "" || r.IdleTimeout != "" || r.KeepAlives != nil || r.Username != "":
		return n, fmt.Errorf("path, idle_timeout, keep_alives_enabled and username are for the type http; the user is named by user")
	}
	if n.Stream != "" && n.Consumer == "" {
		n.Consumer = "firn-" + slug(name)
	}
	return n, nil
}

// slug makes a name of letters, digits and hyphens, which every consumer can
// have.
func slug(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name)
}

// addedTags reads process_messages, of which Firn has what supplies the cluster:
// add_tags_if with the condition "true".
func (r *receiver) addedTags() ([]tag, error) {
	if r.ProcessMessages == nil {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(r.ProcessMessages, &members); err != nil {
		return nil, err
	}
	var add []struct{ If, Key, Value string }
	for name, raw := range members {
		if name != "add_tags_if" {
			return nil, fmt.Errorf("%s is not to be had: Firn takes add_tags_if with the condition \"true\" only", shorten(name))
		}
		if err := json.Unmarshal(raw, &add); err != nil {
			return nil, err
		}
	}
	var tags []tag
	for _, a := range add {
		if a.If != "true" || a.Key == "" || a.Value == "" {
			return nil, fmt.Errorf("add_tags_if: write {\"if\": \"true\", \"key\": …, \"value\": …}; other conditions are not to be had")
		}
		tags = append(tags, tag{a.Key, a.Value})
	}
	return tags, nil
}

// checkPaths refuses two HTTP receivers in one place.
func (c *Config) checkPaths() error {
	seen := map[string]string{}
	for _, h := range c.HTTP {
		place := h.Address + h.Path
		if other, ok := seen[place]; ok {
			return fmt.Errorf("%q and %q are both at %s", shorten(other), shorten(h.Name), place)
		}
		seen[place] = h.Name
	}
	return nil
}
