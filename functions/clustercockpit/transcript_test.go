package clustercockpit

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestTranscripts plays the files of testdata, each on an empty store: what
// clients send, and exactly what they need as an answer. A request is a line of
// method and path, headers, an empty line and the body; an answer the status,
// the media type if there is one, an empty line and the body.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b := newBench(t, Config{RetentionDays: century})
			for i := 0; i+1 < len(archive.Files); i += 2 {
				b.play(string(archive.Files[i].Data), string(archive.Files[i+1].Data))
			}
		})
	}
}

func (b *bench) play(request, want string) {
	b.t.Helper()
	head, body, _ := strings.Cut(request, "\n\n")
	lines := strings.Split(head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	status, header, answer := do(b.t, method, b.url+path, strings.TrimSuffix(body, "\n"), lines[1:]...)
	got := strings.TrimSpace(fmt.Sprintf("%d %s\n\n%s", status, header.Get("Content-Type"), answer))
	if want = strings.TrimSpace(want); got != want {
		b.t.Errorf("%s\n--- got\n%s\n--- want\n%s", request, got, want)
	}
}
