// Package service is what the shop's three services have in common: who they are, how
// they answer, and how they stop.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path"
	"strings"
	"syscall"
	"time"
)

const (
	// idleTimeout is longer than the balancer's own idle timeout of 60 s. The side that
	// closes an idle connection first must be the balancer; otherwise it may send a
	// request into a connection that is just being closed, and answer 502.
	idleTimeout = 75 * time.Second

	// drainTimeout is how long requests under way may take after SIGTERM. ECS kills the
	// container after stopTimeout, 30 s by default.
	drainTimeout = 25 * time.Second
)

// Identity says who gave an answer.
type Identity struct {
	Service string `json:"service"`
	Version string `json:"version"`
	Task    string `json:"task"` // ECS task id
}

// Identify reads who we are from what the image and ECS put into the environment.
func Identify(name string) Identity {
	version := os.Getenv("VERSION")
	if version == "" {
		version = "dev"
	}
	return Identity{Service: name, Version: version, Task: taskID()}
}

// taskID begins the last element of the task metadata endpoint's address, as on Fargate;
// outside ECS the host name has to do.
func taskID() string {
	if uri := os.Getenv("ECS_CONTAINER_METADATA_URI_V4"); uri != "" {
		id, _, _ := strings.Cut(path.Base(uri), "-")
		return id
	}
	host, _ := os.Hostname()
	return host
}

// Handler serves /health beside a service's own routes.
func Handler(api *http.ServeMux) http.Handler {
	api.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		Answer(w, http.StatusOK, map[string]string{"status": "healthy"})
	})
	api.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		Answer(w, http.StatusNotFound, map[string]string{"error": "Not Found"})
	})
	return api
}

// Answer writes a JSON response.
func Answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Printf("answer: %v", err)
	}
}

// Main serves on port 3000, or $PORT, until SIGTERM.
func Main(who Identity, h http.Handler) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	port := os.Getenv("PORT")
	if port == "" {
		port = "3000"
	}
	l, err := net.Listen("tcp", ":"+port)
	if err == nil {
		log.Printf("%s %s listens on port %s as task %s", who.Service, who.Version, port, who.Task)
		err = Serve(ctx, l, h)
	}
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("%s stopped", who.Service)
}

// Serve answers on l until ctx ends, then finishes the requests under way.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, IdleTimeout: idleTimeout, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		log.Print("asked to stop: finishing the requests under way")
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		stopped <- s.Shutdown(drain)
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("finish the requests under way: %w", err)
	}
	return nil
}
