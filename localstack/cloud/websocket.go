//go:build unix

package cloud

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// maxMessage is how large a message may be, either way, as with API Gateway.
const maxMessage = 128 << 10

// webSocketAPI holds connections, and invokes a function for each message.
type webSocketAPI struct {
	function *Function
	host     string

	mu    sync.Mutex
	conns map[string]*websocket.Conn
}

// connect asks the authorizer, opens a connection, and serves it to its end.
func (g *webSocketAPI) connect(w http.ResponseWriter, r *http.Request) {
	authorized, ok := g.authorize(r)
	if !ok {
		say(w, http.StatusForbidden, "User is not authorized to access this resource")
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(maxMessage)
	id := strings.ReplaceAll(uuid.NewString(), "-", "") + "="
	g.mu.Lock()
	g.conns[id] = conn
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.conns, id)
		g.mu.Unlock()
		_ = conn.CloseNow()
		g.event(context.WithoutCancel(r.Context()), id, "DISCONNECT", authorized, "")
	}()
	g.event(r.Context(), id, "CONNECT", authorized, "")
	for {
		_, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		go g.message(r.Context(), id, authorized, string(message))
	}
}

// authorize returns the context that the authorizer gives a connection.
func (g *webSocketAPI) authorize(r *http.Request) (map[string]any, bool) {
	headers, query := map[string]string{}, map[string]string{}
	for name, values := range r.Header {
		headers[name] = strings.Join(values, ",")
	}
	for name, values := range r.URL.Query() {
		query[name] = values[len(values)-1]
	}
	payload, err := json.Marshal(map[string]any{"type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:000000000000:local/prod/$connect",
		"headers": headers, "queryStringParameters": query})
	if err != nil {
		return nil, false
	}
	a, err := g.function.Invoke(r.Context(), payload)
	if err != nil {
		return nil, false
	}
	defer a.Body.Close()
	var out events.APIGatewayCustomAuthorizerResponse
	if json.NewDecoder(a.Body).Decode(&out) != nil || len(out.PolicyDocument.Statement) == 0 {
		return nil, false
	}
	return out.Context, out.PolicyDocument.Statement[0].Effect == "Allow"
}

// message invokes the function, and tells the client when that failed, as API
// Gateway does.
func (g *webSocketAPI) message(ctx context.Context, id string, authorized map[string]any, body string) {
	if g.event(ctx, id, "MESSAGE", authorized, body) == nil {
		return
	}
	text, _ := json.Marshal(map[string]string{"message": "Internal server error", "connectionId": id})
	g.send(id, text)
}

func (g *webSocketAPI) event(ctx context.Context, id, kind string, authorized map[string]any, body string) error {
	payload, err := json.Marshal(map[string]any{"body": body, "isBase64Encoded": false, "requestContext": map[string]any{
		"eventType": kind, "connectionId": id, "domainName": g.host, "stage": "prod", "authorizer": authorized, "requestId": uuid.NewString()}})
	if err != nil {
		return err
	}
	a, err := g.function.Invoke(ctx, payload)
	if err != nil {
		return err
	}
	return a.Body.Close()
}

// send reports whether there is such a connection and it took the message.
func (g *webSocketAPI) send(id string, text []byte) bool {
	g.mu.Lock()
	conn := g.conns[id]
	g.mu.Unlock()
	if conn == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, text) == nil
}

// post is the management API: POST /@connections/{id}.
func (g *webSocketAPI) post(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		say(w, http.StatusForbidden, "Missing Authentication Token")
	case err != nil:
		say(w, http.StatusRequestEntityTooLarge, "Payload Too Large")
	case !g.send(r.PathValue("id"), text):
		say(w, http.StatusGone, "Gone")
	}
}
