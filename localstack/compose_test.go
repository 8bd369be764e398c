//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// compose has the members of compose files that these use; others are mistakes.
type compose struct {
	Services map[string]struct {
		Image       string
		Command     string
		Entrypoint  string
		Environment map[string]string
		Ports       []string
		Volumes     []string
		DependsOn   []string `yaml:"depends_on"`
	}
	Volumes map[string]struct{}
}

// The compose files cannot be run without Docker. What can be seen without it is
// right: they are understood, pin their images, and listen on loopback alone.
func TestCompose(t *testing.T) {
	for _, name := range []string{"minio.yaml", "localstack.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var c compose
		d := yaml.NewDecoder(bytes.NewReader(text))
		d.KnownFields(true)
		if err := d.Decode(&c); err != nil || len(c.Services) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		for service, s := range c.Services {
			if _, tag, ok := strings.Cut(s.Image, ":"); !ok || !regexp.MustCompile(`\d`).MatchString(tag) {
				t.Errorf("%s: %s: the image %s is not pinned", name, service, s.Image)
			}
			for _, port := range s.Ports {
				if !strings.HasPrefix(port, "127.0.0.1:") {
					t.Errorf("%s: %s: port %s is open to others", name, service, port)
				}
			}
			for _, v := range s.Volumes {
				source, _, _ := strings.Cut(v, ":")
				if _, known := c.Volumes[source]; !known && !strings.HasPrefix(source, "/") {
					t.Errorf("%s: %s: there is no volume %s", name, service, source)
				}
			}
			for _, other := range s.DependsOn {
				if _, known := c.Services[other]; !known {
					t.Errorf("%s: %s: there is no service %s", name, service, other)
				}
			}
		}
	}
}

// The script says what it would run, of files that are there, and how it is used.
func TestDeployScript(t *testing.T) {
	out, err := exec.Command("./deploy.sh", "--dry-run").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "samlocal deploy --template-file infra/template.yaml") {
		t.Errorf("%v: %s", err, out)
	}
	for _, file := range regexp.MustCompile(`\S+/\S+\.(sh|yaml)`).FindAllString(string(out), -1) {
		if _, err := os.Stat("../" + file); err != nil {
			t.Error(err)
		}
	}
	bad := exec.Command("./deploy.sh", "--dry")
	if out, err := bad.CombinedOutput(); bad.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "usage") {
		t.Errorf("%v: %s", err, out)
	}
}
