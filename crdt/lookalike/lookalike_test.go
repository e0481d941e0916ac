package lookalike_test

import (
	"testing"

	"coop/crdt/lookalike"
)

// TestKeptKeys: to ask for one name again costs little.
func TestKeptKeys(t *testing.T) {
	n := lookalike.Names[int]{}
	n.Add("Marianne", 1)
	if got := testing.AllocsPerRun(100, func() { n.Like("Somebody else") }); got > 0 {
		t.Errorf("it takes %v pieces of memory each time", got)
	}
}

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		alike bool
	}{
		{"Ana", "ana", true},
		{"Ana", "\u0410na", true}, // a Cyrillic A
		{"ANA", "\u0430na", true}, // a Cyrillic a
		{"Ian", "lan", true},
		{"Bob", "B0b", true},
		{"\u03a1etra", "Petra", true}, // a Greek Rho
		{"Ana", "Anna", false},
		{"Ana", "\u00c1na", false}, // another letter, and to be seen
		{"Bo", "Chi", false},
	} {
		if got := lookalike.Alike(c.a, c.b); got != c.alike {
			t.Errorf("%q and %q: alike %v", c.a, c.b, got)
		}
	}
}
