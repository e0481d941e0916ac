package main_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	coop "coop/cmd/coop"
	"coop/crdt/listing"
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

// hledgerRules say what stands where in `coop ledger`: the rows of balances above
// the payments have a number where those have a time.
const hledgerRules = `
fields id, from, to, sum, state, when, note, rest
date %when
date-format %Y-%m-%dT%H:%M:%SZ
description %note
account1 members:%from
account2 members:%to
amount -%sum
if %when ^[-0-9.]+$
 skip
`

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
	for name, text := range map[string]string{file: ledger, rules: hledgerRules} {
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
