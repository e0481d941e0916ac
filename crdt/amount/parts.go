package amount

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Parts is what stands in a text that begins as an amount.
type Parts struct {
	From, To string // numbers as they are written; To is "" where there is no range
	Unit     string // the sign or word of the unit before or behind the amount; "": none
	Rest     string // what stands behind
	Clock    bool   // it was written as hours and minutes
	Part     bool   // it was written as a fraction
}

// Decimal reports whether the numbers stand there as they are written.
func (p Parts) Decimal() bool { return !p.Clock && !p.Part }

var (
	// [unit] amount [- [unit] amount] rest
	partsForm = regexp.MustCompile(`^(?:(\p{Sc}|[A-Z]{0,2}\p{Sc}|\p{L}{1,8}\.?) ?)?` + `([-+−–(]? ?[.,]?[0-9].*)$`)
	number    = regexp.MustCompile(`^[-+−–(]? ?(?:[0-9]{1,3}(?:[ '’‘´` + "`" + `][0-9]{3})+\b(?:[.,][0-9]+)*|[.,]?[0-9]+(?:[.,][0-9]+)*(?:[eE][-+]?[0-9]+\b)?)(?:[.,][-–—−]{1,2}|-$|[.,]$|[.,] )?\)?`)
	toForm    = regexp.MustCompile(`^ ?[-–—−] ?(\p{Sc} ?)?([.,]?[0-9].*)$`)
	signForm  = regexp.MustCompile(`^ ?((?:[A-Z]{0,2}\p{Sc}))(?:([0-9]{2})\b)?`)
	wordForm  = regexp.MustCompile(`^ ?(\p{L}[\p{L}\p{M}0-9-]*)`)

	fractionForm = regexp.MustCompile(`^(?:([0-9]{1,4}) )?([0-9]{1,2})/([0-9]{1,2})\b(.*)$`)
	clockForm    = regexp.MustCompile(`^([0-9]{1,4})(?::| ?h ?)([0-5][0-9])(?: ?min\.?)?\b(.*)$`)
)

// glyphs are halves and the like in one character.
var glyphs = strings.NewReplacer("½", " 1/2", "¼", " 1/4", "¾", " 3/4", "⅛", " 1/8", "⅜", " 3/8", "⅝", " 5/8", "⅞", " 7/8", "⁄", "/")

// Take takes a text apart that begins as an amount, with or without a unit before
// it; ok is false where it begins as anything else. Known tells whether a word is
// a unit: of words that are none, only those behind an amount are taken for one.
// Halves and hours with minutes come as decimals; the error says what of them
// cannot be read.
func Take(text string, known func(string) bool) (p Parts, ok bool, err error) {
	text = strings.Join(strings.FieldsFunc(text, unicode.IsSpace), " ")
	begins := strings.TrimSpace(glyphs.Replace(text))
	m := partsForm.FindStringSubmatch(begins)
	if m == nil || m[1] != "" && !IsSign(m[1]) && !known(m[1]) {
		return p, false, nil
	}
	p.Unit = m[1]
	rest := m[2]
	if f := fractionForm.FindStringSubmatch(rest); f != nil {
		return fraction(p, f, known)
	}
	if c := clockForm.FindStringSubmatch(rest); c != nil {
		return clock(p, c)
	}
	p.From = strings.TrimSpace(number.FindString(rest))
	rest = rest[len(number.FindString(rest)):]
	if s := signForm.FindStringSubmatch(rest); s != nil && p.Unit == "" {
		p.Unit = s[1]
		if rest = rest[len(s[0]):]; s[2] != "" { // 4€50
			p.From += "," + s[2]
		}
	}
	if t := toForm.FindStringSubmatch(rest); t != nil {
		p.To = strings.TrimSpace(number.FindString(t[2]))
		rest = t[2][len(number.FindString(t[2])):]
		if p.Unit == "" {
			p.Unit = strings.TrimSpace(t[1])
		}
		if s := signForm.FindStringSubmatch(rest); s != nil {
			p.Unit, rest = s[1], rest[len(s[0]):]
		}
	}
	p.Unit, p.Rest = unitBehind(p.Unit, rest)
	return p, true, nil
}

// unitBehind takes the word of a unit that stands behind an amount.
func unitBehind(unit, rest string) (string, string) {
	if w := wordForm.FindStringSubmatch(rest); w != nil && unit == "" && !isPer(w[1]) {
		unit, rest = w[1], rest[len(w[0]):]
	}
	return unit, strings.TrimSpace(rest)
}

// IsSign reports whether a word has the sign of a currency in it, which may be that of
// several.
func IsSign(word string) bool {
	return strings.ContainsFunc(word, func(r rune) bool { return unicode.Is(unicode.Sc, r) })
}

// fraction reads 1/2 and 1 1/2: halves of hours, mostly. Behind a bare amount of
// money "1/2 kg" may as well be a price for 2 kg.
func fraction(p Parts, f []string, known func(string) bool) (Parts, bool, error) {
	text := strings.TrimSpace(f[1] + " " + f[2] + "/" + f[3])
	p.Unit, p.Rest = unitBehind(p.Unit, f[4])
	if p.Unit != "" && !IsSign(p.Unit) && !known(p.Unit) && !IsHour(p.Unit) {
		return p, true, fmt.Errorf("%q may be a part of one, or a price for %s: write for example 0.5 %s, or 1 euro/2 %[3]s", text+" "+p.Unit, f[3]+" "+p.Unit, p.Unit)
	}
	whole, _ := strconv.Atoi("0" + f[1])
	n, _ := strconv.Atoi(f[2])
	of, _ := strconv.Atoi(f[3])
	if of == 0 || n >= of || 1_000_000%of != 0 {
		return p, true, fmt.Errorf("%q has no exact decimals: write them, such as 0.33", text)
	}
	p.From, p.Part = decimal(whole, n, of), true
	return p, true, nil
}

// clock reads 1:30, which is one hour and a half.
func clock(p Parts, c []string) (Parts, bool, error) {
	text := c[1] + ":" + c[2]
	p.Unit, p.Rest = unitBehind(p.Unit, c[3])
	if p.Unit == "" && strings.Contains(c[0], "h") {
		p.Unit = "h"
	}
	if p.Unit != "" && !IsHour(p.Unit) {
		return p, true, fmt.Errorf("%q is a time, not an amount of %s", text, p.Unit)
	}
	hours, _ := strconv.Atoi(c[1])
	minutes, _ := strconv.Atoi(c[2])
	if minutes%3 != 0 { // 1/60 has endless decimals, 3/60 has two
		return p, true, fmt.Errorf("%q has no exact decimals of an hour: write them, such as 1.33", text)
	}
	p.From, p.Clock = decimal(hours, minutes, 60), true
	return p, true, nil
}

// decimal writes whole + n/of with a point, without needless zeros.
func decimal(whole, n, of int) string {
	s := fmt.Sprintf("%d.%06d", whole, n*1_000_000/of)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// isPer reports whether a word stands before what an amount buys.
func isPer(word string) bool { return perWords[strings.ToLower(word)] }

var perWords = map[string]bool{"per": true, "pro": true, "je": true, "par": true, "por": true, "le": true, "la": true, "al": true, "el": true}
