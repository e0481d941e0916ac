package listing

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Query is what a person looks for. The zero Query finds every listing.
type Query struct {
	words    []string
	category string
}

// NewQuery returns the query for listings that have every word of words
// somewhere in title, text, category, tags or place, and that are of the given
// category, if it is not empty. A word may stand inside a longer one (brot finds
// Vollkornbrot). Case and accents make no difference, in the category neither.
func NewQuery(words, category string) Query {
	q := Query{category: Fold(clean(category))}
	for _, w := range strings.Fields(Fold(words)) {
		if w = strings.TrimFunc(w, unicode.IsPunct); w != "" {
			q.words = append(q.words, w)
		}
	}
	return q
}

// Match reports whether q finds l. It costs about as much as reading l's text once.
func (q Query) Match(l Listing) bool {
	if q.category != "" && q.category != Fold(l.Category) {
		return false
	}
	if len(q.words) == 0 {
		return true
	}
	fields := append([]string{l.Title, l.Category, l.Place, l.Text}, l.Tags...)
	for i, f := range fields {
		fields[i] = Fold(f)
	}
	return !slices.ContainsFunc(q.words, func(w string) bool {
		return !slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(f, w) })
	})
}

// letters are folded to what people type who do not have them on their keyboard
// and Unicode does not take apart.
var letters = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ħ': "h", 'ı': "i", 'ς': "σ",
}

// Fold returns s without case and accents, for comparing what people type.
func Fold(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return strings.ToLower(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		r = unicode.ToLower(r)
		if r < utf8.RuneSelf {
			b.WriteByte(byte(r))
		} else if other, ok := letters[r]; ok {
			b.WriteString(other)
		} else if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
