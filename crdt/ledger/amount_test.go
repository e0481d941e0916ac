package ledger_test

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"coop/crdt/ledger"
	"coop/crdt/member"
)

var (
	gram  = member.Unit{Code: "gram", Scale: 6}
	euro3 = member.Unit{Code: "euro", Scale: 3}
)

func TestParseAmount(t *testing.T) {
	tests := []struct {
		text string
		unit member.Unit
		want int64
	}{
		{"12", euro, 1200},
		{"12.5", euro, 1250},
		{"12.50", euro, 1250},
		{"12,5", euro, 1250},
		{"12,50", euro, 1250},
		{" 12.50\t", euro, 1250},
		{"0", euro, 0},
		{"0.00", euro, 0},
		{"0.01", euro, 1},
		{"10000000000", euro, ledger.MaxAmount},
		{"10000000000.00", euro, ledger.MaxAmount},
		{"3", bread, 3},
		{"1000000000000", bread, ledger.MaxAmount},
		{"1000000", gram, ledger.MaxAmount},
		{"0.000001", gram, 1},
		{"1,25", gram, 1250000},
		{".5", euro, 50},
		{",5", euro, 50},
		{"+1", euro, 100},
		{"1 000", euro, 100000},
		{"1\u00a0234,50", euro, 123450},
		{"1'234.50", euro, 123450},
		{"1,234.50", euro, 123450},
		{"1.234,50", euro, 123450},
		{"4,-", euro, 400},
		{"12 euro", euro, 1200},
		{"EUR 12", euro, 1200},
		{"12,40 €", euro, 1240},
		{"1/2", euro, 50},
		{"12.500", euro3, 12500},
		{"12.50000", euro, 1250},
	}
	for _, tt := range tests {
		if got, err := ledger.ParseAmount(tt.text, tt.unit); err != nil || got != tt.want {
			t.Errorf("%q in %s: got %d, %v, want %d", tt.text, tt.unit.Code, got, err, tt.want)
		}
	}
}

func TestParseAmountErrors(t *testing.T) {
	tests := []struct {
		text string
		unit member.Unit
		want string
	}{
		{"1.2345", euro, `"1.2345" has too many decimals: euro has 2, write for example 12.50`},
		{"0.999", euro, "euro has 2"},
		{"1.234", euro, `"1.234" may be 1234 or 1.234`},
		{"1.500", euro, `"1.500" may be 1500 or 1.500: write 1500 for the first, 1.50 for the second`},
		{"1,500", euro3, `"1,500" may be 1500 or 1.500`},
		{"1.5", bread, `"1.5" has too many decimals: bread has 0, write for example 12`},
		{"1,5", bread, "bread has 0"},
		{"0.0000001", gram, "gram has 6, write for example 12.500000"},
		{"-1", euro, `"-1" is below zero`},
		{"1,234", gram, `"1,234" may be 1234 or 1.234`},
		{"1,,5", euro, "is not an amount"},
		{"1,", euro, "is not an amount"},
		{"", euro, `"" is not an amount: write for example 12.50`},
		{" ", euro, "is not an amount"},
		{".", euro, "is not an amount"},
		{"5.", euro, "is not an amount"},
		{"1.2.3", euro, "is not an amount"},
		{"007", euro, "begins with a zero too many"},
		{"1e3", euro, "shortens a number"},
		{"2-3", euro, "is not an amount"},
		{"12 hour", euro, `"12 hour" is an amount of hour, not of euro`},
		{"12 euro/kg", euro, "is not an amount"},
		{"1:30", euro, "is not an amount"},
		{"0x10", euro, "is an amount of x10"},
		{"1_000", euro, "is not an amount"},
		{"NaN", euro, "is not an amount"},
		{"Inf", euro, "is not an amount"},
		{"١٢", euro, "is not an amount"},
		{"10000000000.01", euro, `is more than 10000000000.00 euro, the most there can be at once`},
		{"1000000000001", bread, "is more than 1000000000000 bread"},
		{"18446744073709551617", euro, "is more than"}, // 2^64 + 1
		{"99999999999999999999999999999999", bread, "is more than"},
		{strings.Repeat("9", 65), euro, "65 characters is too long"},
		{strings.Repeat("9", 1<<20), euro, "is too long"},
	}
	for _, tt := range tests {
		got, err := ledger.ParseAmount(tt.text, tt.unit)
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 200 || got != 0 {
			t.Errorf("%.40q in %s: got %d, %.200v, want %q", tt.text, tt.unit.Code, got, err, tt.want)
		}
	}
}

func TestFormatAmount(t *testing.T) {
	tests := []struct {
		n    int64
		unit member.Unit
		want string
	}{
		{0, euro, "0.00"},
		{5, euro, "0.05"},
		{-5, euro, "-0.05"},
		{50, euro, "0.50"},
		{100, euro, "1.00"},
		{-123456, euro, "-1234.56"},
		{0, bread, "0"},
		{-7, bread, "-7"},
		{1, gram, "0.000001"},
		{ledger.MaxAmount, gram, "1000000.000000"},
		{math.MaxInt64, euro, "92233720368547758.07"},
		{math.MinInt64, euro, "-92233720368547758.08"},
		{math.MinInt64, bread, "-9223372036854775808"},
	}
	for _, tt := range tests {
		if got := ledger.FormatAmount(tt.n, tt.unit); got != tt.want {
			t.Errorf("%d: got %q, want %q", tt.n, got, tt.want)
		}
	}
}

// FuzzParseAmount holds that what ParseAmount takes, FormatAmount writes so
// that it reads the same; and the other way round for every amount there is.
func FuzzParseAmount(f *testing.F) {
	for _, s := range []string{"12", "12.5", "12,50", "1,234", "-1", "0.000001", "1e3", "1000000000000", "007", "١"} {
		f.Add(s, uint8(2), int64(1250))
	}
	f.Fuzz(func(t *testing.T, text string, scale uint8, n int64) {
		u := member.Unit{Code: "unit", Scale: scale % (member.MaxScale + 1)}
		got, err := ledger.ParseAmount(text, u)
		if err == nil {
			if got < 0 || got > ledger.MaxAmount {
				t.Fatalf("%q is %d", text, got)
			}
			if again, err := ledger.ParseAmount(ledger.FormatAmount(got, u), u); err != nil || again != got {
				t.Fatalf("%q is %d, then %d, %v", text, got, again, err)
			}
		} else if !utf8.ValidString(err.Error()) {
			t.Fatalf("error %q is not UTF-8", err)
		}
		back, err := ledger.ParseAmount(ledger.FormatAmount(n, u), u)
		if inside := n >= 0 && n <= ledger.MaxAmount; inside != (err == nil) || inside && back != n {
			t.Fatalf("%d is written %q and read %d, %v", n, ledger.FormatAmount(n, u), back, err)
		}
	})
}
