// Command unruly is a service that misbehaves as its environment says: BOOT is how long it takes
// to listen, STOP=ignore ignores SIGTERM, HEALTH=fail fails health checks, KEEPALIVE closes idle
// connections, ROLE=sidecar serves nothing. Callers make it exit (/exit) or eat memory (/eat).
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if os.Getenv("ROLE") == "sidecar" {
		<-stop
		return
	}
	time.Sleep(duration("BOOT"))
	server := &http.Server{Addr: ":3000", Handler: routes(), IdleTimeout: duration("KEEPALIVE")}
	go func() {
		fmt.Println(server.ListenAndServe())
	}()
	for range stop {
		if os.Getenv("STOP") != "ignore" {
			break
		}
	}
	server.Shutdown(context.Background())
}

func duration(name string) time.Duration {
	d, _ := time.ParseDuration(os.Getenv(name))
	return d
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("HEALTH") == "fail" {
			w.WriteHeader(500)
		}
	})
	mux.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	mux.HandleFunc("/eat", func(http.ResponseWriter, *http.Request) { eat() })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getenv("VERSION")) })
	return mux
}

// eat takes memory, and uses it, until the kernel has had enough: at most 1 GiB.
func eat() {
	var eaten [][]byte
	for range 1024 {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		eaten = append(eaten, block)
	}
	fmt.Println("ate", len(eaten), "MiB")
}
