package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
// Without it, it names the commit that the binary was built from.
var version string

func init() {
	if version == "" {
		version = commitVersion()
	}
}

func commitVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if len(revision) < 12 {
		return "devel"
	}
	if settings["vcs.modified"] == "true" {
		return "devel-" + revision[:12] + "-modified"
	}
	return "devel-" + revision[:12]
}

// Version is the result of `drydock version --output json`.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Daemon  string `json:"daemon,omitempty"` // version of the daemon that answers, if one does
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "print the version of this binary and of the daemon, if one answers",
		Description: "Example:\n  drydock version",
		Flags:       []cli.Flag{outputFlag(), endpointFlag()},
		Action:      versionAction,
	}
}

func versionAction(c *cli.Context) error {
	v := Version{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	if status, err := api.status(c.Context); err == nil {
		v.Daemon = status.Daemon.Version
	}
	if wantsJSON(c) {
		return printJSON(c.App.Writer, v)
	}
	fmt.Fprintf(c.App.Writer, "drydock %s (%s, %s/%s)\n", v.Version, v.Go, v.OS, v.Arch)
	if v.Daemon != "" && v.Daemon != v.Version {
		fmt.Fprintf(c.App.Writer, "the daemon at %s is %s: restart it to run this version\n", api.endpoint, v.Daemon)
	}
	return nil
}
