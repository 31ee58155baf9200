package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/acm"
)

// Trust is the result of `drydock trust --output json`.
type Trust struct {
	Path        string    `json:"path"`
	Fingerprint string    `json:"fingerprint"` // SHA-256
	NotAfter    time.Time `json:"notAfter"`
	PEM         string    `json:"pem"`
}

func trustCommand() *cli.Command {
	return &cli.Command{
		Name:  "trust",
		Usage: "print the local certificate authority, and how to trust it",
		Description: "Certificates that are requested from ACM are issued by an authority of this machine's own.\n" +
			"Clients accept them once they trust its certificate.\n\n" +
			"Example:\n  drydock trust --pem > drydock-ca.pem\n  curl --cacert drydock-ca.pem https://shop.localhost/",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "pem", EnvVars: twin("pem"), Usage: "print the certificate alone"},
			&cli.StringFlag{Name: "state-dir", Value: defaultStateDir(), EnvVars: twin("state-dir"), Usage: "`DIR` of the state, if no daemon answers"},
			outputFlag(),
			endpointFlag(),
		},
		Action: trustAction,
	}
}

func trustAction(c *cli.Context) error {
	api, err := newClient(c)
	if err != nil {
		return err
	}
	t, err := findTrust(c, api)
	if err != nil {
		return err
	}
	switch {
	case wantsJSON(c):
		return printJSON(c.App.Writer, t)
	case c.Bool("pem"):
		fmt.Fprint(c.App.Writer, t.PEM)
	default:
		fmt.Fprint(c.App.Writer, t.text())
	}
	return nil
}

// findTrust asks the daemon; if there is none, it looks into the state directory.
func findTrust(c *cli.Context, api *client) (*Trust, error) {
	var t Trust
	err := api.get(c.Context, "trust", nil, &t)
	var unreachable *unreachableError
	if !errors.As(err, &unreachable) {
		return &t, err
	}
	dir := c.String("state-dir")
	root, fileErr := acm.ReadRoot(certificateDir(dir))
	if errors.Is(fileErr, os.ErrNotExist) {
		return nil, fmt.Errorf("%w; there is no certificate authority in %s either: the daemon makes one when it starts", err, dir)
	}
	if fileErr != nil {
		return nil, fileErr
	}
	t = trustOf(root)
	return &t, nil
}

func trustOf(r acm.Root) Trust {
	return Trust{Path: r.Path, Fingerprint: r.Fingerprint, NotAfter: r.NotAfter, PEM: r.PEM}
}

// trustWays are the ways to trust the authority, by what is to trust it.
var trustWays = [][2]string{
	{"Debian, Ubuntu", "drydock trust --pem | sudo tee /usr/local/share/ca-certificates/drydock.crt > /dev/null && sudo update-ca-certificates"},
	{"Fedora, RHEL", "drydock trust --pem | sudo tee /etc/pki/ca-trust/source/anchors/drydock.pem > /dev/null && sudo update-ca-trust"},
	{"macOS", "drydock trust --pem > drydock-ca.pem && sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain drydock-ca.pem"},
	{"Chrome on Linux", `drydock trust --pem > drydock-ca.pem && certutil -d "sql:$HOME/.pki/nssdb" -A -t C,, -n drydock -i drydock-ca.pem`},
	{"curl", "curl --cacert drydock-ca.pem https://…"},
	{"AWS CLI, boto3", "export AWS_CA_BUNDLE=$PWD/drydock-ca.pem"},
	{"Node.js", "export NODE_EXTRA_CA_CERTS=$PWD/drydock-ca.pem"},
	{"Python", "export SSL_CERT_FILE=$PWD/drydock-ca.pem REQUESTS_CA_BUNDLE=$PWD/drydock-ca.pem"},
	{"Go, Ruby, OpenSSL", "export SSL_CERT_FILE=$PWD/drydock-ca.pem"},
	{"Java", "keytool -importcert -noprompt -cacerts -storepass changeit -alias drydock -file drydock-ca.pem"},
}

// text tells people all of it.
func (t *Trust) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "The local certificate authority, which issues what ACM is asked for:\n")
	fmt.Fprintf(&b, "  file         %s\n  SHA-256      %s\n  valid until  %s\n\n%s\n", t.Path, t.Fingerprint, t.NotAfter.Format(time.DateOnly), t.PEM)
	fmt.Fprintf(&b, "Whoever trusts it trusts everything that this machine's root signs: on this machine only, please.\n")
	fmt.Fprintf(&b, "`drydock trust --pem > drydock-ca.pem` makes the file that some of these want:\n")
	for _, way := range trustWays {
		fmt.Fprintf(&b, "  %-18s %s\n", way[0], way[1])
	}
	return b.String()
}
