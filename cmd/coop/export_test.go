package main

import (
	"bytes"
	"context"
	"strings"
	"time"
)

// For the tests of the program as a whole.
var (
	Run           = run
	ExitCodesText = exitCodesText
	KeptBy        = keptBy
	Isolated      = isolated
	Typed         = typed
)

// Said returns what is printed of a note and of an error.
func Said(text string) (note, failed string) {
	var a, b bytes.Buffer
	(&terminal{err: &a}).note("  %s", text)
	(&terminal{err: &b}).fail(&pendingError{text})
	return a.String(), b.String()
}

// OnTerminal returns a table as a terminal shows it, a line, and JSON there.
func OnTerminal(head []string, rows [][]string) (table, fields, json string) {
	var a, b, c bytes.Buffer
	(&terminal{out: isolating{&a}, tty: true}).table(head, rows)
	(&terminal{out: isolating{&b}, tty: true}).fields("who", rows[0][0])
	_ = (&terminal{out: isolating{&c}, tty: true, json: true}).answer(rows[0][0], nil)
	return a.String(), b.String(), c.String()
}

// Execute runs one command on a home, in this process, and returns what it printed.
func Execute(home string, args ...string) (out, errs string, status int) {
	return ExecuteAt(time.Now, home, args...)
}

// ExecuteAt is Execute on a computer whose clock is now.
func ExecuteAt(now func() time.Time, home string, args ...string) (out, errs string, status int) {
	var o, e bytes.Buffer
	t := newTerminal(strings.NewReader(""), &o, &e, func(name string) string {
		if name == "COOP_HOME" {
			return home
		}
		return ""
	})
	t.now = now
	status = execute(context.Background(), t, args)
	return o.String(), e.String(), status
}
