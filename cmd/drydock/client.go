package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/awsapi"
)

const defaultEndpoint = "http://localhost:4566"

func endpointFlag() cli.Flag {
	return &cli.StringFlag{Name: "endpoint", Value: defaultEndpoint, EnvVars: twin("endpoint"), Usage: "`URL` of the daemon"}
}

// client talks to the daemon's private API.
type client struct {
	endpoint string // without a trailing slash
	http     *http.Client
}

// newClient returns a client for the endpoint that the user chose.
func newClient(c *cli.Context) (*client, error) {
	endpoint := c.String("endpoint")
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, usagef("--endpoint %q is not a URL: it looks like %s", endpoint, defaultEndpoint)
	}
	return &client{endpoint: strings.TrimRight(endpoint, "/"), http: httpClient()}, nil
}

// httpClient returns a client without a time limit: some answers are followed for hours.
func httpClient() *http.Client { return &http.Client{} }

// unreachableError says that no daemon answers.
type unreachableError struct {
	endpoint string
	err      error
}

func (e *unreachableError) Error() string {
	var dial *net.OpError
	if errors.As(e.err, &dial) && dial.Op == "dial" {
		return fmt.Sprintf("no daemon answers at %s: start one with `drydock daemon` (or `make run`), or name another with --endpoint", e.endpoint)
	}
	return fmt.Sprintf("the daemon at %s broke off the conversation (%v): see whether it still runs with `drydock doctor`", e.endpoint, e.err)
}

func (e *unreachableError) Unwrap() error { return e.err }

// privateError is an error that the private API answered.
type privateError struct {
	Status int    `json:"-"`
	Text   string `json:"error"`
	Remedy string `json:"remedy"`
}

func (e *privateError) Error() string {
	if e.Remedy == "" {
		return e.Text
	}
	return e.Text + ": " + e.Remedy
}

// status reads the daemon's whole state.
func (c *client) status(ctx context.Context) (*Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var s Status
	return &s, c.get(ctx, "status", nil, &s)
}

// get reads one JSON document.
func (c *client) get(ctx context.Context, path string, query url.Values, into any) error {
	body, err := c.stream(ctx, http.MethodGet, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return c.unreadable(ctx, path, err)
	}
	return nil
}

// lines reads a stream of JSON documents, one a line, until it ends, each fails or ctx
// is done.
func (c *client) lines(ctx context.Context, method, path string, query url.Values, each func(json.RawMessage) error) error {
	body, err := c.stream(ctx, method, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	dec := json.NewDecoder(body)
	for {
		var line json.RawMessage
		if err := dec.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return c.unreadable(ctx, path, err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

// post sends one JSON document.
func (c *client) post(ctx context.Context, path string, doc any) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	body, err := c.ask(ctx, http.MethodPost, path, nil, bytes.NewReader(text))
	if err != nil {
		return err
	}
	return body.Close()
}

// stream asks the private API and returns the body of a good answer.
func (c *client) stream(ctx context.Context, method, path string, query url.Values) (io.ReadCloser, error) {
	return c.ask(ctx, method, path, query, nil)
}

func (c *client) ask(ctx context.Context, method, path string, query url.Values, body io.Reader) (io.ReadCloser, error) {
	target := c.endpoint + "/_drydock/" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Drydock", "cli")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, c.refused(resp)
	}
	return resp.Body, nil
}

func (c *client) refused(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	refusal := &privateError{Status: resp.StatusCode}
	if json.Unmarshal(data, refusal) != nil || refusal.Text == "" {
		return fmt.Errorf("what answers at %s is not a drydock daemon (%s, %.60q): name the right one with --endpoint", c.endpoint, resp.Status, bytes.TrimSpace(data))
	}
	return refusal
}

func (c *client) unreadable(ctx context.Context, path string, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("what answers at %s/_drydock/%s is not JSON: is that a drydock daemon? name the right one with --endpoint", c.endpoint, path)
	}
	return c.explain(ctx, err)
}

// explain gives an error of the transport its remedy.
func (c *client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &unreachableError{c.endpoint, err}
}

// call calls an AWS operation of the daemon.
func call[Out any](ctx context.Context, c *client, service, operation string, in any) (*Out, error) {
	var out Out
	aws := awsapi.Client{Endpoint: c.endpoint, Region: defaultRegion, HTTP: c.http}
	err := aws.Do(ctx, service, operation, in, &out)
	var refused *awsapi.Error
	if err == nil || errors.As(err, &refused) {
		return &out, err
	}
	var network *url.Error
	if ctx.Err() != nil || errors.As(err, &network) {
		return nil, c.explain(ctx, err)
	}
	return nil, err
}

// refusedWith reports whether AWS refused a call with one of the codes.
func refusedWith(err error, codes ...string) bool {
	var refused *awsapi.Error
	return errors.As(err, &refused) && slices.Contains(codes, refused.Code)
}
