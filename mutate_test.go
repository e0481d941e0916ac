package coop_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	mutate     = flag.String("mutate", "", "break the rules whose package and words match this expression, one by one; . is all")
	mutateTest = flag.String("mutate-test", "", "run these tests of the package, not the one that the table names: to look for one")
)

const (
	mutationsFile = "testdata/mutations.txt"
	mutationsDoc  = "docs/mutations.md"
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
// fewer.
func TestMutationsPage(t *testing.T) {
	doc, err := os.ReadFile(mutationsDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(doc) != mutationsPage(mutations(t)) {
		t.Errorf("%s is not what %s makes: run `make mutate`, or those that are new with -mutate", mutationsDoc, mutationsFile)
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
// broken.
func mutationsPage(all []mutation) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Every rule broken once

`+"`make mutate`"+` breaks each rule below once, in a copy of the source, and runs the test beside it, which must go
red. All %d rules here did: a rule is written down here by the run that has seen it, and a run need not be of all. What is
broken how stands in %s.
`, len(all), "`"+mutationsFile+"`")
	section := ""
	for _, m := range all {
		if m.section != section {
			section = m.section
			fmt.Fprintf(&b, "\n## %s\n\n| Rule, broken | In | Noticed by |\n|---|---|---|\n", section)
		}
		b.WriteString(m.row())
	}
	return b.String()
}

func (m mutation) row() string {
	return fmt.Sprintf("| %s | `%s` | `%s %s` |\n", m.rule, m.file, m.pkg, strings.NewReplacer("^", "", "$", "", "|", " ").Replace(m.tests))
}

// writePage adds to the page what this run has seen.
func writePage(t *testing.T, all []mutation, wanted *regexp.Regexp) {
	old, err := os.ReadFile(mutationsDoc)
	if err != nil {
		t.Fatal(err)
	}
	seen := slices.DeleteFunc(slices.Clone(all), func(m mutation) bool {
		return !m.matches(wanted) && !bytes.Contains(old, []byte(m.row()))
	})
	if err := os.WriteFile(mutationsDoc, []byte(mutationsPage(seen)), 0o644); err != nil {
		t.Error(err)
	}
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
	all := mutations(t)
	wanted := regexp.MustCompile(*mutate)
	t.Run("unbroken", func(t *testing.T) { testUnbroken(t, all, wanted) })
	t.Run("broken", func(t *testing.T) {
		for _, m := range all {
			if m.matches(wanted) {
				t.Run(m.rule, func(t *testing.T) {
					t.Parallel()
					m.run(t)
				})
			}
		}
	})
	if *mutateTest == "" && !t.Failed() {
		writePage(t, all, wanted)
	}
}

// testUnbroken wants the same tests green while nothing is broken. The go tool
// remembers those that were.
func testUnbroken(t *testing.T, all []mutation, wanted *regexp.Regexp) {
	tests := map[string][]string{}
	for _, m := range all {
		if m.matches(wanted) && !slices.Contains(tests[m.pkg], m.tests) && *mutateTest == "" {
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
