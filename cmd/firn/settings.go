package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// settings are what a config file says: values by the names of flags. It is a
// [kong.Resolver] for the flags that neither the command line nor the
// environment gives.
type settings map[string]any

// BeforeResolve finds and reads the config file. Kong calls it after the command
// line was taken apart and before flags get their values.
func (*cli) BeforeResolve(ctx *kong.Context) error {
	file, err := settingsFile(ctx)
	if file == "" || err != nil {
		return err
	}
	s, err := readSettings(file, ctx.Model.Node)
	if err != nil {
		return err
	}
	ctx.AddResolver(s)
	return nil
}

// settingsFile returns the config file that was asked for, or the first of the
// usual ones that exists, or "".
func settingsFile(ctx *kong.Context) (string, error) {
	for _, flag := range ctx.Model.Flags {
		if flag.Name != "config" {
			continue
		}
		if file := ctx.FlagValue(flag).(string); file != "" {
			return file, nil
		}
	}
	usual := []string{"firn.yaml"}
	if dir, err := os.UserConfigDir(); err == nil {
		usual = append(usual, filepath.Join(dir, "firn", "config.yaml"))
	}
	for _, file := range usual {
		if _, err := os.Stat(file); err == nil {
			return file, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", usage("config file: %v", err)
		}
	}
	return "", nil
}

// readSettings reads a config file, in which only settings of the program may
// stand, each with one value.
func readSettings(file string, program *kong.Node) (settings, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("config file: %v", err)
	}
	s := settings{}
	if err := yaml.Unmarshal(text, &s); err != nil {
		return nil, usage("config file %s: %v: write one 'name: value' a line", file, err)
	}
	known := map[string]bool{}
	knownSettings(program, known)
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if !known[name] {
			return nil, usage("config file %s: unknown setting %q: known are %s", file, name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		switch value := s[name].(type) {
		case string, bool, int, float64:
		default:
			return nil, usage("config file %s: the setting %s needs a single value, not %v", file, name, value)
		}
	}
	return s, nil
}

// knownSettings adds the flags of a command and those below it that are
// settings: those with an environment variable, except that of the file itself.
func knownSettings(node *kong.Node, known map[string]bool) {
	for _, flag := range node.Flags {
		if len(flag.Envs) > 0 && flag.Name != "config" {
			known[flag.Name] = true
		}
	}
	for _, child := range node.Children {
		knownSettings(child, known)
	}
}

// Validate implements [kong.Resolver].
func (s settings) Validate(*kong.Application) error { return nil }

// Resolve implements [kong.Resolver]. Kong asks for flags that the command line
// does not give.
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if value, ok := s[flag.Name]; ok && !inEnvironment(flag) {
		return fmt.Sprint(value), nil
	}
	return nil, nil
}

// dropEmptyVariables unsets Firn's environment variables that are empty, so that
// they count as absent.
func dropEmptyVariables() error {
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "FIRN_") && value == "" {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func inEnvironment(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Envs, func(name string) bool { return os.Getenv(name) != "" })
}

// source says where a flag's value comes from. Higher ones go before lower ones.
type source int

const (
	fromNowhere source = iota
	fromFile
	fromEnvironment
	fromFlag
)

// sourcesOf returns where the values of the global flags come from, by name.
func sourcesOf(ctx *kong.Context) map[string]source {
	out := map[string]source{}
	for _, flag := range ctx.Model.Flags {
		if inEnvironment(flag) {
			out[flag.Name] = fromEnvironment
		}
	}
	for _, p := range ctx.Path {
		switch {
		case p.Flag == nil:
		case p.Resolved:
			out[p.Flag.Name] = fromFile
		default:
			out[p.Flag.Name] = fromFlag
		}
	}
	return out
}
