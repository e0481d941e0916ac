package coop_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	mutate     = flag.String("mutate", "", "break the rules whose package and words match this expression, one by one; . is all")
	mutatePage = flag.Bool("mutate-page", true, "write into the page what was seen")
	mutateTest = flag.String("mutate-test", "", "run these tests of the package, not the one that the table names: to look for one")
)

const (
	mutationsFile = "testdata/mutations.txt"
	mutationsDoc  = "docs/mutations.md"
	mutationsSeen = "bin/mutations" // what was seen red on which source: a run that was cut goes on
)

// mutation is a rule, one way to break it, and the test that must notice.
type mutation struct {
	section string // of PROTOCOL.md
	rule    string
	file    string
	old     []string // lines that stand in the file once, whatever is before and behind them
	new     []string
	pkg     string
	tests   string // an expression for -run
	seen    string // the file that says that it was seen red on the source as it is
}

// mutations reads the table. A block is
//
//	rule
//	file
//	- old line
//	+ new line
//	package tests
//
// with any number of old and new lines, and an empty line behind it. A line that
// begins with # names the section of PROTOCOL.md that those below it are of.
func mutations(t *testing.T) (all []mutation) {
	t.Helper()
	b, err := os.ReadFile(mutationsFile)
	if err != nil {
		t.Fatal(err)
	}
	section := ""
	for block := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
		if name, ok := strings.CutPrefix(block, "# "); ok {
			section = name
			continue
		}
		lines := strings.Split(block, "\n")
		m := mutation{section: section, rule: lines[0]}
		if len(lines) < 4 {
			t.Fatalf("%s: a block is too short:\n%s", mutationsFile, block)
		}
		m.file = lines[1]
		for _, l := range lines[2 : len(lines)-1] {
			switch {
			case strings.HasPrefix(l, "-"):
				m.old = append(m.old, strings.TrimPrefix(l[1:], " "))
			case strings.HasPrefix(l, "+"):
				m.new = append(m.new, strings.TrimPrefix(l[1:], " "))
			default:
				t.Fatalf("%s: %q is no old and no new line", mutationsFile, l)
			}
		}
		m.pkg, m.tests, _ = strings.Cut(lines[len(lines)-1], " ")
		all = append(all, m)
	}
	return all
}

// broken returns the file with the rule broken.
func (m mutation) broken() ([]byte, error) {
	b, err := os.ReadFile(m.file)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, l := range m.old {
		lines = append(lines, regexp.QuoteMeta(strings.TrimSpace(l)))
	}
	found := regexp.MustCompile(strings.Join(lines, `\n\s*`)).FindAllIndex(b, -1)
	if len(found) != 1 {
		return nil, fmt.Errorf("%s: the old lines stand there %d times, not once:\n%s", m.file, len(found), strings.Join(m.old, "\n"))
	}
	return slices.Concat(b[:found[0][0]], []byte(strings.Join(m.new, "\n")), b[found[0][1]:]), nil
}

// TestMutationsMatch keeps the table from rotting: what it breaks is there, and so
// are the tests.
func TestMutationsMatch(t *testing.T) {
	all := mutations(t)
	seen := map[string]bool{}
	for _, m := range all {
		if seen[m.rule] {
			t.Errorf("the rule %q is there twice", m.rule)
		}
		seen[m.rule] = true
		if _, err := m.broken(); err != nil {
			t.Errorf("%s: %v", m.rule, err)
		}
		if !m.hasTest(t) {
			t.Errorf("%s: there is no test %s in %s", m.rule, m.tests, m.pkg)
		}
	}
}

// TestMutationsPage: the page in docs lists the rules of the table, no more and no
// fewer, and says which of them no run has seen red yet.
func TestMutationsPage(t *testing.T) {
	doc, err := os.ReadFile(mutationsDoc)
	if err != nil {
		t.Fatal(err)
	}
	all := mutations(t)
	days, whole := readPage(string(doc))
	if string(doc) != mutationsPage(all, days, whole) {
		t.Errorf("%s is not what %s makes: run `make mutate`", mutationsDoc, mutationsFile)
	}
}

