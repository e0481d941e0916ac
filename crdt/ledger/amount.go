package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"coop/crdt/amount"
	"coop/crdt/member"
)

// maxAmountLen bounds what ParseAmount looks at, in bytes.
const maxAmountLen = 64

// ParseAmount reads an amount as a person types it, in the unit's minor units,
// 0 to MaxAmount:
//
//	12     12.50     12,50     1 234,50     1'234.50     4,-     € 4.50     1/2     1:30
//
// It may name the unit, and no other. What can be read in two ways is refused with
// both, such as 1.250; only in a unit of three decimals that is how amounts of it
// are shown. So are more decimals than the unit has.
func ParseAmount(text string, u member.Unit) (int64, error) {
	s := strings.TrimSpace(text)
	if len(s) > maxAmountLen {
		return 0, fmt.Errorf("an amount of %d characters is too long: write for example %s", len(s), example(u))
	}
	none := fmt.Errorf("%q is not an amount: write for example %s", s, example(u))
	parts, ok, err := amount.Take(s, func(word string) bool { return word == u.Code || amount.IsMoney(word) })
	switch {
	case err != nil:
		return 0, err
	case !ok || parts.To != "" || parts.Rest != "" || parts.Clock && !amount.IsHour(u.Code):
		return 0, none
	case parts.Unit != "" && !amount.Same(parts.Unit, u.Code):
		return 0, fmt.Errorf("%q is an amount of %s, not of %s", s, parts.Unit, u.Code)
	}
	number, _, err := amount.Read(parts.From, marks(parts.From, u))
	if err != nil {
		if errors.Is(err, amount.ErrNone) {
			err = none
		}
		return 0, err
	}
	n, err := amount.Minor(number, int(u.Scale), MaxAmount)
	switch {
	case errors.Is(err, amount.ErrTooFine):
		return 0, fmt.Errorf("%q has too many decimals: %s has %d, write for example %s", s, u.Code, u.Scale, example(u))
	case err != nil:
		return 0, fmt.Errorf("%q is more than %s, the most there can be at once", s, show(MaxAmount, u))
	}
	return n, nil
}

// marks is Point for what looks as FormatAmount shows a unit of three decimals.
func marks(number string, u member.Unit) amount.Marks {
	if _, decimals, ok := strings.Cut(number, "."); ok && u.Scale == 3 && len(decimals) == 3 {
		return amount.Point
	}
	return amount.Unknown
}

// FormatAmount writes minor units with all decimals of the unit: 1250 of a unit
// with two is "12.50". ParseAmount reads what it writes, unless it is below zero.
func FormatAmount(n int64, u member.Unit) string {
	abs, sign := uint64(n), ""
	if n < 0 {
		abs, sign = -abs, "-"
	}
	digits := strconv.FormatUint(abs, 10)
	if missing := int(u.Scale) + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	if u.Scale == 0 {
		return sign + digits
	}
	at := len(digits) - int(u.Scale)
	return sign + digits[:at] + "." + digits[at:]
}

// show is an amount with its unit.
func show(n int64, u member.Unit) string { return FormatAmount(n, u) + " " + u.Code }

// example is how an amount of the unit may be written.
func example(u member.Unit) string { return FormatAmount(12*u.Minor()+u.Minor()/2, u) }
