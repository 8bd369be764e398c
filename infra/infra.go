// Package infra is the AWS SAM template that Firn is deployed with, and what
// others need to know of it: the stack on one machine has the same routes.
package infra

import (
	_ "embed" // for the template
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Functions are the names of the functions, as their commands have them.
var Functions = []string{"ingest", "query", "tail", "socket", "compact"}

//go:embed template.yaml
var text []byte

// Template is what the template says of functions.
type Template struct {
	Globals struct {
		Function Function `yaml:"Function"`
	} `yaml:"Globals"`
	Resources map[string]struct {
		Type       string    `yaml:"Type"`
		Properties yaml.Node `yaml:"Properties"`
	} `yaml:"Resources"`
}

// Function is a resource of type AWS::Serverless::Function.
type Function struct {
	CodeURI     string `yaml:"CodeUri"`
	Runtime     string `yaml:"Runtime"`
	MemorySize  int    `yaml:"MemorySize"` // MB
	Environment struct {
		Variables map[string]any `yaml:"Variables"`
	} `yaml:"Environment"`
	Policies []struct {
		Statement []struct {
			Effect string   `yaml:"Effect"`
			Action []string `yaml:"Action"`
		} `yaml:"Statement"`
	} `yaml:"Policies"`
	Events map[string]struct {
		Type       string `yaml:"Type"`
		Properties struct {
			Method string `yaml:"Method"`
			Path   string `yaml:"Path"`
		} `yaml:"Properties"`
	} `yaml:"Events"`
}

// Name is that of the function's command.
func (f *Function) Name() string { return strings.TrimSuffix(path.Base(f.CodeURI), ".zip") }

// Allows reports whether the function's role may do something, such as
// "s3:GetObject", on what its statements name.
func (f *Function) Allows(action string) bool {
	for _, p := range f.Policies {
		for _, s := range p.Statement {
			if s.Effect == "Allow" && slices.Contains(s.Action, action) {
				return true
			}
		}
	}
	return false
}

// Load reads the template.
func Load() (*Template, error) { return parse(text) }

func parse(text []byte) (*Template, error) {
	var t Template
	return &t, yaml.Unmarshal(text, &t)
}

// Functions returns the functions by the names of their commands.
func (t *Template) Functions() (map[string]Function, error) {
	out := map[string]Function{}
	for _, r := range t.Resources {
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		var f Function
		if err := r.Properties.Decode(&f); err != nil {
			return nil, err
		}
		out[f.Name()] = f
	}
	return out, nil
}

// Routes returns the routes of the HTTP API as patterns of [net/http.ServeMux],
// and the function that each invokes.
func (t *Template) Routes() map[string]string {
	routes := map[string]string{}
	functions, err := t.Functions()
	if err != nil {
		panic(err) // a test reads the same
	}
	for name, f := range functions {
		for _, e := range f.Events {
			switch {
			case e.Type != "HttpApi":
			case e.Properties.Path == "": // the route that takes the rest
				routes["/"] = name
			default:
				routes[e.Properties.Method+" "+strings.ReplaceAll(e.Properties.Path, "+}", "...}")] = name
			}
		}
	}
	return routes
}
