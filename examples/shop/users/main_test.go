package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"drydock/examples/shop/service"
)

func TestRoutes(t *testing.T) {
	h := service.Handler(routes(service.Identity{Service: "user-service", Version: "v1", Task: "t"}))
	for path, want := range map[string]string{
		"/api/users":   `200 {"users":{"1":"Ada","2":"Grace","3":"Edsger"},"service":"user-service","version":"v1","task":"t"}`,
		"/api/users/1": `200 {"id":"1","name":"Ada","service":"user-service","version":"v1","task":"t"}`,
		"/api/users/9": `404 {"error":"no user 9"}`,
		"/health":      `200 {"status":"healthy"}`,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Result().Status[:4] + w.Body.String(); got != want+"\n" {
			t.Errorf("%s: got %s", path, got)
		}
	}
}
