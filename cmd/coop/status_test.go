package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"coop/ui/api"
)

// TestManyCards: cards at the door fill no more than a few lines of status, however
// many there are, and it says how many.
func TestManyCards(t *testing.T) {
	s := api.Status{Joined: true, Member: "Ana", Hidden: 40}
	for i := range 160 {
		s.ToAdmit = append(s.ToAdmit, api.Newcomer{Asks: fmt.Sprintf("somebody says to be P%d", i)})
	}
	var out bytes.Buffer
	(&terminal{out: &out, err: &out, home: t.TempDir()}).showStatus(s)
	if n := strings.Count(out.String(), "\n  admit "); n != admitsMost+1 || !strings.Contains(out.String(), "192 more cards   coop member waiting\n") {
		t.Errorf("%d lines about cards:\n%s", n, &out)
	}
}
