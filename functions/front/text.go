package front

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/firnlog/firn/layout/fault"
)

// ErrorText is what the client of a failed request reads. What is wrong inside
// Firn goes to the operator's log, under the request's id.
func (s *Service) ErrorText(w http.ResponseWriter, r *http.Request, err error) string {
	return s.Explain(r.Context(), r.Pattern, RequestID(w), err)
}

// Explain is [Service.ErrorText] for what is no HTTP request, such as a message
// of a WebSocket.
func (s *Service) Explain(ctx context.Context, route, id string, err error) string {
	kind := fault.KindOf(err)
	level := slog.LevelError
	switch kind {
	case fault.Unavailable, fault.Unknown:
		level = slog.LevelWarn
	case fault.Internal, fault.Corrupt:
	default:
		return err.Error()
	}
	if ctx.Err() != nil {
		level = slog.LevelDebug // the client has gone, which is no failure of ours
	}
	s.Logger.Log(ctx, level, "request failed", "route", route, "requestId", id, "kind", kind.String(), "error", err.Error())
	return PublicText(err)
}

// PublicText is an error's text without what only the operator should read.
func PublicText(err error) string {
	switch fault.KindOf(err) {
	case fault.Internal:
		return "internal error: the operator finds the reason in the log, by the request's id"
	case fault.Corrupt:
		return "stored data cannot be read: the operator finds the reason in the log, by the request's id"
	}
	return err.Error()
}

// shorten cuts outside text for use in a message.
func shorten(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}
