package amount_test

import (
	"errors"
	"strings"
	"testing"

	"coop/crdt/amount"
)

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		text, want string
		shows      amount.Marks
	}{
		{"12", "12", amount.Unknown},
		{"12.5", "12.5", amount.Point},
		{"12.50", "12.50", amount.Point},
		{"12,50", "12.50", amount.Comma},
		{"0.500", "0.500", amount.Point},
		{"0,500", "0.500", amount.Comma},
		{"1.2345", "1.2345", amount.Point},
		{"1234,567", "1234.567", amount.Comma},
		{"1,234.50", "1234.50", amount.Point},
		{"1.234,50", "1234.50", amount.Comma},
		{"1.234.567", "1234567", amount.Comma},
		{"1,234,567", "1234567", amount.Point},
		{"12,34,567.50", "1234567.50", amount.Point},
		{"1 234,50", "1234.50", amount.Comma},
		{"1\u00a0234,50", "1234.50", amount.Comma},
		{"1\u202f234", "1234", amount.Unknown},
		{"1\u2009234.5", "1234.5", amount.Point},
		{"12\u2007345", "12345", amount.Unknown},
		{"1'234.50", "1234.50", amount.Point},
		{"1’234’567.50", "1234567.50", amount.Point},
		{"4,-", "4", amount.Comma},
		{"4.–", "4", amount.Point},
		{"1.250,-", "1250", amount.Comma},
		{"1'250.--", "1250", amount.Point},
		{".50", "0.50", amount.Point},
		{",5", "0.5", amount.Comma},
		{"+4.50", "4.50", amount.Point},
	} {
		got, shows, err := amount.Read(tt.text, amount.Unknown)
		if err != nil || got != tt.want || shows != tt.shows {
			t.Errorf("%q: got %q by %s, %v, want %q by %s", tt.text, got, shows, err, tt.want, tt.shows)
		}
	}
}

func TestReadErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"1.250", `"1.250" may be 1250 or 1.250: write 1250 for the first, 1.25 for the second`},
		{"1,255", `"1,255" may be 1255 or 1.255: write 1255 for the first, 1.2550 for the second`},
		{"-4", "below zero"}, {"−4", "below zero"}, {"4.50-", "below zero"},
		{"1e3", "shortens a number"}, {"1,5E+3", "shortens a number"},
		{"007", "a zero too many"}, {"00.5", "a zero too many"},
		{"", "no number"}, {".", "no number"}, {"5.", "no number"}, {"1.2.3", "no number"}, {"1,23.4", "no number"},
		{"1 23", "no number"}, {"1 234'567", "no number"}, {"0x10", "no number"}, {"1_000", "no number"}, {"١٢", "no number"},
		{"1..5", "no number"}, {"1,,5", "no number"}, {"1.234,567.8", "no number"}, {"- ", "below zero"},
		{strings.Repeat("9", 65), "too long"},
	} {
		got, _, err := amount.Read(tt.text, amount.Unknown)
		if err == nil || !strings.Contains(err.Error(), tt.want) || got != "" {
			t.Errorf("%q: got %q, %v, want %q", tt.text, got, err, tt.want)
		}
	}
}

// Where it is known how decimals are marked, nothing is left open.
func TestReadByMarks(t *testing.T) {
	for _, tt := range []struct {
		text string
		by   amount.Marks
		want string
	}{
		{"1.250", amount.Comma, "1250"}, {"1.250", amount.Point, "1.250"},
		{"1,250", amount.Comma, "1.250"}, {"1,250", amount.Point, "1250"},
		{"1,25", amount.Comma, "1.25"}, {"1,25", amount.Point, ""},
		{"1.25", amount.Comma, ""}, {"1.25", amount.Point, "1.25"},
		{"1.250,-", amount.Comma, "1250"}, {"1.250,-", amount.Point, ""},
		{"12", amount.Comma, "12"},
	} {
		got, _, err := amount.Read(tt.text, tt.by)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q by %s: got %q, %v, want %q", tt.text, tt.by, got, err, tt.want)
		}
	}
}

func TestPlain(t *testing.T) {
	for number, want := range map[string]string{"4.50": "4.50", "1.250": "1.25", "1.255": "1.2550", "0.125": "0.125", "1234.567": "1234.567", "12": "12"} {
		got := amount.Plain(number)
		again, _, err := amount.Read(got, amount.Unknown)
		if got != want || err != nil || again != got {
			t.Errorf("%s: got %s, read as %s, %v, want %s", number, got, again, err, want)
		}
	}
}

