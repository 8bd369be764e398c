package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writePair puts a certificate for loopback with a serial number, and its key,
// into two files, and returns the certificate.
func writePair(t *testing.T, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spec := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, spec, spec, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		// The clock of the file system may be too coarse to tell two writes apart.
		at := time.Now().Add(time.Duration(serial) * time.Second)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	if _, err := newCertificate(certFile, keyFile, quiet); err == nil {
		t.Error("files that are not there are taken")
	}
	writePair(t, certFile, keyFile, 1)
	c, err := newCertificate(certFile, keyFile, quiet)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	serial := func(at time.Duration, want int64) {
		t.Helper()
		if got := c.get(now.Add(at)).Leaf.SerialNumber.Int64(); got != want {
			t.Errorf("after %v: certificate %d, want %d", at, got, want)
		}
	}
	serial(0, 1)
	writePair(t, certFile, keyFile, 2)
	serial(certificateAge/2, 1)
	serial(2*certificateAge, 2)
	writePair(t, certFile, filepath.Join(dir, "other.pem"), 3) // whose key is not there yet
	serial(4*certificateAge, 2)
	if err := os.Rename(filepath.Join(dir, "other.pem"), keyFile); err != nil {
		t.Fatal(err)
	}
	serial(6*certificateAge, 3)
}

func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	f := listenFlags{Listen: "127.0.0.1:0", TLSCert: filepath.Join(dir, "cert.pem"), TLSKey: filepath.Join(dir, "key.pem"), Connections: 1}
	cert := writePair(t, f.TLSCert, f.TLSKey, 1)
	address, err := f.resolve()
	if err != nil {
		t.Fatal(err)
	}
	l, err := f.listen(t.Context(), address, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	served := make(chan error)
	go func() { served <- l.serve(srv) }()
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	resp, err := (&http.Client{Transport: transport}).Get(l.url)
	if err != nil || resp.TLS.Version < tls.VersionTLS12 || resp.ProtoMajor != 2 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	// There may be one connection: the next waits until that ends.
	old := &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}
	failed := make(chan error)
	go func() {
		_, err := tls.Dial("tcp", l.Addr().String(), old)
		failed <- err
	}()
	transport.CloseIdleConnections()
	if err := <-failed; err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Error(err)
	}
}
