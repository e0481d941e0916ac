// Package text says which characters a name may have, which names are the same,
// and what a text may hold that shows on one line.
//
// Names decide who is paid, so all nodes must judge them alike: the tables are
// frozen at one version of Unicode (tables.go, made by tables_test.go). Normal form C
// is taken from a library whose tables grow, and yet is frozen: Unicode keeps the
// normal form of text that has only characters it had assigned, and names have no
// others.
package text

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

//go:generate go test -run TestTablesAreOfTheirVersion -write

// UnicodeVersion is the version by which names are judged.
const UnicodeVersion = "15.0.0"

// The bounds from which on a word of the characters of ids looks like an id: ids
// are shown with 8 characters and have 52.
const (
	idLen     = 8  // with a digit among them
	idWordLen = 26 // without: there are names of letters alone
	idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	idDigits  = "234567"
)

// maxMarks bounds the accents of one letter. No writing needs half as many, and from
// 30 on libraries differ in what normal form C is: some break such a row up.
const maxMarks = 16

const (
	nonJoiner = 0x200c
	joiner    = 0x200d
)

type span struct{ first, last rune }

func in(spans []span, r rune) bool {
	_, found := slices.BinarySearchFunc(spans, r, func(s span, r rune) int {
		switch {
		case s.last < r:
			return -1
		case s.first > r:
			return 1
		}
		return 0
	})
	return found
}

// CheckName says why a text cannot be the name of anything, or nil. How long it may
// be is asked elsewhere.
func CheckName(s string) error {
	before, marks := ' ', 0
	for _, r := range s {
		if marks++; !in(markSpans, r) {
			marks = 0
		}
		switch {
		case !in(nameSpans, r):
			return badCharacter(s, r)
		case before == ' ' && r == ' ':
			return fmt.Errorf("%q begins with a space, or has two in a row: take them out", s)
		case before == ' ' && marks > 0:
			return fmt.Errorf("%q has the accent %U where there is nothing below it: take it out", s, r)
		case marks > maxMarks:
			return fmt.Errorf("%q has more than %d accents on one letter: take some out", s, maxMarks)
		}
		before = r
	}
	switch {
	case s == "":
		return errors.New("it is empty")
	case before == ' ':
		return fmt.Errorf("%q ends with a space: take it out", s)
	case !norm.NFC.IsNormalString(s):
		return fmt.Errorf("%q is not in normal form C of Unicode: write %q", s, NFC(s))
	}
	return nil
}

// badCharacter says what is wrong with a character in a name, and what may stand
// in its place.
func badCharacter(s string, r rune) error {
	plain := norm.NFKC.String(string(r))
	switch {
	case Show(string(r)) != string(r):
		return fmt.Errorf("%q has the invisible character %U: take it out", s, r)
	case plain != string(r) && CheckName(plain) == nil:
		return fmt.Errorf("%q has the character %U, another form of %q: write that", s, r, plain)
	}
	return fmt.Errorf("%q has the character %U, which no name may have: letters, digits, punctuation and symbols of Unicode %s may", s, r, UnicodeVersion)
}

// LooksLikeID reports whether people, and commands, could take a name for an id or
// for the beginning of one.
func LooksLikeID(name string) bool {
	word := strings.Trim(name, idLetters+idDigits) == ""
	return word && (len(name) >= idWordLen || len(name) >= idLen && strings.ContainsAny(name, idDigits))
}

// NFC returns the one way to write a text: an accent that some keyboards type
// behind its letter goes into the letter.
func NFC(s string) string { return norm.NFC.String(s) }

// Fold returns what two names have in common that are the same but for case. It is
// for comparing, not for showing.
func Fold(name string) string {
	folded := strings.Map(func(r rune) rune {
		if i, ok := slices.BinarySearch(foldFrom, r); ok {
			return foldTo[i]
		}
		return r
	}, NFC(name))
	return NFC(folded)
}

// Same reports whether two names differ in case at most.
func Same(a, b string) bool { return Fold(a) == Fold(b) }

// CheckLine says why a text cannot stand on one line as it is, or nil.
func CheckLine(s string) error {
	if strings.TrimFunc(s, space) != s {
		return fmt.Errorf("%q begins or ends with a space: write it as one line", s)
	}
	if strings.ContainsAny(s, "\n\t") {
		return fmt.Errorf("%q has a line break or a tab: write it as one line", s)
	}
	return CheckLines(s)
}

// CheckLines says why a text of any number of lines may not be kept, or nil: it has
// characters by which it could show as something else than it is.
func CheckLines(s string) error {
	for _, r := range s {
		if r != '\n' && r != '\t' && unseen(r) {
			return fmt.Errorf("%q has the invisible character %U", s, r)
		}
	}
	return nil
}

// unseen are control characters, those that end a line or a paragraph, and format
// characters. Joiners are none: Persian and Indic words, and emoji, need them.
func unseen(r rune) bool {
	return control(r) || r == 0x2028 || r == 0x2029 || in(formatSpans, r) && !isJoiner(r)
}

func control(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f }

// space are the characters that Unicode has as white space.
func space(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\v', '\f', '\r', 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000:
		return true
	}
	return r >= 0x2000 && r <= 0x200a
}

// Line returns a text as it is written down where one line is asked for: format
// characters go, any space is one space. A joiner stays between characters that may
// need it; by others it would tell two equal words apart.
func Line(s string) string {
	line := []rune(strings.Join(strings.FieldsFunc(Show(s), space), " "))
	kept := line[:0:0]
	for i, r := range line {
		needed := len(kept) > 0 && i+1 < len(line) && joins(kept[len(kept)-1]) && joins(line[i+1])
		if needed || !isJoiner(r) {
			kept = append(kept, r)
		}
	}
	return string(kept)
}

// joins reports whether a joiner may be needed beside a character.
func joins(r rune) bool { return r > 0x7f && !isJoiner(r) }

func isJoiner(r rune) bool { return r == joiner || r == nonJoiner }

// Lines returns a text of any number of lines as it is written down.
func Lines(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unseen(r) {
			return -1
		}
		return r
	}, s)
}

// Show returns a text so that it can be shown in a line among others: it cannot
// move the cursor, nor turn the direction of what stands beside it.
func Show(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range s {
		if unseen(r) {
			gap = gap || space(r)
			continue
		}
		if gap && b.Len() > 0 && r != ' ' && !strings.HasSuffix(b.String(), " ") {
			b.WriteByte(' ')
		}
		gap = false
		b.WriteRune(r)
	}
	return b.String()
}

// Compare orders names for people to read.
func Compare(a, b string) int { return cmp.Or(cmp.Compare(Fold(a), Fold(b)), cmp.Compare(a, b)) }
