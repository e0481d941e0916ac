package node_test

import (
	"strings"
	"testing"

	"coop/node/nodetest"
)

// TestDraftTitle: the title of a draft, which nobody can change, is one under which it
// can be opened.
func TestDraftTitle(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana")
	for typed, want := range map[string]string{
		" \u202eDelivery\u200b \n days ": "Delivery days", strings.Repeat("x", 121): "not 1 to 120", "\u200b ": "not 1 to 120",
	} {
		id, err := ana.DraftProposal(t.Context(), typed, "Monday")
		if strings.Contains(want, "not") {
			refuse(t, err, "invalid", want)
			continue
		}
		if got, _ := ana.See().State.Texts.Get(id); err != nil || got.Title != want {
			t.Errorf("%q is kept as %q, %v", typed, got.Title, err)
		}
	}
	if n := ana.See().State.Texts.Len(); n != 1 {
		t.Errorf("%d drafts, want 1", n)
	}
}
