package main

import (
	"fmt"
	"runtime/debug"
)

type versionCmd struct{}

// Run prints the version that Go built into the program: that of the module,
// or the commit it was built from.
func (versionCmd) Run(a *app) error {
	v := map[string]string{"version": "unknown", "go": "", "commit": ""}
	if info, ok := debug.ReadBuildInfo(); ok {
		v["version"], v["go"] = info.Main.Version, info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v["commit"] = s.Value
			}
		}
	}
	if a.json() {
		return a.printJSON(v)
	}
	_, err := fmt.Fprintf(a.stdout, "firn %s (commit %s, %s)\n", v["version"], orDash(v["commit"]), v["go"])
	return err
}