func (m mutation) hasTest(t *testing.T) bool {
	files, err := filepath.Glob(filepath.Join(m.pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	top, _, _ := strings.Cut(m.tests, "/")
	run := regexp.MustCompile(top)
	return slices.ContainsFunc(files, func(f string) bool {
		b, _ := os.ReadFile(f)
		return slices.ContainsFunc(regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(b, -1), func(f [][]byte) bool {
			return run.Match(f[1])
		})
	})
}

// mutationsPage is the page about rules, each of which was found out when it was
// broken, with the day on which that was seen last.
func mutationsPage(all []mutation, days map[string]string, whole string) string {
	seen := 0
	for _, m := range all {
		if days[m.row()] != "" {
			seen++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Every rule broken once

`+"`make mutate`"+` breaks each rule below once, in a copy of the source, and runs the test beside it, which must go
red. Of %d rules %d did, on the day beside them: a day is written down here by the run that has seen it, and a run
need not be of all (`+"`make mutate RULES='double spend'`"+`). A run that was cut goes on where it was: what was seen red on
the same source is not run again. What is broken how stands in %s.

%s
`, len(all), seen, "`"+mutationsFile+"`", whole)
	section := ""
	for _, m := range all {
		if m.section != section {
			section = m.section
			fmt.Fprintf(&b, "\n## %s\n\n| Rule, broken | In | Noticed by | Seen |\n|---|---|---|---|\n", section)
		}
		fmt.Fprintf(&b, "%s %s |\n", m.row(), cmp.Or(days[m.row()], "not yet"))
	}
	return b.String()
}

// row is the rule's line on the page, without the day.
func (m mutation) row() string {
	return fmt.Sprintf("| %s | `%s` | `%s %s` |", m.rule, m.file, m.pkg, strings.NewReplacer("^", "", "$", "", "|", " ").Replace(m.tests))
}

// readPage returns the day of each row of the page, and the line about the last run
// of all.
func readPage(doc string) (days map[string]string, whole string) {
	days, whole = map[string]string{}, "There was no run of all yet."
	for _, l := range regexp.MustCompile(`(?m)^(\|.*\|) (\d{4}-\d\d-\d\d) \|$`).FindAllStringSubmatch(doc, -1) {
		days[l[1]] = l[2]
	}
	if l := regexp.MustCompile(`(?m)^The last run of all.*$`).FindString(doc); l != "" {
		whole = l
	}
	return days, whole
}

// writePage adds to the page what this run has seen.
func writePage(t *testing.T, all, ran []mutation, began time.Time) {
	old, err := os.ReadFile(mutationsDoc)
	if err != nil {
		t.Fatal(err)
	}
	days, whole := readPage(string(old))
	today := time.Now().UTC().Format(time.DateOnly)
	for _, m := range ran {
		days[m.row()] = today
	}
	if len(ran) == len(all) {
		whole = fmt.Sprintf("The last run of all was on %s: %d rules in %s on %d cores.", today, len(all), time.Since(began).Round(time.Second), runtime.NumCPU())
	}
	if err := os.WriteFile(mutationsDoc, []byte(mutationsPage(all, days, whole)), 0o644); err != nil {
		t.Error(err)
	}
}

// sources returns a hash for each package of what its tests are made of: the
// project's own files that they depend on, and their test data.
func sources(t *testing.T, pkgs []string) map[string][]byte {
	t.Helper()
	of := map[string][]byte{}
	for _, pkg := range pkgs {
		list := exec.Command("go", "list", "-deps", "-test", "-f", "{{if not .Standard}}{{.Dir}}{{end}}", "./"+pkg)
		out, err := list.Output()
		if err != nil {
			t.Fatalf("go list %s: %v", pkg, err)
		}
		here, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		dirs := strings.Fields(string(out))
		slices.Sort(dirs)
		h := sha256.New()
		for _, dir := range slices.Compact(dirs) {
			if strings.HasPrefix(dir, here) {
				hashFolder(t, h, dir)
			}
		}
		hashFile(t, h, "go.sum")
		of[pkg] = h.Sum(nil)
	}
	return of
}

// hashFolder hashes the Go files of a folder and all of its testdata.
func hashFolder(t *testing.T, h hash.Hash, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch inData := strings.Contains(path, string(filepath.Separator)+"testdata"); {
		case err != nil:
			return err
		case d.IsDir() && path != dir && !inData:
			return filepath.SkipDir
		case !d.IsDir() && (inData || strings.HasSuffix(path, ".go")):
			hashFile(t, h, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func hashFile(t *testing.T, h hash.Hash, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(h, "%s %d\n", filepath.Base(path), len(b))
	h.Write(b)
}

func (m mutation) matches(wanted *regexp.Regexp) bool {
	return wanted.MatchString(m.pkg + " " + m.rule)
}

// TestMutations breaks the rules one by one and wants each noticed. The source
// stays as it is: the compiler is told to read another file in its place.
func TestMutations(t *testing.T) {
	if *mutate == "" {
		t.Skip("-mutate is not given: run `make mutate`")
	}
	began, all := time.Now(), mutations(t)
	wanted := regexp.MustCompile(*mutate)
	ran := slices.DeleteFunc(slices.Clone(all), func(m mutation) bool { return !m.matches(wanted) })
	todo := unseen(t, ran)
	t.Run("unbroken", func(t *testing.T) { testUnbroken(t, todo) })
	t.Run("broken", func(t *testing.T) {
		for _, m := range todo {
			t.Run(m.rule, func(t *testing.T) {
				t.Parallel()
				if m.run(t); !t.Failed() && *mutateTest == "" {
					note(t, m.seen)
				}
			})
		}
	})
	if *mutatePage && *mutateTest == "" {
		writePage(t, all, slices.DeleteFunc(ran, func(m mutation) bool { return !m.wasSeen() }), began)
	}
}

// unseen returns those rules that were not seen red on the source as it is, and
// fills in for all of them where that is noted.
func unseen(t *testing.T, rules []mutation) (todo []mutation) {
	t.Helper()
	var pkgs []string
	for _, m := range rules {
		pkgs = append(pkgs, m.pkg)
	}
	slices.Sort(pkgs)
	of := sources(t, slices.Compact(pkgs))
	for i, m := range rules {
		h := sha256.Sum256(fmt.Appendf(nil, "%+v %x", m, of[m.pkg]))
		rules[i].seen = filepath.Join(mutationsSeen, hex.EncodeToString(h[:16]))
		if !rules[i].wasSeen() || *mutateTest != "" {
			todo = append(todo, rules[i])
		}
	}
	return todo
}

func (m mutation) wasSeen() bool {
	_, err := os.Stat(m.seen)
	return err == nil
}

// note makes a file, and so says that a rule was seen red.
func note(t *testing.T, file string) {
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, nil, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// testUnbroken wants the same tests green while nothing is broken. The go tool
// remembers those that were.
func testUnbroken(t *testing.T, todo []mutation) {
	tests := map[string][]string{}
	for _, m := range todo {
		if !slices.Contains(tests[m.pkg], m.tests) && *mutateTest == "" {
			tests[m.pkg] = append(tests[m.pkg], m.tests)
		}
	}
	for pkg, of := range tests {
		if out, err := exec.Command("go", "test", "-vet=off", "./"+pkg, "-run", strings.Join(of, "|")).CombinedOutput(); err != nil {
			t.Errorf("%s is red although nothing is broken:\n%s", pkg, out)
		}
	}
}

func (m mutation) run(t *testing.T) {
	dir := t.TempDir()
	source, err := m.broken()
	if err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Abs(m.file)
	if err != nil {
		t.Fatal(err)
	}
	replaced := filepath.Join(dir, "broken.go")
	overlay, _ := json.Marshal(map[string]map[string]string{"Replace": {file: replaced}})
	for path, b := range map[string][]byte{replaced: source, filepath.Join(dir, "overlay"): overlay} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := m.tests
	if *mutateTest != "" {
		run = *mutateTest
	}
	// Programs that a test builds are broken alike.
	flags := "GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+filepath.Join(dir, "overlay"))
	binary := filepath.Join(dir, "test")
	build := exec.Command("go", "test", "-vet=off", "-ldflags=-s -w", "-c", "-o", binary, "./"+m.pkg)
	build.Env = append(os.Environ(), flags, "RAPID_NOFAILFILE=true") // nothing is left in the source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("it does not compile: %v\n%s", err, out)
	}
	test := exec.Command(binary, "-test.run", run, "-test.timeout", "2m", "-test.v")
	test.Dir, test.Env = m.pkg, build.Env
	out, err := test.CombinedOutput()
	switch {
	case !bytes.Contains(out, []byte("=== RUN")):
		t.Errorf("no test ran\n%s", out)
	case err == nil:
		t.Errorf("nobody noticed: %s %s is green", m.pkg, run)
	case *mutateTest != "":
		t.Logf("noticed by %q", regexp.MustCompile(`(?m)^--- FAIL: \w+`).FindAll(out, -1))
	}
}
