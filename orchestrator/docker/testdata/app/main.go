// Command app is the program in the engine's test image: it does what its first argument says.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	switch os.Args[1] {
	case "signal": // which signal comes is the exit code's last two digits
		any := make(chan os.Signal, 1)
		signal.Notify(any, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGTERM)
		os.Exit(100 + int((<-any).(syscall.Signal)))
	case "graceful", "well", "ill":
		<-signals
	case "default":
		<-signals
		os.Exit(143)
	case "stubborn":
		select {}
	case "failing":
		time.Sleep(100 * time.Millisecond)
		os.Exit(3)
	case "finishing":
		time.Sleep(100 * time.Millisecond)
	case "hungry": // not at once: Docker begins to listen for the kernel's word after the start, and may miss it
		time.Sleep(500 * time.Millisecond)
		eat()
	case "check-well":
	case "check-ill":
		os.Exit(1)
	case "print": // the files and variables named, and what is written to standard error
		print(os.Args[2:])
	case "write": // a file with a text
		if err := os.WriteFile(os.Args[2], []byte(os.Args[3]), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "serve": // HTTP on an address
		go http.ListenAndServe(os.Args[2], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(w, "served by", os.Args[3])
		}))
		<-signals
	case "get": // a URL, tried until it answers
		get(os.Args[2])
		<-signals
	case "addresses":
		addresses()
	}
}

func eat() {
	var kept [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		kept = append(kept, b)
		_ = kept
	}
}

func print(names []string) {
	for _, name := range names {
		if strings.HasPrefix(name, "/") {
			text, err := os.ReadFile(name)
			fmt.Printf("%s: %s %v\n", name, text, err)
			continue
		}
		fmt.Printf("%s=%s\n", name, os.Getenv(name))
	}
	host, _ := os.Hostname()
	dir, _ := os.Getwd()
	fmt.Fprintf(os.Stderr, "host %s uid %d dir %s\n", host, os.Getuid(), dir)
}

func get(url string) {
	for {
		if resp, err := http.Get(url); err == nil {
			resp.Write(os.Stdout)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func addresses() {
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		as, _ := i.Addrs()
		fmt.Println(i.Name, i.HardwareAddr, as)
	}
}
