// Command insider is a service that asks ECS's agent what its caller wants to know.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// answer is what the agent said, or why it did not.
type answer struct {
	Task   string // the variable ECS_CONTAINER_METADATA_URI_V4
	Status int
	Body   string
	Error  string
}

var agent = &http.Client{Timeout: 2 * time.Second}

func main() {
	first := ask("GET", os.Getenv("ECS_CONTAINER_METADATA_URI_V4"), "")
	fmt.Println("at the start the agent answers", first.Status, first.Error)
	http.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("GET /start", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(first) })
	http.HandleFunc("GET /ask", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if !strings.Contains(first.Task, q.Get("task")) { // another one is meant
			json.NewEncoder(w).Encode(answer{Task: first.Task})
			return
		}
		url := q.Get("url")
		if name := q.Get("var"); name != "" {
			url = os.Getenv(name) + q.Get("path")
		}
		if strings.HasPrefix(url, "/") {
			url = "http://169.254.170.2" + url
		}
		json.NewEncoder(w).Encode(ask(q.Get("method"), url, q.Get("body")))
	})
	fmt.Println(http.ListenAndServe(":3000", nil))
	os.Exit(1)
}

func ask(method, url, body string) answer {
	a := answer{Task: os.Getenv("ECS_CONTAINER_METADATA_URI_V4")}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		a.Error = err.Error()
		return a
	}
	res, err := agent.Do(req)
	if err != nil {
		a.Error = err.Error()
		return a
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	a.Status, a.Body = res.StatusCode, string(text)
	if err != nil {
		a.Error = err.Error()
	}
	return a
}
