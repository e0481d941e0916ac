// Package amount reads amounts as people and spreadsheets write them: prices,
// payments, limits, sizes. It is the one reader for all of them.
//
// Which sign stands before decimals differs from country to country. What can be
// read in two ways is refused with both readings, unless it is known how the
// text or file it stands in writes decimals.
package amount

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Marks says which sign stands before decimals.
type Marks uint8

// The ways of marking decimals.
const (
	Unknown Marks = iota // what can be read in two ways is refused
	Point                // 1,234.50   1'234.50
	Comma                // 1.234,50   1 234,50
)

// String names the sign.
func (m Marks) String() string { return [...]string{"unknown", "point", "comma"}[m] }

func marksOf(sign byte) Marks {
	if sign == ',' {
		return Comma
	}
	return Point
}

// maxLen bounds what is looked at, in bytes, before anything is read.
const maxLen = 64

// Unclear says that a number can be read in two ways.
type Unclear struct{ Text, Whole, Decimal string }

func (e *Unclear) Error() string {
	return fmt.Sprintf("%q may be %s or %s: write %s for the first, %s for the second", e.Text, e.Whole, e.Decimal, e.Whole, Plain(e.Decimal))
}

// ErrNone says that a text is no number.
var ErrNone = errors.New("no number")

// Read reads a number and returns it with a point and without marks for
// thousands, its decimals as they were written: "1'234,50" is "1234.50". Signs
// below zero, exponents, and what begins with needless zeros are refused. Shows
// is how the text itself marks decimals, Unknown if it leaves that open. The
// error is *Unclear or ErrNone, or says in words what is wrong with the number.
func Read(text string, by Marks) (number string, shows Marks, err error) {
	s := plainSigns(strings.TrimSpace(text))
	if len(s) > maxLen {
		return "", Unknown, fmt.Errorf("a number of %d characters is too long", utf8.RuneCountInString(s))
	}
	if strings.HasPrefix(s, "-") || strings.HasSuffix(s, "-") && !dashForm.MatchString(s) {
		return "", Unknown, fmt.Errorf("%q is below zero: write an amount above zero", text)
	}
	s = strings.TrimPrefix(s, "+")
	if exponentForm.MatchString(s) {
		return "", Unknown, fmt.Errorf("%q is how a spreadsheet shortens a number, and it may have lost digits: write it in full", text)
	}
	whole, decimals, shows, ok := split(s, by)
	switch {
	case !ok:
		return "", Unknown, ErrNone
	case whole == "" && decimals != "":
		whole = "0"
	case len(whole) > 1 && whole[0] == '0':
		return "", Unknown, fmt.Errorf("%q begins with a zero too many", text)
	}
	number = whole
	if decimals != "" {
		number += "." + decimals
	}
	if shows == Unknown && strings.ContainsAny(s, ".,") {
		at := strings.IndexAny(s, ".,")
		decimal := s[:at] + "." + s[at+1:]
		switch {
		case by == Unknown:
			return "", Unknown, &Unclear{text, s[:at] + s[at+1:], decimal}
		case marksOf(s[at]) == by:
			return decimal, Unknown, nil
		}
		return s[:at] + s[at+1:], Unknown, nil
	}
	if by != Unknown && shows != Unknown && shows != by {
		return "", shows, fmt.Errorf("%q does not fit: here the %s marks decimals", text, by)
	}
	return number, shows, nil
}

