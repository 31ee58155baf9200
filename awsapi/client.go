package awsapi

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxAnswer bounds what the client reads of an answer, in bytes.
const maxAnswer = 64 << 20

// Client calls the AWS API of a drydock daemon.
type Client struct {
	Endpoint string       // http://localhost:4566
	Region   string       // empty is us-east-1
	HTTP     *http.Client // nil is http.DefaultClient
	Protocol Protocol     // empty is each service's own
}

// Do calls an operation that stands in ops.txt. in and out point to its shapes and may be
// nil. What the server refuses is returned as an [*Error].
func (c *Client) Do(ctx context.Context, service, operation string, in, out any) error {
	s := LookupService(service)
	if s == nil || !s.Lists(operation) {
		return fmt.Errorf("call %s %s: not in ops.txt", service, operation)
	}
	if c.Protocol != "" {
		s = s.speaking(c.Protocol)
	}
	r, err := c.request(ctx, s, operation, in)
	if err != nil {
		return fmt.Errorf("call %s %s: %w", service, operation, err)
	}
	status, body, err := c.send(r)
	if err != nil {
		return fmt.Errorf("call %s %s: %w", service, operation, err)
	}
	if status != http.StatusOK {
		return decodeError(s.Protocol, status, body)
	}
	if out == nil {
		return nil
	}
	switch s.Protocol {
	case JSON:
		_, err = decodeJSON(body, out)
	case CBOR:
		_, err = decodeCBOR(body, out)
	default:
		err = decodeXML(s, operation, body, out)
	}
	if err != nil {
		return fmt.Errorf("read the answer of %s %s: %w", service, operation, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, s *Service, operation string, in any) (*http.Request, error) {
	body, contentType, err := encodeInput(s, operation, in)
	if err != nil {
		return nil, err
	}
	url := c.Endpoint
	if s.Protocol == CBOR {
		url += "/service/" + s.TargetPrefix + "/operation/" + operation
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("User-Agent", "drydock")
	switch s.Protocol {
	case JSON:
		r.Header.Set("X-Amz-Target", s.TargetPrefix+"."+operation)
	case CBOR:
		r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	}
	c.sign(r, s, time.Now().UTC())
	return r, nil
}

func encodeInput(s *Service, operation string, in any) (body []byte, contentType string, err error) {
	switch s.Protocol {
	case JSON:
		body, err = encodeJSON(in)
		return body, "application/x-amz-json-1.1", err
	case CBOR:
		body, err = encodeCBOR(in)
		return body, "application/cbor", err
	}
	form, err := encodeForm(s.Protocol, in)
	if err != nil {
		return nil, "", err
	}
	form.Set("Action", operation)
	form.Set("Version", s.Version)
	return []byte(form.Encode()), "application/x-www-form-urlencoded; charset=utf-8", nil
}

func (c *Client) send(r *http.Request) (status int, body []byte, err error) {
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer.StatusCode, body, err
}

// sign adds an Authorization header that parses as SigV4 but was made with a public key:
// the daemon needs its scope, not its proof.
func (c *Client) sign(r *http.Request, s *Service, now time.Time) {
	region := c.Region
	if region == "" {
		region = "us-east-1"
	}
	stamp := now.Format("20060102T150405Z")
	scope := stamp[:8] + "/" + region + "/" + s.SigningName + "/aws4_request"
	mac := hmac.New(sha256.New, []byte("drydock"))
	io.WriteString(mac, stamp+scope) // a hash never fails
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("Authorization", algorithm+" Credential=drydock/"+scope+
		", SignedHeaders=host;x-amz-date, Signature="+hex.EncodeToString(mac.Sum(nil)))
}
