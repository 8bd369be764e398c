package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateAge is how long a certificate is used without a look at its files.
const certificateAge = 10 * time.Second

// certificate is a TLS certificate whose files may be replaced at any time, as
// those who renew certificates do.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex // guards what is below
	pair    *tls.Certificate
	stamp   [2]stamp // of the files that pair was read from, or could not be
	checked time.Time
}

// stamp tells a file from the one that took its place.
type stamp struct {
	changed time.Time
	size    int64
}

func newCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	return c, c.refresh(time.Now())
}

// config returns what a server needs.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return c.get(time.Now()), nil
	}}
}

// get returns the certificate at the time now. Where new files cannot be used,
// as between the replacement of the one and the other, the former one stays.
func (c *certificate) get(now time.Time) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.checked) >= certificateAge {
		if err := c.refresh(now); err != nil {
			c.logger.Warn("the TLS certificate cannot be read again; the former one stays", "error", err.Error())
		}
	}
	return c.pair
}

// refresh reads the files if they changed.
func (c *certificate) refresh(now time.Time) error {
	c.checked = now
	var stamps [2]stamp
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	if c.pair != nil && stamps == c.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	if c.pair != nil {
		c.logger.Info("the TLS certificate was read again")
	}
	c.pair, c.stamp = &pair, stamps
	return nil
}