var (
	dashForm     = regexp.MustCompile(`^[0-9][0-9.,' ]*[.,]--?$`) // 4,-
	exponentForm = regexp.MustCompile(`^[0-9.,]+[eE][-+]?[0-9]+$`)
	groupForm    = regexp.MustCompile(`^[0-9]{1,3}(?:([ '])[0-9]{3})(?:[ '][0-9]{3})*([.,][0-9]+)?$`)
	thousandForm = regexp.MustCompile(`^[1-9][0-9]{0,2}[.,][0-9]{3}$`)                              // thousands or three decimals
	commaGroups  = regexp.MustCompile(`^[0-9]{1,3}(,[0-9]{3})+$|^[0-9]{1,2}(,[0-9]{2})+,[0-9]{3}$`) // the second as in India
	pointGroups  = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{3})+$`)
)

// plainSigns writes spaces, apostrophes and dashes of all kinds in one way.
func plainSigns(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || r == '\u2007' || r == '\u2060':
			return ' '
		case strings.ContainsRune("’‘´`ʼ＇", r):
			return '\''
		case strings.ContainsRune("−–—‐‑‒", r):
			return '-'
		}
		return r
	}, s)
}

// split takes a number apart. Where a mark can be read in two ways, shows is
// Unknown, and whole and decimals are as if it marked decimals.
func split(s string, by Marks) (whole, decimals string, shows Marks, ok bool) {
	if dashForm.MatchString(s) { // nothing behind the mark of decimals
		mark := strings.TrimRight(s, "-")
		sign := mark[len(mark)-1]
		whole, decimals, shows, ok = split(mark[:len(mark)-1]+string(sign)+"00", by)
		return whole, "", shows, ok && decimals == "00"
	}
	if m := groupForm.FindStringSubmatch(s); m != nil {
		if strings.Contains(s, " ") && strings.Contains(s, "'") {
			return "", "", Unknown, false
		}
		whole = strings.NewReplacer(" ", "", "'", "").Replace(strings.TrimSuffix(s, m[2]))
		if m[2] == "" {
			return whole, "", Unknown, true
		}
		return whole, m[2][1:], marksOf(m[2][0]), true
	}
	point, comma := strings.LastIndexByte(s, '.'), strings.LastIndexByte(s, ',')
	switch {
	case strings.Trim(s, "0123456789.,") != "" || s == "":
		return "", "", Unknown, false
	case point < 0 && comma < 0:
		return s, "", Unknown, true
	case commaGroups.MatchString(s) && strings.Count(s, ",") > 1:
		return strings.ReplaceAll(s, ",", ""), "", Point, true
	case pointGroups.MatchString(s) && strings.Count(s, ".") > 1:
		return strings.ReplaceAll(s, ".", ""), "", Comma, true
	}
	at := max(point, comma)
	whole, decimals = s[:at], s[at+1:]
	shows = marksOf(s[at])
	switch {
	case decimals == "":
		return "", "", Unknown, false
	case isDigits(whole) || whole == "":
		if thousandForm.MatchString(s) {
			shows = Unknown
		}
		return whole, decimals, shows, true
	case shows == Point && commaGroups.MatchString(whole), shows == Comma && pointGroups.MatchString(whole):
		return strings.NewReplacer(".", "", ",", "").Replace(whole), decimals, shows, true
	}
	return "", "", Unknown, false
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Plain returns a number that Read returned so that nobody reads it in two ways:
// one with three decimals has two or four.
func Plain(number string) string {
	if !thousandForm.MatchString(number) {
		return number
	}
	if less, ok := strings.CutSuffix(number, "0"); ok {
		return less
	}
	return number + "0"
}

// Minor returns a number that Read returned in minor units: so many that 10^scale
// of them are one. ErrTooFine says that it has more decimals than that, ErrTooMuch
// that it is more than most.
func Minor(number string, scale int, most int64) (int64, error) {
	whole, decimals, _ := strings.Cut(number, ".")
	if decimals = strings.TrimRight(decimals, "0"); len(decimals) > scale {
		return 0, ErrTooFine
	}
	n, err := strconv.ParseInt(whole+decimals+strings.Repeat("0", scale-len(decimals)), 10, 64)
	if err != nil || n > most {
		return 0, ErrTooMuch
	}
	return n, nil
}

// What keeps a number from being an amount of a unit.
var (
	ErrTooFine = errors.New("it has too many decimals")
	ErrTooMuch = errors.New("it is too much")
)
