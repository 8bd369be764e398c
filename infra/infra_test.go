package infra

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T) (*Template, map[string]Function) {
	t.Helper()
	template, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	functions, err := template.Functions()
	if err != nil {
		t.Fatal(err)
	}
	return template, functions
}

func TestEveryFunctionIsThere(t *testing.T) {
	template, functions := load(t)
	if got := slices.Sorted(maps.Keys(functions)); !slices.Equal(got, slices.Sorted(slices.Values(Functions))) {
		t.Errorf("the template has %q", got)
	}
	for name, f := range functions {
		if _, err := os.Stat(filepath.Join("..", "functions", name, "main.go")); err != nil || f.CodeURI != "../build/"+name+".zip" {
			t.Errorf("%s: %s, %v", name, f.CodeURI, err)
		}
	}
	if template.Globals.Function.Runtime != "provided.al2023" {
		t.Errorf("the runtime is %q", template.Globals.Function.Runtime)
	}
}

// Every variable that the functions read is set, and none that they do not read.
func TestEnvironment(t *testing.T) {
	source, err := os.ReadFile("../functions/internal/start/settings.go")
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]bool{}
	for _, m := range regexp.MustCompile(`"(FIRN_[A-Z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		read[m[1]] = true
	}
	delete(read, "FIRN_MANAGEMENT_URL") // for gateways that are not at the address they are called by
	template, functions := load(t)
	set := map[string]bool{}
	for name := range template.Globals.Function.Environment.Variables {
		set[name] = true
	}
	for _, f := range functions {
		for name := range f.Environment.Variables {
			set[name] = true
		}
	}
	if !maps.Equal(read, set) || len(set) < 10 {
		t.Errorf("read: %q\n set: %q", slices.Sorted(maps.Keys(read)), slices.Sorted(maps.Keys(set)))
	}
}

// Each role may do what its function does, and no more: only the compactor
// deletes, and what only reads cannot write.
func TestPermissions(t *testing.T) {
	want := map[string]string{
		"ingest":  "lambda:InvokeFunction s3:AbortMultipartUpload s3:GetBucketVersioning s3:GetObject s3:ListBucket s3:PutObject sqs:SendMessage",
		"query":   "lambda:InvokeFunction s3:GetObject s3:ListBucket",
		"tail":    "s3:GetObject s3:ListBucket",
		"socket":  "execute-api:ManageConnections lambda:InvokeFunction s3:AbortMultipartUpload s3:GetObject s3:ListBucket s3:PutObject",
		"compact": "s3:AbortMultipartUpload s3:DeleteObject s3:GetLifecycleConfiguration s3:GetObject s3:GetObjectTagging s3:ListBucket s3:PutObject s3:PutObjectTagging",
	}
	_, functions := load(t)
	for name, f := range functions {
		var actions []string
		for _, p := range f.Policies {
			for _, s := range p.Statement {
				if s.Effect != "Allow" {
					t.Errorf("%s: effect %s", name, s.Effect)
				}
				actions = append(actions, s.Action...)
			}
		}
		slices.Sort(actions)
		if got := strings.Join(actions, " "); got != want[name] {
			t.Errorf("%s may %s", name, got)
		}
	}
}

// The query function may invoke itself, and no other.
func TestQueryInvokesItself(t *testing.T) {
	_, query, _ := strings.Cut(string(text), "  QueryFunction:")
	query, _, _ = strings.Cut(query, "  TailFunction:")
	for _, want := range []string{`FunctionName: !Sub "${AWS::StackName}-query"`, `/functions/${AWS::StackName}-query/invocations"`,
		"Action: [\"lambda:InvokeFunction\"]\n              Resource: !Sub \"arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-query\"\n"} {
		if strings.Count(query, want) != 1 {
			t.Errorf("query does not have %s", want)
		}
	}
}

// CloudFormation takes no aliases and no merged mappings.
func TestNoAliases(t *testing.T) {
	if m := regexp.MustCompile(`(?m)(: [&*][a-z]+$|<<:)`).Find(text); m != nil {
		t.Errorf("the template has %q", m)
	}
}
