package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
)

// MaxBody is the largest request body that a [Server] reads, in bytes.
const MaxBody = 5 << 20

// Server answers AWS API calls of every service on one port. Set its fields before it serves.
type Server struct {
	Account string       // the account that calls belong to; empty is DefaultAccount
	Hosts   []string     // Host names allowed beside localhost, *.localhost and loopback addresses; lower case
	Log     *slog.Logger // nil is slog.Default()

	// OnCall is told of every call to a mutating operation before its handler runs, also of
	// those that are then refused. The handler gets the context that it returns.
	OnCall func(ctx context.Context, c Call) context.Context
	// OnDone is told how a call that OnCall was told of ended; nil is success.
	OnDone func(ctx context.Context, c Call, err error)

	handlers map[string]handler // by "service operation"
	told     onceSet
}

// NewServer returns a server without handlers.
func NewServer() *Server { return &Server{handlers: map[string]handler{}} }

func (s *Server) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.Default()
}

// ServeHTTP answers one API call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{server: s, w: w, r: r, protocol: guessProtocol(r)}
	x.call.RequestID = newRequestID()
	w.Header().Set("x-amzn-RequestId", x.call.RequestID)
	out, err := x.serve()
	if err == nil {
		var body []byte
		if body, err = x.encode(out); err == nil {
			x.send(http.StatusOK, body)
			return
		}
	}
	x.fail(err)
}

// exchange is one request on its way through the server.
type exchange struct {
	server   *Server
	w        http.ResponseWriter
	r        *http.Request
	protocol Protocol // of the answer; empty if nothing tells
	service  *Service // nil until found
	call     Call
}

// serve does everything but encode the answer.
func (x *exchange) serve() (out any, err error) {
	if err := x.admit(); err != nil {
		return nil, err
	}
	m, err := x.readMessage()
	if err != nil {
		return nil, err
	}
	if err := x.dispatch(m); err != nil {
		return nil, err
	}
	h, ok := x.server.handlers[x.service.Name+" "+x.call.Operation]
	if !ok {
		return nil, x.errNotServed()
	}
	return x.run(h, m)
}

// admit refuses what no AWS client sends, before anything is read.
func (x *exchange) admit() error {
	if err := checkHost(x.r, x.server.Hosts); err != nil {
		return err
	}
	if err := checkOrigin(x.r); err != nil { // of reads too: this API has no pages to link to
		return err
	}
	c, err := parseCredential(x.r, x.r.URL.Query())
	if err != nil {
		return err
	}
	if c == nil {
		return errUnsigned(x.protocol)
	}
	x.call.Region, x.call.AccessKey, x.call.Service = c.region, c.accessKey, c.service
	x.call.UserAgent = x.r.UserAgent()
	x.call.Account = x.server.Account
	if x.call.Account == "" {
		x.call.Account = DefaultAccount
	}
	return nil
}

// run decodes the input, tells the hooks, checks the input and calls the handler.
func (x *exchange) run(h handler, m message) (out any, err error) {
	in := h.newInput()
	var malformed error
	switch x.protocol {
	case JSON:
		x.call.UnknownMembers, malformed = decodeJSON(x.call.Raw, in)
	case CBOR:
		x.call.UnknownMembers, malformed = decodeCBOR(x.call.Raw, in)
		x.call.Raw, _ = encodeJSON(in) // for people: what was decoded always encodes
	default:
		x.call.UnknownMembers, malformed = decodeForm(x.protocol, m.form, in)
	}
	x.tellUnknown()
	ctx := WithCall(x.r.Context(), x.call)
	if Mutates(x.call.Service, x.call.Operation) {
		if x.server.OnCall != nil {
			ctx = x.server.OnCall(ctx, x.call)
		}
		if x.server.OnDone != nil {
			defer func() { x.server.OnDone(ctx, x.call, err) }()
		}
	}
	if malformed != nil {
		return nil, malformed
	}
	if err := validate(x.service, x.call.Operation, in); err != nil {
		return nil, err
	}
	return protect(h, ctx, in)
}

// protect turns a handler's panic into an error, so that one call can't take the daemon down.
func protect(h handler, ctx context.Context, in any) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return h.call(ctx, in)
}

// tellUnknown logs every ignored member once: silently ignored input is a lie (WIRE-008).
func (x *exchange) tellUnknown() {
	for _, member := range x.call.UnknownMembers {
		if x.server.told.add(x.call.Service + " " + x.call.Operation + " " + member) {
			x.server.log().Warn("ignored an input member that the service model does not have",
				"service", x.call.Service, "operation", x.call.Operation, "member", member)
		}
	}
}

func (x *exchange) encode(out any) ([]byte, error) {
	switch x.protocol {
	case JSON:
		return encodeJSON(out)
	case CBOR:
		return encodeCBOR(out)
	}
	return encodeXML(x.service, x.call.Operation, x.call.RequestID, out)
}

func (x *exchange) send(status int, body []byte) {
	contentType := "text/plain; charset=utf-8"
	switch x.protocol {
	case JSON:
		contentType = "application/x-amz-json-1.1"
		if asked := x.r.Header.Get("Content-Type"); asked == "application/x-amz-json-1.0" {
			contentType = asked
		}
	case CBOR:
		contentType = "application/cbor"
		x.w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	case Query:
		contentType = "text/xml"
	case EC2:
		contentType = "text/xml;charset=UTF-8"
	}
	x.w.Header().Set("Content-Type", contentType)
	x.w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	x.w.Header().Set("X-Content-Type-Options", "nosniff")
	x.w.WriteHeader(status)
	x.w.Write(body) // a client that left can't be told
}

// fail is the one place where errors become answers.
func (x *exchange) fail(err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		x.w.Header().Set("Connection", "close")
		err = &Error{Code: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("The request body is larger than %d bytes.", tooLarge.Limit)}
	}
	e := wireError(x.service, err)
	if e.Status >= 500 {
		x.server.log().Error("an API call failed", "service", x.call.Service, "operation", x.call.Operation,
			"requestId", x.call.RequestID, "error", err)
	}
	if x.protocol == JSON || x.protocol == CBOR {
		x.w.Header().Set("X-Amzn-ErrorType", e.Code)
	}
	if x.service != nil && len(also[x.service.Name]) > 0 { // a service that once spoke Query keeps its codes (WIRE-025)
		x.w.Header().Set("X-Amzn-Query-Error", e.Code+";"+fault(e))
	}
	x.send(e.Status, encodeError(x.protocol, x.call.RequestID, x.namespace(), e))
}

func (x *exchange) namespace() string {
	if x.service == nil {
		return ""
	}
	return x.service.Namespace
}

// readBody reads the body up to MaxBody.
func (x *exchange) readBody() ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return nil, errMalformed("The request body could not be read: " + err.Error())
	}
	return body, err
}

// onceSet remembers what was said. It is bounded: clients choose what goes in.
type onceSet struct {
	mu   sync.Mutex
	said map[string]bool
}

// add reports whether s is new.
func (o *onceSet) add(s string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.said[s] || len(o.said) >= 1000 {
		return false
	}
	if o.said == nil {
		o.said = map[string]bool{}
	}
	o.said[s] = true
	return true
}
