package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// The credentials that AWS clients are given. The daemon wants signed requests, but any
// key will do.
const (
	dummyAccessKey = "drydock"
	dummySecretKey = "drydock"
	defaultRegion  = "us-east-1"
)

func envCommand() *cli.Command {
	return &cli.Command{
		Name:        "env",
		Usage:       "print what points AWS clients at the daemon, for eval",
		Description: "Example:\n  eval \"$(drydock env)\"\n  aws ecs list-services --cluster shop",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "unset", EnvVars: twin("unset"), Usage: "print what takes it back"},
			outputFlag(),
			endpointFlag(),
		},
		Action: envAction,
	}
}

func envAction(c *cli.Context) error {
	api, err := newClient(c)
	if err != nil {
		return err
	}
	variables := [][2]string{
		{"AWS_ENDPOINT_URL", api.endpoint},
		{"AWS_ACCESS_KEY_ID", dummyAccessKey},
		{"AWS_SECRET_ACCESS_KEY", dummySecretKey},
		{"AWS_DEFAULT_REGION", defaultRegion},
		{"AWS_REGION", defaultRegion},
	}
	if wantsJSON(c) {
		document := map[string]string{}
		for _, v := range variables {
			document[v[0]] = v[1]
		}
		return printJSON(c.App.Writer, document)
	}
	for _, v := range variables {
		if c.Bool("unset") {
			fmt.Fprintf(c.App.Writer, "unset %s\n", v[0])
		} else {
			fmt.Fprintf(c.App.Writer, "export %s=%s\n", v[0], shellQuote(v[1]))
		}
	}
	return nil
}

// shellQuote quotes text for a POSIX shell, if it has to be.
func shellQuote(text string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/._-"
	if text != "" && strings.Trim(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
