package node

import "testing"

// TestWaitsFor: what is said names how many others are needed, not how many keep
// the minutes.
func TestWaitsFor(t *testing.T) {
	for _, c := range []struct {
		needs, tellers int
		others         []string
		want           string
	}{
		{0, 1, nil, "waits for this computer, which alone keeps the minutes"},
		{1, 1, []string{"Bo"}, "waits for the only teller: Bo"},
		{1, 2, []string{"Bo"}, "waits for the other teller: Bo"},
		{2, 2, []string{"Bo", "Chi"}, "waits for all of: Bo, Chi"},
		{1, 3, []string{"Bo", "Chi"}, "waits for one of: Bo, Chi"},
		{2, 3, []string{"Ana", "Bo", "Chi"}, "waits for 2 of: Ana, Bo, Chi"},
	} {
		if got := waitsFor(c.needs, c.tellers, c.others); got != c.want {
			t.Errorf("%d of %d tellers: got %q, want %q", c.needs, c.tellers, got, c.want)
		}
	}
}
