// Command app is what every container of the bench runs: it answers on port 8080 and exits at
// once when it is told to.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-stop
		os.Exit(0)
	}()
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "drydock bench\n") })
	server := &http.Server{Addr: ":8080", Handler: answer, IdleTimeout: 5 * time.Minute}
	log.Fatal(server.ListenAndServe())
}
