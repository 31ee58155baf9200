package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"drydock/examples/shop/service"
)

func TestRoutes(t *testing.T) {
	h := service.Handler(routes(service.Identity{Service: "payment-service", Version: "v1", Task: "t"}))
	for path, want := range map[string]string{
		"/api/payments":      `200 {"payments":{"7001":"19.90 EUR","7002":"4.50 EUR"},"service":"payment-service","version":"v1","task":"t"}`,
		"/api/payments/7001": `200 {"id":"7001","amount":"19.90 EUR","service":"payment-service","version":"v1","task":"t"}`,
		"/api/payments/9":    `404 {"error":"no payment 9"}`,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Result().Status[:4] + w.Body.String(); got != want+"\n" {
			t.Errorf("%s: got %s", path, got)
		}
	}
}
