package main_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	coop "coop/cmd/coop"
	"coop/crdt/listing"
	"coop/crdt/record"
	"coop/node"
	"coop/node/nodetest"
)

// TestOthersReadLists: what is printed in a pipe is read by programs that know
// nothing of us, whatever members write into notes and titles. hledger is one of
// them: a co-op may keep its books with it.
func TestOthersReadLists(t *testing.T) {
	notes := []string{
		`one " inch`, `"quoted"`, `"`, `""`, `he said "yes"`, "a\ttab", "a\t\"both\"", "=1+1", `="x"`, "-2", "+3", "@SUM(A1)", "plain; with, marks",
	}
	want := slices.Clone(notes) // a tab is a space in a line
	for i, note := range want {
		want[i] = strings.ReplaceAll(note, "\t", " ")
	}
	slices.Sort(want)

	ana := nodetest.Found(t, nodetest.NewStreet(), "Ana", "hour", "euro")
	for _, note := range notes {
		if _, err := ana.Pay(t.Context(), node.Payment{Who: "treasury", Amount: "1 euro", Note: note}); err != nil {
			t.Fatal(err)
		}
		if _, err := ana.AddListing(t.Context(), listing.Draft{Kind: listing.Offer, Title: note}); err != nil {
			t.Fatal(err)
		}
	}
	home := filepath.Dir(ana.Home.StoreDir())
	ana.Close()
	ledger, listings := printed(t, home, "ledger"), printed(t, home, "listing", "list")

	if got := column(t, ledger, 8, 6); !slices.Equal(got, want) {
		t.Errorf("a reader of tab-separated files reads the notes\n%q\nwant\n%q\nof\n%s", got, want, ledger)
	}
	if got := column(t, listings, 0, 2); !slices.Equal(got, want) {
		t.Errorf("a reader of tab-separated files reads the titles\n%q\nwant\n%q\nof\n%s", got, want, listings)
	}
	got, total := hledger(t, ledger)
	if !slices.Equal(got, want) {
		t.Errorf("hledger reads the notes\n%q\nwant\n%q\nof\n%s", got, want, ledger)
	}
	if want := `"members:treasury","13.00 euro"`; !strings.Contains(total, want) {
		t.Errorf("hledger reads the balances\n%s\nwant %s among them", total, want)
	}
}

// printed is what a command prints in a pipe.
func printed(t *testing.T, home string, args ...string) string {
	t.Helper()
	out, errs, status := coop.Execute(home, args...)
	if status != 0 {
		t.Fatalf("coop %s exits %d: %s", strings.Join(args, " "), status, errs)
	}
	return out
}

// column returns the cells at a place, in order, of the rows of so many cells; 0: of all.
func column(t *testing.T, table string, width, at int) (cells []string) {
	t.Helper()
	r := csv.NewReader(strings.NewReader(table))
	r.Comma, r.FieldsPerRecord = '\t', -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%v in\n%s", err, table)
	}
	for _, row := range rows {
		if width == 0 || len(row) == width {
			cells = append(cells, row[at])
		}
	}
	slices.Sort(cells)
	return cells
}

// hledgerRules are those that docs/cli.md gives to who keeps the books of a co-op.
func hledgerRules(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile("(?s)```hledger\n(.+?)```").FindStringSubmatch(read(t, "docs/cli.md"))
	if found == nil {
		t.Fatal("docs/cli.md has no rules for hledger")
	}
	return found[1]
}

// TestBooks: with the rules of docs/cli.md hledger finds the balances that `coop
// ledger` shows, whatever became of payments and requests.
func TestBooks(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana", "hour", "euro")
	code, err := ana.Invite(t.Context(), 1, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	bo := nodetest.Join(t, street, code.Code, "Bo")
	street.Meet(ana, bo)
	bo.Await("admitted", func(v node.View) bool { return v.Joined && v.Me.ID != (record.ID{}) })
	do := func(id record.ID, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		nodetest.AwaitSame(ana, bo)
		return id.String()
	}
	pay := func(who, amount string) string {
		return do(ana.Pay(t.Context(), node.Payment{Who: who, Amount: amount}))
	}
	ask := func(amount string) string {
		return do(bo.Request(t.Context(), node.Payment{Who: "Ana", Amount: amount}))
	}
	taken := pay("Bo", "8 euro")
	do(bo.Accept(t.Context(), taken, ""))
	do(bo.Reverse(t.Context(), taken, "1.50 euro", ""))
	do(ana.Accept(t.Context(), ask("2 hour"), ""))
	do(ana.Decline(t.Context(), ask("16 euro"), ""))
	ask("4 euro")
	do(bo.Decline(t.Context(), pay("Bo", "32 hour"), ""))
	do(ana.Cancel(t.Context(), pay("Bo", "0.25 euro"), ""))
	pay("Bo", "0.50 euro")
	pay("treasury", "16 euro")
	line := do(ana.OpenProposal(t.Context(), node.Proposal{Title: "Mill", Effects: []string{"budget:Bo,6 euro,mill,2,30"}}))
	do(ana.Vote(t.Context(), line, "yes", ""))
	do(ana.PayInstalment(t.Context(), line, 0, "", "", false))

	home := filepath.Dir(ana.Home.StoreDir())
	ana.Close()
	ledger := printed(t, home, "ledger")
	_, books := hledger(t, ledger)
	want := map[string]bool{}
	for row := range strings.Lines(ledger) {
		if cells := strings.Split(strings.TrimSuffix(row, "\n"), "\t"); len(cells) == 6 {
			want[fmt.Sprintf("members:%s %s %s", cells[0], cells[1], cells[2])] = cells[1] != "0.00"
		}
	}
	got := map[string]bool{}
	rows, err := csv.NewReader(strings.NewReader(books)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1 : len(rows)-1] {
		for sum := range strings.SplitSeq(row[1], ", ") {
			got[row[0]+" "+sum] = true
		}
	}
	maps.DeleteFunc(want, func(_ string, is bool) bool { return !is })
	if len(want) != 5 || !maps.Equal(got, want) {
		t.Errorf("hledger finds %q, and `coop ledger` shows %q:\n%s", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)), ledger)
	}
}

// hledger returns the notes and the balances that hledger reads.
func hledger(t *testing.T, ledger string) (notes []string, balances string) {
	t.Helper()
	if _, err := exec.LookPath("hledger"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("hledger is not installed: apt-get install hledger")
		}
		t.Skip("hledger is not installed: apt-get install hledger")
	}
	dir := t.TempDir()
	file, rules := filepath.Join(dir, "ledger.tsv"), filepath.Join(dir, "rules")
	for name, text := range map[string]string{file: ledger, rules: hledgerRules(t)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		c := exec.Command("hledger", append([]string{"-f", file, "--rules-file", rules}, args...)...)
		c.Env = append(os.Environ(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("hledger %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	var payments []struct{ Tdescription string }
	if err := json.Unmarshal([]byte(run("print", "-O", "json")), &payments); err != nil {
		t.Fatal(err)
	}
	for _, p := range payments {
		notes = append(notes, p.Tdescription)
	}
	slices.Sort(notes)
	return notes, run("balance", "-O", "csv")
}
