// Command payments is the shop's payment service.
package main

import (
	"net/http"

	"drydock/examples/shop/service"
)

type payment struct {
	ID     string `json:"id"`
	Amount string `json:"amount"`
	service.Identity
}

var amounts = map[string]string{"7001": "19.90 EUR", "7002": "4.50 EUR"}

func main() {
	who := service.Identify("payment-service")
	service.Main(who, service.Handler(routes(who)))
}

func routes(who service.Identity) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/payments", func(w http.ResponseWriter, r *http.Request) {
		service.Answer(w, http.StatusOK, struct {
			Payments map[string]string `json:"payments"`
			service.Identity
		}{amounts, who})
	})
	mux.HandleFunc("GET /api/payments/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		amount, ok := amounts[id]
		if !ok {
			service.Answer(w, http.StatusNotFound, map[string]string{"error": "no payment " + id})
			return
		}
		service.Answer(w, http.StatusOK, payment{id, amount, who})
	})
	return mux
}
