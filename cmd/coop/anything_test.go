package main_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	coop "coop/cmd/coop"
	"coop/node/nodetest"
)

// TestAnythingIsShown: whatever members' devices may have put among the records, every
// command that shows something shows it, and every file that is exported is sound.
func TestAnythingIsShown(t *testing.T) {
	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana", "hour", "euro")
	ana.Anything(7, 250)
	state := ana.See().State
	files, home := t.TempDir(), filepath.Dir(ana.Home.StoreDir())
	reads := [][]string{
		{"status"}, {"trouble"}, {"log"}, {"member", "list"}, {"member", "waiting"}, {"member", "show", "Ana"}, {"device", "list"},
		{"listing", "list"}, {"proposal", "list"}, {"ledger"}, {"ledger", "show", "treasury"}, {"tellers"},
	}
	show := func(most int, id string, commands ...string) {
		if most < 4 { // of each subject some: the interface's own test asks for all
			for _, c := range commands {
				reads = append(reads, append(strings.Fields(c), id))
			}
		}
	}
	proposals, n := []string{}, 0
	for id := range state.Proposals.Proposals.All() {
		show(n, id.String(), "proposal show")
		proposals = append(proposals, id.String())
		n++
	}
	n = 0
	for id := range state.Listings.All() {
		show(n, id.String(), "listing show")
		n++
	}
	n = 0
	for id := range state.People.Members.All() {
		show(n, id.String(), "member show", "ledger show")
		n++
	}
	for what, command := range map[string][]string{"ledger": nil, "decision": {proposals[0]}, "decision2": {proposals[len(proposals)-1]}} {
		args := append([]string{"export", strings.TrimSuffix(what, "2")}, command...)
		reads = append(reads, append(args, filepath.Join(files, what)), []string{"verify", filepath.Join(files, what)})
	}
	ana.Close()
	for _, read := range reads {
		shown(t, home, read)
	}
}

// shown runs a command for people and for programs.
func shown(t *testing.T, home string, args []string) {
	t.Helper()
	out, errs, status := coop.Execute(home, args...)
	if status != 0 && !(args[0] == "verify" && strings.Contains(errs, "not in the minutes")) {
		t.Errorf("coop %s: exits %d\n%s", strings.Join(args, " "), status, errs)
	}
	if i := strings.IndexFunc(out+errs, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }); i >= 0 {
		t.Errorf("coop %s: prints a control character: %.80q", strings.Join(args, " "), (out + errs)[i:])
	}
	if args[0] == "export" {
		return // the file is there now
	}
	out, _, _ = coop.Execute(home, append([]string{"--json"}, args...)...)
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		if err := d.Decode(new(any)); err != nil {
			t.Errorf("coop --json %s: %v\n%.200s", strings.Join(args, " "), err, out)
			return
		}
	}
}

// TestKeptBy: whoever reads a file that is sound is told whose word it is.
func TestKeptBy(t *testing.T) {
	for _, c := range []struct {
		keepers string
		mayLie  int
		want    string
	}{
		{"Ana", 0, "Ana alone, who could make another file as sound, with other balances: compare with what another member has"},
		{"Ana Bo Chi", 0, "Ana, Bo, Chi: this is so if none of them lied"},
		{"Ana Bo Chi Dee", 1, "Ana, Bo, Chi, Dee: this is so if no more than 1 of them lied"},
	} {
		if got := coop.KeptBy(strings.Fields(c.keepers), c.mayLie); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
