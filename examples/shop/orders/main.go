// Command orders is the shop's order service. It asks the user and payment services
// through the load balancer, as services do that don't know each other's tasks.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"drydock/examples/shop/service"
)

const (
	callTimeout = 5 * time.Second
	maxAnswer   = 1 << 20 // bytes
)

// order is what we know ourselves.
type order struct {
	ID      string `json:"id"`
	User    string `json:"user"`
	Payment string `json:"payment"`
}

var orders = map[string]order{
	"1": {"1", "1", "7001"},
	"2": {"2", "2", "7002"},
}

// shop answers for orders; the others it asks at url.
type shop struct {
	who    service.Identity
	url    string // of the load balancer
	client *http.Client
}

func main() {
	url := strings.TrimSuffix(os.Getenv("ALB_URL"), "/")
	if url == "" {
		log.Fatal("ALB_URL is not set: it says where the load balancer is")
	}
	s := shop{who: service.Identify("order-service"), url: url, client: &http.Client{Timeout: callTimeout}}
	service.Main(s.who, service.Handler(s.routes()))
}

func (s shop) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/orders", s.list)
	mux.HandleFunc("GET /api/orders/{id}", s.show)
	return mux
}

func (s shop) list(w http.ResponseWriter, r *http.Request) {
	service.Answer(w, http.StatusOK, struct {
		Orders map[string]order `json:"orders"`
		service.Identity
	}{orders, s.who})
}

// show answers with an order and what the other services say about it, word for word.
func (s shop) show(w http.ResponseWriter, r *http.Request) {
	o, ok := orders[r.PathValue("id")]
	if !ok {
		service.Answer(w, http.StatusNotFound, map[string]string{"error": "no order " + r.PathValue("id")})
		return
	}
	user, err := s.ask(r.Context(), "/api/users/"+o.User)
	if err == nil {
		var payment json.RawMessage
		if payment, err = s.ask(r.Context(), "/api/payments/"+o.Payment); err == nil {
			service.Answer(w, http.StatusOK, struct {
				ID      string          `json:"id"`
				User    json.RawMessage `json:"user"`
				Payment json.RawMessage `json:"payment"`
				service.Identity
			}{o.ID, user, payment, s.who})
			return
		}
	}
	log.Print(err)
	service.Answer(w, http.StatusBadGateway, map[string]string{"error": err.Error()})
}

func (s shop) ask(ctx context.Context, path string) (json.RawMessage, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	r, err := s.client.Do(q)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if r.StatusCode != http.StatusOK || !json.Valid(body) {
		return nil, fmt.Errorf("ask for %s: answered %s", path, r.Status)
	}
	return body, nil
}
