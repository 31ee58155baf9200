package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load sends requests over kept connections for a while, one at a time on each, and returns
// how many were answered with 200. Any other answer is an error: the figures would lie.
func load(ctx context.Context, at netip.AddrPort, connections int, d time.Duration) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var answered atomic.Int64
	errs := make([]error, connections)
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() { errs[i] = loadOne(ctx, at, &answered) })
	}
	all.Wait()
	if n := answered.Load(); n > 0 {
		return n, errors.Join(errs...)
	}
	return 0, errors.Join(append(errs, fmt.Errorf("load %s: no answer", at))...)
}

var smallRequest = []byte("GET / HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: drydock-bench\r\nAccept: */*\r\n\r\n")

func loadOne(ctx context.Context, at netip.AddrPort, answered *atomic.Int64) error {
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	for r := bufio.NewReader(c); ctx.Err() == nil; answered.Add(1) {
		if _, err := c.Write(smallRequest); err != nil {
			return err
		}
		if err := readAnswer(r); err != nil {
			return fmt.Errorf("load %s: %w", at, err)
		}
	}
	return nil
}

// readAnswer reads one answer of known length.
func readAnswer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answer %q", line)
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("answer without Content-Length")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}
