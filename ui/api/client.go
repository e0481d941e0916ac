package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// Client talks to a node: over its socket, or in this process.
type Client struct {
	http  http.Client
	watch bool   // the node is another process, which may be stopped
	lock  string // the file that names that process
}

const (
	// askEvery is how often a node that a call waits for is asked whether it is there.
	askEvery = 5 * time.Second

	// aliveMax is how long it has to answer that. It needs nothing but to run.
	aliveMax = 5 * time.Second
)

// stoppedError says that the process of the node does not run on.
func (c *Client) stoppedError() *Error {
	return &Error{Code: CodeUnavailable, Message: "the node does not answer: its process is stopped, or this computer is too busy",
		Hint: "let a stopped one go on: kill -CONT $(cat " + c.lock + "); or end it: kill -KILL $(cat " + c.lock + ")"}
}

// Dial returns a client of the node that listens on a unix socket.
func Dial(socket string) *Client {
	var d net.Dialer
	return &Client{watch: true, lock: filepath.Join(filepath.Dir(socket), "lock"), http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}}
}

// watched returns a context that ends when the node does not run on, with that as
// its cause, and what ends the watch. A call may take as long as it takes; a process
// that is stopped answers nothing at all.
func (c *Client) watched(ctx context.Context) (context.Context, func()) {
	if !c.watch {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c.alive(ctx) {
			select {
			case <-ctx.Done():
			case <-time.After(askEvery):
			}
		}
		cancel(c.stoppedError())
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-done
		c.http.CloseIdleConnections()
	}
}

// alive reports whether the process of the node runs, as far as it can be known: one
// that ended closes the connection, and the call says so itself.
func (c *Client) alive(ctx context.Context) bool {
	asked, cancel := context.WithTimeout(ctx, aliveMax)
	defer cancel()
	req, err := http.NewRequestWithContext(asked, http.MethodGet, "http://node"+alivePath, nil)
	if err != nil {
		return false
	}
	resp, err := c.http.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return ctx.Err() == nil && asked.Err() == nil
}

// Direct returns a client of a handler in this process.
func Direct(h http.Handler) *Client { return &Client{http: http.Client{Transport: direct{h}}} }

type direct struct{ h http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	w := &response{header: http.Header{}, body: writer, ready: make(chan int, 1)}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	go func() {
		d.h.ServeHTTP(w, r)
		w.WriteHeader(http.StatusOK)
		writer.Close()
	}()
	select {
	case status := <-w.ready:
		return &http.Response{StatusCode: status, Header: w.header, Body: reader, Request: r}, nil
	case <-r.Context().Done():
		reader.CloseWithError(r.Context().Err()) // or an answer that nobody wants would wait for ever
		return nil, r.Context().Err()
	}
}

// response is what a handler writes to in this process.
type response struct {
	header http.Header
	body   *io.PipeWriter
	ready  chan int
	sent   bool
}

func (w *response) Header() http.Header { return w.header }
func (w *response) Flush()              {}

func (w *response) WriteHeader(status int) {
	if !w.sent {
		w.sent = true
		w.ready <- status
	}
}

func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Get asks for path and decodes the answer into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.call(ctx, http.MethodGet, path, nil, out)
}

// Post sends in to path and decodes the answer into out. In may be an io.Reader
// that is sent as it is.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	body, ok := in.(io.Reader)
	if !ok {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	return c.call(ctx, http.MethodPost, path, body, out)
}

func (c *Client) call(ctx context.Context, method, path string, body io.Reader, out any) error {
	ctx, end := c.watched(ctx)
	defer end()
	resp, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		} else {
			err = fmt.Errorf("the node's answer cannot be read: %w", err)
		}
		return unanswered(resp.Request, err)
	}
	return nil
}

// unanswered is err, of a question whose answer was lost: of a wish nobody knows
// then whether it was done.
func unanswered(r *http.Request, err error) error {
	var stopped *Error
	if r.Method != http.MethodPost || r.Context().Err() != nil && !errors.As(err, &stopped) {
		return err
	}
	out := Error{Code: CodeUnavailable, Message: "the node ended before it answered: this may be done or not", Hint: "start it with `coop up`"}
	if stopped != nil && r.Context().Err() != nil {
		out.Message, out.Hint = stopped.Message+": this may be done or not", stopped.Hint
	}
	out.Hint += " and say the same command again with --once " + r.Header.Get(OnceHeader) + ": then it is done once"
	return &out
}

func (c *Client) open(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://node"+path, body)
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		token := tokenOf(ctx)
		if strings.ContainsFunc(token, unicode.IsControl) {
			return nil, &Error{Code: CodeUsage, Message: "what makes a command count once has a character that cannot be sent: take letters and digits"}
		}
		req.Header.Set(OnceHeader, token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, unanswered(req, context.Cause(ctx))
		}
		if dial := (*net.OpError)(nil); !errors.As(err, &dial) || dial.Op != "dial" {
			return nil, unanswered(req, nobodyAnswers)
		}
		return nil, nobodyAnswers
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var e struct{ Error Error }
	if json.NewDecoder(resp.Body).Decode(&e) != nil || e.Error.Code == "" {
		return nil, fmt.Errorf("the node answered %s", resp.Status)
	}
	return nil, &e.Error
}

// nobodyAnswers is what a question becomes that reached no node.
var nobodyAnswers = &Error{Code: CodeUnavailable, Message: "the node does not answer", Hint: "start it with `coop up`"}

// Follow calls fn for every log entry after a place, and for new ones as they
// come, until ctx ends, fn returns an error or the node stops.
func (c *Client) Follow(ctx context.Context, after int, fn func(LogEntry) error) error {
	ctx, end := c.watched(ctx)
	defer end()
	resp, err := c.open(ctx, http.MethodGet, fmt.Sprintf("/v1/log?follow=1&after=%d", after), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	for {
		var e LogEntry
		if err := d.Decode(&e); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return &Error{Code: CodeUnavailable, Message: "the node stopped", Hint: "start it with `coop up`"}
		}
		if err := fn(e); err != nil {
			return err
		}
	}
}

// Code says what kind of error it is. The terminal's exit status follows from
// it.
type Code string

// The codes.
const (
	CodeFailed      Code = "failed"
	CodeUsage       Code = "usage"
	CodeNotFound    Code = "not-found"
	CodeUnavailable Code = "unavailable"
	CodeRefused     Code = "refused"
	CodePending     Code = "pending"
)

// Error is an error as the API answers it.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do
}

func (e *Error) Error() string { return e.Message }
