package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/firnlog/firn/functions/client"
)

// TestTailOutlivesItsServer: a tail goes on when its server comes back, and ends
// well when it is interrupted.
func TestTailOutlivesItsServer(t *testing.T) {
	dir, env := t.TempDir(), append(os.Environ(), "HOME=/no-home")
	srv, err := startServer(dir, env, "--bucket", "file://bucket")
	if err != nil {
		t.Fatal(err)
	}
	appendOne := func(stream string) {
		t.Helper()
		c, err := client.New(srv.url)
		if err == nil {
			_, err = c.Append(t.Context(), client.Append{Instance: "log", NDJSON: []byte(`{"stream_id":"` + stream + `"}`), Create: true})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	appendOne("first")

	cmd := exec.Command("firn", "tail", "log", "--from-start", "-o", "json", "--server", srv.url)
	var stderr bytes.Buffer
	cmd.Env, cmd.Stderr = env, &stderr
	endWithParent(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	wants := func(stream string) {
		t.Helper()
		line, err := lines.ReadBytes('\n')
		var got struct {
			Event struct {
				Stream string `json:"stream_id"`
			}
		}
		if err != nil || json.Unmarshal(line, &got) != nil || got.Event.Stream != stream {
			t.Errorf("%s, %v, want stream %s", line, err, stream)
		}
	}
	wants("first")
	appendOne("second")
	wants("second")
	srv.kill()
	if srv, err = startServer(dir, env, "--bucket", "file://bucket", "--listen", strings.TrimPrefix(srv.url, "http://")); err != nil {
		t.Fatal(err)
	}
	defer srv.kill()
	appendOne("third")
	wants("third")
	if err := srv.stop(); err != nil { // and a server that is asked to stop does not wait for the tail
		t.Errorf("%v: %s", err, srv.stderr.Bytes())
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(stderr.String(), "connecting again") {
		t.Errorf("%v: %s", err, stderr.String())
	}
}
