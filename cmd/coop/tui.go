package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-isatty"

	"coop/crdt/text"
	"coop/node"
	"coop/node/keys"
	"coop/node/store"
	"coop/ui/api"
)

// The rules of the terminal, all here:
//
//   - What was asked for goes to standard output, everything else to standard
//     error.
//   - On a terminal lists are aligned tables with relative times; in a pipe they
//     are tab-separated with whole ids and RFC 3339 times.
//   - On a terminal letters that run from right to left turn nothing beside them, see
//     isolating; a pipe, JSON and files get what was written, and nothing else.
//   - --json answers every command in the versioned JSON of package api.
//   - An error is one line that says what is wrong and, where something can be
//     done, one that says what. The exit status says which kind it is.

// The exit statuses. Scripts depend on them; `coop help exit-codes` lists them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitUnavailable = 4
	exitRefused     = 5
	exitPending     = 8
	exitInterrupted = 130
)

const exitCodesText = `0    done
1    failed for a reason of this computer, such as a full disk
2    wrong usage, or what was typed cannot be read
3    there is nothing of that name or id, or more than one thing
4    the node is not running, or this home is locked by another program
5    refused by the rules of the co-op
8    still pending: not admitted yet, or nobody reached in time
130  interrupted
`

// terminal is where a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	tty      bool // out is a terminal
	home     string
	staging  int64 // MiB, see node.Config; 0: as the node does by itself
	unlisted bool  // see node.Config
	json     bool
	quiet    bool
	once     string // word by which what is posted counts once; "": each command counts
	now      func() time.Time
}

func newTerminal(in io.Reader, out, errs io.Writer, getenv func(string) string) *terminal {
	t := &terminal{in: in, out: out, err: errs, getenv: getenv, now: time.Now}
	if f, ok := out.(*os.File); ok {
		t.tty = isatty.IsTerminal(f.Fd()) && getenv("TERM") != "dumb"
	}
	for _, w := range []*io.Writer{&t.out, &t.err} {
		if f, ok := (*w).(*os.File); ok && isatty.IsTerminal(f.Fd()) {
			*w = isolating{*w}
		}
	}
	return t
}

// usageError is wrong usage.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// pendingError says that something did not happen in the time given for it.
type pendingError struct{ text string }

func (e *pendingError) Error() string { return e.text }

// hintedError is an error with what to do about it.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Unwrap() error { return e.error }

func exitStatus(err error) int {
	var (
		wrong   *usageError
		pending *pendingError
		answer  *api.Error
	)
	switch {
	case errors.As(err, &wrong):
		return exitUsage
	case errors.As(err, &pending):
		return exitPending
	case errors.As(err, &answer):
		return map[api.Code]int{
			api.CodeFailed: exitFailed, api.CodeUsage: exitUsage, api.CodeNotFound: exitNotFound,
			api.CodeUnavailable: exitUnavailable, api.CodeRefused: exitRefused, api.CodePending: exitPending,
		}[answer.Code]
	case errors.Is(err, store.ErrLocked), errors.Is(err, keys.ErrLocked):
		return exitUnavailable
	case errors.Is(err, keys.ErrExists):
		return exitUsage
	}
	return exitFailed
}

// fail prints an error.
func (t *terminal) fail(err error) {
	message, hint := strings.TrimSpace(err.Error()), hintOf(err)
	if t.json {
		_ = t.encode(t.err, map[string]any{"v": api.Version, "error": map[string]any{"status": exitStatus(err), "message": message, "hint": hint}})
		return
	}
	lines := strings.Split(message, "\n")
	for i, l := range lines {
		lines[i] = line(l)
	}
	fmt.Fprintf(t.err, "✗ %s\n", strings.Join(lines, "\n"))
	if hint != "" {
		fmt.Fprintln(t.err, "  "+line(hint))
	}
}

// hintOf returns what to do about an error, "" if nothing more is known.
func hintOf(err error) string {
	var answer *api.Error
	var hinted hintedError
	switch {
	case errors.As(err, &answer):
		return answer.Hint
	case errors.As(err, &hinted):
		return hinted.hint
	case errors.Is(err, keys.ErrDamaged), errors.Is(err, keys.ErrMissing):
		return "without a copy of it, " + node.AnotherComputer("YOUR-NAME") + ". Then revoke this one there: coop device revoke COMPUTER"
	}
	return ""
}

func (t *terminal) encode(w io.Writer, v any) error {
	e := json.NewEncoder(plain(w))
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// note says something that is not the answer.
func (t *terminal) note(format string, args ...any) {
	if !t.json && !t.quiet {
		fmt.Fprintln(t.err, line(fmt.Sprintf(format, args...)))
	}
}

// answer prints the answer to a command: as JSON, or as show does.
func (t *terminal) answer(v any, show func()) error {
	if t.json {
		return t.encode(t.out, v)
	}
	show()
	if w, ok := v.(interface{ Warning() string }); ok && w.Warning() != "" {
		t.note("! %s", w.Warning())
	}
	return nil
}

// made answers a command that made something.
func (t *terminal) made(m api.Made, done string, next ...string) error {
	return t.answer(m, func() {
		if t.quiet || !t.tty {
			fmt.Fprintln(t.out, m.ID)
		}
		if t.quiet {
			return
		}
		if t.tty {
			done += " " + m.ID.Short()
		}
		if !m.Minuted {
			done += "; not in the minutes yet: it " + m.Waits
		}
		fmt.Fprintf(t.err, "✓ %s\n", line(done))
		t.next(strings.NewReplacer(" ID", " "+m.ID.Short()), next)
	})
}

// next says what can be done now.
func (t *terminal) next(names *strings.Replacer, steps []string) {
	for _, s := range steps {
		t.note("  next: %s", names.Replace(s))
	}
}

// table prints rows under a heading. Quietly it prints their first column alone:
// ids, or the names of what has none.
func (t *terminal) table(head []string, rows [][]string) {
	if t.quiet {
		for _, r := range rows {
			fmt.Fprintln(t.out, r[0])
		}
		return
	}
	if !t.tty {
		for _, r := range rows {
			fmt.Fprintln(t.out, tabbed(r))
		}
		return
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	w.Flush()
}

// tabbed is a row for programs: cells between tabs, in quotation marks where they
// have one, as spreadsheets and hledger read it.
func tabbed(row []string) string {
	cells := slices.Clone(row)
	for i, c := range cells {
		if strings.ContainsAny(c, "\"\t") {
			cells[i] = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
		}
	}
	return strings.Join(cells, "\t")
}

// id shortens an id for people.
func (t *terminal) id(full string) string {
	if t.tty && !t.quiet && len(full) > 8 {
		return full[:8]
	}
	return full
}

// when writes a time for people, or for programs.
func (t *terminal) when(at time.Time) string {
	if t.tty {
		return humanize.RelTime(at, t.now(), "ago", "from now")
	}
	return at.UTC().Format(time.RFC3339)
}

// count writes how many there are of something.
func count(n int, of string) string {
	return fmt.Sprintf("%d %s", n, oneOr(n, of, of+"s"))
}

// oneOr returns the word for one thing, or that for another number of them.
func oneOr(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// line makes one line of what a member wrote: it must not move the cursor, nor turn
// what stands beside it. JSON has it as it was written.
func line(s string) string { return text.Show(s) }
