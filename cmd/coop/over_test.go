package main_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	coop "coop/cmd/coop"
)

// TestTimeOver: from the end of a poll on, by this computer's clock, nobody is invited to
// vote, nothing says that it passed, and who votes all the same is told what comes of it.
func TestTimeOver(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run("Ana", `bin/coop found --name "Willow Street" --as Ana --unit hour --quiet`)
	s.play("Ana", block{lines: []string{"$ bin/coop up"}})
	code := strings.TrimSpace(s.run("Ana", "bin/coop invite"))
	s.run("Bo", stay("bin/coop join "+code+" --as Bo --wait 30s"))
	s.run("Ana", `bin/coop vote "$(bin/coop member propose Bo)" yes`)
	id := strings.TrimSpace(s.run("Ana", "bin/coop proposal open --title Soup --days 1 --quiet"))
	s.play("Bo", block{lines: []string{"$ bin/coop up"}})
	home := filepath.Join(s.dir, "Bo")
	for end := time.Now().Add(waitMax); ; time.Sleep(20 * time.Millisecond) {
		if out, _, _ := coop.Execute(home, "status"); strings.Contains(out, "coop vote "+id[:8]+" yes|no|abstain") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("Bo does not hear of the poll")
		}
	}
	s.run("Bo", "bin/coop down")

	later := func() time.Time { return time.Now().Add(25 * time.Hour) }
	const over = "time is over; the tellers have to close it"
	for _, c := range []struct {
		args      []string
		out, errs string
	}{
		{[]string{"status"}, "  over       " + id[:8] + "  Soup   " + over, ""},
		{[]string{"status", "--json"}, `"over":true`, ""},
		{[]string{"proposal", "list"}, over, ""},
		{[]string{"proposal", "show", id}, "  status     open: " + over, ""},
		{[]string{"vote", id, "yes"}, "", "! " + over + ": your vote comes after the end, and counts only if it reaches them before they do"},
	} {
		out, errs, status := coop.ExecuteAt(later, home, c.args...)
		if status != 0 || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) {
			t.Errorf("%v: status %d\n%s%s\nwant %q and %q", c.args, status, out, errs, c.out, c.errs)
		}
		for l := range strings.Lines(out + errs) {
			if strings.Contains(l, "yes|no|abstain") || strings.Contains(l, "passed") && !strings.Contains(l, "Make Bo a member") {
				t.Errorf("%v says that there is something to vote on, or that it passed: %s", c.args, l)
			}
		}
	}
}
