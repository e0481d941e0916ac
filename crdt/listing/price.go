package listing

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
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

// Price is what a listing asks or offers. Amounts are decimals, kept digit by
// digit as they were written: "4.50" stays "4.50".
type Price struct {
	_    struct{} `cbor:",toarray"`
	Kind PriceKind
	From string // the amount; the lower one of a range
	To   string // the upper amount of a range
	Unit string // one word: euro, hour
	Per  string // what the amount buys: kg, box of 6; empty if the whole
	Text string // what is asked in return, or the free text
}

var (
	// amount [- amount] rest
	priceForm = regexp.MustCompile(`^([-+]?[.,]?[0-9][0-9.,]*)(?: ?[-–] ?([0-9.,]*[0-9]))? ?(.*)$`)
	// unit [/ per]
	unitForm = regexp.MustCompile(`^((?:\p{L}[\p{L}\p{M}0-9-]*)?)( ?/ ?(.*)|(?:^| )per (.+))?$`)
	// a currency sign before or behind an amount
	signForm = regexp.MustCompile(`^\p{Sc} ?[0-9.,-]+|^[0-9.,-]+ ?\p{Sc}`)

	amountForm       = regexp.MustCompile(`^(0|[1-9][0-9]*)(?:\.([0-9]+))?$`)
	decimalCommaForm = regexp.MustCompile(`^[0-9]+,[0-9]{1,2}$`)
)

// ParsePrice reads a price as a person types it:
//
//	4.50 euro     4.50 euro/kg     4,50 euro per kg     2-3 hour     gift     swap for eggs
//
// What is none of these is free text; nothing at all is PriceNone. What begins
// as an amount and is none, and an amount without a unit, is an error that says
// how to write it. defaultUnit, if not empty, is the unit of amounts without one.
func ParsePrice(text, defaultUnit string) (Price, error) {
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
	case signForm.MatchString(text):
		return Price{}, fmt.Errorf("%q has a currency sign: write the unit as a word behind the amount, such as 4.50 euro", text)
	}
	if m := priceForm.FindStringSubmatch(text); m != nil {
		if u := unitForm.FindStringSubmatch(m[3]); u != nil {
			return parseAmounts(m[1], m[2], u, defaultUnit)
		}
	}
	return Price{Kind: PriceText, Text: text}, nil
}

// parseAmounts makes a price of the parts that priceForm and unitForm found.
func parseAmounts(from, to string, u []string, defaultUnit string) (p Price, err error) {
	p = Price{Kind: PriceAmount, Unit: u[1], Per: u[3] + u[4]}
	if p.Unit == "" {
		p.Unit = defaultUnit
	}
	if p.From, err = parseAmount(from); err != nil {
		return Price{}, err
	}
	if to != "" {
		p.Kind = PriceRange
		if p.To, err = parseAmount(to); err != nil {
			return Price{}, err
		}
		if millionths(p.From) >= millionths(p.To) {
			return Price{}, fmt.Errorf("%s-%s is no range: write the smaller amount first", from, to)
		}
	}
	switch {
	case u[2] != "" && p.Per == "":
		return Price{}, errors.New(`nothing stands behind "/": write for example 4.50 euro/kg`)
	case p.Unit == "":
		return Price{}, fmt.Errorf("%q has no unit: write for example %s euro or %s hour", from, p.From, p.From)
	}
	return p, nil
}

// parseAmount returns a decimal with its digits as they are and a point.
func parseAmount(s string) (string, error) {
	if decimalCommaForm.MatchString(s) {
		s = strings.Replace(s, ",", ".", 1)
	}
	m := amountForm.FindStringSubmatch(s)
	switch {
	case strings.HasPrefix(s, "-"):
		return "", fmt.Errorf("%q is below zero: write an amount above zero", s)
	case strings.Contains(s, ","):
		return "", fmt.Errorf("%q is unclear: write 1234.50, with a point and without marks for thousands", s)
	case m == nil:
		return "", fmt.Errorf("%q is not an amount: write for example 4.50", s)
	case len(m[1]) > MaxWholeDigits:
		return "", fmt.Errorf("%q has more than %d digits before the point", s, MaxWholeDigits)
	case len(m[2]) > MaxDecimals:
		return "", fmt.Errorf("%q has more than %d decimals", s, MaxDecimals)
	case millionths(s) == 0:
		return "", fmt.Errorf("%q is zero: write gift for what costs nothing", s)
	}
	return s, nil
}

// millionths returns the value of an amount that parseAmount let through.
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
