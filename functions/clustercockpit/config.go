package clustercockpit

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/firnlog/firn/layout/fault"
)

// Config is what a configuration file of cc-event-store says, as far as it
// matters here. The zero Config has no receivers and keeps everything for ever.
type Config struct {
	HTTP []HTTPReceiver // by name
	NATS []NATSReceiver // by name
	// RetentionDays is how long events of clusters are kept that are met from
	// now on; 0 for ever. It is storage.retention_time, rounded up to whole days.
	// Logs are kept for ever.
	RetentionDays int
	// IgnoreLogs is storage.store_logs = false: logs are counted and not stored.
	IgnoreLogs bool
	API        API
}

// API is the section api. The door itself uses none of it: it is for whoever
// listens and lets callers in.
type API struct {
	Address string // host:port
	// JWTPublicKey verifies the callers' tokens (EdDSA); nil where the file has
	// none.
	JWTPublicKey ed25519.PublicKey
}

// retention returns the retention as a Go duration, "0s" for ever.
func (c *Config) retention() string {
	return strings.TrimSuffix((time.Duration(c.RetentionDays) * 24 * time.Hour).String(), "0m0s")
}

// Load reads a configuration file: a JSON object with the members receivers,
// storage and api, each of which may be given as a file instead, by the name
// receivers-file and so on (receiver-file, too), relative to the working
// directory. Other members are ignored. Errors are Invalid and say what would be
// right.
func Load(file string) (Config, error) {
	var c Config
	text, err := os.ReadFile(file)
	if err != nil {
		return c, fault.New(fault.Invalid, "ClusterCockpit configuration: %w", err)
	}
	c, err = parseConfig(text)
	return c, fault.Wrap(err, "ClusterCockpit configuration %s", file)
}

func parseConfig(text []byte) (c Config, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return c, fault.New(fault.Invalid, "it is no JSON object: %w", err)
	}
	for _, s := range []struct {
		name  string
		files []string
		read  func(*Config, []byte) error
	}{
		{"receivers", []string{"receivers-file", "receiver-file"}, (*Config).readReceivers},
		{"storage", []string{"storage-file"}, (*Config).readStorage},
		{"api", []string{"api-file"}, (*Config).readAPI},
	} {
		section, err := findSection(members, s.name, s.files)
		if err == nil && section != nil {
			err = s.read(&c, section)
		}
		if err != nil {
			return c, fault.Wrap(asInvalid(err), "%s", s.name)
		}
	}
	return c, nil
}

// findSection returns the text of a section, nil where there is none.
func findSection(members map[string]json.RawMessage, name string, files []string) ([]byte, error) {
	found, inline := members[name]
	given := name
	for _, key := range files {
		raw, ok := members[key]
		if !ok {
			continue
		}
		if inline {
			return nil, fmt.Errorf("it is given twice, as %s and as %s", given, key)
		}
		var path string
		if err := json.Unmarshal(raw, &path); err != nil {
			return nil, fmt.Errorf("%s must be the name of a file", key)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		found, inline, given = text, true, key
	}
	return found, nil
}

// asInvalid gives errors of the standard library their kind.
func asInvalid(err error) error {
	if err == nil || fault.Is(err, fault.Invalid) {
		return err
	}
	return fault.New(fault.Invalid, "%w", err)
}

// readStorage reads the section storage. What belongs to a database that Firn
// does not have is ignored.
func (c *Config) readStorage(text []byte) error {
	s := struct {
		RetentionTime string `json:"retention_time"`
		StoreLogs     *bool  `json:"store_logs"`
	}{RetentionTime: "24h"}
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	c.IgnoreLogs = s.StoreLogs != nil && !*s.StoreLogs
	age, err := parseAge(s.RetentionTime)
	if err != nil {
		return fmt.Errorf("retention_time: %w", err)
	}
	const day = 24 * time.Hour
	c.RetentionDays = int((age + day - 1) / day)
	return nil
}

// parseAge reads a duration such as 48h, or a number of days such as 30d.
func parseAge(s string) (time.Duration, error) {
	age, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int64
		n, err = strconv.ParseInt(days, 10, 16)
		age = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || age <= 0 {
		return 0, fmt.Errorf("%q is no duration: write hours such as 48h, or days such as 30d", shorten(s))
	}
	return age, nil
}

func (c *Config) readAPI(text []byte) error {
	var s struct {
		Address      string `json:"address"`
		Port         port   `json:"port"`
		JWTPublicKey string `json:"jwt_public_key"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	c.API.Address = net.JoinHostPort(cmp.Or(s.Address, "localhost"), cmp.Or(string(s.Port), "8088"))
	if s.JWTPublicKey == "" {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(s.JWTPublicKey)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("jwt_public_key must be the base64 of the %d bytes of an Ed25519 public key", ed25519.PublicKeySize)
	}
	c.API.JWTPublicKey = key
	return nil
}

// port is a TCP port, given as a string or a number.
type port string

// UnmarshalJSON implements [json.Unmarshaler].
func (p *port) UnmarshalJSON(text []byte) error {
	s := string(bytes.Trim(text, `"`))
	if n, err := strconv.ParseUint(s, 10, 16); err != nil || strconv.FormatUint(n, 10) != s {
		return fmt.Errorf("port: %s is no port: write a number up to 65535", shorten(string(text)))
	}
	*p = port(s)
	return nil
}
