package listing_test

import (
	"strings"
	"testing"

	"coop/crdt/listing"
)

func TestParsePrice(t *testing.T) {
	amount := func(from, unit, per string) listing.Price {
		return listing.Price{Kind: listing.PriceAmount, From: from, Unit: unit, Per: per}
	}
	tests := []struct {
		text      string
		want      listing.Price
		canonical string
	}{
		{"", listing.Price{}, ""},
		{"  ", listing.Price{}, ""},
		{"4.50 euro/kg", amount("4.50", "euro", "kg"), "4.50 euro/kg"},
		{"4.50 euro", amount("4.50", "euro", ""), "4.50 euro"},
		{"4.5 euro", amount("4.5", "euro", ""), "4.5 euro"},
		{"2 hour", amount("2", "hour", ""), "2 hour"},
		{" 4.50   euro  per  kg ", amount("4.50", "euro", "kg"), "4.50 euro/kg"},
		{"4.50euro / kg", amount("4.50", "euro", "kg"), "4.50 euro/kg"},
		{"4,50 euro/kg", amount("4.50", "euro", "kg"), "4.50 euro/kg"},
		{"0,5 hour", amount("0.5", "hour", ""), "0.5 hour"},
		{"3 euro per box of 6", amount("3", "euro", "box of 6"), "3 euro/box of 6"},
		{"3 euro/kg/week", amount("3", "euro", "kg/week"), "3 euro/kg/week"},
		{"1 l-2", amount("1", "l-2", ""), "1 l-2"},
		{"3 Stück", amount("3", "Stück", ""), "3 Stück"},
		{"999999999999.999999 euro", amount("999999999999.999999", "euro", ""), "999999999999.999999 euro"},
		{"0.000001 euro", amount("0.000001", "euro", ""), "0.000001 euro"},
		{"2-3 hour", listing.Price{Kind: listing.PriceRange, From: "2", To: "3", Unit: "hour"}, "2-3 hour"},
		{"2 – 3.5 hour/week", listing.Price{Kind: listing.PriceRange, From: "2", To: "3.5", Unit: "hour", Per: "week"}, "2-3.5 hour/week"},
		{"0.9-0.95 euro", listing.Price{Kind: listing.PriceRange, From: "0.9", To: "0.95", Unit: "euro"}, "0.9-0.95 euro"},
		{"9-10 euro", listing.Price{Kind: listing.PriceRange, From: "9", To: "10", Unit: "euro"}, "9-10 euro"},
		{"gift", listing.Price{Kind: listing.PriceGift}, "gift"},
		{"Gift", listing.Price{Kind: listing.PriceGift}, "gift"},
		{"swap", listing.Price{Kind: listing.PriceBarter}, "swap"},
		{"Swap for eggs, or a song", listing.Price{Kind: listing.PriceBarter, Text: "eggs, or a song"}, "swap for eggs, or a song"},
		{"what you can give", listing.Price{Kind: listing.PriceText, Text: "what you can give"}, "what you can give"},
		{"about 2 for the price of 1", listing.Price{Kind: listing.PriceText, Text: "about 2 for the price of 1"}, "about 2 for the price of 1"},
		{"1.500,00 euro", amount("1500.00", "euro", ""), "1500.00 euro"},
		{"1,500.00 euro", amount("1500.00", "euro", ""), "1500.00 euro"},
		{"1'500.- CHF", amount("1500", "CHF", ""), "1500 CHF"},
		{"EUR 4.50/kg", amount("4.50", "EUR", "kg"), "4.50 EUR/kg"},
		{"+4 euro", amount("4", "euro", ""), "4 euro"},
		{".5 euro", amount("0.5", "euro", ""), "0.5 euro"},
		{"1/2 hour", amount("0.5", "hour", ""), "0.5 hour"},
		{"1:30 hours", amount("1.5", "hours", ""), "1.5 hours"},
		{"1.2500 euro", amount("1.2500", "euro", ""), "1.2500 euro"},
		{"0.125 euro", amount("0.125", "euro", ""), "0.125 euro"},
		{"giftwrap", listing.Price{Kind: listing.PriceText, Text: "giftwrap"}, "giftwrap"},
		{"swapping", listing.Price{Kind: listing.PriceText, Text: "swapping"}, "swapping"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := listing.ParsePrice(tt.text, "")
			if err != nil || got != tt.want {
				t.Fatalf("got %+v, %v, want %+v", got, err, tt.want)
			}
			if got.String() != tt.canonical {
				t.Errorf("got text %q, want %q", got.String(), tt.canonical)
			}
		})
	}
}

func TestParsePriceErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"4.50", `"4.50" has no unit: write for example 4.50 euro or 4.50 hour`},
		{"4.50/kg", `"4.50" has no unit`},
		{"4.50 per kg", `"4.50" has no unit`},
		{"4.50 euro/", `nothing stands behind "/": write for example 4.50 euro/kg`},
		{"€4.50", `"€" may be a sign of several units: name the unit as a word behind the amount, such as 4.50 euro`},
		{"4.50 €/kg", `"€" may be a sign`},
		{"-4 euro", `"-4" is below zero: write an amount above zero`},
		{"0 euro", `"0" is zero: write gift for what costs nothing`},
		{"0.00 euro", `"0.00" is zero`},
		{"0-3 euro", `"0" is zero`},
		{"007 euro", `"007" begins with a zero too many`},
		{"4. euro", `"4." is not an amount`},
		{"4.5.0 euro", `"4.5.0" is not an amount`},
		{"1,500 euro", `"1,500" may be 1500 or 1.500`},
		{"1.250 euro", `"1.250" may be 1250 or 1.250: write 1250 for the first, 1.25 for the second`},
		{"1.200-1.500 euro", `"1.200" may be 1200`},
		{"1e3 euro", `"1e3" is how a spreadsheet shortens a number`},
		{"2 for the price of 1", `begins as an amount and goes on as none`},
		{"10 % of the harvest", `begins as an amount and goes on as none`},
		{"3-4-5", `begins as an amount and goes on as none`},
		{"1:30 euro", `is a time, not an amount of euro`},
		{"1/3 hour", `no exact decimals`},
		{"3-2 hour", `3-2 is no range: write the smaller amount first`},
		{"2-2.0 hour", `2-2.0 is no range`},
		{"10-9 euro", `10-9 is no range`},
		{"1234567890123 euro", `"1234567890123" has more than 12 digits before the point`},
		{"1.1234567 euro", `"1.1234567" has more than 6 decimals`},
		{"4.50 /", `nothing stands behind "/"`},
		{"swap for", `say what for, such as "swap for eggs", or write "swap"`},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := listing.ParsePrice(tt.text, "")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %+v, %v, want error %q", got, err, tt.want)
			}
			if got != (listing.Price{}) {
				t.Errorf("got price %+v beside the error", got)
			}
		})
	}
}

func TestParsePriceDefaultUnit(t *testing.T) {
	tests := []struct{ text, want string }{
		{"4.50", "4.50 euro"},
		{"4.50/kg", "4.50 euro/kg"},
		{"4.50 per kg", "4.50 euro/kg"},
		{"2-3", "2-3 euro"},
		{"2 hour", "2 hour"},
		{"gift", "gift"},
		{"", ""},
	}
	for _, tt := range tests {
		if got, err := listing.ParsePrice(tt.text, "euro"); err != nil || got.String() != tt.want {
			t.Errorf("%q: got %q, %v, want %q", tt.text, got, err, tt.want)
		}
	}
}

// What is accepted is written in one way, which is read as the same.
func FuzzParsePrice(f *testing.F) {
	for _, s := range []string{"4.50 euro/kg", "4,50 euro per kg", "2-3 hour", "gift", "swap for eggs", "4.50", "3-2-1", "€4", "swap for", "1 e5/", "x\x00y", "\xff"} {
		f.Add(s, "euro")
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, text, unit string) {
		if strings.ContainsAny(unit, "/ ") || unit != "" && unit != "euro" {
			return
		}
		p, err := listing.ParsePrice(text, unit)
		if err != nil {
			return
		}
		again, err := listing.ParsePrice(p.String(), "")
		if err != nil || again != p {
			t.Errorf("%q is %+v, but %q is %+v, %v", text, p, p.String(), again, err)
		}
	})
}