func TestTake(t *testing.T) {
	known := func(word string) bool { return amount.IsMoney(word) || word == "apple" }
	for _, tt := range []struct {
		text string
		want amount.Parts
	}{
		{"4.50", amount.Parts{From: "4.50"}},
		{"4.50 euro/kg", amount.Parts{From: "4.50", Unit: "euro", Rest: "/kg"}},
		{"EUR 4.50", amount.Parts{From: "4.50", Unit: "EUR"}},
		{"EUR4.50 per kg", amount.Parts{From: "4.50", Unit: "EUR", Rest: "per kg"}},
		{"€ 12,40", amount.Parts{From: "12,40", Unit: "€"}},
		{"12,40 €/kg", amount.Parts{From: "12,40", Unit: "€", Rest: "/kg"}},
		{"4€50", amount.Parts{From: "4,50", Unit: "€"}},
		{"CA$ 4", amount.Parts{From: "4", Unit: "CA$"}},
		{"Fr. 1'234.50", amount.Parts{From: "1'234.50", Unit: "Fr."}},
		{"1 234,50 €", amount.Parts{From: "1 234,50", Unit: "€"}},
		{"1\u00a0234 kr", amount.Parts{From: "1 234", Unit: "kr"}},
		{"4,-", amount.Parts{From: "4,-"}},
		{"4,– € / kg", amount.Parts{From: "4,–", Unit: "€", Rest: "/ kg"}},
		{"1.250/t", amount.Parts{From: "1.250", Rest: "/t"}},
		{"1.200-1.500", amount.Parts{From: "1.200", To: "1.500"}},
		{"2 – 3 hour", amount.Parts{From: "2", To: "3", Unit: "hour"}},
		{"€2-€3", amount.Parts{From: "2", To: "3", Unit: "€"}},
		{"1/2 hour", amount.Parts{From: "0.5", Unit: "hour", Part: true}},
		{"1/2", amount.Parts{From: "0.5", Part: true}},
		{"1½ hours", amount.Parts{From: "1.5", Unit: "hours", Part: true}},
		{"1 3/4 apple", amount.Parts{From: "1.75", Unit: "apple", Part: true}},
		{"½", amount.Parts{From: "0.5", Part: true}},
		{"1:30", amount.Parts{From: "1.5", Clock: true}},
		{"0:45 h", amount.Parts{From: "0.75", Unit: "h", Clock: true}},
		{"1h30", amount.Parts{From: "1.5", Unit: "h", Clock: true}},
		{"1e3 euro", amount.Parts{From: "1e3", Unit: "euro"}},
		{"-4 euro", amount.Parts{From: "-4", Unit: "euro"}},
		{"4. euro", amount.Parts{From: "4.", Unit: "euro"}},
		{"apple 3", amount.Parts{From: "3", Unit: "apple"}},
	} {
		got, ok, err := amount.Take(tt.text, known)
		if err != nil || !ok || got != tt.want {
			t.Errorf("%q: got %+v, %v, %v, want %+v", tt.text, got, ok, err, tt.want)
		}
	}
	for _, text := range []string{"", "gift", "about 4.50", "on request", "€", "x1"} {
		if got, ok, err := amount.Take(text, known); ok || err != nil {
			t.Errorf("%q: got %+v, %v, want no amount", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"1/2 kg": "a price for 2 kg", "1/3": "no exact decimals", "3/2": "no exact decimals", "1/0": "no exact decimals",
		"1:20": "no exact decimals", "1:30 euro": "is a time",
	} {
		if got, _, err := amount.Take(text, known); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v, want %q", text, got, err, want)
		}
	}
}

func TestMinor(t *testing.T) {
	for _, tt := range []struct {
		number string
		scale  int
		want   int64
		err    error
	}{
		{"12.5", 2, 1250, nil}, {"12.500", 2, 1250, nil}, {"12", 0, 12, nil}, {"12.345", 2, 0, amount.ErrTooFine}, {"0.5", 0, 0, amount.ErrTooFine},
		{"10", 2, 1000, nil}, {"12.51", 2, 0, amount.ErrTooMuch}, {"18446744073709551617", 0, 0, amount.ErrTooMuch},
	} {
		got, err := amount.Minor(tt.number, tt.scale, 1250)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s at %d: got %d, %v, want %d, %v", tt.number, tt.scale, got, err, tt.want, tt.err)
		}
	}
}

func TestAmong(t *testing.T) {
	for _, tt := range []struct {
		word  string
		units []string
		want  string
	}{
		{"€", []string{"hour", "euro"}, "euro"}, {"EUR", []string{"euro"}, "euro"}, {"euro", []string{"eur", "euro"}, "euro"},
		{"€", []string{"eur", "euro"}, ""}, {"€", []string{"hour"}, ""}, {"$", []string{"usd", "cad"}, ""}, {"$", []string{"cad"}, "cad"},
		{"Std.", []string{"hour", "euro"}, "hour"}, {"kr", []string{"sek"}, "sek"}, {"kg", []string{"euro"}, ""},
	} {
		if got := amount.Among(tt.word, tt.units); got != tt.want {
			t.Errorf("%s among %v: got %q, want %q", tt.word, tt.units, got, tt.want)
		}
	}
}

// FuzzTake: nothing panics, and what is read is read the same again.
func FuzzTake(f *testing.F) {
	for _, s := range []string{"1.250/t", "€ 4", "1/2 hour", "1:30", "4,-", "1'234.50", "(4)", "1e3", "½"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok, err := amount.Take(text, amount.IsMoney)
		if !ok || err != nil {
			return
		}
		n, _, err := amount.Read(p.From, amount.Unknown)
		if err != nil {
			return
		}
		n = amount.Plain(n)
		if again, _, err := amount.Read(n, amount.Unknown); err != nil || again != n {
			t.Errorf("%q is %q, which is read as %q, %v", text, n, again, err)
		}
	})
}
