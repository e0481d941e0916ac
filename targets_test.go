// This test holds that what the documents name is there and runs in `make check`.
package coop_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// makefile returns what each target needs, and the lines it runs.
func makefile(t *testing.T) (needs, runs map[string][]string) {
	t.Helper()
	b, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	needs, runs = map[string][]string{}, map[string][]string{}
	target := ""
	for line := range strings.Lines(string(b)) {
		if m := regexp.MustCompile(`^([a-z]+):([^=#]*)`).FindStringSubmatch(line); m != nil {
			target = m[1]
			needs[target] = strings.Fields(m[2])
		} else if strings.HasPrefix(line, "\t") && target != "" {
			runs[target] = append(runs[target], strings.TrimSpace(line))
		}
	}
	return needs, runs
}

// TestTargetsRun: every target of the Makefile, and so every one that a document
// names, is run by `make check`, at least in small.
func TestTargetsRun(t *testing.T) {
	needs, runs := makefile(t)
	ran := []string{"clean", "check"} // clean takes away what was built
	for todo := []string{"check"}; len(todo) > 0; todo = todo[1:] {
		next := slices.Clone(needs[todo[0]])
		for _, line := range runs[todo[0]] {
			for _, m := range regexp.MustCompile(`\$\(MAKE\) ([a-z]+)`).FindAllStringSubmatch(line, -1) {
				next = append(next, m[1])
			}
		}
		ran, todo = append(ran, next...), append(todo, next...)
	}
	for target := range needs {
		if !slices.Contains(ran, target) {
			t.Errorf("`make check` does not come to `make %s`", target)
		}
	}
	for _, line := range runs["small"] {
		if !strings.HasPrefix(line, "timeout ") {
			t.Errorf("%q has no end", line)
		}
	}
	for _, doc := range documents(t) {
		b, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?:`|\n    |\n)make ([a-z]+)").FindAllStringSubmatch(string(b), -1) {
			if _, there := needs[m[1]]; !there {
				t.Errorf("%s names `make %s`, which is not there", doc, m[1])
			}
		}
	}
}

func documents(t *testing.T) []string {
	t.Helper()
	top, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	below, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(top, below...)
}
