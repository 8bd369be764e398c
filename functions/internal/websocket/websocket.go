// Package websocket carries the protocol of package codebolt over the WebSocket
// APIs of API Gateway, which hold the connections and invoke a function for each
// message (the AWS documentation, by way of aws-lambda-go/events).
//
// Credentials come with the request that opens a connection, and never again. So
// the function is the API's authorizer, too: it hands them to the gateway as the
// connection's context, which comes with each message, and asks each time whether
// they are still good. Answers are sent by the management API.
package websocket

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/functions/gateway"
	"github.com/firnlog/firn/functions/internal/signed"
	"github.com/firnlog/firn/layout/fault"
)

// MaxReply bounds a message to the client in bytes: API Gateway's limit.
const MaxReply = 128 << 10

// credential is the name under which the gateway keeps what a connection was
// opened with.
const credential = "credential"

// Codebolt answers messages; [codebolt.Server] does.
type Codebolt interface {
	// Handle answers a message in the name of the context's caller.
	Handle(ctx context.Context, message []byte) []byte
}

// Function answers the events of a WebSocket API.
type Function struct {
	Service  *front.Service
	Codebolt Codebolt
	// Post sends a reply to a connection: [Manage] does.
	Post   func(ctx context.Context, endpoint, connection string, reply []byte) error
	Logger *slog.Logger
}

// invocation has the members of the authorizer's requests and of messages.
type invocation struct {
	Type      string            `json:"type"` // REQUEST where the authorizer is asked
	MethodARN string            `json:"methodArn"`
	Headers   map[string]string `json:"headers"`
	Query     map[string]string `json:"queryStringParameters"`
	Body      string            `json:"body"`
	IsBase64  bool              `json:"isBase64Encoded"`
	Context   struct {
		Event      string         `json:"eventType"` // CONNECT, MESSAGE or DISCONNECT
		Connection string         `json:"connectionId"`
		Domain     string         `json:"domainName"`
		Stage      string         `json:"stage"`
		Authorizer map[string]any `json:"authorizer"`
	} `json:"requestContext"`
}

// Handle answers an invocation.
func (f *Function) Handle(ctx context.Context, payload json.RawMessage) (any, error) {
	ctx, cancel := gateway.WithMargin(ctx)
	defer cancel()
	var in invocation
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fault.New(fault.Invalid, "the invocation is no event of a WebSocket API: %w", err)
	}
	switch {
	case in.Type == "REQUEST":
		return f.authorize(ctx, &in), nil
	case in.Context.Event == "MESSAGE":
		return f.message(ctx, &in)
	case in.Context.Event == "CONNECT" || in.Context.Event == "DISCONNECT":
		return events.APIGatewayProxyResponse{StatusCode: http.StatusOK}, nil
	}
	return nil, fault.New(fault.Invalid, "the invocation is no event of a WebSocket API")
}

// authorize says whether a connection may be opened. Web pages of unknown
// origins may not.
func (f *Function) authorize(ctx context.Context, in *invocation) events.APIGatewayCustomAuthorizerResponse {
	given := in.given()
	caller, err := f.caller(ctx, given)
	if origin := in.header("Origin"); err == nil && origin != "" && !slices.Contains(f.Service.Origins, origin) && !slices.Contains(f.Service.Origins, "*") {
		err = fault.New(fault.Denied, "web pages of this origin may not connect")
	}
	effect := "Allow"
	if err != nil {
		effect, given = "Deny", ""
	}
	return events.APIGatewayCustomAuthorizerResponse{PrincipalID: caller.Name, Context: map[string]any{credential: given},
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{Version: "2012-10-17", Statement: []events.IAMPolicyStatement{
			{Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{in.MethodARN}}}}}
}

