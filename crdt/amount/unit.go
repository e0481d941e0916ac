package amount

import (
	"slices"
	"strings"
)

// words are signs, codes and words for one unit. A sign of several currencies
// stands with each of them.
var words = [][]string{
	hours,
	{"€", "eur", "euro", "euros"},
	{"$", "us$", "usd", "dollar", "dollars"},
	{"$", "ca$", "cad", "dollar", "dollars"},
	{"$", "au$", "aud", "dollar", "dollars"},
	{"£", "gbp", "pound", "pounds"},
	{"chf", "fr", "fr.", "sfr", "sfr.", "franc", "francs", "franken"},
	{"¥", "jpy", "yen"},
	{"¥", "cny", "yuan"},
	{"kr", "kr.", "sek", "krona", "kronor"},
	{"kr", "kr.", "nok", "krone", "kroner"},
	{"kr", "kr.", "dkk", "krone", "kroner"},
	{"zł", "zl", "pln", "zloty", "złoty"},
	{"kč", "kc", "czk", "koruna"},
	{"ft", "huf", "forint"},
	{"lei", "leu", "ron"},
	{"₹", "rs", "rs.", "inr", "rupee", "rupees"},
	{"r$", "brl", "real", "reais"},
	{"₺", "try", "lira"},
	{"₴", "uah", "hryvnia"},
	{"₽", "rub", "rouble", "roubles"},
}

var hours = []string{"h", "hr", "hrs", "hour", "hours", "std", "std.", "stunde", "stunden", "heure", "heures", "hora", "horas", "ora", "ore", "uur", "uren"}

// IsHour reports whether a word means hours.
func IsHour(word string) bool { return slices.Contains(hours, strings.ToLower(word)) }

// Same reports whether two words may mean one unit: EUR and euro.
func Same(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a == b || slices.ContainsFunc(words, func(w []string) bool { return slices.Contains(w, a) && slices.Contains(w, b) })
}

// IsMoney reports whether a word is the sign, code or name of a currency or
// means hours.
func IsMoney(word string) bool {
	word = strings.ToLower(word)
	return slices.ContainsFunc(words, func(w []string) bool { return slices.Contains(w, word) })
}

// Among returns which of some units a word plainly means; "" if none, or more
// than one.
func Among(word string, units []string) (unit string) {
	for _, u := range units {
		if u == word {
			return u
		}
	}
	for _, u := range units {
		if Same(u, word) {
			if unit != "" {
				return ""
			}
			unit = u
		}
	}
	return unit
}
