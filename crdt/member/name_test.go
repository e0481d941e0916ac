package member_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"coop/crdt/member"
)

// TestNameVectors joins under each name of the vectors.
func TestNameVectors(t *testing.T) {
	var v struct {
		Names []struct{ Name, Wrong string }
	}
	b, err := os.ReadFile("../../testdata/vectors/names.json")
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	i, r, d := key("invite"), key("root"), key("device")
	for _, n := range v.Names {
		_, err := member.NewCard(member.CardTerms{Name: n.Name, DeviceName: "phone"}, i, r, d)
		switch {
		case n.Wrong == "" && err != nil:
			t.Errorf("%+q is refused: %v", n.Name, err)
		case n.Wrong != "" && (err == nil || !strings.Contains(err.Error(), n.Wrong)):
			t.Errorf("%+q: %v, not a word of %s", n.Name, err, n.Wrong)
		}
	}
	if _, err := member.NewCard(member.CardTerms{Name: "Chi", DeviceName: "raspberrypi4"}, i, r, d); err != nil {
		t.Errorf("a computer may be called as many are: %v", err)
	}
}
