package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds of connections to the server.
const (
	headerTimeout = 10 * time.Second // for a request's header
	readTimeout   = 5 * time.Minute  // for a request as a whole: 32 MB at 1 Mbit/s
	writeTimeout  = 15 * time.Minute // from the header to the answer's end
	idleTimeout   = 2 * time.Minute  // between requests
	headerBytes   = 256 << 10        // of a request; net/http takes 4 KB more
)

// listenFlags say where the server listens.
type listenFlags struct {
	Listen      string `default:"127.0.0.1:7480" placeholder:"ADDRESS" env:"FIRN_LISTEN" help:"Address to listen on (${default}); :0 takes a free port. Others than loopback need API keys or tokens."`
	TLSCert     string `name:"tls-cert" placeholder:"FILE" env:"FIRN_TLS_CERT" help:"Certificate chain in PEM. It is read again when the file changes."`
	TLSKey      string `name:"tls-key" placeholder:"FILE" env:"FIRN_TLS_KEY" help:"Private key of the certificate in PEM."`
	Connections int    `default:"4096" placeholder:"N" env:"FIRN_CONNECTIONS" help:"Connections at once (${default}); more wait until one ends."`
}

// resolve returns the address to listen on: that of this machine alone where no
// host is given.
func (f *listenFlags) resolve() (*net.TCPAddr, error) {
	host, port, err := net.SplitHostPort(f.Listen)
	if err != nil {
		return nil, usage("--listen %q: write HOST:PORT, such as 127.0.0.1:7480", f.Listen)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	address, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, usage("--listen %q: %v", f.Listen, err)
	}
	return address, nil
}

// listener is a port that is served, and as what.
type listener struct {
	net.Listener
	certificate *certificate // nil for plain HTTP
	url         string
}

// listen opens the port.
func (f *listenFlags) listen(ctx context.Context, address *net.TCPAddr, logger *slog.Logger) (*listener, error) {
	l := &listener{}
	scheme := "http"
	if (f.TLSCert == "") != (f.TLSKey == "") {
		return nil, usage("--tls-cert and --tls-key belong together: give both")
	}
	var err error
	if f.TLSCert != "" {
		scheme = "https"
		if l.certificate, err = newCertificate(f.TLSCert, f.TLSKey, logger); err != nil {
			return nil, usage("--tls-cert, --tls-key: %v", err)
		}
	}
	if f.Connections < 1 {
		return nil, usage("--connections is a number, 1 or more")
	}
	var config net.ListenConfig
	port, err := config.Listen(ctx, "tcp", address.String())
	if err != nil {
		return nil, fmt.Errorf("%w: choose another port with --listen; :0 takes a free one", err)
	}
	l.Listener, l.url = netutil.LimitListener(port, f.Connections), scheme+"://"+port.Addr().String()
	return l, nil
}

// serve has a server serve the port.
func (l *listener) serve(srv *http.Server) error {
	if l.certificate == nil {
		return srv.Serve(l)
	}
	srv.TLSConfig = l.certificate.config()
	return srv.ServeTLS(l, "", "")
}
