package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"testing"
	"time"

	"drydock/timeline"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// grpcBackend is gRPC's own interop server.
func grpcBackend(t testing.TB) Target {
	t.Helper()
	ln := listenLoopback(t)
	server := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(ln) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return healthyTarget(ln.Addr().String())
}

// grpcClient connects gRPC's own client to the stack.
func (s *stack) grpcClient() *grpc.ClientConn {
	s.t.Helper()
	trusting := credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, ServerName: "a.test"})
	conn, err := grpc.NewClient("passthrough:///"+s.addr, grpc.WithTransportCredentials(trusting))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// interopLog makes a failure of an interop case a panic: gRPC's own logger would end the test binary.
type interopLog struct{ grpclog.LoggerV2 }

func (interopLog) Fatalln(args ...any) { panic(fmt.Sprint(args...)) }

func init() { grpclog.SetLoggerV2(interopLog{grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)}) }

// runInterop runs one case. Two of them have client and server give up at the same moment: when
// the machine is busy the server can be first, and they are given another chance.
func runInterop(name string, run func(context.Context)) (err error) {
	attempts := 1
	if name == "timeout_on_sleeping_server" || name == "cancel_after_begin" {
		attempts = 5
	}
	for range attempts {
		if err = interopOnce(run); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", name, err)
}

func interopOnce(run func(context.Context)) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	defer func() {
		if failed := recover(); failed != nil {
			err = fmt.Errorf("%v", failed)
		}
	}()
	run(ctx)
	return nil
}

// interopCases are the usual cases of gRPC's interop suite.
func interopCases(conn *grpc.ClientConn) map[string]func(context.Context) {
	tc := testgrpc.NewTestServiceClient(conn)
	return map[string]func(context.Context){
		"empty_unary":                 func(ctx context.Context) { interop.DoEmptyUnaryCall(ctx, tc) },
		"large_unary":                 func(ctx context.Context) { interop.DoLargeUnaryCall(ctx, tc) },
		"client_streaming":            func(ctx context.Context) { interop.DoClientStreaming(ctx, tc) },
		"server_streaming":            func(ctx context.Context) { interop.DoServerStreaming(ctx, tc) },
		"ping_pong":                   func(ctx context.Context) { interop.DoPingPong(ctx, tc) },
		"empty_stream":                func(ctx context.Context) { interop.DoEmptyStream(ctx, tc) },
		"timeout_on_sleeping_server":  func(ctx context.Context) { interop.DoTimeoutOnSleepingServer(ctx, tc) },
		"cancel_after_begin":          func(ctx context.Context) { interop.DoCancelAfterBegin(ctx, tc) },
		"cancel_after_first_response": func(ctx context.Context) { interop.DoCancelAfterFirstResponse(ctx, tc) },
		"status_code_and_message":     func(ctx context.Context) { interop.DoStatusCodeAndMessage(ctx, tc) },
		"special_status_message":      func(ctx context.Context) { interop.DoSpecialStatusMessage(ctx, tc) },
		"custom_metadata":             func(ctx context.Context) { interop.DoCustomMetadata(ctx, tc) },
		"unimplemented_method":        func(ctx context.Context) { interop.DoUnimplementedMethod(ctx, conn) },
		"unimplemented_service": func(ctx context.Context) {
			interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(conn))
		},
	}
}

// TestGRPC_Interop runs gRPC's client against gRPC's server through the node.
func TestGRPC_Interop(t *testing.T) {
	s := h2Stack(t, grpcBackend(t)).speaking("GRPC").run()
	cases := interopCases(s.grpcClient())
	for name, run := range cases {
		if err := runInterop(name, run); err != nil {
			t.Error(err)
		}
	}
	for _, o := range s.record.wait(t, len(cases)-2) { // two may be over before they are sent
		if o.Type != "grpcs" || o.Proto != "HTTP/2.0" || o.Method != "POST" ||
			o.Status != 200 && o.EndedBy != "client" && o.Cause != timeline.TargetClosedInflight { // a deadline that both have
			t.Errorf("%+v", o)
		}
	}
}

// An error of the balancer's own is UNAVAILABLE to a gRPC client.
func TestGRPC_ErrorsAreUnavailable(t *testing.T) {
	s := h2Stack(t).speaking("GRPC").run()
	_, err := testgrpc.NewTestServiceClient(s.grpcClient()).EmptyCall(context.Background(), &testgrpc.Empty{})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	if o := s.record.one(t); o.Status != 503 || o.Cause != timeline.NoRegisteredTargets {
		t.Errorf("%+v", o)
	}
}

// gRPC's cases go on while the targets are replaced one after the other.
func TestGRPC_InteropDuringRollingDeployment(t *testing.T) {
	s := h2Stack(t, grpcBackend(t)).speaking("GRPC").run()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for name, run := range interopCases(s.grpcClient()) {
			if err := runInterop(name, run); err != nil {
				t.Error(err)
			}
		}
	}()
	for ended := false; !ended; {
		next := grpcBackend(t)
		s.apply(func(snapshot *Snapshot) {
			all := snapshot.TargetGroups[0].Targets
			old := &all[len(all)-1]
			old.Draining, old.DrainFrom, old.DrainUntil = true, time.Now(), time.Now().Add(time.Minute)
			snapshot.TargetGroups[0].Targets = append(all, next)
		})
		select {
		case <-done:
			ended = true
		case <-time.After(20 * time.Millisecond):
		}
	}
}
