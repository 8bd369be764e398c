package clustercockpit

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// program is the NATS server of the tests, as `make tools` installs it.
const program = "nats-server-v2.15.2"

// natsServer is a real NATS server with JetStream, which can be killed and
// started again on its port with its streams.
type natsServer struct {
	t    testing.TB
	path string
	dir  string
	port string
	stop func()
}

// startNATS starts a server on a free loopback port, and ends it with t. It
// skips the test where the program is not installed, and fails it where CI is
// set.
func startNATS(t testing.TB) *natsServer {
	t.Helper()
	s := &natsServer{t: t, path: findNATS(t), dir: t.TempDir(), port: "-1"}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func findNATS(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("FIRN_NATS_SERVER"); path != "" {
		return path
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	path := filepath.Join(cache, "firn", "bin", program)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed: run make tools", path)
	}
	t.Skipf("NOT TESTED WITH NATS: %s is not installed: run make tools", path)
	return ""
}

// start runs the server and waits until it answers.
func (s *natsServer) start() {
	s.t.Helper()
	ports := s.t.TempDir()
	var output bytes.Buffer
	cmd := exec.Command(s.path, "-a", "127.0.0.1", "-p", s.port, "--ports_file_dir", ports, "-js", "-sd", s.dir)
	cmd.Stdout, cmd.Stderr = &output, &output
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start the NATS server: %v", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	s.stop = func() {
		_ = cmd.Process.Kill()
		<-exited
	}
	eventually(s.t, "the NATS server", func() bool {
		select {
		case <-exited:
			s.t.Fatalf("the NATS server has ended:\n%s", &output)
		default:
		}
		return s.findPort(ports) && s.answers()
	})
}

// findPort reads the file in which the server says where it listens.
func (s *natsServer) findPort(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*.ports"))
	if len(files) == 0 {
		return false
	}
	text, err := os.ReadFile(files[0])
	var ports struct{ Nats []string }
	if err != nil || json.Unmarshal(text, &ports) != nil || len(ports.Nats) == 0 {
		return false
	}
	u, err := url.Parse(ports.Nats[0])
	if err != nil {
		return false
	}
	s.port = u.Port()
	return true
}

func (s *natsServer) answers() bool {
	conn, err := nats.Connect(s.url(), nats.NoReconnect())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func (s *natsServer) url() string { return "nats://127.0.0.1:" + s.port }

// connect returns a client of the test's own.
func (s *natsServer) connect() *nats.Conn {
	s.t.Helper()
	conn, err := nats.Connect(s.url(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	return conn
}

// stream makes a stream of some subjects.
func (s *natsServer) stream(name string, subjects ...string) jetstream.JetStream {
	s.t.Helper()
	js, err := jetstream.New(s.connect(), jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := js.CreateStream(s.t.Context(), jetstream.StreamConfig{Name: name, Subjects: subjects}); err != nil {
		s.t.Fatal(err)
	}
	return js
}

// pending returns how many messages of a stream a consumer has not acknowledged,
// delivered or not.
func pending(t testing.TB, js jetstream.JetStream, stream, consumer string) int {
	c, err := js.Consumer(t.Context(), stream, consumer)
	if err != nil {
		return -1
	}
	info := c.CachedInfo()
	return int(info.NumPending) + info.NumAckPending
}

// lines joins lines of a body.
func lines(list ...string) []byte { return []byte(strings.Join(list, "\n")) }
