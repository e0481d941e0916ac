package listing

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"coop/crdt/amount"
)

// PriceKind says how a price is meant.
type PriceKind uint8

// The kinds of price.
const (
	PriceNone   PriceKind = iota // nothing said
	PriceAmount                  // 4.50 euro, 4.50 euro/kg
	PriceRange                   // 2-3 hour
	PriceGift                    // gift
	PriceBarter                  // swap, swap for eggs
	PriceText                    // anything else, as written
)

// Limits of an amount. What they admit fits an int64 of millionths, so that two
// amounts can be compared exactly.
const (
	MaxWholeDigits = 12
	MaxDecimals    = 6
)

// Price is what a listing asks or offers. Amounts are decimals, kept as they were
// written: "4.50" stays "4.50". Only three decimals behind a whole part that is not
// zero become two or four, so that nobody reads thousands: see amount.Plain.
type Price struct {
	_    struct{} `cbor:",toarray"`
	Kind PriceKind
	From string // the amount; the lower one of a range
	To   string // the upper amount of a range
	Unit string // one word: euro, hour
	Per  string // what the amount buys: kg, box of 6; empty if the whole
	Text string // what is asked in return, or the free text
}

// perForm is what stands behind a unit: / per
var perForm = regexp.MustCompile(`^(?:/ ?|(?i:(?:per|pro|je|par|por|le|la|al|el) ))(.*)$`)

// Reader is how prices are read.
type Reader struct {
	Marks amount.Marks // how decimals are marked
	Unit  string       // of prices that name none; "": such a price is an error
	Units []string     // what the co-op counts in: a sign or a code stands for the one it plainly means
}

// ParsePrice reads a price as a person types it:
//
//	4.50 euro     4.50 euro/kg     4,50 euro per kg     2-3 hour     gift     swap for eggs
//
// defaultUnit, if not empty, is the unit of amounts without one.
func ParsePrice(text, defaultUnit string) (Price, error) {
	return Reader{Unit: defaultUnit}.Price(text)
}

// Price reads a price, with all that package amount reads. Nothing at all is
// PriceNone; what does not begin as an amount is free text. What begins as an
// amount and is none, and an amount without a unit, is an error that says how to
// write it.
func (r Reader) Price(text string) (Price, error) {
	text = clean(text)
	lower := strings.ToLower(text)
	switch {
	case text == "":
		return Price{}, nil
	case lower == "gift":
		return Price{Kind: PriceGift}, nil
	case lower == "swap":
		return Price{Kind: PriceBarter}, nil
	case lower == "swap for":
		return Price{}, errors.New(`say what for, such as "swap for eggs", or write "swap"`)
	case strings.HasPrefix(lower, "swap for "):
		return Price{Kind: PriceBarter, Text: text[len("swap for "):]}, nil
	}
	parts, ok, err := amount.Take(text, r.knows)
	if err != nil {
		return Price{}, err
	}
	if !ok {
		return Price{Kind: PriceText, Text: text}, nil
	}
	return r.price(text, parts)
}

// knows reports whether a word is a unit.
func (r Reader) knows(word string) bool {
	return amount.IsMoney(word) || word == r.Unit || slices.Contains(r.Units, word)
}

// price makes a price of its parts.
func (r Reader) price(text string, parts amount.Parts) (p Price, err error) {
	p = Price{Kind: PriceAmount}
	if p.From, err = r.amount(parts.From); err != nil {
		return Price{}, err
	}
	if parts.To != "" {
		p.Kind = PriceRange
		if p.To, err = r.amount(parts.To); err != nil {
			return Price{}, err
		}
		if millionths(p.From) >= millionths(p.To) {
			return Price{}, fmt.Errorf("%s-%s is no range: write the smaller amount first", parts.From, parts.To)
		}
	}
	if per := perForm.FindStringSubmatch(parts.Rest); per != nil {
		p.Per = strings.TrimSpace(per[1])
	}
	switch {
	case parts.Rest == "/", parts.Rest != "" && p.Per == "" && perForm.MatchString(parts.Rest):
		return Price{}, errors.New(`nothing stands behind "/": write for example 4.50 euro/kg`)
	case parts.Rest != "" && p.Per == "":
		return Price{}, fmt.Errorf("%q begins as an amount and goes on as none: write for example 4.50 euro/kg, or begin with a word", text)
	}
	if p.Unit, err = r.unit(parts.Unit); err != nil {
		return Price{}, err
	}
	switch {
	case p.Unit == "":
		return Price{}, fmt.Errorf("%q has no unit: write for example %s euro or %[2]s hour", parts.From, p.From)
	case parts.Clock && !amount.IsHour(p.Unit):
		return Price{}, fmt.Errorf("%q is a time, not an amount of %s", text, p.Unit)
	}
	return p, nil
}

// unit returns the unit that a word or a sign stands for.
func (r Reader) unit(word string) (string, error) {
	if word == "" {
		return r.Unit, nil
	}
	if u := amount.Among(word, r.Units); u != "" {
		return u, nil
	}
	if amount.Same(word, r.Unit) {
		return r.Unit, nil
	}
	if amount.IsSign(word) {
		return "", fmt.Errorf("%q may be a sign of several units: name the unit as a word behind the amount, such as 4.50 euro", word)
	}
	return word, nil
}

// amount reads a number of a price.
func (r Reader) amount(text string) (string, error) {
	s, _, err := amount.Read(text, r.Marks)
	if err != nil {
		if errors.Is(err, amount.ErrNone) {
			err = fmt.Errorf("%q is not an amount: write for example 4.50", text)
		}
		return "", err
	}
	s = amount.Plain(s)
	whole, decimals, _ := strings.Cut(s, ".")
	switch {
	case len(whole) > MaxWholeDigits:
		return "", fmt.Errorf("%q has more than %d digits before the point", text, MaxWholeDigits)
	case len(decimals) > MaxDecimals:
		return "", fmt.Errorf("%q has more than %d decimals", text, MaxDecimals)
	case millionths(s) == 0:
		return "", fmt.Errorf("%q is zero: write gift for what costs nothing", text)
	}
	return s, nil
}

// millionths returns the value of an amount as a price has it.
func millionths(amount string) (n int64) {
	whole, decimals, _ := strings.Cut(amount, ".")
	for _, c := range whole + decimals + strings.Repeat("0", MaxDecimals-len(decimals)) {
		n = n*10 + int64(c-'0')
	}
	return n
}

// readPrice reads what stands in a document: never an error, at worst free text.
func readPrice(text string) Price {
	p, err := ParsePrice(text, "")
	if err != nil {
		return Price{Kind: PriceText, Text: clean(text)}
	}
	return p
}

// String returns the one way to write p, which ParsePrice reads as p.
func (p Price) String() string {
	switch p.Kind {
	case PriceGift:
		return "gift"
	case PriceBarter:
		if p.Text == "" {
			return "swap"
		}
		return "swap for " + p.Text
	case PriceAmount, PriceRange:
		s := p.From
		if p.Kind == PriceRange {
			s += "-" + p.To
		}
		s += " " + p.Unit
		if p.Per != "" {
			s += "/" + p.Per
		}
		return s
	}
	return p.Text
}
