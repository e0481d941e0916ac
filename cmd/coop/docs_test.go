package main_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	coop "coop/cmd/coop"
	"coop/node"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section returns what stands under a heading.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}

// block is fenced lines, and the paragraph before them.
type block struct {
	before string
	lines  []string
}

func blocks(text string) (all []block) {
	parts := strings.Split(text, "```")
	for i := 1; i < len(parts); i += 2 {
		paragraphs := strings.Split(strings.TrimSpace(parts[i-1]), "\n\n")
		all = append(all, block{paragraphs[len(paragraphs)-1], strings.Split(strings.Trim(parts[i], "\n"), "\n")})
	}
	return all
}

// stage plays shell lines on the computers of people.
type stage struct {
	t    *testing.T
	dir  string
	code string // the last invite code that was printed
}

// run plays lines in one shell on the computer of somebody and returns what they
// printed.
func (s *stage) run(who string, lines ...string) string {
	s.t.Helper()
	script := "set -eu\n" + strings.Join(lines, "\n")
	c := s.command(who, "sh", "-c", script)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		s.t.Fatalf("on the computer of %s: %v\n%s\n%s%s", who, err, script, out, &errs)
	}
	return string(out)
}

func (s *stage) command(who, name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = s.dir
	c.Env = append(os.Environ(), "COOP_HOME="+filepath.Join(s.dir, who), "HOME=/no-home")
	return c
}

// stay keeps a command that uses the network on this computer.
func stay(command string) string { return command + " --no-mdns --listen 127.0.0.1:0" }

// play plays one block: all commands that end, and then the node, if it starts
// one.
func (s *stage) play(who string, b block) {
	s.t.Helper()
	var lines []string
	for _, l := range b.lines {
		l, ok := strings.CutPrefix(l, "$ ")
		if !ok {
			s.t.Fatalf("no command: %q", l)
		}
		l, _, _ = strings.Cut(l, " #")
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "bin/coop join ") {
			l = stay(l)
		}
		if strings.HasPrefix(l, "bin/coop join - ") { // which asks for the code
			l = "echo " + s.code + " | " + l
		}
		lines = append(lines, l)
	}
	last := len(lines) - 1
	ups := lines[last] == "bin/coop up"
	if ups {
		lines = lines[:last]
	}
	if slices.Contains(lines, "bin/coop up") {
		s.t.Fatalf("what comes after `up` in one block is never run: %q", lines)
	}
	if code := regexp.MustCompile(`(?m)^coop1[a-z2-7]+$`).FindString(s.run(who, lines...)); code != "" {
		s.code = code
	}
	if ups {
		c := s.command(who, "sh", "-c", "exec "+stay("bin/coop up"))
		if err := start(c); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { stop(c) })
	}
}

// newStage is a folder with the program in bin, as make leaves it.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, dir: shortDir(t)}
	if err := os.Mkdir(filepath.Join(s.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program(t), filepath.Join(s.dir, "bin", "coop")); err != nil {
		t.Fatal(err)
	}
	return s
}

var onComputer = regexp.MustCompile(`On (\w+)'s computer`)

// TestReadme does what README.md tells people to do, on the computers it tells
// of.
func TestReadme(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	who, played := "Ana", 0
	for _, b := range blocks(section(t, read(t, "README.md"), "Start a co-op")) {
		if on := onComputer.FindStringSubmatch(b.before); on != nil {
			who = on[1]
		}
		s.play(who, b)
		played += len(b.lines)
	}
	if played < 9 {
		t.Errorf("played %d commands: the README has fewer than it had", played)
	}
	// What it says of Bo has come true.
	out := s.run("Ana", "bin/coop member list", "bin/coop ledger", "bin/coop listing list")
	for _, want := range []string{"\tBo\tmember\t", "\tAna\tBo\t1.50 hour\t", "\tBrown bread\t2.20 euro/piece\t"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in:\n%s", want, out)
		}
	}
}

// TestCommandsExist looks up every command that the documents name.
func TestCommandsExist(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	named := regexp.MustCompile("`(?:bin/)?coop ([a-z][a-z-]*(?: [a-z][a-z-]*)?)")
	seen := map[string]bool{}
	for _, path := range []string{"README.md", "docs/cli.md"} {
		for _, m := range named.FindAllStringSubmatch(read(t, path), -1) {
			if !seen[m[1]] {
				seen[m[1]] = true
				s.run("Ana", "bin/coop help "+m[1])
			}
		}
	}
	if len(seen) < 5 {
		t.Errorf("found only %d commands", len(seen))
	}
}

