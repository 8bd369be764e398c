// Package signed sends the few requests that functions make to services of AWS
// other than S3, signed with the credentials of their role (Signature Version 4).
// Whole clients of these services would make each cold start slower.
package signed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/firnlog/firn/layout/fault"
)

// answerBytes bounds what is read of an answer where nothing else is said.
const answerBytes = 1 << 20

// Client sends requests to one service. It is safe for concurrent use.
type Client struct {
	service string // as signatures name it
	load    func() (aws.Config, error)
	most    int64 // bytes of an answer
	http    http.Client
}

// New returns a client. Credentials are looked for with the first request.
func New(service string) *Client {
	return &Client{service: service, most: answerBytes, http: http.Client{Timeout: 10 * time.Second},
		load: sync.OnceValues(func() (aws.Config, error) { return config.LoadDefaultConfig(context.Background()) })}
}

// For returns a client like c that waits for answers as long as given, and reads so
// many bytes of them.
func (c *Client) For(patience time.Duration, most int64) *Client {
	return &Client{service: c.service, load: c.load, most: most, http: http.Client{Timeout: patience}}
}

// Post sends a body and returns the answer's status and body. Errors are
// Unavailable where nothing was sent, and Unknown where there is no answer.
func (c *Client) Post(ctx context.Context, url string, header http.Header, body []byte) (status int, answer []byte, err error) {
	r, err := c.request(ctx, url, header, body)
	if err != nil {
		return 0, nil, fault.New(fault.Unavailable, "%s: %w", c.service, err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, nil, fault.New(fault.Unknown, "%s: %w", c.service, err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(io.LimitReader(resp.Body, c.most)); err != nil {
		return 0, nil, fault.New(fault.Unknown, "%s: %w", c.service, err)
	}
	return resp.StatusCode, answer, nil
}

// request returns a signed request.
func (c *Client) request(ctx context.Context, url string, header http.Header, body []byte) (*http.Request, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = header.Clone()
	secrets, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return r, v4.NewSigner().SignHTTP(ctx, secrets, r, hex.EncodeToString(sum[:]), c.service, cfg.Region, time.Now())
}
