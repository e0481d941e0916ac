package main

import "bytes"

// For the tests of the program as a whole.
var (
	Run           = run
	ExitCodesText = exitCodesText
)

// Said returns what is printed of a note and of an error.
func Said(text string) (note, failed string) {
	var a, b bytes.Buffer
	(&terminal{err: &a}).note("  %s", text)
	(&terminal{err: &b}).fail(&pendingError{text})
	return a.String(), b.String()
}
