//go:build unix

package cloud

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/firnlog/firn/infra"
)

// rights lets each function do at AWS's services what its role in the template
// may, and keeps what it was denied. Roles are told apart by the address that a
// function is given for a service, since all have the same credentials here.
type rights struct {
	functions map[string]infra.Function

	mu     sync.Mutex
	denied []string
}

// may reports whether a function's role allows an action on something.
func (g *rights) may(function, action, on string) bool {
	f := g.functions[function]
	if f.Allows(action) {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.denied = append(g.denied, function+" "+action+" "+on)
	return false
}

// Denied returns what functions were not allowed to do, as "function action path".
func (s *Stack) Denied() []string {
	s.rights.mu.Lock()
	defer s.rights.mu.Unlock()
	return slices.Clone(s.rights.denied)
}

// asFunction serves the services beside S3 below /as/FUNCTION.
func (s *Stack) asFunction(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		function := r.PathValue("function")
		prefix := "/as/" + function
		if path := strings.TrimPrefix(r.URL.Path, prefix); !s.rights.may(function, serviceAction(path), path) {
			say(w, http.StatusForbidden, "not authorized to perform this action")
			return
		}
		http.StripPrefix(prefix, next).ServeHTTP(w, r)
	}
}

// serviceAction returns the action that a request to a service is.
func serviceAction(path string) string {
	switch {
	case strings.HasPrefix(path, "/queue"):
		return "sqs:SendMessage"
	case strings.HasPrefix(path, "/@connections"):
		return "execute-api:ManageConnections"
	}
	return "lambda:InvokeFunction"
}

// storeFor returns the bucket's URL for a function: of a way to the S3 server that
// lets its role's actions through, and of a folder as it is.
func (s *Stack) storeFor(function, bucket string) (string, error) {
	u, err := url.Parse(bucket)
	if err != nil {
		return "", err
	}
	query := u.Query()
	target, err := url.Parse(query.Get("endpoint"))
	if err != nil || u.Scheme != "s3" || target.Host == "" {
		return bucket, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	way := &httputil.ReverseProxy{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }} // whoever asked may have been ended
	home := "/" + u.Host + "/" + strings.TrimPrefix(u.Path, "/")
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action := s3Action(r)
		if inBucket := strings.Count(strings.Trim(r.URL.Path, "/"), "/") == 0; !s.rights.may(function, action, r.URL.Path) || !inBucket && !strings.HasPrefix(r.URL.Path, home) {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "<Error><Code>AccessDenied</Code><Message>not authorized to perform %s</Message></Error>", action)
			return
		}
		way.ServeHTTP(w, r)
	})}
	s.ways = append(s.ways, server)
	go func() { _ = server.Serve(l) }()
	query.Set("endpoint", "http://"+l.Addr().String())
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// s3Action returns the action that a request to S3 is, by the list in the service
// authorization reference of AWS.
func s3Action(r *http.Request) string {
	query := r.URL.Query()
	verb := map[string]string{http.MethodGet: "Get", http.MethodHead: "Get", http.MethodPut: "Put", http.MethodPost: "Put", http.MethodDelete: "Delete"}[r.Method]
	switch {
	case query.Has("tagging"):
		return "s3:" + verb + "ObjectTagging"
	case query.Has("lifecycle"):
		return "s3:" + verb + "LifecycleConfiguration"
	case query.Has("versioning"):
		return "s3:" + verb + "BucketVersioning"
	case query.Has("delete"):
		return "s3:DeleteObject"
	case query.Has("uploadId") && r.Method == http.MethodDelete:
		return "s3:AbortMultipartUpload"
	case verb == "Get" && strings.Count(strings.Trim(r.URL.Path, "/"), "/") == 0:
		return "s3:ListBucket"
	}
	return "s3:" + verb + "Object"
}
