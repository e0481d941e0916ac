package main

import (
	"io"
	"strings"

	"golang.org/x/text/unicode/bidi"
)

// Between these two what is written from right to left turns nothing that stands beside
// it: first strong isolate, and the end of it.
const (
	isolateBegin = "\u2068"
	isolateEnd   = "\u2069"
)

// isolating is a terminal on which a name or title in Hebrew or Arabic letters stays in
// its column and does not turn the amount or the command behind it. What a terminal
// writes comes in whole lines or cells.
type isolating struct{ io.Writer }

func (w isolating) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, isolated(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// plain returns the writer for what programs read: it gets every byte as it is.
func plain(w io.Writer) io.Writer {
	if i, ok := w.(isolating); ok {
		return i.Writer
	}
	return w
}

// isolated puts each stretch of right-to-left letters between isolates. Other letters, a
// gap and the end of a line end a stretch; what else stands between two such letters is
// part of it.
func isolated(s string) string {
	var b strings.Builder
	done, begin, end := 0, -1, 0
	flush := func() {
		if begin >= 0 {
			b.WriteString(s[done:begin] + isolateBegin + s[begin:end] + isolateEnd)
			done, begin = end, -1
		}
	}
	for at, r := range s {
		props, size := bidi.LookupString(s[at:])
		switch class := props.Class(); {
		case class == bidi.R, class == bidi.AL, class == bidi.AN:
			if begin < 0 {
				begin = at
			}
			end = at + size
		case class == bidi.NSM && end == at && begin >= 0: // a mark on such a letter
			end = at + size
		case class == bidi.L, r == '\n', r == '\t', r == ' ' && strings.HasPrefix(s[at:], "  "):
			flush()
		}
	}
	flush()
	return b.String() + s[done:]
}

// typed returns arguments without the isolates that come along when a name is copied
// from a terminal.
func typed(args []string) []string {
	marks := strings.NewReplacer(isolateBegin, "", isolateEnd, "")
	clean := make([]string, len(args))
	for i, a := range args {
		clean[i] = marks.Replace(a)
	}
	return clean
}
