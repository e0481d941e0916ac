package main_test

import (
	"strings"
	"testing"

	coop "coop/cmd/coop"
)

// TestDirection: on a terminal right-to-left letters are isolated, so that they turn
// neither the column nor the command beside them; columns stay where they are, and what
// programs read has no isolates.
func TestDirection(t *testing.T) {
	for given, want := range map[string]string{
		"Ana  2.50 hour":            "Ana  2.50 hour",
		"דנה  2.50 hour":            "<דנה>  2.50 hour",
		"paid דנה 2.50":             "paid <דנה> 2.50",
		"vote שלום 5 לכל!   coop":   "vote <שלום 5 לכל>!   coop",
		"דנה (Dana) ליאור":          "<דנה> (Dana) <ליאור>",
		"دُكّان\tدنه\n123 دكان":     "<دُكّان>\t<دنه>\n123 <دكان>",
		"עברית":                     "<עברית>",
		"\xff\u05d0\xfe no letters": "\xff<\u05d0>\xfe no letters",
	} {
		want = strings.NewReplacer("<", "\u2068", ">", "\u2069").Replace(want)
		if got := coop.Isolated(given); got != want {
			t.Errorf("%q is shown as %q, want %q", given, got, want)
		}
		if got := strings.Join(coop.Typed([]string{want}), ""); got != given {
			t.Errorf("%q is read as %q, want %q", want, got, given)
		}
	}
	table, fields, json := coop.OnTerminal([]string{"WHO", "", "FOR"}, [][]string{{"דנה", "2.50", "לחם 3"}, {"Ana", "10.00", "bread"}})
	want := strings.NewReplacer("<", "\u2068", ">", "\u2069").Replace("WHO         FOR\n<דנה>  2.50   <לחם> 3\nAna  10.00  bread\n")
	if table != want {
		t.Errorf("the table is\n%q, want\n%q", table, want)
	}
	if want := "  who        \u2068דנה\u2069\n"; fields != want {
		t.Errorf("the line is %q, want %q", fields, want)
	}
	if want := "\"דנה\"\n"; json != want {
		t.Errorf("JSON is %q, want %q", json, want)
	}
}
