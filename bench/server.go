package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a firn serve of its own process, compaction on, as users run it.
type server struct {
	cmd     *exec.Cmd
	address string // host:port
	errors  bytes.Buffer
}

var readyLine = regexp.MustCompile(`^firn is ready on http://(\S+) `)

// serve starts a server on a bucket, given by its URL, on a free port of loopback.
func (b *bench) serve(ctx context.Context, bucket string) (*server, error) {
	s := &server{cmd: exec.CommandContext(ctx, b.Firn, "serve", "--bucket", bucket, "--listen", "127.0.0.1:0", "--log-level", "warn")}
	s.cmd.Stderr = &s.errors
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: build it with make build, or name another with -firn", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if found := readyLine.FindStringSubmatch(line); found != nil {
		s.address = found[1]
		return s, nil
	}
	_ = s.stop()
	return nil, fmt.Errorf("the server did not get ready (%v): %s", err, &s.errors)
}

// stop ends the server as an operator does.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, &s.errors)
	}
	return nil
}

// peak returns the most memory that the server held, in bytes: VmHWM of Linux, 0
// elsewhere.
func (s *server) peak() int64 { return s.memory("VmHWM:") }

// held returns what it holds now.
func (s *server) held() int64 { return s.memory("VmRSS:") }

func (s *server) memory(what string) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, what); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// cpu returns how long the server has computed until now.
func (s *server) cpu() time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11]) // in ticks of 10 ms, as Linux has shown them for ever
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// rest waits until the server has nothing more to do.
func (s *server) rest(ctx context.Context) {
	const look, little = 2 * time.Second, 60 * time.Millisecond
	for before := s.cpu(); ctx.Err() == nil; before = s.cpu() {
		time.Sleep(look)
		if s.cpu()-before < little {
			return
		}
	}
}

// createInstance makes an instance on a server.
func createInstance(ctx context.Context, address, id string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v1/instances", strings.NewReader(fmt.Sprintf(`{"id":%q}`, id)))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("making the instance %s: %s", id, resp.Status)
	}
	return nil
}

// longestTail looks now and then at how many commits of the instance log no data
// file holds yet, until the function that it returns is called, which tells the
// most that it saw.
func (s *server) longestTail(ctx context.Context) (sampled func() int64) {
	ctx, cancel := context.WithCancel(ctx)
	most := make(chan int64)
	go func() {
		var longest int64
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				longest = max(longest, s.tail(ctx))
			case <-ctx.Done():
				most <- longest
				return
			}
		}
	}()
	return func() int64 { cancel(); return <-most }
}

// tail returns how many commits no data file holds, 0 when it is not told.
func (s *server) tail(ctx context.Context) int64 {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/v1/query", strings.NewReader("from log until 1970-01-01T00:00:00Z | count"))
	if err != nil {
		return 0
	}
	r.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Result struct {
				Stats struct {
					Tail int64 `json:"tail_commits"`
				} `json:"stats"`
			} `json:"result"`
		} `json:"data"`
	}
	_ = json.NewDecoder(resp.Body).Decode(&answer)
	return answer.Data.Result.Stats.Tail
}
