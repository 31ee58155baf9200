// Command users is the shop's user service.
package main

import (
	"net/http"

	"drydock/examples/shop/service"
)

type user struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	service.Identity
}

var names = map[string]string{"1": "Ada", "2": "Grace", "3": "Edsger"}

func main() {
	who := service.Identify("user-service")
	service.Main(who, service.Handler(routes(who)))
}

func routes(who service.Identity) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/users", func(w http.ResponseWriter, r *http.Request) {
		service.Answer(w, http.StatusOK, struct {
			Users map[string]string `json:"users"`
			service.Identity
		}{names, who})
	})
	mux.HandleFunc("GET /api/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		name, ok := names[id]
		if !ok {
			service.Answer(w, http.StatusNotFound, map[string]string{"error": "no user " + id})
			return
		}
		service.Answer(w, http.StatusOK, user{id, name, who})
	})
	return mux
}
