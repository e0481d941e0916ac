package ledger

import (
	"fmt"
	"strconv"
	"strings"

	"coop/crdt/member"
)

// maxAmountLen bounds what ParseAmount looks at, in bytes: MaxAmount with its
// point has 14.
const maxAmountLen = 32

// ParseAmount reads an amount as a person types it, in the unit's minor units,
// 0 to MaxAmount:
//
//	12     12.5     12.50     12,50
//
// A comma with one or two digits behind it is a decimal comma. Any other comma
// is refused, for "1,234" may mean either; so are more decimals than the unit has.
func ParseAmount(text string, u member.Unit) (int64, error) {
	s := strings.TrimSpace(text)
	if len(s) > maxAmountLen {
		return 0, fmt.Errorf("an amount of %d characters is too long: write for example %s", len(s), example(u))
	}
	if strings.HasPrefix(s, "-") {
		return 0, fmt.Errorf("%q is below zero: write an amount without a minus", s)
	}
	if whole, decimals, ok := strings.Cut(s, ","); ok {
		if !isDigits(whole) || !isDigits(decimals) || len(decimals) > 2 {
			return 0, fmt.Errorf("%q is unclear: write a point before decimals and no marks for thousands, for example %s", s, example(u))
		}
		s = whole + "." + decimals
	}
	whole, decimals, point := strings.Cut(s, ".")
	if !isDigits(whole) || point && !isDigits(decimals) || len(whole) > 1 && whole[0] == '0' {
		return 0, fmt.Errorf("%q is not an amount: write for example %s", s, example(u))
	}
	if len(decimals) > int(u.Scale) {
		return 0, fmt.Errorf("%q has too many decimals: %s has %d, write for example %s", s, u.Code, u.Scale, example(u))
	}
	n := int64(0)
	for _, c := range whole + decimals + strings.Repeat("0", int(u.Scale)-len(decimals)) {
		if n = n*10 + int64(c-'0'); n > MaxAmount {
			return 0, fmt.Errorf("%q is more than %s, the most there can be at once", s, show(MaxAmount, u))
		}
	}
	return n, nil
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

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
