package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"drydock/alb/node/h2"
)

const defaultGRPCMatcher = "12" // UNIMPLEMENTED: the service of the default path exists nowhere

var errNoGRPCStatus = errors.New("answer without a grpc-status")

// asksGRPC reports whether the health check is a gRPC call, whose code is matched (ALB-121).
func (s *checkSettings) asksGRPC() bool { return s.version == "GRPC" }

func (s *checkSettings) asksHTTP2() bool { return s.version == "GRPC" || s.version == "HTTP2" }

// method is that of the request.
func (s *checkSettings) method() string {
	if s.asksGRPC() {
		return "POST"
	}
	return "GET"
}

// matcher is what the status, or the gRPC code, has to match.
func (s *checkSettings) matcher() string {
	if s.asksGRPC() && s.Matcher == "" {
		return defaultGRPCMatcher
	}
	return s.Matcher
}

// path is where the request goes.
func (s *checkSettings) path() string {
	if s.asksGRPC() && s.Path == "" {
		return "/AWS.ALB/healthcheck"
	}
	return s.Path
}

// askHTTP2 asks over a fresh connection and returns the status, or the gRPC code.
func (s *checkSettings) askHTTP2(ctx context.Context, conn net.Conn) (int, error) {
	if s.Protocol == "HTTPS" {
		secure := tls.Client(conn, offerToTargets("h2"))
		if err := secure.HandshakeContext(ctx); err != nil {
			return 0, err
		}
		conn = secure
	}
	c := h2.Client(conn, h2.Config{MaxHead: maxResponseHeader, MaxField: maxResponseHeader, WriteTimeout: s.Timeout})
	done := make(chan error, 1)
	go func() { done <- c.Run() }()
	status, err := s.askStream(ctx, c)
	c.Close()
	if ended := <-done; err != nil && errors.Is(err, h2.ErrClosed) && ended != nil {
		err = ended
	}
	return status, err
}

func (s *checkSettings) askStream(ctx context.Context, c *h2.Conn) (int, error) {
	stream, err := c.Open(s.fields(), !s.asksGRPC())
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	if deadline, ok := ctx.Deadline(); ok {
		stream.SetReadDeadline(deadline)
		stream.SetWriteDeadline(deadline)
	}
	if s.asksGRPC() {
		stream.Send(make([]byte, 5), true) // an empty message
	}
	if err := stream.AwaitHead(); err != nil {
		return 0, err
	}
	if !s.asksGRPC() {
		return stream.Status, nil
	}
	return grpcCode(stream)
}

func (s *checkSettings) fields() []h2.Field {
	scheme := "http"
	if s.Protocol == "HTTPS" {
		scheme = "https"
	}
	list := []h2.Field{{Name: ":method", Value: s.method()}, {Name: ":scheme", Value: scheme},
		{Name: ":authority", Value: s.to.String()}, {Name: ":path", Value: s.path()},
		{Name: "user-agent", Value: "ELB-HealthChecker/2.0"}}
	if s.asksGRPC() {
		list = append(list, h2.Field{Name: "content-type", Value: "application/grpc"}, h2.Field{Name: "te", Value: "trailers"})
	}
	return list
}

// grpcCode returns the grpc-status of a response, from its head or its trailers.
func grpcCode(s *h2.Stream) (int, error) {
	if code, ok := statusIn(s.Head()); ok {
		return code, nil
	}
	if s.Status != 200 {
		return 0, fmt.Errorf("%w: status %d", errNoGRPCStatus, s.Status)
	}
	for {
		if _, err := s.Next(true); err == io.EOF {
			break
		} else if err != nil {
			return 0, err
		}
	}
	if code, ok := statusIn(s.Trailers()); ok {
		return code, nil
	}
	return 0, errNoGRPCStatus
}

func statusIn(fields []h2.Field) (int, bool) {
	for _, f := range fields {
		if f.Name == "grpc-status" {
			code, err := strconv.Atoi(f.Value)
			return code, err == nil
		}
	}
	return 0, false
}
