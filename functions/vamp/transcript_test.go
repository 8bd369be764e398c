package vamp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTranscripts plays what real clients send and compares the answers. Lines
// of a transcript: "# comment", "@ time" sets the clock, "> …" is a request and
// "< …" its answer: the status, headers that must be there, an empty line and
// the exact body.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, strings.Split(string(text), "\n"))
		})
	}
}

func play(t *testing.T, lines []string) {
	s := serve(t)
	var request []string
	for i := 0; i < len(lines); {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "@ "):
			s.at(line[2:])
		case strings.HasPrefix(line, ">"):
			request, i = block(lines, i, ">")
			continue
		case strings.HasPrefix(line, "<"):
			var answer []string
			at := i + 1
			answer, i = block(lines, i, "<")
			exchange(t, s, at, request, answer)
			continue
		case line != "" && !strings.HasPrefix(line, "#"):
			t.Fatalf("line %d: %q", i+1, line)
		}
		i++
	}
}

// block returns the lines from i on that begin with mark, without it.
func block(lines []string, i int, mark string) (out []string, end int) {
	for ; i < len(lines) && strings.HasPrefix(lines[i], mark); i++ {
		out = append(out, strings.TrimPrefix(strings.TrimPrefix(lines[i], mark), " "))
	}
	return out, i
}

func exchange(t *testing.T, s *server, line int, request, answer []string) {
	t.Helper()
	head, body := cut(request)
	method, target, _ := strings.Cut(head[0], " ")
	got := s.send(method, target, head[1:], body)
	want, wantBody := cut(answer)
	if got.Status != want[0] {
		t.Errorf("line %d: status %s, want %s: %s", line, got.Status, want[0], got.body)
	}
	for _, h := range want[1:] {
		name, value, _ := strings.Cut(h, ": ")
		if have := strings.Join(got.Header.Values(name), ", "); have != value {
			t.Errorf("line %d: %s: %s\nwant %s", line, name, have, value)
		}
	}
	if strings.TrimSuffix(got.body, "\n") != wantBody {
		t.Errorf("line %d: body\n%s\nwant\n%s", line, got.body, wantBody)
	}
}

// cut splits a message into its head and its body.
func cut(lines []string) (head []string, body string) {
	for i, line := range lines {
		if line == "" {
			return lines[:i], strings.Join(lines[i+1:], "\n")
		}
	}
	return lines, ""
}
