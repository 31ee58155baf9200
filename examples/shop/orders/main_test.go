package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"drydock/examples/shop/service"
)

func answer(s shop, path string) string {
	w := httptest.NewRecorder()
	service.Handler(s.routes()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Result().Status[:4] + strings.TrimSpace(w.Body.String())
}

func TestShow_AsksThroughTheBalancer(t *testing.T) {
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service.Answer(w, http.StatusOK, map[string]string{"path": r.URL.Path})
	}))
	defer balancer.Close()
	s := shop{service.Identity{Service: "order-service", Version: "v1", Task: "t"}, balancer.URL, balancer.Client()}
	for path, want := range map[string]string{
		"/api/orders/1": `200 {"id":"1","user":{"path":"/api/users/1"},"payment":{"path":"/api/payments/7001"},"service":"order-service","version":"v1","task":"t"}`,
		"/api/orders/9": `404 {"error":"no order 9"}`,
		"/health":       `200 {"status":"healthy"}`,
	} {
		if got := answer(s, path); got != want {
			t.Errorf("%s: got %s", path, got)
		}
	}
	if got := answer(s, "/api/orders"); !strings.HasPrefix(got, `200 {"orders":{"1":`) {
		t.Errorf("got %s", got)
	}
}

func TestShow_NamesWhatDidNotAnswer(t *testing.T) {
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/payments/") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		service.Answer(w, http.StatusOK, "ok")
	}))
	s := shop{url: balancer.URL, client: balancer.Client()}
	if got, want := answer(s, "/api/orders/1"), `502 {"error":"ask for /api/payments/7001: answered 503 Service Unavailable"}`; got != want {
		t.Errorf("got %s", got)
	}
	balancer.Close()
	if got := answer(s, "/api/orders/1"); !strings.HasPrefix(got, `502 {"error":"ask for /api/users/1: `) {
		t.Errorf("got %s", got)
	}
}
