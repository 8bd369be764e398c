// Package start puts together what the functions of the cloud have in common:
// settings from the environment, the bucket, the log, who is let in, and the
// doors. A function that lacks something ends at its start with a message that
// says what and how to mend it.
//
// Nothing is read at the start that the first request would not read.
package start

import (
	"cmp"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// The environment variables of the functions. They are those of `firn serve`,
// and those of queues and WebSocket APIs beside them.
const (
	envBucket      = "FIRN_BUCKET"           // s3://BUCKET/PREFIX
	envJWKS        = "FIRN_JWKS_URL"         // where the keys of tokens are
	envPublicKey   = "FIRN_JWT_PUBLIC_KEY"   // or one Ed25519 key in base64
	envIssuer      = "FIRN_JWT_ISSUER"       // that tokens must have
	envAudience    = "FIRN_JWT_AUDIENCE"     // that tokens must have
	envGrants      = "FIRN_JWT_GRANT"        // of tokens without the claim, with semicolons between
	envOrigins     = "FIRN_ORIGIN"           // of web pages, with commas between
	envDeduplicate = "FIRN_DEDUPLICATE"      // true: StackState's events by source_identifier
	envLimits      = "FIRN_LIMITS"           // NAME=VALUE, with commas between: docs/limits.md
	envVamp        = "FIRN_VAMP"             // instance for Vamp's requests without a namespace
	envLogLevel    = "FIRN_LOG_LEVEL"        // debug, info, warn or error
	envQueue       = "FIRN_QUEUE_URL"        // of SQS, for appends that need not wait
	envDeadLetters = "FIRN_DEAD_LETTERS_URL" // of SQS, for records of Kinesis that can never be stored
	envCompact     = "FIRN_COMPACT_URL"      // of invocations of the compact function, for when the log grows fast
	envWorkers     = "FIRN_WORKERS_URL"      // of invocations of the query function itself, for large queries
	envShares      = "FIRN_WORKER_SHARES"    // of a query, that workers do at once
	envSpread      = "FIRN_SPREAD_MB"        // of data files, from which on a query is spread
	envStream      = "FIRN_STREAM_INSTANCE"  // instance for records of Kinesis
	envStack       = "FIRN_STACK"            // the name of the stack, for metrics
	envManage      = "FIRN_MANAGEMENT_URL"   // of a WebSocket API, where it is not at the API's own address
)

// Settings are what the environment says.
type Settings struct {
	Bucket         string
	Tokens         *access.Tokens // nil takes none
	Origins        []string
	Deduplicate    bool
	Vamp           string
	LogLevel       slog.Level
	Limits         front.Limits
	QueueURL       string
	DeadLetterURL  string // "" has the stream wait
	CompactURL     string // "" asks nobody
	WorkersURL     string // "" keeps queries in one invocation
	Shares         int    // 0 is the default
	SpreadBytes    int64  // 0 is the default
	StreamInstance string
	Manage         string
	Stack          string
}

// Environment reads the settings of this process.
func Environment() (Settings, error) { return read(os.Getenv) }

func read(get func(string) string) (s Settings, err error) {
	s = Settings{Bucket: get(envBucket), Vamp: get(envVamp), QueueURL: get(envQueue), DeadLetterURL: get(envDeadLetters), CompactURL: get(envCompact), WorkersURL: get(envWorkers),
		StreamInstance: get(envStream), Manage: get(envManage), Stack: cmp.Or(get(envStack), "firn")}
	if s.Bucket == "" {
		return s, fault.New(fault.Invalid, "%s is not set: it names the bucket with the events, such as s3://my-bucket/events", envBucket)
	}
	for name, url := range map[string]string{envQueue: s.QueueURL, envDeadLetters: s.DeadLetterURL, envCompact: s.CompactURL, envWorkers: s.WorkersURL} {
		if url != "" && !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
			return s, fault.New(fault.Invalid, "%s %q: write a URL, such as https://sqs.eu-central-1.amazonaws.com/123456789012/firn of a queue, and https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/NAME/invocations of a function", name, url)
		}
	}
	if err = s.readSpread(get); err != nil {
		return s, err
	}
	switch text := get(envDeduplicate); text {
	case "", "false":
	case "true":
		s.Deduplicate = true
	default:
		return s, fault.New(fault.Invalid, "%s %q: write true or false", envDeduplicate, text)
	}
	for origin := range strings.SplitSeq(get(envOrigins), ",") {
		if origin = strings.TrimSpace(origin); origin != "" {
			s.Origins = append(s.Origins, origin)
		}
	}
	if err = s.LogLevel.UnmarshalText([]byte(cmp.Or(get(envLogLevel), "info"))); err != nil {
		return s, fault.New(fault.Invalid, "%s: write debug, info, warn or error: %w", envLogLevel, err)
	}
	if text := get(envLimits); text != "" {
		if s.Limits, err = front.ParseLimits(strings.Split(text, ",")); err != nil {
			return s, fault.Wrap(err, envLimits)
		}
	}
	s.Tokens, err = tokens(get)
	return s, err
}

// readSpread reads how queries are spread.
func (s *Settings) readSpread(get func(string) string) error {
	for name, limit := range map[string]int64{envShares: 1_000, envSpread: 1 << 30} {
		text := get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > limit {
			return fault.New(fault.Invalid, "%s %q: write a number from 1 to %d", name, text, limit)
		}
		if name == envShares {
			s.Shares = int(n)
		} else {
			s.SpreadBytes = n << 20
		}
	}
	return nil
}

// tokens returns what tokens are checked against, nil if none are taken.
func tokens(get func(string) string) (*access.Tokens, error) {
	remote, fixed := get(envJWKS), get(envPublicKey)
	t := &access.Tokens{Issuer: get(envIssuer), Audience: get(envAudience), Eternal: fixed != ""}
	grants := get(envGrants)
	var err error
	switch {
	case remote != "" && fixed != "":
		return nil, fault.New(fault.Invalid, "%s and %s are both set: set one of them", envJWKS, envPublicKey)
	case remote != "":
		t.Keys, err = access.JWKSURL(remote)
		err = fault.Wrap(err, envJWKS)
	case fixed != "":
		t.Keys, err = access.Ed25519Key(fixed)
		err = fault.Wrap(err, envPublicKey)
	case t.Issuer != "" || t.Audience != "" || grants != "":
		return nil, fault.New(fault.Invalid, "%s, %s and %s need %s or %s", envIssuer, envAudience, envGrants, envJWKS, envPublicKey)
	default:
		return nil, nil
	}
	if err == nil && grants != "" {
		t.Grants, err = access.ParseGrants(strings.Split(grants, ";"))
		err = fault.Wrap(err, envGrants)
	}
	return t, err
}
