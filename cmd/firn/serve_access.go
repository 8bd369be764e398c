package main

import (
	"context"
	"net"

	"github.com/firnlog/firn/functions/access"
	"github.com/firnlog/firn/functions/front"
)

// accessFlags say who is let in.
type accessFlags struct {
	JWKSFile     string   `name:"jwks-file" placeholder:"FILE" env:"FIRN_JWKS_FILE" help:"Take JSON Web Tokens signed with a key of this JSON Web Key Set."`
	JWKSURL      string   `name:"jwks-url" placeholder:"URL" env:"FIRN_JWKS_URL" help:"The same, read from an https URL at a public address."`
	JWTPublicKey string   `name:"jwt-public-key" placeholder:"BASE64" env:"FIRN_JWT_PUBLIC_KEY" help:"The same with one Ed25519 public key, as ClusterCockpit has it; such tokens need not expire."`
	JWTIssuer    string   `name:"jwt-issuer" placeholder:"TEXT" env:"FIRN_JWT_ISSUER" help:"Issuer that tokens must have."`
	JWTAudience  string   `name:"jwt-audience" placeholder:"TEXT" env:"FIRN_JWT_AUDIENCE" help:"Audience that tokens must have."`
	JWTGrant     []string `name:"jwt-grant" sep:";" placeholder:"GRANT" env:"FIRN_JWT_GRANT" help:"Rights of tokens without the claim firn_grants, such as 'orders-*:append,query'; several with semicolons between."`
	Rate         float64  `placeholder:"N" env:"FIRN_RATE" help:"Requests a second that each caller may send on average; unbounded by default."`
	Burst        int      `placeholder:"N" env:"FIRN_BURST" help:"Requests that a caller may send at once beyond that."`
	Origin       []string `sep:"," placeholder:"ORIGIN" env:"FIRN_ORIGIN" help:"Origins whose web pages may send requests, open WebSockets and read the answers of Vamp's API, such as https://ops.example.org; '*' for all, where keys are asked for."`
}

// access returns who is let in at an address. Where others than this machine can
// connect, there must be credentials to ask for.
func (f *accessFlags) access(ctx context.Context, ring *access.Ring, cfg front.Config, address *net.TCPAddr) (*access.Access, error) {
	tokens, err := f.tokens()
	if err != nil {
		return nil, err
	}
	open := address.IP.IsLoopback()
	if f.Rate < 0 || f.Burst < 0 || f.Burst > 0 && f.Rate == 0 {
		return nil, usage("--rate is a number of requests a second above 0, --burst a number of requests beside it")
	}
	if !open && tokens == nil {
		there, err := ring.InForce(ctx)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, usage(`--listen %v: without API keys only loopback addresses are served, such as 127.0.0.1:%d. Make a first key:
  firn keys create admin --grant '*:append,query,admin' --grant '_firn:query,admin' --bucket URL
or take tokens: --jwks-file, --jwks-url, --jwt-public-key`, address, address.Port)
		}
	}
	return access.New(access.Config{Ring: ring, Tokens: tokens, Open: open, Rate: f.Rate, Burst: f.Burst, Logger: cfg.Logger, Registry: cfg.Registry}), nil
}

// tokens returns what tokens are checked against, nil if none are taken.
func (f *accessFlags) tokens() (*access.Tokens, error) {
	var keys access.KeySet
	var err error
	given := 0
	for _, from := range []struct {
		text string
		open func(string) (access.KeySet, error)
	}{{f.JWKSFile, access.JWKSFile}, {f.JWKSURL, access.JWKSURL}, {f.JWTPublicKey, access.Ed25519Key}} {
		if from.text == "" {
			continue
		}
		given++
		if keys, err = from.open(from.text); err != nil {
			return nil, usage("the keys of tokens: %v", err)
		}
	}
	switch {
	case given > 1:
		return nil, usage("--jwks-file, --jwks-url and --jwt-public-key: give one of them")
	case given == 0 && (f.JWTIssuer != "" || f.JWTAudience != "" || len(f.JWTGrant) > 0):
		return nil, usage("--jwt-issuer, --jwt-audience and --jwt-grant need --jwks-file, --jwks-url or --jwt-public-key")
	case given == 0:
		return nil, nil
	}
	t := &access.Tokens{Keys: keys, Issuer: f.JWTIssuer, Audience: f.JWTAudience, Eternal: f.JWTPublicKey != ""}
	if len(f.JWTGrant) > 0 {
		if t.Grants, err = access.ParseGrants(f.JWTGrant); err != nil {
			return nil, usage("--jwt-grant: %v", err)
		}
	}
	return t, nil
}