// TestCodesOffTheCommandLine: no text tells people to type a code where all users of
// the computer can see it.
func TestCodesOffTheCommandLine(t *testing.T) {
	for _, dir := range []string{"cmd", "ui", "node", "sync", "crdt", "docs", "README.md", "CHANGELOG.md"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".md") && !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte("coop join CODE")) {
				t.Errorf("%s says to type the code", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestExitStatusTable(t *testing.T) {
	var documented [][]string
	for _, m := range regexp.MustCompile(`(?m)^\| ([0-9]+) \| (.*) \|$`).FindAllStringSubmatch(read(t, "docs/cli.md"), -1) {
		documented = append(documented, m[1:])
	}
	var told [][]string
	for l := range strings.Lines(coop.ExitCodesText) {
		status, meaning, _ := strings.Cut(l, " ")
		told = append(told, []string{status, strings.TrimSpace(meaning)})
	}
	if !slices.EqualFunc(documented, told, slices.Equal[[]string]) {
		t.Errorf("docs/cli.md says\n%q, the program\n%q", documented, told)
	}
}

// forms returns how effects are typed.
func forms(effects string) (all []string) {
	for l := range strings.Lines(effects) {
		l = strings.TrimSuffix(l, "\n")
		if form, _, _ := strings.Cut(l, "  "); strings.Contains(form, ":") {
			all = append(all, form)
		}
	}
	return all
}

// TestEffectsTable opens a proposal of every form of effect that docs/cli.md
// lists.
func TestEffectsTable(t *testing.T) {
	t.Parallel()
	documented := strings.Join(blocks(section(t, read(t, "docs/cli.md"), "Effects of proposals"))[0].lines, "\n")
	if documented != node.Effects {
		t.Errorf("docs/cli.md lists\n%s\nthe program\n%s", documented, node.Effects)
	}
	s := newStage(t)
	s.run("Ana", `bin/coop found --name "Willow Street" --as Ana --unit hour --quiet`)
	s.play("Ana", block{lines: []string{"$ bin/coop up"}})
	code := strings.TrimSpace(s.run("Ana", "bin/coop invite --uses 3"))
	for _, name := range []string{"Bo", "Chi", "Dee"} {
		s.run(name, stay("bin/coop join "+code+" --as "+name+" --wait 30s"))
	}
	fill := strings.NewReplacer("NAME,NAME", "Bo,Chi", "NAME", "Bo", "OFFICE", "treasurer", "CARD", "zzzzzzzz",
		"AMOUNT UNIT", "12.50 hour", "FOR", "roof", "[,PARTS,DAYS]", ",3,30", "CLAUSE=VALUE", "quorum=40")
	// Where the form is fine but the co-op is not such that it could take place.
	want := map[string]int{"recover:NAME,CARD": 3, "readmit:NAME": 5, "office:NAME,-OFFICE": 5, "budget-end:PROPOSAL[,LINE]": 5}
	for _, form := range forms(documented) {
		if form == "office:NAME,OFFICE" { // from here on they are members
			s.run("Ana", `bin/coop vote "$(bin/coop member propose Bo Chi)" yes`)
		}
		typed := fill.Replace(form)
		if form == "expel:NAME" {
			typed = "expel:Dee" // a member only by three others
		}
		if strings.Contains(form, "PROPOSAL") {
			typed = "budget-end:" + s.run("Ana", "bin/coop proposal open --title Y --quiet")
		}
		c := s.command("Ana", "bin/coop", "proposal", "open", "--title", "X", "--effect", strings.TrimSpace(typed))
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		status := 0
		if errors.As(err, &exit) {
			status = exit.ExitCode()
		}
		if status != want[form] {
			t.Errorf("--effect %q: exit status %d, want %d: %s", typed, status, want[form], out)
		}
	}
}

// TestStatusFields wants every field that docs/cli.md promises of a status.
func TestStatusFields(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run("Ana", `bin/coop found --name "Willow Street" --as Ana --quiet`)
	_, rest, ok := strings.Cut(read(t, "docs/cli.md"), "`coop status --json` has at least ")
	list, _, _ := strings.Cut(rest, ".")
	fields := regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(list, -1)
	if !ok || len(fields) < 5 {
		t.Fatalf("found %d fields", len(fields))
	}
	out := s.run("Ana", "bin/coop status --json")
	for _, f := range fields {
		if _, err := lookup(out, f[1]); err != nil {
			t.Error(err)
		}
	}
}

// TestThreats holds that every test that docs/security.md names is there.
func TestThreats(t *testing.T) {
	named := regexp.MustCompile("`([a-z0-9/]+) ((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(read(t, "docs/security.md"), -1)
	if len(named) < 50 {
		t.Fatalf("only %d tests are named", len(named))
	}
	for _, m := range named {
		files, err := filepath.Glob(filepath.Join("..", "..", m[1], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(f string) bool {
			b, err := os.ReadFile(f)
			return err == nil && bytes.Contains(b, []byte("func "+m[2]+"("))
		}) {
			t.Errorf("there is no %s in %s", m[2], m[1])
		}
	}
}
