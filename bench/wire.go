package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
)

// wire is one HTTP/1.1 connection of a client that costs next to nothing, since it
// shares the machine with the server that is measured: requests are written as
// they were prepared, and of answers only the status is read.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func dial(address string) (*wire, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &wire{conn, bufio.NewReaderSize(conn, 4<<10)}, nil
}

// request is the head and the body of a request, which is shared.
type request [2][]byte

// post prepares a request.
func post(address, path, media string, body []byte) request {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, address, media, len(body))
	return request{[]byte(head), body}
}

// send sends a prepared request and waits for its answer, which must be a
// success.
func (w *wire) send(r request) error {
	parts := net.Buffers(r[:])
	if _, err := parts.WriteTo(w.Conn); err != nil {
		return err
	}
	status, err := w.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 2"))
	first := string(status[:min(len(status), 32)])
	length := 0
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if !ok {
		body := make([]byte, min(length, 512))
		_, _ = io.ReadFull(w.in, body)
		return fmt.Errorf("answered %s: %s", first, body)
	}
	_, err = w.in.Discard(length)
	return err
}
