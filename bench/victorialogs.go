package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// victoriaPath takes NDJSON; the types of events are its streams, as accounts
// would be far too many.
const victoriaPath = "/insert/jsonline?_stream_fields=event_type&_msg_field=payload&_time_field=timestamp"

// victoriaLogs returns the address of a VictoriaLogs: VICTORIA_LOGS is one, or the
// path of a program that is started with its data in dir. stop ends that.
func victoriaLogs(ctx context.Context, dir string) (address string, stop func(), err error) {
	given := os.Getenv("VICTORIA_LOGS")
	if _, _, err := net.SplitHostPort(given); err == nil {
		return given, func() {}, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = l.Addr().String()
	l.Close()
	cmd := exec.CommandContext(ctx, given, "-storageDataPath", dir, "-httpListenAddr", address, "-retentionPeriod", "100y")
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	for range 100 {
		if resp, err := http.Get("http://" + address + "/health"); err == nil {
			resp.Body.Close()
			return address, stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	return "", nil, context.DeadlineExceeded
}

// appendToVictoria sends all bodies, whose answers say nothing of durability.
func appendToVictoria(ctx context.Context, dir string, bodies [][]byte, events int) (float64, error) {
	address, stop, err := victoriaLogs(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer stop()
	took, err := sendBodies(ctx, address, victoriaPath, bodies)
	return float64(events) / took.Seconds(), err
}