// given returns the credentials of a handshake in the form of the header
// Authorization.
func (in *invocation) given() string {
	if text := in.header("Authorization"); text != "" {
		return text
	}
	if key := in.header("X-Api-Key"); key != "" {
		return "Bearer " + key
	}
	if key := in.Query["api_key"]; key != "" { // browsers can set no header
		return "Bearer " + key
	}
	return ""
}

func (in *invocation) header(name string) string {
	for n, v := range in.Headers {
		if strings.EqualFold(n, name) {
			return v
		}
	}
	return ""
}

// caller returns whose credentials these are.
func (f *Function) caller(ctx context.Context, given string) (front.Caller, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/codebolt", nil)
	if err != nil {
		return front.Caller{}, err
	}
	r.Header.Set("Authorization", given)
	return f.Service.Authenticate(r)
}

// message carries a request out and sends the reply. An error is for what the
// client cannot be told.
func (f *Function) message(ctx context.Context, in *invocation) (any, error) {
	given, _ := in.Context.Authorizer[credential].(string)
	caller, err := f.caller(ctx, given)
	var reply []byte
	if err == nil && in.IsBase64 {
		err = fault.New(fault.Invalid, "a request is text")
	}
	if err == nil {
		reply = f.Codebolt.Handle(front.WithCaller(ctx, caller), []byte(in.Body))
		reply = fitting(reply)
	} else {
		reply = failed([]byte(in.Body), err, f.Service.Explain(ctx, "codebolt", in.Context.Connection, err))
	}
	if err := f.Post(ctx, "https://"+in.Context.Domain+"/"+in.Context.Stage, in.Context.Connection, reply); err != nil {
		f.Logger.Warn("reply not sent", "connection", in.Context.Connection, "error", err.Error())
	}
	return events.APIGatewayProxyResponse{StatusCode: http.StatusOK}, nil
}

// fitting returns a reply, or one that says that it is too large.
func fitting(reply []byte) []byte {
	if len(reply) <= MaxReply {
		return reply
	}
	err := fault.New(fault.Limit, "the reply has %d bytes, and a WebSocket API carries %d: ask for fewer events with limit, or use the HTTP API", len(reply), MaxReply)
	return failed(reply, err, err.Error())
}

// failed returns the reply that says why a request failed. What it answers is
// said by a message's type and requestId, which requests and replies share.
func failed(message []byte, why error, text string) []byte {
	var m struct {
		Type string          `json:"type"`
		ID   json.RawMessage `json:"requestId,omitempty"`
	}
	if json.Unmarshal(message, &m) != nil || m.Type == "" || len(m.ID) == 0 {
		m.Type = "error"
	}
	reply, err := json.Marshal(struct {
		Type      string          `json:"type"`
		Success   bool            `json:"success"`
		Error     string          `json:"error"`
		Code      string          `json:"code"`
		Timestamp string          `json:"timestamp"`
		ID        json.RawMessage `json:"requestId,omitempty"`
	}{m.Type, false, text, fault.KindOf(why).String(), time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), m.ID})
	if err != nil {
		panic(err) // the parts are texts and what was JSON before
	}
	return reply
}

// Manage returns the way to connections by the gateway's management API. Base,
// where it is not empty, stands for the gateway's own address.
func Manage(base string) func(ctx context.Context, endpoint, connection string, reply []byte) error {
	client := signed.New("execute-api")
	return func(ctx context.Context, endpoint, connection string, reply []byte) error {
		if base != "" {
			endpoint = base
		}
		status, _, err := client.Post(ctx, endpoint+"/@connections/"+escaped(connection), http.Header{"Content-Type": {"application/json"}}, reply)
		switch {
		case err != nil:
			return err
		case status == http.StatusGone:
			return nil // the client has left, and what it asked for is done
		case status != http.StatusOK:
			return fault.New(fault.Unavailable, "the gateway answered %d", status)
		}
		return nil
	}
}

// escaped returns a connection's id as a path has it: its = must be encoded.
func escaped(id string) string { return strings.ReplaceAll(id, "=", "%3D") }
